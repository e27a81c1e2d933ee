"""The lock of a gateway: one process at a time syncs it, one watches it."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from mailctl.errors import LockedError
from mailctl.sync.local.files import private_directory


class Lock:
    """Keeps a second run for the same gateway out while it is held. A dead process holds nothing.

    who: what the second run is told ("process 12 on host h, since …").
    """

    def __init__(self, path: Path, gateway: str, who: Callable[[], str]) -> None:
        self._path, self._gateway, self._who = path, gateway, who
        self._fd = -1

    def __enter__(self) -> Self:
        import fcntl

        private_directory(self._path.parent)
        while True:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_at_path(fd):
                    break
            except BlockingIOError as error:
                holder = os.pread(fd, 200, 0).decode("utf-8", "replace").strip() or "another process"
                os.close(fd)
                raise LockedError(
                    f"{self._gateway} is in use by {holder}", hint="Wait for it to end, then run it again."
                ) from error
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)  # the file was removed (the gateway renamed) between the two calls
        self._fd = fd
        with suppress(OSError):  # only tells others who holds it; a full disk is met where it matters
            os.ftruncate(fd, 0)
            os.pwrite(fd, self._who().encode(), 0)
        return self

    def _is_at_path(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), os.stat(self._path))
        except FileNotFoundError:
            return False

    def __exit__(self, *error: object) -> None:
        os.close(self._fd)


def held(path: Path) -> bool:
    """Whether a process holds the lock at `path` at the moment."""
    import fcntl

    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:  # whoever takes it says what is wrong with it
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(fd)
    return False
