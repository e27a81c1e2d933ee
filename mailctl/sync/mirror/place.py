"""Gives strays their names: what is on the server already is recognised, moved or copied there; the rest is uploaded.

A file is renamed only after the server has said where its message is. Until then an intent tells where to look for it.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import groupby

from mailctl.domain.changes import Placed, PlacingError, Upload
from mailctl.domain.mailbox import MessageMeta
from mailctl.errors import RefusedError, StorageError
from mailctl.sync.archive.plan import as_meta, remember
from mailctl.sync.local.flags import SYSTEM, strange_letters, to_letters
from mailctl.sync.local.maildir import LocalFile, MaildirFolder
from mailctl.sync.local.names import MessageName
from mailctl.sync.local.root import Root
from mailctl.sync.mirror.connection import Connection, folder_of
from mailctl.sync.mirror.doubt import Doubts
from mailctl.sync.mirror.intents import Intent, Intents
from mailctl.sync.mirror.octets import open_message
from mailctl.sync.mirror.plan import plan_both
from mailctl.sync.mirror.strays import Fate, Origin, Way, match_arrivals
from mailctl.sync.mirror.there import likenesses
from mailctl.sync.mirror.unnamed import Reader
from mailctl.sync.mirror.upload import Batch, batches
from mailctl.sync.mirror.work import Found, Work
from mailctl.sync.run import Run
from mailctl.sync.state import Agreed, State


class Placer:
    """Carries out fates. strays: by key. Afterwards, the folders' plans hold what is left to do."""

    def __init__(
        self,
        run: Run,
        connection: Connection,
        state: State,
        root: Root,
        works: Mapping[str, Work],
        strays: Mapping[int, Found],
        intents: Intents,
    ) -> None:
        self._run, self._connection, self._state, self._root = run, connection, state, root
        self._works, self._strays, self._intents = works, strays, intents
        self._done: set[int] = set()

    def carry_out(self, fates: Iterable[Fate]) -> list[Found]:
        """All of them, which come sorted: copies before moves; returns the files that have no name of theirs yet."""
        wanted = [(fate, self._strays[fate.stray.key]) for fate in fates]
        ready = [(fate, found) for fate, found in wanted if not found.work.left and found.work.tally.error is None]
        for (way, target, source), group in groupby(ready, key=lambda pair: _group(pair[0])):
            self._run.check_stop()
            work = self._works[target]
            try:
                self._some(way, work, self._works.get(source, work), list(group))
            except RefusedError as error:
                work.refusal = error
        return [found for _, found in wanted if found.stray.key not in self._done]

    def _some(self, way: Way, work: Work, source: Work, some: Sequence[tuple[Fate, Found]]) -> None:
        """Files of one folder, all of one fate."""
        with self._opened(work) as maildir:
            if way in (Way.IS, Way.FOLLOW):
                self._recognise(work, maildir, some, source)
            elif way is Way.UPLOAD:
                self._upload(work, maildir, [found for _, found in some])
            else:
                self._transfer(way, work, source, maildir, some)

    def _opened(self, work: Work) -> MaildirFolder:
        assert self._root.descriptor is not None  # noqa: S101 - a stray was found below it
        return MaildirFolder(self._root.files, self._root.descriptor, work.path, create=True)

    def _recognise(self, work: Work, maildir: MaildirFolder, some: Sequence[tuple[Fate, Found]], goal: Work) -> None:
        """Name files after messages that are there: in their own folder, or in `goal`, to which they follow them."""
        known: dict[int, Agreed] = {}
        with self._opened(goal) as target:
            for fate, found in some:
                if fate.source is None:
                    continue
                uid, old = fate.source.uid, fate.stray.origin
                goal.tally.moved += fate.way is Way.FOLLOW
                if fate.way is Way.FOLLOW and old is not None:
                    agreed = self._works[old.folder].agreed.get(old.uid)
                else:
                    agreed = goal.agreed.get(uid)
                base = agreed.flags if agreed else None
                known[uid] = self._named(goal, target, found, self._meta(goal, uid), base, source=maildir)
            target.sync_directories()
        if goal is not work:
            maildir.sync_directories()
        self._state.save_messages(goal.name, known)

    def _transfer(
        self, way: Way, work: Work, source: Work, maildir: MaildirFolder, some: Sequence[tuple[Fate, Found]]
    ) -> None:
        """MOVE (RFC 6851) or COPY within the server; without MOVE, what was copied is deleted in the last step."""
        if source.folder is None or work.folder is None:
            return
        by_uid = {fate.source.uid: found for fate, found in some if fate.source is not None}
        uids = sorted(by_uid)
        mailbox = self._connection.mailbox
        moving = way is Way.MOVE and self._connection.moves
        intent = self._intend(work, by_uid.values())
        self._connection.select(source)
        try:
            placed = (mailbox.move if moving else mailbox.copy)(uids, work.folder)
        except PlacingError as error:
            placed = error.placed
            self._refused(work, f"{way.value} messages from {source.name}", error)
        if placed.uidvalidity not in (None, work.validity):
            return  # made anew meanwhile: the next run sees it as it is
        metas = {uid: self._meta(source, uid) for uid in uids}
        told = {uid: placed.uids[uid] for uid in uids if uid in placed.uids}
        if len(told) < len(uids):
            lookup = self._lookup(work, intent, [found for uid, found in by_uid.items() if uid not in told])
            told |= {uid: lookup[found] for uid, found in by_uid.items() if found in lookup}
        known: dict[int, Agreed] = {}
        for uid, new in told.items():
            agreed, meta = source.agreed.get(uid), metas[uid]
            moved = MessageMeta(new, meta.flags, meta.size, meta.internaldate)
            known[new] = self._named(work, maildir, by_uid[uid], moved, agreed.flags if agreed else None)
            if new in work.files and meta.internaldate not in (None, int(by_uid[uid].measured.date)):
                redate(maildir, work.files[new], meta.internaldate)
        maildir.sync_directories()
        self._state.save_messages(work.name, known)
        if way is Way.MOVE and not moving:
            source.plan.delete_there = sorted({*source.plan.delete_there, *told})
            source.copied |= {uid: (work, new) for uid, new in told.items()}
        elif moving:
            self._state.forget_messages(source.name, list(told))
        work.tally.moved += len(told)
        text = f"{work.name}: {len(told)} messages {'moved' if way is Way.MOVE else 'copied'} from {source.name}"
        self._run.record("sync.messages.moved", text, folder=work.name, source=source.name, uids=list(told))
        if len(told) == len(uids):
            self._intents.done([intent])

    def _upload(self, work: Work, maildir: MaildirFolder, strays: Sequence[Found]) -> None:
        """APPEND, some at a time; one that is refused keeps no other from being tried."""
        for batch in batches(self._connection, work, maildir, strays):
            self._run.check_stop()
            intent = self._intend(work, batch.found)
            with ExitStack() as stack:
                uploads = batch.open(maildir, stack)
                if not uploads:
                    self._intents.done([intent])
                    continue
                try:
                    placed = self._connection.mailbox.append(folder_of(work), uploads)
                except PlacingError as error:
                    placed = self._one_by_one(work, batch, error, uploads)
                except StorageError as error:
                    if error.code == "message_changed":  # what was sent besides, the next try finds by the intent
                        work.tally.changing |= batch.changed(maildir)
                    raise
            self._settle(work, maildir, batch, placed, intent)
            if batch.stopped is not None:
                raise batch.stopped

    def _one_by_one(self, work: Work, batch: Batch, error: PlacingError, uploads: Sequence[Upload]) -> Placed:
        """What of a refused batch can be placed all the same."""
        uids = dict(error.placed.uids)
        if error.cause == "quota_full":
            batch.stopped = error
            batch.refused.update(error.unplaced)
        for number in error.unplaced if batch.stopped is None else ():
            single = error
            if len(uploads) > 1:
                try:
                    found = self._connection.mailbox.append(folder_of(work), [uploads[number]])
                    if 0 in found.uids:
                        uids[number] = found.uids[0]
                    continue
                except PlacingError as again:
                    single = again
            batch.refused.add(number)
            work.tally.skip("refused", f"{batch.found[number].file.filename} stays here only: {single.message}")
        return Placed(error.placed.uidvalidity, uids)

    def _settle(self, work: Work, maildir: MaildirFolder, batch: Batch, placed: Placed, intent: Intent) -> None:
        """Name what was uploaded."""
        there = {batch.found[number]: uid for number, uid in placed.uids.items()}
        gone = [found for n, found in enumerate(batch.found) if n not in placed.uids and n not in batch.refused]
        if placed.uidvalidity not in (None, work.validity):
            return  # made anew meanwhile: the next run sees it as it is
        if gone:
            there |= self._lookup(work, intent, gone)
        known: dict[int, Agreed] = {}
        for found, uid in there.items():
            flags = work.rules.storable(found.flags)
            known[uid] = self._named(work, maildir, found, MessageMeta(uid, flags), flags)
            work.tally.uploaded += 1
            work.tally.bytes += found.measured.octets
        maildir.sync_directories()
        self._state.save_messages(work.name, known)
        if len(there) + len(batch.refused) == len(batch.found):
            self._intents.done([intent])
        if there:
            text = f"{work.name}: {len(there)} messages uploaded"
            self._run.record("sync.messages.uploaded", text, folder=work.name, uids=sorted(there.values()))

    def _intend(self, work: Work, strays: Iterable[Found]) -> Intent:
        uidnext = self._connection.uidnext(work)
        return self._intents.add(Intent(work.name, work.validity, uidnext, tuple(found.base for found in strays)))

    def _lookup(self, work: Work, intent: Intent, strays: Sequence[Found]) -> dict[Found, int]:
        """The UIDs of what was just put there, where the server doesn't tell them (no UIDPLUS)."""
        self._connection.select(work)
        mailbox = self._connection.mailbox
        uids = [u for u in mailbox.uids() if u >= intent.uidnext and u not in work.files and u not in work.agreed]
        metas = {meta.uid: meta for meta in mailbox.scan(uids)} if uids else {}
        arrivals = {work.name: likenesses(mailbox, metas, sorted(metas), nameless=(None,))}
        tries = [replace(found.stray, attempt=Origin(work.name, intent.uidnext)) for found in strays]
        by_key = {found.stray.key: found for found in strays}
        reader = Reader(self._root, self._works.values(), make=True)
        doubts = Doubts(mailbox, reader, self._works, {work.name}, self._connection.select)
        tries, arrivals, _ = doubts.clear_strays(tries, arrivals, {}, by_key)
        return {by_key[stray.key]: origin.uid for stray, origin in match_arrivals(tries, arrivals).items()}

    def _meta(self, work: Work, uid: int) -> MessageMeta:
        return work.server.get(uid) or as_meta(uid, work.agreed[uid])

    def _named(
        self,
        work: Work,
        maildir: MaildirFolder,
        found: Found,
        meta: MessageMeta,
        agreed: frozenset[str] | None,
        *,
        source: MaildirFolder | None = None,
    ) -> Agreed:
        """Give a file the name of the message that it is, in `work`'s Maildir, and plan what its flags need.

        agreed: the flags that both sides had. Returns what to remember as soon as the name is durable: that both have
        the message, so that what is deleted of it from now on was deleted; and the flags that both have by now, so that
        a run that dies before it has carried the others over takes none for removed.
        """
        own = found.work is work and found.origin_hash in ("", work.hash)
        both = (agreed or frozenset()) & meta.flags
        flags = found.flags | (both - work.rules.legible(both))  # it comes from where a keyword had another letter
        letters, _ = to_letters(flags, maildir.keywords)
        strange = strange_letters(found.file.name.letters, maildir.keywords)
        letters += strange if own else "".join(c for c in strange if not c.islower() and c not in SYSTEM)
        maildir.save_keywords()
        name = MessageName(work.hash, work.validity, meta.uid, "", found.measured.verbatim, "".join(sorted(letters)))
        file = rename(source or maildir, found.file, maildir, name)
        work.server[meta.uid] = meta
        self._done.add(found.stray.key)
        if file is None:  # it was deleted meanwhile, or moved on: the next run sees which
            work.plan.agree[meta.uid] = remember(meta)
            return remember(meta)
        work.files[meta.uid] = file
        before = None if agreed is None else replace(remember(meta), flags=agreed)
        plan_both(work.plan, work.rules, meta, flags, before)
        work.plan.agree.setdefault(meta.uid, remember(meta))
        now = remember(meta)
        return before or replace(now, flags=now.flags & flags)

    def _refused(self, work: Work, what: str, error: RefusedError) -> None:
        text = f"{work.name}: can't {what} on the server: {error.message}"
        work.tally.warnings.append(text)
        self._run.warn(text)


