"""Carries out a mirror run's plans: folders are made, files get names, mail and flags go both ways, then is deleted."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from mailctl.domain.changes import FlagChange
from mailctl.domain.mailbox import FolderListing
from mailctl.domain.when import counted
from mailctl.errors import RefusedError, SafetyError
from mailctl.sync.archive.carry import pieces
from mailctl.sync.bulk.load import Load
from mailctl.sync.fetch import fetch, tell_missing
from mailctl.sync.local.maildir import MaildirFolder
from mailctl.sync.local.removal import remove_file, remove_folder
from mailctl.sync.local.root import Root
from mailctl.sync.mirror.connection import Connection, folder_of
from mailctl.sync.mirror.copied import remove_copied
from mailctl.sync.mirror.folders import FolderFate
from mailctl.sync.mirror.freight import Freight
from mailctl.sync.mirror.here import look_here
from mailctl.sync.mirror.intents import Intents
from mailctl.sync.mirror.place import Placer
from mailctl.sync.mirror.show import tell
from mailctl.sync.mirror.strays import Fate
from mailctl.sync.mirror.subscriptions import Subscriptions
from mailctl.sync.mirror.work import Found, Work, fingerprint, index
from mailctl.sync.reflag import reflag
from mailctl.sync.rematch import message_id
from mailctl.sync.run import Run
from mailctl.sync.state import Agreed, FolderState, State

_DELETED = "\\Deleted"


class Carry:
    """One run's."""

    def __init__(
        self,
        run: Run,
        connection: Connection,
        state: State,
        root: Root,
        works: Mapping[str, Work],
        strays: Mapping[int, Found],
        intents: Intents,
        listing: FolderListing,
        subscriptions: Subscriptions,
    ) -> None:
        self._run, self._connection, self._state, self._root = run, connection, state, root
        self._works, self._strays, self._intents = works, strays, intents
        self._subscriptions = subscriptions
        self._delimiter = next((folder.delimiter for folder in listing.folders if folder.delimiter), None)
        self._below_inbox = all(folder.name.upper().startswith("INBOX") for folder in listing.folders)

    def carry_out(self, fates: Sequence[Fate], freight: Freight | None) -> None:
        """All of it. Each step is remembered when it is done, so that a run that ends here is taken up by the next.

        freight: fetches for many folders at once, if that may be done.
        """
        busy = [work for work in self._works.values() if not work.left and not work.still]
        for work in self._works.values():
            if not work.left:
                tell(self._run, work)
            if work.local.litter and not work.blocked and self._root.descriptor is not None:
                with MaildirFolder(self._root.files, self._root.descriptor, work.path, create=True) as maildir:
                    maildir.clean(self._run.tools.clock())
        for work in busy:
            if work.fate is FolderFate.NEW_HERE:
                self._alone(work, self._make_there)
            self._alone(work, self._remember)
        left = Placer(
            self._run, self._connection, self._state, self._root, self._works, self._strays, self._intents
        ).carry_out(fates)
        if freight is not None:
            self._connection.leave()
            freight.bring(busy)
        for work in busy:
            self._run.check_stop()
            self._alone(work, self._messages)
        self._delete_there([work for work in busy if work.tally.error is None], left)
        for work in busy:
            self._alone(work, self._delete_here)
        for work in sorted(busy, key=lambda work: len(work.path.parts), reverse=True):  # what is inside goes first
            self._alone(work, self._finish)
        for work in self._works.values():
            work.tally.error = work.tally.error or work.refusal

    def _alone(self, work: Work, step: Callable[[Work], None]) -> None:
        """A step whose refusal concerns this folder alone; what comes after it isn't done then."""
        if work.tally.error is not None:
            return
        try:
            step(work)
        except (RefusedError, SafetyError) as error:
            work.tally.error = error

    def _make_there(self, work: Work) -> None:
        try:
            work.folder = self._connection.mailbox.make(work.name, self._delimiter)
        except RefusedError as error:
            if self._below_inbox and work.path.parts[0].upper() != "INBOX":
                error.hint = f"A server with all folders below INBOX takes it as INBOX/{work.path} in the Maildir."
            raise
        self._subscriptions.made(work.folder)
        work.status = self._connection.select(work)
        work.rules = replace(work.rules, permanent=work.status.permanent_flags or None if work.status else None)
        work.leaving = {uid: work.files[uid] for uid in work.plan.delete_here}
        work.files, work.agreed, work.plan.forget = {}, {}, []
        self._run.record("sync.folder.made", f"{work.name}: made on the server", folder=work.name)

    def _remember(self, work: Work) -> None:
        """The folder's row in the state, under the UIDVALIDITY of today; messages are saved below it."""
        if work.status is None:
            return
        if work.seen is None or work.seen.uidvalidity != work.validity:
            self._state.save_folder(work.name, FolderState(work.validity, messages=work.status.messages))
            self._state.save_messages(work.name, {u: a for u, a in work.agreed.items() if u in work.server})

    def _messages(self, work: Work) -> None:
        """Flags on both sides, then what comes down."""
        plan = work.plan
        if work.status is None or work.fate is FolderFate.GONE_HERE:
            return
        if plan.set_flags or plan.fetch or work.fate is FolderFate.NEW_THERE:
            assert self._root.descriptor is not None  # noqa: S101 - only a dry run may have none
            with MaildirFolder(self._root.files, self._root.descriptor, work.path, create=True) as maildir:
                self._reflag(work, maildir)
                if plan.fetch:
                    self._fetch(work, maildir)
        self._store(work)
        self._state.save_messages(work.name, plan.agree)
        self._state.forget_messages(work.name, plan.forget)

    def _reflag(self, work: Work, maildir: MaildirFolder) -> None:
        renamed, homeless = reflag(maildir, work.plan.set_flags, work.files)
        self._run.homeless(work.name, homeless)
        work.tally.flagged += len(renamed)
        if renamed:
            maildir.sync_directories()

    def _fetch(self, work: Work, maildir: MaildirFolder) -> None:
        run, connection = self._run, self._connection
        connection.select(work)
        most = run.job.inbound.max_size
        load = Load(folder_of(work), work.path, work.hash, work.validity, work.plan.fetch, max_size=most)

        came: set[int] = set()

        def keep(new: Mapping[int, Agreed], places: Mapping[int, str | None]) -> None:
            self._state.save_messages(work.name, new)  # where files are is looked up in every run
            came.update(new)

        fetch(run, connection.mailbox, maildir, load, work.server, work.tally, keep, root=self._root.descriptor)
        tell_missing(work.plan.fetch, came, work.tally)

    def _store(self, work: Work) -> None:
        """Flags that changed here, on the server; what is the same for many messages in one command."""
        alike: dict[tuple[frozenset[str], bool], list[int]] = {}
        for uid, store in work.plan.store.items():
            for flags, add in ((store.add, True), (store.remove, False)):
                if flags:
                    alike.setdefault((flags, add), []).append(uid)
        changes = [FlagChange(tuple(sorted(uids)), flags, add) for (flags, add), uids in alike.items()]
        if changes:
            self._connection.select(work)
            self._connection.mailbox.change_flags(changes)
            work.tally.flagged += len(work.plan.store)
            text = f"{work.name}: flags of {counted(len(work.plan.store), 'message')} changed on the server"
            self._run.record("sync.messages.flagged", text, folder=work.name, uids=sorted(work.plan.store))

    def _delete_there(self, works: Iterable[Work], left: Sequence[Found]) -> None:
        """What was deleted here, after another look: a file that was being moved may have been missed.

        left: files that did not get to the server: what could be one of them, moved, stays where it is.
        """
        losing = [work for work in works if work.plan.delete_there]
        if not losing or self._root.descriptor is None:
            return
        lying = index(look_here(self._root.files, self._root.descriptor))
        for work in losing:
            back = lying.get((work.hash, work.validity), {}).keys()
            work.plan.delete_there = [uid for uid in work.plan.delete_there if uid not in back]
            if left:
                self._alone(work, lambda work: self._hold_back(work, left))
            self._alone(work, self._expunge)

    def _hold_back(self, work: Work, left: Sequence[Found]) -> None:
        """Take out of what is to be deleted what one of these files may be."""
        self._connection.select(work)
        names = {one.measured.message_id for one in left} - {""}
        sizes = {one.measured.octets for one in left}
        for uid, header in self._connection.mailbox.headers(list(work.plan.delete_there), ("Message-ID",)):
            identity = message_id(header)
            if identity in names or (not identity and work.server[uid].size in sizes):
                work.plan.delete_there.remove(uid)
                work.tally.skip("kept_there", "its file may be one that could not be uploaded: it stays there", uid=uid)

    def _expunge(self, work: Work) -> None:
        """Remove messages by UID only (RFC 4315); where the server can't, mark them, and say so."""
        expunges, uids = self._connection.expunges, work.plan.delete_there
        if not expunges:
            self._run.warn("the server can't remove single messages (no UIDPLUS): they are only marked \\Deleted there")
            uids = [uid for uid in uids if _DELETED not in work.server[uid].flags]
        for batch in pieces(uids):
            self._run.check_stop()
            self._connection.select(work)
            if expunges:
                batch = self._unchanged(work, batch)
                self._state.forget_messages(work.name, batch)
            else:
                self._connection.mailbox.change_flags([FlagChange(tuple(batch), frozenset({_DELETED}))])
                marked = {uid: work.agreed[uid] for uid in batch if uid in work.agreed}
                marked = {uid: replace(agreed, flags=agreed.flags | {_DELETED}) for uid, agreed in marked.items()}
                self._state.save_messages(work.name, marked)
            work.tally.removed += len(batch)
            text = f"{work.name}: {counted(len(batch), 'message')} removed from the server"
            self._run.record("sync.messages.removed", text, folder=work.name, uids=batch, reason="was deleted here")

    def _unchanged(self, work: Work, uids: Sequence[int]) -> list[int]:
        """Expunge what did not change since it was looked at, as far as the server can tell (RFC 7162) → what went."""
        modseq = work.status.highestmodseq if work.status else None
        left = set(self._connection.mailbox.expunge(uids, unchanged_since=modseq or None))
        left = remove_copied(self._connection, work, left) if left else left
        for uid in sorted(left):
            text = "deleted here, but it changed on the server meanwhile: it stays there"
            work.tally.skip("changed_meanwhile", text, uid=uid)
            self._run.record("sync.conflict", f"{work.name} UID {uid}: {text}", folder=work.name, uid=uid)
        return [uid for uid in uids if uid not in left]

    def _delete_here(self, work: Work) -> None:
        """What was deleted on the server, if its file still is as it was when that was decided."""
        if not work.plan.delete_here or self._root.descriptor is None:
            return
        with MaildirFolder(self._root.files, self._root.descriptor, work.path, create=True) as maildir:
            files = work.leaving or work.files
            gone = [uid for uid in work.plan.delete_here if remove_file(maildir, files[uid])]
            maildir.sync_directories()
        if not work.leaving:
            self._state.forget_messages(work.name, gone)
        work.tally.removed += len(gone)
        text = f"{work.name}: {counted(len(gone), 'message')} removed here"
        self._run.record("sync.messages.deleted", text, folder=work.name, uids=gone, reason="is gone from the server")

    def _finish(self, work: Work) -> None:
        """Folders that were removed on one side, and what is remembered of the others."""
        if work.fate is FolderFate.GONE:
            self._state.forget_folder(work.name)
        elif work.fate is FolderFate.GONE_THERE and self._root.descriptor is not None:
            if remove_folder(self._root.files, self._root.descriptor, work.path):
                self._state.forget_folder(work.name)
                self._run.record("sync.folder.removed", f"{work.name}: removed here", folder=work.name)
        elif work.fate is FolderFate.GONE_HERE:
            self._remove_there(work)
        elif work.status is not None:
            status = work.status
            whole = work.plan.complete and not work.refusal and not work.tally.skipped and not work.tally.warnings
            settled = fingerprint(self._run.job) if whole else ""
            seen = FolderState(work.validity, status.uidnext, status.highestmodseq, status.messages, settled)
            self._state.save_folder(work.name, replace(seen, mailbox_id=status.mailbox_id, path=str(work.path)))
            if work.plan.changed:
                raise SafetyError(
                    f"{work.name}: the server shows other messages than before under {len(work.plan.changed)} known "
                    "UIDs; they were left alone, and nothing was removed",
                    hint="Has it been restored from a backup? Move this folder's Maildir away to fetch it anew.",
                    code="identity_changed",
                )

    def _remove_there(self, work: Work) -> None:
        """DELETE of a folder that was removed here, if nothing is left in it.

        One that the server keeps, since others are below it, is made here again: both sides are alike then.
        """
        assert self._root.descriptor is not None  # noqa: S101 - only a dry run may have none
        if self._connection.select_again(work).messages:
            self._run.warn(f"{work.name}: removed here, but not empty on the server: it stays there")
            return
        try:
            self._connection.remove(work)
        except RefusedError as error:
            MaildirFolder(self._root.files, self._root.descriptor, work.path, create=True).close()
            self._run.warn(f"{work.name}: removed here, but the server keeps it ({error.message}): it comes back")
            return
        self._state.forget_folder(work.name)
        self._subscriptions.removed(folder_of(work))
        self._run.record("sync.folder.removed", f"{work.name}: removed from the server", folder=work.name)
