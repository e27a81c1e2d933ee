"""Subscriptions (RFC 9051 section 6.3.7): the server's, and Dovecot's file `subscriptions` in the Maildir root.

A subscription has two states, so whoever changed it since it was agreed is followed. Without a file here, only the
server's come down; what was agreed is kept in the state.

A folder that the mirror makes on the server is subscribed as the others are: if more than half of them are, or there is
none but INBOX. Clients that show only subscribed folders would not show it otherwise, and who subscribes to few folders
chose them. The subscription of a folder that the mirror removes goes with it.
"""

import json
from collections.abc import Collection

from mailctl.domain.mailbox import Folder, FolderListing
from mailctl.errors import RefusedError
from mailctl.sync.local.names import canonical_folder
from mailctl.sync.local.root import Root
from mailctl.sync.mirror.connection import MirrorMailbox, offers
from mailctl.sync.run import Run
from mailctl.sync.state import State

FILE = "subscriptions"
_KEY = "subscriptions"
_VERSION = "V\t2"
_MOST_OCTETS = 1 << 20


def merge(there: Collection[str], here: Collection[str], agreed: Collection[str] | None) -> set[str]:
    """The folders that are subscribed on both sides in the end. agreed: None if nothing was yet."""
    if agreed is None:
        return {*there, *here}
    return {name for name in {*there, *here} if (name in there and name in here) or name not in agreed}


def usual(names: Collection[str], there: Collection[str]) -> bool:
    """Whether a folder that is made is to be subscribed as most are. names: the folders. there: those subscribed."""
    others = {name for name in names if canonical_folder(name) != "INBOX"}
    return not others or 2 * len(others.intersection(there)) > len(others)


def read(text: str, delimiter: str) -> list[str]:
    """The names in the file, of version 1 (a name a line) or 2 (levels parted by tabs) of Dovecot's format."""
    lines = text.splitlines()
    if lines and lines[0].startswith(_VERSION):
        return [line.replace("\t", delimiter) for line in lines[1:] if line]
    return [line for line in lines if line]


def write(names: Collection[str], delimiter: str) -> str:
    """The text of the file, of version 2."""
    rows = [name.replace(delimiter, "\t") if delimiter else name for name in sorted(names)]
    return "".join(f"{row}\n" for row in [_VERSION, "", *rows])


class Subscriptions:
    """The subscriptions of one run. `made` and `removed` are told as it goes, `sync` comes last."""

    def __init__(self, run: Run, root: Root, state: State, mailbox: MirrorMailbox, listing: FolderListing) -> None:
        self._run, self._root, self._state, self._mailbox = run, root, state, mailbox
        self._folders = {folder.name: folder for folder in listing.folders}
        self._delimiter = next((folder.delimiter for folder in listing.folders if folder.delimiter), None) or ""
        self._known: set[str] | None = None
        self._usual: bool | None = None

    def made(self, folder: Folder) -> None:
        """A folder was made on the server."""
        if self._usual is None:
            self._usual = usual([name for name, each in self._folders.items() if each.selectable], self._now)
        self._folders[folder.name] = folder
        if self._usual and folder.name not in self._now:
            self._change(folder, on=True)

    def removed(self, folder: Folder) -> None:
        """A folder was removed on the server."""
        if folder.name in self._now:
            self._change(folder, on=False)
        self._folders.pop(folder.name, None)

    def _change(self, folder: Folder, *, on: bool) -> None:
        try:
            self._mailbox.subscribe(folder, on=on)
        except RefusedError as error:
            self._run.warn(f"{folder.name}: its subscription can't be changed on the server: {error.message}")
        else:
            (self._now.add if on else self._now.discard)(folder.name)

    @property
    def _now(self) -> set[str]:
        """What is subscribed on the server, as far as is known."""
        if self._known is None:
            self._known = set(self._there())
        return self._known

    def sync(self) -> None:
        """Make both sides alike. A server that refuses one is told of, and goes on."""
        if self._root.descriptor is None:
            return
        there = {name for name in self._now if _fits(name)}
        files = self._root.files
        try:
            files.tidy(self._root.descriptor, FILE)
            data = files.read_small(self._root.descriptor, FILE, _MOST_OCTETS)
        except OSError as error:  # a link, or a directory
            self._run.warn(f"the file {FILE} can't be read, subscriptions are left as they are: {error.strerror}")
            return
        here = set(read(data.decode("utf-8", "replace"), self._delimiter)) if data is not None else None
        before = _names(self._state.meta(_KEY))
        wanted = there if here is None else merge(there, here, before)
        for name in sorted((wanted ^ there) & self._folders.keys()):
            self._change(self._folders[name], on=name in wanted)
        done = {name for name in self._now if _fits(name)}
        if wanted != here:
            files.replace(self._root.descriptor, FILE, write(wanted, self._delimiter).encode())
        if done != before:
            self._state.set_meta(_KEY, json.dumps(sorted(done)))

    def _there(self) -> Collection[str]:
        """The server's, as told with the listing (RFC 5258) where it can."""
        if offers(self._mailbox.capabilities, "LIST-EXTENDED"):
            return {name for name, folder in self._folders.items() if "\\subscribed" in folder.attributes}
        return self._mailbox.subscribed()


def _fits(name: str) -> bool:
    """Whether the file can hold a name."""
    return not any(c in "\n\t" or "\ud800" <= c <= "\udfff" for c in name)


def _names(text: str) -> set[str] | None:
    try:
        return set(map(str, json.loads(text))) if text else None
    except (ValueError, TypeError):
        return None
