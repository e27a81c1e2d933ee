"""The file calls of sync, one method each: the only place where the Maildir is changed.

Thin on purpose: a test replaces `perform` to record the order of calls, to fail one, to tear a write or to die at it.
Paths below the Maildir root are walked by directory descriptors and never follow a symbolic link. Every OSError becomes
a StorageError that says what could not be done.
"""

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

from mailctl.errors import StorageError

P = ParamSpec("P")
T = TypeVar("T")

_READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DOES = {
    "mkdir": "make a folder",
    "create": "make a file",
    "write": "write a file",
    "utime": "date a file",
    "fsync": "make a file durable",
    "fsync_directory": "make a folder durable",
    "syncfs": "make files durable",
    "close": "close a file",
    "rename": "rename a file",
    "unlink": "remove a file",
    "chmod": "set the permissions of a folder",
}
_FULL = {errno.ENOSPC: "disk_full", errno.EDQUOT: "disk_full"}


class NoFileError(OSError):
    """What is there is no regular file: a link, a pipe, a device, a folder. Opening one could hang, or do worse."""


def storage_error(what: str, error: OSError) -> StorageError:
    """The StorageError for an OSError met while doing `what` ("write a message of INBOX")."""
    code = _FULL.get(error.errno or 0, "storage")
    hint = "Free some space and run it again; nothing is lost." if code == "disk_full" else ""
    if error.errno == errno.EROFS:
        hint = "The file system of the Maildir is mounted read-only; make it writable, and run it again."
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return StorageError(f"can't {what}: a symbolic link or a file is where a folder should be", code="not_a_folder")
    where = f" ({os.fsdecode(error.filename)})" if isinstance(error.filename, str | bytes) else ""
    return StorageError(f"can't {what}: {error.strerror or error}{where}", hint=hint, code=code)


def private_directory(path: Path) -> None:
    """Make `path` and the parents that it lacks, 0700, durably; nothing happens if it is there."""
    if path.is_dir():
        return
    private_directory(path.parent)
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


@contextmanager
def storing(what: str) -> Iterator[None]:
    """Within it, an OSError, or a name that the locale can't spell, becomes the StorageError that says so of `what`."""
    try:
        yield
    except OSError as error:
        raise storage_error(what, error) from error
    except UnicodeEncodeError as error:
        raise StorageError(
            f"can't {what}: this locale has no file names with {error.object[error.start : error.start + 1]!r}",
            hint="Run it with LC_ALL=C.UTF-8.",
            code="locale",
        ) from error


def _fsync(fd: int) -> None:
    """fsync(2); on macOS, where that leaves data in the drive's cache, F_FULLFSYNC where the file system has it."""
    if sys.platform == "darwin":
        import fcntl

        with suppress(OSError):
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
            return
    os.fsync(fd)


def _syncfs(fd: int) -> None:
    import ctypes

    if ctypes.CDLL(None, use_errno=True).syncfs(fd):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _takes_colons(directory: int) -> bool:
    """Whether a file can be made there with a colon in its name, if one can be made at all."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    made = 0
    for name in (".mailctl-part", ".mailctl:part"):
        with suppress(OSError):
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)
            os.close(os.open(name, flags, 0o600, dir_fd=directory))
            os.unlink(name, dir_fd=directory)
            made += 1
    return made != 1


def _directory(descriptor: int) -> str:
    """The path of an open directory, or of the one in which an open file lies; "" where the system doesn't tell."""
    try:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return ""
    return path if os.path.isdir(path) else os.path.dirname(path)


