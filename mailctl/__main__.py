"""The one place where an error becomes an exit code."""

import os
import sys

from mailctl import __version__

TYPE_CHECKING = False  # as in typing, whose import would take longer than all of `mailctl --version`
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TextIO


def main(
    argv: "Sequence[str]",
    *,
    stdin: "TextIO | None" = None,
    stdout: "TextIO | None" = None,
    stderr: "TextIO | None" = None,
    env: "Mapping[str, str] | None" = None,
) -> int:
    """Run one command line (without the program's name) and return its exit code.

    Streams and environment default to the process's.
    """
    stdin, stdout, stderr = stdin or sys.stdin, stdout or sys.stdout, stderr or sys.stderr
    if list(argv) == ["--version"]:
        stdout.write(f"mailctl {__version__}\n")
        return 0
    from mailctl.cli.run import run_command

    return run_command(list(argv), stdin, stdout, stderr, os.environ if env is None else env)


def run() -> None:
    """Entry point of the process; a closed pipe ends quietly."""
    if sys.argv[1:] != ["--version"]:
        _prepare()
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader went away; nobody is left to be told
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 130
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _prepare() -> None:
    """No core dumps, since they would hold passwords; SIGTERM ends like Ctrl-C."""
    import signal

    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        pass

    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


if __name__ == "__main__":
    run()
