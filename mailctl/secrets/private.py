"""Files that are their owner's alone: read with suspicion, replaced as a whole, locked between processes."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

from mailctl.errors import LockedError, SecretError, StorageError

LOCK_SECONDS = 10.0


def read_private(path: Path, most: int, *, what: str, credential: bool = False) -> bytes:
    """At most `most` bytes of the file.

    what: what it is called in messages ("password file"). credential: it lies in $CREDENTIALS_DIRECTORY; where systemd
    grants it by an access control list, a file of root's shows as readable by its group. SecretError unless it is a
    regular file of the user's or root's that nobody else can read, in a folder where nobody else can put another in its
    place; code secret_missing if there is none.
    """
    try:
        # nothing is followed or waited for: not a link put there by somebody else, not a pipe
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise SecretError(f"There is no {what} {str(path)!r}", code="secret_missing") from None
    except (OSError, ValueError) as error:
        said = f"The {what} {str(path)!r} can't be opened"
        if path.is_symlink():
            hint = f"Name the file to which it leads: {os.path.realpath(path)}"
            raise SecretError(f"{said}: it is a symbolic link", hint=hint, code="secret_file_unsafe") from None
        reason = getattr(error, "strerror", None) or str(error)
        raise SecretError(f"{said}: {reason}", code="secret_unavailable") from None
    try:
        _check(path, os.fstat(descriptor), os.stat(path.parent), what=what, credential=credential)
        found = b""
        while len(found) < most and (chunk := os.read(descriptor, most - len(found))):
            found += chunk
        return found
    finally:
        os.close(descriptor)


def write_private(path: Path, content: bytes, *, what: str) -> None:
    """Replace the file, as a whole and durably; mode 0600, its folder made as 0700. Raises StorageError.

    what: what it is called in messages. The caller holds its lock; SecretError if it is a symbolic link, whose target
    is somebody's work, or would lie where it could not be trusted.
    """
    if path.is_symlink():
        raise SecretError(f"{path} is a symbolic link; mailctl doesn't replace it", code="secret_file_unsafe")
    temporary = path.with_name(f".{path.name}.writing")  # under the lock: what lies there is from one that died
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_folder(path, os.stat(path.parent), what)
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(temporary, path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        with suppress(OSError):
            os.unlink(temporary)
        raise StorageError(f"{path} can't be written: {error.strerror or error}; it is as it was") from error


@contextmanager
def locked(path: Path, *, what: str, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock file at `path`, waiting at most `seconds`; LockedError after that. A process that dies lets go.

    what: what is being changed, for the message.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StorageError(f"{path} can't be written: {error.strerror or error}") from error
    try:
        end = monotonic() + seconds
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if monotonic() >= end:
                    raise LockedError(
                        f"Another mailctl is changing {what}", hint="Try again when it has ended."
                    ) from error
                sleep(0.02)
        yield
    finally:
        os.close(handle)


def _check(path: Path, file: os.stat_result, folder: os.stat_result, *, what: str, credential: bool) -> None:
    """Raise SecretError unless nobody but the user (and root) could read or exchange the file."""
    fault = hint = ""
    readable = 0o077 & ~(stat.S_IRGRP if credential and file.st_uid == 0 else 0)
    if not stat.S_ISREG(file.st_mode):
        fault = "is not a regular file"
    elif file.st_uid not in (os.geteuid(), 0):
        fault = "belongs to another user"
    elif file.st_mode & readable:
        fault = f"is open to others (mode {stat.S_IMODE(file.st_mode):04o})"
        hint = f"chmod 600 {path}"
    if fault:
        raise SecretError(f"The {what} {str(path)!r} {fault}", hint=hint, code="secret_file_unsafe")
    _check_folder(path, folder, what)


def _check_folder(path: Path, folder: os.stat_result, what: str) -> None:
    """Raise SecretError unless nobody else can put another file in its place."""
    fault = hint = ""
    if folder.st_uid not in (os.geteuid(), 0):
        fault = "lies in a folder of another user"
    elif folder.st_mode & 0o022 and not folder.st_mode & stat.S_ISVTX:
        fault = "lies in a folder that others can write to"
        hint = f"chmod go-w {path.parent}"
    if fault:
        raise SecretError(f"The {what} {str(path)!r} {fault}", hint=hint, code="secret_file_unsafe")
