"""The one place where an error becomes an exit code."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

from mailctl import __version__


def main(
    argv: Sequence[str],
    *,
    stdin: TextIO | None = None,
    stdout: TextIO | None = None,
    stderr: TextIO | None = None,
    env: Mapping[str, str] | None = None,
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
    """Entry point of the process: no core dumps, SIGTERM ends like Ctrl-C, a closed pipe ends quietly."""
    import signal

    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold passwords
    except (ImportError, OSError, ValueError):
        pass

    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader went away; nobody is left to be told
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 130
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    run()
