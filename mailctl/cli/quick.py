"""What schedulers run every minute, without the parser: reading its options is a third of a sync with nothing to do.

Only words that the parser would take in just so; all others, mistakes and --help among them, are the parser's.
"""

from mailctl.cli.context import Context

_COMMON = {"--json": "json", "--quiet": "quiet", "--no-input": "no_input"}


def run_quickly(context: Context, argv: list[str]) -> bool:
    """Run `argv` if it is `sync` with names, --all and common options alone; whether it was."""
    command, *words = argv or [""]
    names = tuple(word for word in words if not word.startswith("-"))
    options = {word for word in words if word.startswith("-")}
    if command != "sync" or not all(names) or not options <= {"--all", *_COMMON}:
        return False
    from mailctl.cli.sync_run import Wanted, run_sync

    context.command = command
    for option in options & _COMMON.keys():
        context.set_option(_COMMON[option], True)
    run_sync(context, Wanted(names=names, every="--all" in options))
    return True
