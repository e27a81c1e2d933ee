"""Folders that were renamed here: renamed on the server too (RFC 9051 section 6.3.6), with all that is in them.

A directory is the renamed folder if the folder's own directory is gone and more than MOST of its messages lie there, in
no other. The server must still have the folder under the UIDVALIDITY that it had, and what is below it there must have
come along here. Otherwise, or if the server refuses, messages are moved one by one, as ever.

The files get their new names after the server renamed the folder, and the state follows when all have: a run that dies
in between finds a folder that was renamed on both sides, and does the rest. INBOX is never renamed: a server would
empty it instead.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from mailctl.domain.event import Level
from mailctl.domain.mailbox import Folder, FolderListing
from mailctl.domain.record import dataclass
from mailctl.errors import RefusedError
from mailctl.sync.archive.plan import remember
from mailctl.sync.local.maildir import LocalFile, MaildirFolder
from mailctl.sync.local.names import canonical_folder
from mailctl.sync.local.paths import FolderPath
from mailctl.sync.local.root import Root
from mailctl.sync.mirror.connection import MirrorMailbox
from mailctl.sync.mirror.folders import FolderFate
from mailctl.sync.mirror.here import LocalFolder, Parts
from mailctl.sync.mirror.work import Work
from mailctl.sync.run import Run
from mailctl.sync.state import Agreed, State

MOST = 0.75
_KEY = "renaming"
_MOST_COMPARED = 1000
"""Messages, the newest, of which size and date are compared."""


@dataclass(frozen=True)
class Renaming:
    """A folder's name before and now. there: whether the server still has it under the old one."""

    old: Work
    new: Work
    there: bool


def renamings(works: Mapping[str, Work]) -> list[Renaming]:
    """The folders that were renamed here, as far as this side tells. Pure."""
    found: list[Renaming] = []
    for new in works.values():
        there = new.fate is FolderFate.NEW_HERE
        if new.left or not (there or (new.fate is FolderFate.BOTH and not (new.seen and new.seen.uidvalidity))):
            continue
        fate = FolderFate.GONE_HERE if there else FolderFate.GONE
        found += [Renaming(old, new, there) for old in works.values() if old.fate is fate and _became(old, new)]
    return [
        each
        for each in found
        if not any(other is not each and (other.old is each.old or other.new is each.new) for other in found)
    ]


def _became(old: Work, new: Work) -> bool:
    if old.left or not (old.seen and old.seen.uidvalidity) or "INBOX" in map(canonical_folder, (old.name, new.name)):
        return False
    lying = {file.name.uid for file in new.local.named if _is_of(file, old) or _is_of(file, new, old)}
    return len(lying & old.agreed.keys()) > MOST * len(old.agreed)


def _is_of(file: LocalFile, work: Work, before: Work | None = None) -> bool:
    """Whether a file bears a name of this folder, under the UIDVALIDITY that it had, or that the one before had."""
    return not file.name.uidl and (file.name.folder, file.name.uidvalidity) == (work.hash, (before or work).validity)


def in_order(found: Collection[Renaming], delimiter: str | None) -> list[Renaming]:
    """First what goes elsewhere than the folder that it is in, deepest first; then what goes along with it. Pure."""

    def along(each: Renaming) -> bool:
        return any(
            each.old.name.startswith(f"{other.old.name}{delimiter}")
            and each.new.name == other.new.name + each.old.name.removeprefix(other.old.name)
            for other in found
        )

    return sorted(found, key=lambda each: (along(each), len(each.old.name) * (1 if along(each) else -1)))


def inferiors(
    each: Renaming, works: Mapping[str, Work], listing: FolderListing, gone: Collection[str] = ()
) -> list[Renaming] | None:
    """The folders below, which come along; None if some of them did not here, so that nothing may be renamed. Pure.

    gone: names that were there, and are no more.
    """
    delimiter = _delimiter(listing)
    if not delimiter:
        return []
    before, now = each.old.name + delimiter, each.new.name + delimiter
    if now.startswith(before):
        return None
    along = []
    for folder in listing.folders:
        if folder.name.startswith(now):
            return None
        if folder.name.startswith(before) and folder.selectable and folder.name not in gone:
            old, new = works.get(folder.name), works.get(now + folder.name.removeprefix(before))
            if old is None or old.left or old.local.stands is not None:
                return None
            if old.fate is FolderFate.NEW_THERE:
                continue  # the server's new folder goes with the one that it is in
            same = new is not None and new.fate is FolderFate.NEW_HERE and (not old.agreed or _became(old, new))
            if new is None or not same:
                return None
            along.append(Renaming(old, new, there=True))
    return along


