"""One process at a time gets a new token for a login; the others wait for what it gets."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from mailctl.errors import LockedError, StorageError


@contextmanager
def locked(path: Path, seconds: float) -> Iterator[None]:
    """Hold the lock file at `path`, waiting at most `seconds`; LockedError after that. A process that dies lets go."""
    import fcntl

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StorageError(f"The folder {str(path.parent)!r} can't be written: {error.strerror}") from error
    try:
        end = monotonic() + seconds
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if monotonic() >= end:
                    raise LockedError(
                        "Another mailctl is getting a token for the same login, and isn't done", hint="Try again later."
                    ) from error
                sleep(0.05)
        yield
    finally:
        os.close(handle)
