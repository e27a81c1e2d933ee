"""`mailctl watch`: keep gateways synced, as it happens."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from mailctl.cli.chosen import side_by_side
from mailctl.cli.context import Context
from mailctl.cli.lazy import App
from mailctl.domain.event import Event
from mailctl.errors import UsageError

app = App()
RESULTS: dict[str, Any] = {"watch": Event}


@app.verb()
def watch(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[GATEWAY]...", help="What to watch; the default, or only, gateway.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Watch every gateway that is enabled.")] = False,
    command: Annotated[
        str,
        typer.Option(
            "--exec",
            metavar="COMMAND",
            help="Run this after changes (no shell); $MAILCTL_GATEWAYS names the gateways.",
        ),
    ] = "",
    jobs: Annotated[
        int | None, typer.Option(metavar="N", help="Syncs at a time; by default `jobs` of config.toml, or 8.")
    ] = None,
) -> None:
    """Keep gateways synced: sync when the server tells of changes, and at each gateway's interval.

    It runs until Ctrl-C or SIGTERM, which let the step in hand end. SIGHUP lets it read the configuration again. What
    happens is told on stderr, a line an event; with --json, on stdout, one object a line. A gateway whose sign-in is
    refused is given up at once, so that no account is locked, until the configuration is read again.
    """
    from mailctl.cli.watching import Watching

    context = Context.of(ctx)
    if every and names:
        raise UsageError("--all and names exclude each other")
    Watching(context, tuple(names or ()), every, side_by_side(context, jobs), exec_words(command, context.env)).run()


def exec_words(command: str, env: Mapping[str, str]) -> list[str]:
    """The words of an `--exec` command, [] for "".

    UsageError if there are none, a quote is left open, or there is no such program.
    """
    if not command:
        return []
    import shlex
    import shutil

    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--exec {command!r} can't be read: {error}") from None
    if not words:
        raise UsageError("--exec needs a command")
    if shutil.which(words[0], path=env.get("PATH")) is None:
        raise UsageError(
            f"--exec: there is no program {words[0]!r} that can be run",
            hint="Name it with its whole path; several commands go into a script.",
        )
    return words