class Renamer:
    """One run's. here: the Maildir. Whatever it renames is then to be looked at afresh."""

    def __init__(
        self,
        run: Run,
        mailbox: MirrorMailbox,
        state: State,
        root: Root,
        works: Mapping[str, Work],
        listing: FolderListing,
        here: Mapping[Parts, LocalFolder],
    ) -> None:
        self._run, self._mailbox, self._state, self._root = run, mailbox, state, root
        self._works, self._listing, self._here = works, listing, here
        self._underway = _parse(state.meta(_KEY))

    def rename(self) -> bool:
        """All folders that were renamed here; whether any was. A dry run shows them, and leaves them alone."""
        found = [each for each in renamings(self._works) if each.there or self._is_same(each, each.new.folder)]
        if self._run.job.dry_run:
            self._show(found)
            return False
        done = [each for each in found if not each.there]
        for each in in_order(found, _delimiter(self._listing)):
            if not any(each.old is other.old for other in done):
                done += self._rename_there(each, {other.old.name for other in done})
        if not (done or self._underway):
            return False
        now = {folder.name: folder for folder in self._mailbox.survey().folders}
        self._subscribe(now)
        for each in done:
            if not each.there or self._is_same(each, now.get(each.new.name)):
                self._take_over(each)
            self._run.forget_folder(each.old.name)
        return True

    def _show(self, found: Collection[Renaming]) -> None:
        for each in in_order(found, _delimiter(self._listing)):
            where = "on the server" if each.there else "on both sides"
            each.new.tally.step("rename_folder", sorted(each.old.agreed), f"{where}: was {each.old.name}")
            below = inferiors(each, self._works, self._listing) if each.there else None
            for one in (each, *(below or ())):
                one.old.left = one.new.left = True

    def _rename_there(self, each: Renaming, gone: Collection[str]) -> list[Renaming]:
        """RENAME → the folders that it renamed, none if it can't be."""
        along, old = inferiors(each, self._works, self._listing, gone), each.old.folder
        if along is None or old is None:
            return []
        try:
            status = self._mailbox.select(old, read_only=True)
            if status.uidvalidity != each.old.validity:
                return []
            inbox = next((f for f in self._listing.folders if canonical_folder(f.name) == "INBOX"), None)
            if inbox is not None:  # some servers end a session whose folder goes
                self._mailbox.select(inbox, read_only=True)
            for one in (each, *along):
                wire = one.old.folder.wire.decode("latin-1") if one.old.folder else ""
                self._underway.append((one.old.name, wire, one.new.name))
            self._state.set_meta(_KEY, json.dumps(self._underway), durable=True)
            self._mailbox.rename(old, each.new.name)
        except RefusedError as error:
            text = f"{old.name}: can't be renamed on the server to {each.new.name}: {error.message}"
            self._run.record("sync.refused", text, level=Level.WARNING, code=error.code, server_text=error.server_text)
            return []
        return [each, *along]

    def _is_same(self, each: Renaming, folder: Folder | None) -> bool:
        """Whether the server's folder of the new name holds what is remembered of the old one."""
        if folder is None:
            return False
        try:
            status = self._mailbox.select(folder, read_only=True)
        except RefusedError:  # the next run sees what became of it
            return False
        if status.uidvalidity != each.old.validity:
            return False
        uids = sorted(each.old.agreed)[-_MOST_COMPARED:]
        shown = {meta.uid: remember(meta) for meta in self._mailbox.scan(uids)} if uids else {}
        return not uids or (bool(shown) and all(_alike(each.old.agreed[u], now) for u, now in shown.items()))

    def _subscribe(self, listed: Mapping[str, Folder]) -> None:
        """Subscriptions follow: they stay with the old names otherwise (RFC 9051 section 6.3.7)."""
        subscribed = self._mailbox.subscribed() if self._underway else frozenset()
        for old, wire, new in self._underway:
            if old not in subscribed or old in listed or new not in listed:
                continue
            for folder, on in (
                (listed[new], True),
                (Folder(old, wire.encode("latin-1"), listed[new].delimiter), False),
            ):
                try:
                    self._mailbox.subscribe(folder, on=on)
                except RefusedError as error:
                    self._run.warn(f"{folder.name}: its subscription can't be changed on the server: {error.message}")
        self._state.set_meta(_KEY, "")

    def _take_over(self, each: Renaming) -> None:
        """Files and memory of the old name become the new one's."""
        state, old, new, root = self._state, each.old, each.new, self._root.descriptor
        if root is None or old.seen is None:
            return
        state.begin([old.name, new.name])
        moved = 0
        for parts, files in self._files(each):
            with MaildirFolder(self._root.files, root, FolderPath(parts), create=False) as maildir:
                for file in files:
                    maildir.rename(file, replace(file.name, folder=new.hash))
                maildir.sync_directories()
            moved += len(files)
        with state.together():
            state.save_folder(new.name, replace(old.seen, path=str(new.path), cur=0, new=0))
            state.save_messages(new.name, old.agreed)
            state.forget_folder(old.name)
            state.set_mirrored(state.mirrored - {old.name} | {new.name})
        text = f"{new.name}: renamed here: was {old.name}"
        self._run.notes.append(f"{text}; {'renamed on the server too' if each.there else 'as on the server'}")
        self._run.record("sync.folder.renamed", text, folder=new.name, was=old.name, moved=moved)

    def _files(self, each: Renaming) -> Iterator[tuple[Parts, list[LocalFile]]]:
        """The files of the old name, wherever they lie."""
        for parts, folder in self._here.items():
            taken = {file.name.uid for file in folder.named if _is_of(file, each.new, each.old)}
            files = [file for file in folder.named if _is_of(file, each.old) and file.name.uid not in taken]
            if files:
                yield parts, files


def _delimiter(listing: FolderListing) -> str | None:
    return next((folder.delimiter for folder in listing.folders if folder.delimiter), None)


def _parse(text: str) -> list[tuple[str, str, str]]:
    """The renamings that a run had begun, whose subscriptions are to follow; none if that can't be read."""
    try:
        return [(str(old), str(wire), str(new)) for old, wire, new in json.loads(text or "[]")]
    except (ValueError, TypeError):
        return []


def _alike(before: Agreed, now: Agreed) -> bool:
    """Whether nothing speaks against its being the same message."""
    pairs = ((before.size, now.size), (before.internaldate, now.internaldate))
    return all(None in pair or pair[0] == pair[1] for pair in pairs)
