"""Carries out the plan of one IMAP folder: first what comes down, durable and remembered; then what changes there."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace

from mailctl.domain.event import Level
from mailctl.domain.mailbox import Folder, ImapMailbox, MessageMeta
from mailctl.domain.record import dataclass
from mailctl.domain.when import counted
from mailctl.errors import MailctlError, RefusedError
from mailctl.sync.archive.look import place_of
from mailctl.sync.archive.plan import SEEN, FolderPlan
from mailctl.sync.bulk.load import Load
from mailctl.sync.fetch import fetch, tell_missing
from mailctl.sync.job import FolderTally
from mailctl.sync.local.maildir import LocalFile, MaildirFolder
from mailctl.sync.local.writer import MOST_MESSAGES
from mailctl.sync.reflag import reflag
from mailctl.sync.run import Run
from mailctl.sync.state import Agreed, State

_KEPT = Agreed(frozenset())


@dataclass
class Carrier:
    """What carrying out needs.

    folder: the one that is selected. hash: stands for it in file names. files: the messages that are here, by UID.
    server: what the server shows. agreed: what the state holds. leaving: whether what is here goes from the server.
    root: descriptor of the Maildir root. look_again: the UIDs whose files are anywhere below the root now; one look can
    miss a file that is being moved. places: where files are now that this renamed, as the state keeps it.
    """

    run: Run
    mailbox: ImapMailbox
    state: State
    maildir: MaildirFolder
    tally: FolderTally
    folder: Folder
    hash: str
    uidvalidity: int
    files: Mapping[int, LocalFile]
    server: Mapping[int, MessageMeta]
    agreed: Mapping[int, Agreed]
    mark_seen: bool
    leaving: bool
    root: int | None = None
    look_again: Callable[[], set[int]] = set
    fetched: dict[int, Agreed] = field(default_factory=dict)
    places: dict[int, str | None] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The folder's."""
        return self.folder.name

    def carry_out(self, plan: FolderPlan) -> None:
        """All of it. Each step is remembered when it is done, so that a run that ends here is taken up by the next."""
        self._set_flags(plan.set_flags)
        self.state.save_messages(self.name, plan.agree)
        self.state.forget_messages(self.name, plan.forget)
        self._fetch(plan.fetch)
        if self.mark_seen:
            unseen = [uid for uid, agreed in self.fetched.items() if SEEN not in agreed.flags]
            self._mark_seen(sorted([*plan.mark_seen, *unseen]), {**self.agreed, **plan.agree, **self.fetched})
        verified = [uid for uid in plan.verify if self._same(uid)]
        fetched = self.fetched if self.leaving and not plan.changed else ()
        self._remove(sorted([*plan.remove, *verified, *fetched]), "is here")
        if plan.delete:
            back = self.look_again() | self.maildir.named(self.hash, self.uidvalidity)
            self._remove([uid for uid in plan.delete if uid not in back], "was deleted here")

    def _set_flags(self, wanted: Mapping[int, frozenset[str]]) -> None:
        if not wanted:
            return
        renamed, homeless = reflag(self.maildir, wanted, self.files)
        self.places |= {uid: place_of(file) for uid, file in renamed.items()}
        self.tally.flagged += len(renamed)
        self.run.homeless(self.name, homeless)
        self.maildir.sync_directories()

    def _fetch(self, uids: Sequence[int]) -> None:
        if uids:
            most = self.run.job.inbound.max_size
            load = Load(self.folder, self.maildir.path, self.hash, self.uidvalidity, uids, max_size=most)
            fetch(self.run, self.mailbox, self.maildir, load, self.server, self.tally, self._keep, root=self.root)
            tell_missing(uids, self.fetched, self.tally)

    def _keep(self, new: Mapping[int, Agreed], places: Mapping[int, str | None]) -> None:
        self.state.save_messages(self.name, new, places)
        self.fetched.update(new if self.mark_seen else dict.fromkeys(new, _KEPT))

    def _same(self, uid: int) -> bool:
        """Whether the file that was found under a name is the message that the server shows, by size and date."""
        meta, file = self.server[uid], self.files.get(uid)
        measured = self.maildir.measure(file) if file else None
        date = None if meta.internaldate is None else int(meta.internaldate)
        if measured is not None and measured[0] == meta.size and int(measured[1]) == date:
            return True
        self.tally.skip("not_verified", "stays on the server: size or date differ from the file here", uid=uid)
        return False

    def _mark_seen(self, uids: Sequence[int], agreed: Mapping[int, Agreed]) -> None:
        try:
            for batch in pieces(uids):
                self.mailbox.add_flags(batch, [SEEN])
                marked = {uid: replace(agreed[uid], flags=agreed[uid].flags | {SEEN}) for uid in batch}
                self.state.save_messages(self.name, marked)
                text = f"{self.name}: {counted(len(batch), 'message')} marked as seen on the server"
                self.run.record("sync.messages.marked", text, folder=self.name, uids=list(batch))
        except RefusedError as error:
            self._refused("mark messages as seen", error)

    def _remove(self, uids: Sequence[int], why: str) -> None:
        """Remove messages from the server, by UID only (RFC 4315)."""
        try:
            for batch in pieces(uids):
                self.run.check_stop()
                self.mailbox.expunge(batch)
                self.state.forget_messages(self.name, batch)
                self.tally.removed += len(batch)
                text = f"{self.name}: {counted(len(batch), 'message')} removed from the server"
                self.run.record("sync.messages.removed", text, folder=self.name, uids=list(batch), reason=why)
        except RefusedError as error:
            self._refused("remove messages", error)

    def _refused(self, what: str, error: MailctlError) -> None:
        text = f"{self.name}: can't {what} on the server: {error.message}"
        self.tally.warnings.append(text)
        self.run.warn(text)
        self.run.record("sync.refused", text, level=Level.WARNING, code=error.code, server_text=error.server_text)


def pieces(uids: Sequence[int]) -> Iterable[list[int]]:
    """`uids` in pieces of one command each."""
    return (list(uids[start : start + MOST_MESSAGES]) for start in range(0, len(uids), MOST_MESSAGES))