class Files:
    """File calls. Directories are open descriptors; names never hold a slash."""

    def perform(self, kind: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Carry out one call that changes something; `kind` is its name ("write", "fsync", "rename" …)."""
        return function(*args, **kwargs)

    def call(self, kind: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`perform`; what fails becomes a StorageError, but for names that are missing or taken."""
        try:
            return self.perform(kind, function, *args, **kwargs)
        except (FileNotFoundError, FileExistsError):
            raise
        except OSError as error:
            place = _directory(next((each for each in (*kwargs.values(), *args) if isinstance(each, int)), -1))
            raise storage_error(f"{_DOES.get(kind, kind)} in {place or 'the Maildir'}", error) from error

    def open_root(self, path: str) -> int:
        """The directory at `path`, which the user chose: the only one that may be reached by a symbolic link."""
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def open_directory(self, parent: int, name: str) -> int:
        """The directory `name` in `parent`; OSError (ELOOP, ENOTDIR) if it is anything else."""
        return os.open(name, _DIRECTORY, dir_fd=parent)

    def descend(self, root: int, path: tuple[str, ...]) -> int:
        """The directory at `path` below `root`, which stays open; OSError as `open_directory`."""
        here = os.dup(root)
        for part in path:
            try:
                following = self.open_directory(here, part)
            finally:
                os.close(here)
            here = following
        return here

    def make_directory(self, parent: int, name: str, *, durable: bool = True) -> None:
        """Make `name` (0700) in `parent`, durably unless the caller sees to that; nothing happens if it is there."""
        try:
            self.call("mkdir", os.mkdir, name, 0o700, dir_fd=parent)
        except FileExistsError:
            return
        if durable:
            self.fsync_directory(parent)

    def create(self, directory: int, name: str) -> int:
        """A new file (0600) for writing and reading; StorageError if there is one, or no directory any more."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return self.call("create", os.open, name, flags, 0o600, dir_fd=directory)
        except OSError as error:
            raise storage_error("make a file in the Maildir", error) from error

    def write(self, fd: int, data: bytes) -> None:
        """All of `data`."""
        view = memoryview(data)
        while view:
            view = view[self.call("write", os.write, fd, view) :]

    def read_blocks(self, fd: int, size: int = 1 << 18) -> Iterator[bytes]:
        """The file from its beginning, in blocks."""
        offset = 0
        while block := os.pread(fd, size, offset):
            offset += len(block)
            yield block

    def set_time(self, fd: int, seconds: float) -> None:
        """Access and modification time; a time that the file system can't hold is left out."""
        try:
            self.call("utime", os.utime, fd, (seconds, seconds))
        except OverflowError:
            return

    def fsync(self, fd: int) -> None:
        """Make a file's contents durable."""
        self.call("fsync", _fsync, fd)

    def fsync_directory(self, fd: int) -> None:
        """Make a directory's entries durable."""
        self.call("fsync_directory", _fsync, fd)

    def sync_file_system(self, fd: int) -> None:
        """Make all of the file system that `fd` is on durable; see `durable.reliable_syncfs`."""
        self.call("syncfs", _syncfs, fd)

    def close(self, fd: int) -> None:
        """Close a file that was written; an error means that it may not be whole."""
        self.call("close", os.close, fd)

    def rename(self, source: int, name: str, target: int, new_name: str) -> None:
        """Rename within the file system; FileNotFoundError if another program was faster."""
        try:
            self.call("rename", os.rename, name, new_name, src_dir_fd=source, dst_dir_fd=target)
        except (FileNotFoundError, StorageError) as error:
            if ":" in new_name and not _takes_colons(target):
                raise StorageError(
                    "the disk takes no ':' in file names, and a Maildir keeps flags behind one",
                    hint="Keep the Maildir on a file system of Unix: exFAT, FAT and some network drives can't hold it.",
                    code="no_colons",
                ) from error
            raise

    def unlink(self, directory: int, name: str) -> None:
        """Remove a file; nothing happens if it is gone, or if it is a folder, which is never ours."""
        try:
            self.call("unlink", os.unlink, name, dir_fd=directory)
        except FileNotFoundError:
            return
        except StorageError as error:
            if not isinstance(error.__cause__, IsADirectoryError):
                raise

    def replace(self, directory: int, name: str, data: bytes) -> None:
        """Write a small file whole: temporary file, fsync, rename, fsync of the directory."""
        part = f"{name}.part"
        self.unlink(directory, part)
        try:
            fd = self.create(directory, part)
        except StorageError as error:
            if not isinstance(error.__cause__, FileExistsError):
                raise
            text = f"can't write {name} of the Maildir: {part} is in the way, and is no file"
            raise StorageError(text, hint="Remove it, or call it otherwise.", code="not_a_folder") from error
        try:
            try:
                self.write(fd, data)
                self.fsync(fd)
            finally:
                os.close(fd)
            self.rename(directory, part, directory, name)
        except StorageError:
            self.unlink(directory, part)
            raise
        self.fsync_directory(directory)

    def tidy(self, directory: int, name: str) -> None:
        """Remove what a `replace` that was killed left, if anything; errors as of `open_file`."""
        part = f"{name}.part"
        if self.read_small(directory, part, 1) is not None:
            self.unlink(directory, part)

    def open_file(self, directory: int, name: str) -> int:
        """A regular file for reading: the only way in which one that lies in a Maildir is opened. It never waits.

        FileNotFoundError if there is none, NoFileError if it is anything else, another OSError if it can't be opened.
        """
        try:
            fd = os.open(name, _READING, dir_fd=directory)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO):  # EMLINK: a link, on FreeBSD
                raise NoFileError(error.errno, "it is no file", name) from error
            raise
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise NoFileError(errno.EINVAL, "it is no file", name)
        return fd

    def read_small(self, directory: int, name: str, most: int = 65536) -> bytes | None:
        """The first `most` octets of a file, or None if there is none; errors as of `open_file`."""
        try:
            fd = self.open_file(directory, name)
        except FileNotFoundError:
            return None
        try:
            return os.read(fd, most)
        finally:
            os.close(fd)
