"""The temporary folder below which everything of the servers lies: `Workspace`."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Self

from .process import service_user

_LOCK = ".mailctl-tests.lock"
_ABANDONED = 3600  # seconds; younger folders may be just being made


class Workspace:
    """A folder `/tmp/mXXXXXXXX` that the servers' account can pass through; a context manager that removes it.

    Not pytest's: that one is closed to other accounts, and too long for Unix sockets (108 bytes, unix(7)). The length
    of the path is always the same, which `dovecot_programs` relies on. What killed tests left is removed by later ones.
    """

    def __init__(self) -> None:
        _remove_abandoned()
        self.root = Path(tempfile.mkdtemp(prefix="m", dir="/tmp"))
        self.root.chmod(0o755)
        self.user = service_user()
        self._lock = os.open(self.root / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._count = 0

    def folder(self, name: str) -> Path:
        """A new folder `name-N` that belongs to the servers' account."""
        self._count += 1
        path = self.root / f"{name}-{self._count}"
        path.mkdir(mode=0o755)
        if os.getuid() == 0:
            os.chown(path, self.user.uid, self.user.gid)
        return path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        os.close(self._lock)


def _remove_abandoned() -> None:
    """Remove the folders of tests that were killed: old, ours, and locked by nobody."""
    for lock in Path("/tmp").glob(f"m????????/{_LOCK}"):
        folder = lock.parent
        with contextlib.suppress(OSError):  # another's folder, or one that goes at this moment
            if folder.stat().st_uid != os.getuid() or time.time() - folder.stat().st_mtime < _ABANDONED:
                continue
            descriptor = os.open(lock, os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)
