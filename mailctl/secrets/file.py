"""A secret from a file that is private to its owner; serves systemd's `$CREDENTIALS_DIRECTORY` (systemd.exec(5))."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from mailctl.domain.home import home_folder
from mailctl.domain.secret import MAX_SECRET, Secret, accept
from mailctl.errors import SecretError


def secret_path(name: str, env: Mapping[str, str]) -> Path:
    """Where the file `name` of a `{file = …}` source is.

    `~` is the home folder; a relative name is a credential of the systemd unit. SecretError if there is no such place.
    """
    if name == "~" or name.startswith("~/"):
        return home_folder(env) / name[2:]
    path = Path(name)
    if path.is_absolute():
        return path
    folder = env.get("CREDENTIALS_DIRECTORY", "")
    if not folder.startswith("/"):
        raise SecretError(
            f"The password file {name!r} has no full path, and $CREDENTIALS_DIRECTORY is not set",
            hint="Name the file by its full path, or run mailctl as a systemd unit with LoadCredential=.",
            code="secret_missing",
        )
    if ".." in path.parts:
        raise SecretError(f"{name!r} is not the name of a credential", code="secret_file_unsafe")
    return Path(folder) / path


def secret_from_file(path: Path, *, credential: bool = False) -> Secret:
    """The first line of the file, without its line end.

    credential: it lies in $CREDENTIALS_DIRECTORY; where systemd grants it by an access control list, a file of root's
    shows as readable by its group. SecretError unless it is a regular file of the user's or root's that nobody else
    can read, in a folder where nobody else can put another in its place.
    """
    try:
        # nothing is followed or waited for: not a link put there by somebody else, not a pipe
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise SecretError(f"There is no password file {str(path)!r}", code="secret_missing") from None
    except (OSError, ValueError) as error:
        reason = "it is a symbolic link" if path.is_symlink() else getattr(error, "strerror", None) or str(error)
        raise SecretError(f"The password file {str(path)!r} can't be opened: {reason}", code=_code(path)) from None
    try:
        _check(path, os.fstat(descriptor), os.stat(path.parent), credential=credential)
        content = os.read(descriptor, 4 * MAX_SECRET + 3)
    finally:
        os.close(descriptor)
    line = content.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].removesuffix(b"\r")
    try:
        return accept(line.decode(), f"the file {str(path)!r}")
    except UnicodeDecodeError:
        raise SecretError(f"The password file {str(path)!r} is not UTF-8", code="secret_invalid") from None


def _code(path: Path) -> str:
    return "secret_file_unsafe" if path.is_symlink() else "secret_unavailable"


def _check(path: Path, file: os.stat_result, folder: os.stat_result, *, credential: bool) -> None:
    """Raise SecretError unless nobody but the user (and root) could read or exchange the file."""
    fault = hint = ""
    owners = {os.geteuid(), 0}
    readable = 0o077 & ~(stat.S_IRGRP if credential and file.st_uid == 0 else 0)
    if not stat.S_ISREG(file.st_mode):
        fault = "is not a regular file"
    elif file.st_uid not in owners:
        fault = "belongs to another user"
    elif file.st_mode & readable:
        fault = f"is open to others (mode {stat.S_IMODE(file.st_mode):04o})"
        hint = f"chmod 600 {path}"
    elif folder.st_uid not in owners:
        fault = "lies in a folder of another user"
    elif folder.st_mode & 0o022 and not folder.st_mode & stat.S_ISVTX:
        fault = "lies in a folder that others can write to"
        hint = f"chmod go-w {path.parent}"
    if fault:
        raise SecretError(f"The password file {str(path)!r} {fault}", hint=hint, code="secret_file_unsafe")
