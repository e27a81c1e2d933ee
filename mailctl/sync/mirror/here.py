"""What lies in the Maildir, all of it: messages under mailctl's names, and files that other programs put or named.

Symbolic links, pipes and hidden files are no messages. Where one stands in the place of a directory or of one of
mailctl's messages, what lies there can't be told: that was not deleted. Nothing is changed here.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from types import MappingProxyType

from mailctl.domain.record import dataclass
from mailctl.errors import StorageError
from mailctl.sync.archive.look import UNKNOWN, Times, clock_in, reliable_times, stands, times_in, touched
from mailctl.sync.local.files import Files
from mailctl.sync.local.flags import Keywords
from mailctl.sync.local.maildir import KEYWORDS_FILE, SUBDIRECTORIES, LocalFile, both_there, not_a_file
from mailctl.sync.local.names import MessageName, parse_name
from mailctl.sync.local.paths import MOST_PATH_BYTES, NAME_FILE
from mailctl.sync.local.walk import opened
from mailctl.sync.state import FolderState

Parts = tuple[str, ...]
_MOST_LEVELS = MOST_PATH_BYTES // 2
"""So deep lie folders of a server: one that was not looked at would be taken for one that was removed here."""


@dataclass
class LocalFolder:
    """One Maildir below the root. named: mailctl's messages. others: files with other names (their MessageName has
    nothing but the letters). links: symbolic links that are left alone. doubled: names of files that are one message by
    their names up to the flags; one of them counts, with the flags of all.
    broken: why it can't be told what lies here, None if it can. missing: which of `cur` and `new` are not there.
    name_file: what NAME_FILE says, "" where the path tells the name. keywords: text of KEYWORDS_FILE. litter: whether
    something lies in `tmp`, or half a file where a whole one should be. times: of its directories, under which what was
    found is to be remembered; before: those that they had when it was listed, None if nobody asked. stands: what is
    remembered of it, if nothing was listed since its directories have the times that they had: then nothing else is
    told here."""

    named: list[LocalFile] = field(default_factory=list)
    others: list[LocalFile] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    broken: StorageError | None = None
    missing: tuple[str, ...] = ()
    name_file: str = ""
    keywords: Keywords = field(default_factory=Keywords)
    litter: bool = False
    times: Times = UNKNOWN
    before: Times | None = None
    stands: FolderState | None = None

    @property
    def messages(self) -> int:
        """How many of mailctl's messages lie there."""
        return len(self.named) if self.stands is None else self.stands.files


def look_here(
    files: Files,
    root: int,
    standing: Mapping[Parts, FolderState] = MappingProxyType({}),
    *,
    since: int = 0,
    timed: bool = False,
    quiet: bool = False,
) -> dict[Parts, LocalFolder]:
    """Every directory below the root that has one of `cur`, `new`, `tmp`: its path, and what is in it.

    standing: what is remembered of those that need not be listed if their times are remembered, and nobody touched them
    from `since` on. timed: whether times are told; for that, each `tmp` is touched. quiet: it is not, none is relied
    on.
    """
    found: dict[Parts, LocalFolder] = {}
    pending: list[Parts] = [()]
    while pending:
        path = pending.pop()
        with opened(files, root, path) as directory:
            if directory is None:
                continue
            seen = standing.get(path)
            if seen is not None and touched(directory, since):
                seen = None
            folder, names = _look_at(files, directory, path, seen, timed=timed, quiet=quiet)
            if folder is not None:
                found[path] = folder
            if len(path) < _MOST_LEVELS:
                pending += [(*path, name) for name in names if name not in SUBDIRECTORIES]
    return found


def list_again(files: Files, root: int, path: Parts) -> LocalFolder:
    """What is in one folder."""
    with opened(files, root, path) as directory:
        folder = _look_at(files, directory, path, None)[0] if directory is not None else None
    return folder or LocalFolder(missing=("cur", "new"))


