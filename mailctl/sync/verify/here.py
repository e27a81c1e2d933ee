"""What lies here, for verifying and repairing: every folder's contents, where messages are doubled, what is no mail."""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress

from mailctl.domain.gateway import Mode
from mailctl.sync.local.inspect import Contents, Entry, inspect
from mailctl.sync.local.maildir import LITTER_AGE
from mailctl.sync.local.names import folder_hash, is_part
from mailctl.sync.local.root import Root
from mailctl.sync.verify.differences import FolderFindings, Kind, Outlook


class Here:
    """All folders below the root by path, and the messages in them by the part of the name that never changes."""

    def __init__(self, root: Root) -> None:
        self.root = root
        self.folders: dict[tuple[str, ...], Contents] = {}
        self.by_stem: dict[str, list[Entry]] = defaultdict(list)
        if root.descriptor is not None:
            self.folders = {each.path: each for each in inspect(root.files, root.descriptor)}
        for entry in self.messages():
            assert entry.name is not None  # noqa: S101 - it is a message
            self.by_stem[entry.name.stem].append(entry)

    def messages(self) -> Iterator[Entry]:
        """Every file that carries a name of mailctl's."""
        for contents in self.folders.values():
            yield from (entry for entry in contents.entries if entry.name is not None and entry.regular)

    def doubled(self) -> Iterator[list[Entry]]:
        """Files of the same message. One that was renamed while it was looked at shows twice, and isn't there twice."""
        for entries in list(self.by_stem.values()):
            if len(entries) > 1:
                there = [entry for entry in entries if self.exists(entry)]
                if len(there) > 1:
                    yield there

    def single(self) -> Iterator[Entry]:
        """Messages that no other file in their folder stands for."""
        for entries in self.by_stem.values():
            paths = Counter(entry.path for entry in entries)
            yield from (entry for entry in entries if paths[entry.path] == 1)

    def exists(self, entry: Entry) -> bool:
        """Whether the file is still called so."""
        assert self.root.descriptor is not None  # noqa: S101 - an entry was found below it
        try:
            directory = self.root.files.descend(self.root.descriptor, (*entry.path, entry.subdirectory))
        except OSError:
            return False
        try:
            os.stat(entry.filename, dir_fd=directory, follow_symlinks=False)
        except OSError:
            return False
        finally:
            os.close(directory)
        return True


def litter(contents: Contents, now: float) -> list[Entry]:
    """Files in `tmp` that the next run removes: mailctl's own, and whatever is old (the Maildir rule)."""
    return [
        entry
        for entry in contents.entries
        if entry.subdirectory == "tmp"
        and not entry.directory
        and (is_part(entry.filename) or entry.mtime < now - LITTER_AGE)
    ]


def tell(
    contents: Contents, mode: Mode, now: float, found: FolderFindings, unsent: Callable[[Entry], str] = lambda entry: ""
) -> None:
    """Note what can be said of one folder alone.

    unsent: of another program's file, in mirror mode: why it is no message that the server takes, "" if it is one.
    """
    for text in contents.broken:
        found.add(Kind.UNREADABLE, Outlook.STAYS, text)
    for entry in litter(contents, now):
        found.add(Kind.LITTER, Outlook.NEXT_SYNC, "left by a run that died", file=entry.shown)
    for part in contents.parts:
        found.add(Kind.LITTER, Outlook.NEXT_SYNC, "left by a run that died", file="/".join((*contents.path, part)))
    for entry in contents.entries:
        if entry.subdirectory == "tmp":
            continue
        if entry.name is not None and not entry.regular:
            found.add(Kind.UNREADABLE, Outlook.STAYS, "a link or a folder, not a file", file=entry.shown)
        elif entry.name is None and entry.filename[0] != ".":
            found.add(Kind.FOREIGN, *_foreign(entry, mode, unsent), file=entry.shown)


def _foreign(entry: Entry, mode: Mode, unsent: Callable[[Entry], str]) -> tuple[Outlook, str]:
    """What becomes of a file that is under no name of mailctl's, and what it is."""
    if mode is not Mode.MIRROR:
        return Outlook.WANTED, "not from this server; another program put it here"
    why = "a link or a folder, not a file" if not entry.regular else unsent(entry) if entry.size else "it is empty"
    if why:
        return Outlook.STAYS, f"{why}: it is not sent to the server"
    return Outlook.NEXT_SYNC, "another program put it here: it is sent to the server"


def tell_doubled(here: Here, mode: Mode, by_path: dict[tuple[str, ...], FolderFindings]) -> None:
    """Note each file beyond the first of a message, in its folder; in another folder it is somebody's own copy."""

    def stray(entry: Entry) -> bool:
        home = by_path.get(entry.path)
        return not (home and entry.name and folder_hash(here.root.account, home.name) == entry.name.folder)

    for entries in here.doubled():
        first, *others = sorted(entries, key=stray)
        seen = {first.path}
        for entry in others:
            assert entry.name is not None  # noqa: S101 - only messages can be doubled
            outlook, told, uid = Outlook.STAYS, f"the same message as {first.shown}", entry.name.uid
            if entry.path not in seen:
                seen.add(entry.path)
                told, uid = f"a copy of {first.shown}", 0  # its UID is another folder's
                outlook = Outlook.NEXT_SYNC if mode is Mode.MIRROR else Outlook.WANTED
            with suppress(KeyError):
                by_path[entry.path].add(Kind.DOUBLED, outlook, told, uid=uid, file=entry.shown)
