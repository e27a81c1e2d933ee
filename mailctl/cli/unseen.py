"""What is typed without echo stays unseen when the question was put aside with Ctrl-Z and is taken up again."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def unseen(question: str, off: int) -> Iterator[None]:
    """Hide again what is typed, and ask again, whenever the process goes on after it was stopped.

    A shell that gets the terminal back restores its own mode, with echo, and leaves it so at `fg`. question: as it
    stands on the terminal. off: the local modes (`c_lflag`, termios(3)) that a person's typing needs off.
    """
    import signal
    import termios
    import threading

    handle = _terminal() if threading.current_thread() is threading.main_thread() else None  # others hear no signals
    if handle is None:
        yield
        return

    def hide(signum: int, frame: object) -> None:
        with suppress(termios.error, OSError):  # in the background: it is stopped, and asked again in the foreground
            mode = termios.tcgetattr(handle)
            mode[3] &= ~off
            termios.tcsetattr(handle, termios.TCSADRAIN, mode)
            os.write(handle, question.encode("utf-8", "replace"))

    before = signal.signal(signal.SIGCONT, hide)
    try:
        yield
    finally:
        signal.signal(signal.SIGCONT, before)
        os.close(handle)


def _terminal() -> int | None:
    """The terminal of the process, open; None if it has none."""
    try:
        return os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None
