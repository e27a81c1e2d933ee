"""Makes files that came whole durable, batch by batch, in the cheapest way that reports what could not be written.

Few files: each is fsynced through the descriptor that wrote it. Many: one `syncfs` for all of them, on file systems and
kernels that report write errors by it (Linux 5.8 or newer; errseq of the superblock); it also writes what other
programs left unwritten, so where that takes long, and where there is no such `syncfs`, a few threads fsync instead.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from mailctl.sync.local.files import Files

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

FEW = 16
"""Files that are fsynced one by one, since `syncfs` waits for what others wrote too; so many descriptors stay open."""
THREADS = 8
_WAITING = 64
"""Files, with their descriptors, that may wait for the threads."""
_PATIENCE = 0.5
_SLOWEST = 10e6
"""A syncfs that takes longer than _PATIENCE seconds and one more for each so many octets wrote others' data."""
_REPORTING = frozenset({0xEF53, 0x58465342, 0x9123683E, 0xF2F52010, 0x01021994})
"""File systems (ext4, xfs, btrfs, f2fs, tmpfs: statfs(2)) whose syncfs tells of data that could not be written."""


class Durability:
    """Files of one Maildir on their way to the disk. Not for several threads.

    directory: a descriptor on the same file system, open since before anything was written: errors since then are told.
    whole: whether `syncfs` may be used; by default where it can be relied on.
    """

    def __init__(self, files: Files, directory: int, *, whole: bool | None = None) -> None:
        self._files, self._directory = files, directory
        self._whole = whole
        self._open: list[int] = []
        self._closed = 0
        self._octets = 0
        self._pool: ThreadPoolExecutor | None = None
        self._futures: list[Future[None]] = []
        self.failed = False
        """Whether it can't be said any more that what was taken is whole: nothing of it may be put into its place."""

    def take(self, fd: int, octets: int) -> None:
        """A file that was written whole; its descriptor is closed here, now or later. StorageError as of `settle`."""
        self._open.append(fd)
        self._octets += octets
        if len(self._open) <= FEW and not self._closed and not self._futures:
            return
        while self._open:
            fd = self._open.pop(0)
            with self.failing():
                if self._by_syncfs():
                    self._closed += 1
                    self._files.close(fd)
                else:
                    self._hand_over(fd)

    def settle(self) -> None:
        """Return when all that was taken is durable; StorageError if that can't be said of any of it."""
        with self.failing():
            self._settle()

    def _settle(self) -> None:
        octets, self._octets = self._octets, 0
        try:
            while self._open:
                fd = self._open.pop(0)
                try:
                    self._files.fsync(fd)
                except BaseException:
                    os.close(fd)
                    raise
                self._files.close(fd)
            while self._futures:
                self._futures.pop(0).result()
        finally:
            self.discard()
        if self._closed:
            self._sync_file_system(octets)
            self._closed = 0

    @contextmanager
    def failing(self) -> Iterator[None]:
        """What fails within it leaves nothing that can be relied on."""
        try:
            yield
        except BaseException:
            self.failed = True
            raise

    def settle_directories(self, descriptors: Sequence[int]) -> None:
        """Make the entries of directories durable."""
        if len(descriptors) > 2 * FEW and self._by_syncfs():
            self._sync_file_system(0)
            return
        for descriptor in descriptors:
            self._files.fsync_directory(descriptor)

    def discard(self) -> None:
        """Let go of what was not settled; for the way out after an error."""
        with ExitStack() as stack:
            if self._pool is not None:
                stack.callback(self._pool.shutdown, cancel_futures=False)
                self._pool = None
            while self._open:
                stack.callback(os.close, self._open.pop())
        self._futures.clear()

    def _by_syncfs(self) -> bool:
        if self._whole is None:
            self._whole = reliable_syncfs(self._directory)
        return self._whole

    def _sync_file_system(self, octets: int) -> None:
        began = monotonic()
        self._files.sync_file_system(self._directory)
        if monotonic() - began > _PATIENCE + octets / _SLOWEST:
            self._whole = False

    def _hand_over(self, fd: int) -> None:
        from concurrent.futures import ThreadPoolExecutor

        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, "fsync")
        self._futures.append(self._pool.submit(self._fsync, fd))
        if len(self._futures) > _WAITING:
            self._futures.pop(0).result()

    def _fsync(self, fd: int) -> None:
        try:
            self._files.fsync(fd)
        except BaseException:
            os.close(fd)
            raise
        self._files.close(fd)


def reliable_syncfs(directory: int) -> bool:
    """Whether `syncfs` exists and reports write errors for the file system that `directory` (a descriptor) is on."""
    if sys.platform != "linux" or kernel_version(os.uname().release) < (5, 8):
        return False
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    answer = (ctypes.c_ulong * 64)()  # struct statfs; its first word is the type
    if not hasattr(library, "syncfs") or library.fstatfs(directory, ctypes.byref(answer)):
        return False
    return answer[0] & 0xFFFFFFFF in _REPORTING


def kernel_version(release: str) -> tuple[int, int]:
    """(major, minor) of what uname calls the release; (0, 0) if it has another form."""
    major, _, rest = release.partition(".")
    minor = rest.partition(".")[0].partition("-")[0]
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else (0, 0)
