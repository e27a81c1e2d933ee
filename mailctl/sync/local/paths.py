"""Folder names as paths below the Maildir root: safe, reversible, natural where they can be. Pure.

Each level of the hierarchy is a directory of its own, named like the level. What a directory can't be called is
percent-encoded (UTF-8, upper-case hex): `%`, control and invisible characters, `/` (where it isn't the delimiter), what
other file systems refuse (`\\ : * ? " < > |`), a leading dot or space, a trailing dot or space, and the first letter of
`cur`, `new`, `tmp`, and of the files that mailctl and Dovecot keep there. A level that is not in NFC has all that isn't
ASCII encoded; an empty one is `%`.

Some disks take `A` and `a`, or `é` in two spellings, for the same name. So a new directory whose natural name would
meet one that is there (or one just given) gets a tail: `a%=5d1f09c2`, a hash of the folder's full name. What is on the
disk decides: a folder that has its directory keeps it. Nothing is remembered elsewhere, and `level_of` reads a
directory's name back.

A level over 255 bytes is cut and gets a tail `%~` and a hash; a name whose path would be over 1,000 bytes becomes one
such directory at the root. The real name is then kept in the file `.mailctl-name` inside.
"""

import re
from collections.abc import Callable, Collection, Iterable
from hashlib import sha256
from typing import Literal

from mailctl.domain.mailbox import Folder
from mailctl.domain.pattern import pattern
from mailctl.domain.record import dataclass
from mailctl.sync.local.names import canonical_folder

NAME_FILE = ".mailctl-name"
MOST_BYTES = 255
MOST_PATH_BYTES = 1000

_ALWAYS = pattern(
    '[\x00-\x1f\x7f-\x9f%/\\\\:*?"<>|\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff0-\ufffb'
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
_EDGES = pattern(r"\A[. ]|[. ]\Z")
_NOT_ASCII = pattern(r"[^\x00-\x7f]")
_TAIL = pattern(r"%=[0-9a-f]{8}\Z")
_CODED = pattern(r"(?:%[0-9A-Fa-f]{2})+")
_FILES = ("dovecot-keywords", "dovecot-uidlist", "maildirfolder", "subscriptions")
_RESERVED = {"cur", "new", "tmp", *_FILES, *(f"{name}.part" for name in _FILES)}


def _normalized(form: Literal["NFC", "NFD"], text: str) -> str:
    if text.isascii():  # it is in every form
        return text
    from unicodedata import normalize

    return normalize(form, text)


def natural(level: str) -> str:
    """The directory name of one level of a folder's name, before anything is said about its neighbours or length."""
    if not level:
        return "%"
    if level.isascii() and level.isalnum() and level.casefold() not in _RESERVED:  # compiling _ALWAYS takes longer
        return level
    text = _EDGES.sub(_percent, _ALWAYS.sub(_percent, level))
    if level.casefold() in _RESERVED:
        text = _percent_text(level[0]) + level[1:]
    if _normalized("NFC", text) != text:
        text = _NOT_ASCII.sub(_percent, text)
    return text


def level_of(directory: str) -> str | None:
    """The level that a directory's name stands for; None where only the name file inside tells."""
    if "%~" in directory:
        return None
    text = _TAIL.sub("", directory)
    if text == "%":
        return ""
    try:
        return _CODED.sub(lambda m: bytes.fromhex(m[0].replace("%", "")).decode("utf-8", "surrogatepass"), text)
    except UnicodeDecodeError:  # made by somebody to whom % is a letter
        return text


def levels(folder: Folder) -> tuple[str, ...]:
    """The levels of a folder's name."""
    name = canonical_folder(folder.name)
    return tuple(name.split(folder.delimiter)) if folder.delimiter else (name,)


@dataclass(frozen=True, slots=True)
class FolderPath:
    """Where a folder lives: directory names from the root down. name_file: what NAME_FILE must hold, or ""."""

    parts: tuple[str, ...]
    name_file: str = ""

    def __str__(self) -> str:
        return "/".join(self.parts)


class _Directory:
    """The names in one directory: those on the disk, and those given to folders (name → the folder's full name)."""

    def __init__(self, there: Iterable[str]) -> None:
        self.there = {_normalized("NFC", name) for name in there}
        self.folded = {fold(name) for name in self.there}
        self.given: dict[str, str] = {}
        self.owned: dict[str, str] = {}

    def give(self, part: str, whole: str) -> str:
        """`part`, or `part` with a tail if a neighbour on the disk, or one given before, could be taken for it."""
        if whole in self.owned:
            return self.owned[whole]
        name = part
        tailed = part + _tail(whole)
        if tailed in self.there or part in self.given or (part not in self.there and fold(part) in self.folded):
            name = tailed
        self.given[name] = whole
        self.owned[whole] = name
        self.folded.add(fold(name))
        return name


class Assignment:
    """Gives paths to folders, one after another; `listing` tells the directories below a path that are on the disk."""

    def __init__(self, listing: Callable[[tuple[str, ...]], Collection[str]]) -> None:
        self._listing = listing
        self._directories: dict[tuple[str, ...], _Directory] = {}
        self._taken: set[tuple[str, ...]] = set()

    def path(self, folder: Folder) -> FolderPath:
        """The path of `folder`. Call it for all folders of an account in one sorted order; each is given its own."""
        parts = tuple(natural(level) for level in levels(folder))
        if sum(len(part.encode()) + 1 for part in parts) > MOST_PATH_BYTES:
            return self._take(FolderPath((_cut("%2F".join(parts), folder.name),), folder.name))
        made: tuple[str, ...] = ()
        whole, name_file = "", ""
        for level, part in zip(levels(folder), parts, strict=True):
            whole = f"{whole}{folder.delimiter}{level}" if made else level
            if len(part.encode()) > MOST_BYTES - 11:
                made, name_file = (*made, _cut(part, whole)), folder.name
            else:
                if made not in self._directories:
                    self._directories[made] = _Directory(self._listing(made))
                made = (*made, self._directories[made].give(part, whole))
        if made in self._taken:  # one server, two delimiters: `a.b` and `a/b`
            made = (*made[:-1], made[-1] + _tail(folder.name))
        return self._take(FolderPath(made, name_file))

    def _take(self, path: FolderPath) -> FolderPath:
        self._taken.add(path.parts)
        return path


def fold(name: str) -> str:
    """What a disk that ignores case and Unicode spelling makes of a name."""
    return _normalized("NFD", _normalized("NFD", name).casefold())


def assign(folders: Iterable[Folder], listing: Callable[[tuple[str, ...]], Collection[str]]) -> dict[str, FolderPath]:
    """Folder name → path, for all folders of an account; no two are the same."""
    assignment = Assignment(listing)
    return {folder.name: assignment.path(folder) for folder in sorted(folders, key=lambda folder: folder.name)}


def _tail(whole: str) -> str:
    return f"%={_digest(whole)[:8]}"


def _cut(part: str, whole: str) -> str:
    """The first 100 characters or fewer of `part`, not cutting an escape, and a hash that stands for all of it."""
    head = part.encode()[:100].decode(errors="ignore")
    head = re.sub(r"%[0-9A-F]?\Z", "", head)
    if _normalized("NFC", head) != head or not head:
        head = "long"
    return f"{head}%~{_digest(whole)[:24]}"


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _percent(match: re.Match[str]) -> str:
    return _percent_text(match[0])


def _percent_text(text: str) -> str:
    return "".join(f"%{octet:02X}" for octet in text.encode("utf-8", "surrogatepass"))
