"""Configuration files on disk: bounded private reads, atomic durable writes, comments, the lock.

Knows nothing of what the files mean. A file is replaced as a whole or not at all: temporary file in the same folder,
fsync, rename, fsync of the folder.
"""

import errno
import fcntl
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

from mailctl.domain.record import dataclass
from mailctl.errors import ConfigError, LockedError, StorageError

MOST_BYTES = 1 << 20
TEMPORARY = ".writing"  # one name a folder: writers hold the lock, so what lies there is from one that died
LOCK_SECONDS = 10.0

_STRING_OR_COMMENT = (  # compiled when used: most commands only read
    r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|(#[^\n]*)'
)
_LEADING = r"(?:[ \t]*(?:#[^\n]*|\r)?\n)*"


@dataclass(frozen=True, slots=True)
class Content:
    """What was read. linked: the path is a symbolic link. owner, mode: of the file itself."""

    text: str
    linked: bool
    owner: int
    mode: int


def read(path: Path) -> Content:
    """Read a small UTF-8 file. FileNotFoundError passes; StorageError if unreadable, ConfigError if no plain text."""
    linked = False
    try:
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            linked = True
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            facts = os.fstat(handle)
            if not stat.S_ISREG(facts.st_mode):
                raise ConfigError(f"{path} is not a plain file")
            if facts.st_size > MOST_BYTES:
                raise ConfigError(f"{path} is larger than {MOST_BYTES} bytes, which no configuration file is")
            raw = os.read(handle, MOST_BYTES + 1)
        finally:
            os.close(handle)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise storage_error(path, "can't be read", error) from error
    try:
        return Content(raw.decode(), linked, facts.st_uid, stat.S_IMODE(facts.st_mode))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start})", hint="Save it as UTF-8.") from error


def names(folder: Path) -> list[str]:
    """Names of the files in `folder` that end in .toml, sorted; none if the folder isn't there. Raises StorageError."""
    try:
        return sorted(name for name in os.listdir(folder) if name.endswith(".toml") and not name.startswith("."))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise storage_error(folder, "can't be read", error) from error


def distrust(path: Path, content: Content, *, commands: bool) -> tuple[str, str]:
    """Why a file must not be believed, and the fix; ("", "") if it may be.

    commands: whether the file names a command or a file to read a password from; then it must be nobody's but the
    user's (or root's): no symbolic link, not writable by group or others, in folders of which the same holds. Any file
    writable by everybody is refused, since it says where passwords are sent.
    """
    if content.mode & stat.S_IWOTH:
        return "anybody can write it", f"chmod go-w {path}"
    if not commands:
        return "", ""
    if content.linked:
        return "it names where a password comes from, and is a symbolic link", "Put the file itself in its place."
    return _others(path, content.owner, content.mode) or _folders(path) or ("", "")


def _folders(path: Path) -> tuple[str, str] | None:
    for folder in (path.parent, path.parent.parent):
        facts = os.stat(folder)
        if not facts.st_mode & stat.S_ISVTX and (found := _others(folder, facts.st_uid, facts.st_mode)):
            return found
    return None


def _others(path: Path, owner: int, mode: int) -> tuple[str, str] | None:
    if owner not in (os.geteuid(), 0):
        return f"it names where a password comes from, and {path} belongs to another user", f"chown it: {path}"
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"it names where a password comes from, and others can write {path}", f"chmod go-w {path}"
    return None


def write(path: Path, text: str) -> None:
    """Replace `path` by `text`, as a whole and durably; mode 0600, its folder made as 0700. Raises StorageError.

    The caller holds the lock. ConfigError if `path` is a symbolic link: its target is somebody's work.
    """
    if os.path.islink(path):
        raise ConfigError(f"{path} is a symbolic link; mailctl doesn't replace it", hint="Edit the file it points to.")
    temporary = path.parent / TEMPORARY
    try:
        make_folder(path.parent)
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(temporary, flags, 0o600)
        try:
            rest = memoryview(text.encode())
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            os.unlink(temporary)
        raise storage_error(path, "can't be written", error) from error


def rename(old: Path, new: Path) -> None:
    """Rename durably, within one folder. Raises StorageError."""
    try:
        os.rename(old, new)
        sync_folder(new.parent)
    except OSError as error:
        raise storage_error(old, "can't be renamed", error) from error


def remove(path: Path) -> None:
    """Remove durably what may be gone already. Raises StorageError."""
    try:
        with suppress(FileNotFoundError):
            os.unlink(path)
        if path.parent.is_dir():
            sync_folder(path.parent)
    except OSError as error:
        raise storage_error(path, "can't be removed", error) from error


def make_folder(folder: Path) -> None:
    """Make `folder` (0700) and what is above it; one that is there stays as it is."""
    if not folder.is_dir():
        if not folder.parent.is_dir():
            make_folder(folder.parent)
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def lock(path: Path, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock file at `path`, waiting at most `seconds`; LockedError after that. A process that dies lets go."""
    try:
        make_folder(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise storage_error(path.parent, "can't be written", error) from error
    try:
        end = monotonic() + seconds
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if monotonic() >= end:
                    raise LockedError(
                        "Another mailctl is changing the configuration", hint="Try again when it has ended."
                    ) from error
                sleep(0.02)
        yield
    finally:
        os.close(handle)


def leading_comments(text: str) -> str:
    """The comment block at the head of a TOML text, with its line ends; "" if there is none."""
    head = re.match(_LEADING, text)
    block = head[0] if head else ""
    return block if "#" in block else ""


def other_comments(text: str) -> bool:
    """Whether a TOML text has comments beyond the leading block."""
    return any(match[1] for match in re.finditer(_STRING_OR_COMMENT, text[len(leading_comments(text)) :], re.S))


def storage_error(path: Path, what: str, error: OSError) -> StorageError:
    """The error for a file operation that failed; says what to do where that is known."""
    hint = {
        errno.ENOSPC: "The disk is full; free some space and run it again. Nothing was changed.",
        errno.EDQUOT: "Your disk quota is used up; free some space and run it again. Nothing was changed.",
        errno.EACCES: f"Look at the permissions: ls -ld {path.parent} {path}",
        errno.EROFS: "The file system is read-only.",
    }.get(error.errno or 0, "")
    return StorageError(f"{path} {what}: {error.strerror or error}", hint=hint)
