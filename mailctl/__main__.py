"""The one place where an error becomes an exit code."""

import gc
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
    _mend_streams()
    if sys.argv[1:] != ["--version"]:
        _prepare()
    code = 0
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader went away; nobody is left to be told
        _drop_output()
        code = 130
    except OSError as error:  # what was printed can't be kept: a full disk behind stdout
        _drop_output()
        if code != 10:  # else the command has said so itself
            _complain(f"error: the output can't be written: {error.strerror}\n")
        code = 10
    except KeyboardInterrupt:
        code = 130
    except RuntimeError as error:  # what Python 3.11 makes of one that strikes while a class is being made
        if not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        code = 130
    _end(code)


def _end(code: int) -> None:
    """End the process; taking apart what was imported, or looking for garbage once more, takes a tenth of a command."""
    import atexit

    gc.freeze()
    threading = sys.modules.get("threading")
    if threading and any(not each.daemon for each in threading.enumerate() if each is not threading.main_thread()):
        _ignore_signals()
        sys.exit(code)  # which waits for them
    try:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError, KeyboardInterrupt):  # the usual way does what it can
        sys.exit(code)
    os._exit(code)


def _ignore_signals() -> None:
    """What still runs keeps a token or a message that is had already; another Ctrl-C would cut it in two."""
    import signal

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _mend_streams() -> None:
    """Streams that the caller closed are empty; what an old character set lacks is written as an escape."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - for as long as the process lives
    if sys.stdout.encoding != "utf-8":
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # the process's own is a file


def _drop_output() -> None:
    """What is still unwritten goes nowhere, or the interpreter would complain about it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(text: str) -> None:
    try:
        sys.stderr.write(text)
    except OSError:  # nor can that be told
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _prepare() -> None:
    """No core dumps, since they would hold passwords; SIGTERM ends like Ctrl-C; garbage is collected less often."""
    import signal

    from mailctl.cli.garbage import starting
    from mailctl.cli.late import late

    starting()
    late()

    class Interrupted(KeyboardInterrupt):
        """CPython notes when its own passes through an `exec` (a dataclass is made so) and dies of it in the end."""

    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        pass

    def interrupt(signum: int, frame: object) -> None:
        raise Interrupted

    signal.signal(signal.SIGTERM, interrupt)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else who started this had it ignored
        signal.signal(signal.SIGINT, interrupt)


if __name__ == "__main__":
    run()
