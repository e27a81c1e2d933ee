"""Files that a command writes where the user says: whole or not at all, private, and over nobody's work."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from mailctl.errors import StorageError

_HEAD = 4096


def check_target(path: Path, marks: tuple[str, ...]) -> None:
    """StorageError if `path` can't be written, or is there and isn't a file that begins with one of `marks`.

    marks: what an older file of the same kind holds near its begin; such a one is replaced.
    """
    try:
        facts = os.lstat(path)
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise StorageError(f"There is no folder {path.parent}", code="no_folder") from None
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise StorageError(f"The folder {path.parent} can't be written to", code="unwritable") from None
        return
    except (OSError, ValueError) as error:
        raise StorageError(f"{path} can't be written: {_reason(error)}", code="unwritable") from error
    if stat.S_ISLNK(facts.st_mode):
        raise StorageError(
            f"{path} is a symbolic link; mailctl doesn't write through it", hint="Name the file itself.", code="symlink"
        )
    if not stat.S_ISREG(facts.st_mode):
        raise StorageError(f"{path} is there already and is no file", hint="Name another file.", code="exists")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise StorageError(f"The folder {path.parent} can't be written to", code="unwritable")
    if facts.st_size and not any(mark in _head(path) for mark in marks):
        raise StorageError(
            f"{path} is there already and isn't a report; it was left as it is",
            hint="Name another file.",
            code="exists",
        )


def write_whole(path: Path, text: str) -> None:
    """Put `text` at `path` as a whole, mode 0600; what is there is replaced, a link too. Raises StorageError."""
    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    made = False
    try:
        handle = os.open(temporary, flags, 0o600)
        made = True
        with open(handle, "wb") as out:
            out.write(text.encode("utf-8", "backslashreplace"))
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise StorageError(f"{path} can't be written: {_reason(error)}", code="unwritable") from error
    finally:
        if made:
            with suppress(FileNotFoundError):  # as it is once it has its name
                os.unlink(temporary)


def _head(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            return file.read(_HEAD).decode("utf-8", "replace")
    except OSError:  # what can't be read can't be told to be a report
        return ""


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
