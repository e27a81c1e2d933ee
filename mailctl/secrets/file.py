"""A secret from a file that is private to its owner; serves systemd's `$CREDENTIALS_DIRECTORY` (systemd.exec(5))."""

from collections.abc import Mapping
from pathlib import Path

from mailctl.domain.home import home_folder
from mailctl.domain.secret import MAX_SECRET, Secret, accept
from mailctl.errors import SecretError
from mailctl.secrets.private import read_private


def secret_path(name: str, env: Mapping[str, str], what: str = "password") -> Path:
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
            f"The {what} file {name!r} has no full path, and $CREDENTIALS_DIRECTORY is not set",
            hint="Name the file by its full path, or run mailctl as a systemd unit with LoadCredential=.",
            code="secret_missing",
        )
    if ".." in path.parts:
        raise SecretError(f"{name!r} is not the name of a credential", code="secret_file_unsafe")
    return Path(folder) / path


def secret_from_file(path: Path, *, credential: bool = False, what: str = "password", whole: bool = False) -> Secret:
    """The first line of the file, without its line end, or the whole of it.

    SecretError unless it is private as `read_private` has it.
    """
    content = read_private(path, 4 * MAX_SECRET + 3, what=f"{what} file", credential=credential)
    text = content.removeprefix(b"\xef\xbb\xbf")
    line = text if whole else text.partition(b"\n")[0].removesuffix(b"\r")
    try:
        return accept(line.decode(), f"the file {str(path)!r}", what)
    except UnicodeDecodeError:
        raise SecretError(f"The {what} file {str(path)!r} is not UTF-8", code="secret_invalid") from None