def _look_at(
    files: Files,
    directory: int,
    path: Parts,
    seen: FolderState | None,
    *,
    timed: bool = False,
    quiet: bool = False,
) -> tuple[LocalFolder | None, list[str]]:
    """(what is in one directory if it is a Maildir, the directories in it)."""
    with os.scandir(directory) as scanned:
        entries = {e.name: e.is_dir(follow_symlinks=False) for e in scanned}
    names = sorted(name for name, inner in entries.items() if inner and name[0] != ".")
    if "cur" not in entries and not any(name in SUBDIRECTORIES for name in names):
        return None, names
    odd = [name for name in SUBDIRECTORIES if entries.get(name) is False]
    if seen is not None and not odd and stands(Times(seen.cur, seen.new), times_in(directory)):
        return LocalFolder(stands=seen), names
    reliable = timed and not quiet
    now = clock_in(directory) if reliable else 0
    before = times_in(directory) if timed else None
    folder = _folder(files, directory, names, "/".join(path))
    folder.before = before
    folder.times = reliable_times(before, times_in(directory), now) if reliable else UNKNOWN
    if odd:
        folder.broken = _no_folder("/".join((*path, odd[0])))
    return folder, names


def _folder(files: Files, directory: int, names: list[str], shown: str) -> LocalFolder:
    folder = LocalFolder(missing=tuple(name for name in ("cur", "new") if name not in names))
    try:
        folder.name_file = _text(files, directory, NAME_FILE)
        folder.keywords = Keywords.parse(_text(files, directory, KEYWORDS_FILE))
    except OSError as error:
        folder.broken = not_a_file(f"{shown}/{KEYWORDS_FILE} or {NAME_FILE}", error)
    found: dict[str, LocalFile] = {}
    for subdirectory in ("new", "cur"):  # a file moves from new to cur, never back: it can be seen twice, not missed
        if subdirectory not in names:
            continue
        with opened(files, directory, (subdirectory,)) as inner:
            if inner is None:
                continue
            for file, odd in _messages(inner, subdirectory):
                base = file.filename.partition(":2,")[0] if not file.name.folder else file.name.stem
                if odd and file.name.folder:
                    folder.broken = _no_message(f"{shown}/{subdirectory}/{file.filename}", odd)
                elif odd == _LINK:
                    folder.links.append(file.filename)
                elif not odd:
                    found[base] = _united(folder, inner, found[base], file) if base in found else file
    folder.litter = any(name.endswith(".part") for name in os.listdir(directory))
    with opened(files, directory, ("tmp",)) as inner:
        folder.litter = folder.litter or (inner is not None and bool(os.listdir(inner)))
    folder.keywords.reserve("".join({letter for file in found.values() for letter in file.name.letters}))
    for file in found.values():
        (folder.named if file.name.folder else folder.others).append(file)
    return folder


def _united(folder: LocalFolder, directory: int, one: LocalFile, two: LocalFile) -> LocalFile:
    """One file for two of the same name up to the flags: nothing that was set on either is dropped.

    A file that was renamed while it was looked for is seen as two; the next run sees it as it is.
    """
    first, second = sorted((one, two), key=lambda file: (file.subdirectory != "cur", file.filename))
    if both_there(directory, one, two):
        folder.doubled.append(first.filename)
    letters = "".join(sorted({*first.name.letters, *second.name.letters}))
    return LocalFile(replace(first.name, letters=letters), first.subdirectory, first.filename)


def _text(files: Files, directory: int, name: str) -> str:
    return (files.read_small(directory, name) or b"").decode("utf-8", "surrogateescape")


def _no_folder(shown: str) -> StorageError:
    return StorageError(
        f"{shown} is a symbolic link or a file where a folder should be; it is not known what was deleted here",
        hint="Put the folder itself in its place (a bind mount does what a link can't).",
        code="not_a_folder",
    )


def _no_message(shown: str, what: str) -> StorageError:
    text = f"{shown} is {what} where a message should be; in a Maildir, links aren't followed"
    return StorageError(text, hint="Put the file itself in its place, or remove it.", code="symbolic_link")


def obstacle(files: Files, root: int, path: Parts) -> StorageError | None:
    """Why a folder that was not found may be there all the same: a link, or a file, is in its place or above it."""
    for length in range(1, len(path) + 1):
        try:
            with opened(files, root, path[:length]) as directory:
                if directory is None:
                    return None
        except StorageError:
            return _no_folder("/".join(path[:length]))
    return None


_LINK = "a symbolic link"


def _messages(directory: int, subdirectory: str) -> Iterator[tuple[LocalFile, str]]:
    """(message, "" or what it is instead of a file)."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name[0] == ".":
                continue
            name = parse_name(entry.name) or MessageName("", letters=entry.name.partition(":2,")[2])
            odd = _LINK if entry.is_symlink() else "" if entry.is_file(follow_symlinks=False) else "no file"
            yield LocalFile(name, subdirectory, entry.name), odd