def _group(fate: Fate) -> tuple[Way, str, str]:
    return fate.way, fate.stray.folder, fate.source.folder if fate.source else ""


def rename(source: MaildirFolder, file: LocalFile, target: MaildirFolder, name: MessageName) -> LocalFile | None:
    """Give a file a message's name; None if it is gone. It may have been given other flags meanwhile."""
    base = file.filename.partition(":2,")[0]
    for _ in range(3):
        subdirectory = "cur" if name.letters else file.subdirectory
        new = f"{name.base()}:2,{name.letters}" if subdirectory == "cur" else name.base()
        here, there = source.descriptors[file.subdirectory], target.descriptors[subdirectory]
        with suppress(FileNotFoundError):
            source.files.rename(here, file.filename, there, new)
            return LocalFile(name, subdirectory, new)
        again = _called(source, base)
        if again is None:
            return None
        file, name = again, replace(name, letters="".join(sorted(again.name.letters)))
    return None


def _called(maildir: MaildirFolder, base: str) -> LocalFile | None:
    """The file of that name up to the flags, as it is called now."""
    for subdirectory in ("new", "cur"):
        for filename in os.listdir(maildir.descriptors[subdirectory]):
            if filename.partition(":2,")[0] == base:
                return LocalFile(MessageName("", letters=filename.partition(":2,")[2]), subdirectory, filename)
    return None


def redate(maildir: MaildirFolder, file: LocalFile, date: float) -> None:
    """Give a file the time of its message: whoever copied it made it anew, the server's copy keeps the date."""
    fd = open_message(maildir.files, maildir.descriptors[file.subdirectory], file.filename)
    if fd is None:
        return
    try:
        maildir.files.set_time(fd, date)
    finally:
        os.close(fd)
