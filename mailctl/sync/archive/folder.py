"""One IMAP folder: looks at both sides, has it planned, carries the plan out. Archive mode."""

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from mailctl.domain.mailbox import FolderStatus, ImapMailbox, MessageMeta
from mailctl.domain.when import counted
from mailctl.errors import SafetyError
from mailctl.sync.adopt import Stranger, adopt, open_strangers
from mailctl.sync.archive.carry import Carrier
from mailctl.sync.archive.folder_task import FolderTask
from mailctl.sync.archive.here import Here
from mailctl.sync.archive.look import UNKNOWN, Watch, place_of
from mailctl.sync.archive.plan import FolderPlan, Policy, View, as_meta, plan_folder, remember
from mailctl.sync.archive.still import (
    changes_server,
    fingerprint,
    folder_state,
    read_left_out,
    takes_all,
    write_left_out,
)
from mailctl.sync.archive.telling import show, tell
from mailctl.sync.bulk.load import WORTH_UNSIZED
from mailctl.sync.due import Due
from mailctl.sync.job import FolderTally
from mailctl.sync.local.flags import from_letters
from mailctl.sync.local.maildir import LocalFile, MaildirFolder, both_there
from mailctl.sync.local.names import MessageName
from mailctl.sync.local.root import Root, vanished_folder
from mailctl.sync.run import Run
from mailctl.sync.state import Agreed, FolderState, State

if TYPE_CHECKING:
    from mailctl.sync.archive.fresh import ByUids


class FolderSync:
    """The sync of one folder with one mailbox; `sync` does it all and counts in `tally`."""

    def __init__(
        self,
        run: Run,
        mailbox: ImapMailbox,
        state: State,
        root: Root,
        here: Here,
        task: FolderTask,
        tally: FolderTally,
    ) -> None:
        self._run, self._mailbox, self._state, self._root, self._here = run, mailbox, state, root, here
        self._folder, self._path, self._hash, self.tally = task.folder, task.path, task.hash, tally
        self._mailbox_id = task.status.mailbox_id if task.status else ""
        self._job, self._inbound = run.job, run.job.inbound
        self._changes_server = changes_server(run.job)
        self._maildir: MaildirFolder | None = None
        self._watch: Watch | None = None
        self._files: dict[int, LocalFile] = {}
        self._count = 0

    def sync(self) -> None:
        """Bring the folder up to date. Raises MailctlErrors; what was done before is kept and counted."""
        name = self._folder.name
        status = self._mailbox.select(self._folder, read_only=self._job.dry_run or not self._changes_server)
        self.tally.messages = status.messages
        seen = self._state.folders().get(name)
        try:
            self._open(seen)
            self._synced(status, seen, writable=self._changes_server and (self._job.dry_run or not status.read_only))
        finally:
            if self._maildir is not None:
                self._maildir.close()

    def _open(self, seen: FolderState | None) -> None:
        """Open the folder's Maildir, make it if it is new; SafetyError if it was there and is gone."""
        root = self._root.descriptor
        if root is not None:
            try:
                self._maildir = MaildirFolder(self._root.files, root, self._path, create=False)
            except FileNotFoundError:
                had = self._state.agreed(self._folder.name) if seen else {}
                here = self._root.whole.uids(self._hash, seen.uidvalidity) if seen else set()
                if had.keys() - here and not self._job.start_afresh:
                    raise vanished_folder(self._path, len(had), self._job.name) from None
                if not self._job.dry_run:
                    self._state.begin([self._folder.name])
                    self._maildir = MaildirFolder(self._root.files, root, self._path, create=True)
        if self._maildir is not None and not self._job.dry_run:
            self._maildir.clean(self._run.tools.clock())

    def _synced(self, status: FolderStatus, seen: FolderState | None, *, writable: bool) -> None:
        name = self._folder.name
        validity = status.uidvalidity or 0
        due = Due(self._run, self._state, name, validity)
        policy = Policy(
            mark_seen=bool(self._inbound.mark_seen) and writable,
            keep_on_server=bool(self._inbound.keep_on_server) or not writable or not status.uidvalidity,
            due=due.uids() if writable and status.uidvalidity else frozenset(),
            propagate_deletes=bool(self._inbound.propagate_deletes) and writable and bool(status.uidvalidity),
            max_size=self._inbound.max_size,
            budget=self._run.budget,
        )
        if self._changes_server and not writable:
            self._run.warn(f"{name} is read-only on the server: nothing is changed there")
        agreed = self._local(validity, seen)
        status = replace(status, mailbox_id=status.mailbox_id or self._mailbox_id)
        if self._is_fresh(status, seen, agreed) and self._by_uids().bring_all(status, self._count):
            return
        elsewhere = self._elsewhere(validity, seen, agreed)
        here = agreed.keys() | self._files.keys() | elsewhere
        if self._is_begun(status, seen) and self._by_uids().bring_rest(validity, here):
            agreed = self._local(validity, seen)
            elsewhere = self._elsewhere(validity, seen, agreed)
        server, recent = self._server(status, seen, agreed)
        if seen is None or seen.uidvalidity != validity:
            if not self._job.dry_run:
                self._state.begin([name])
            agreed |= self._match_again(server, validity, elsewhere, seen)
        view = View(
            server,
            self._flags(),
            elsewhere,
            agreed,
            recent,
            seen.messages if seen else 0,
        )
        plan = plan_folder(view, policy)
        plan.fetch = self.tally.around(plan.fetch)
        tell(plan, server, self._run, self.tally, self._mailbox)
        if self._job.dry_run:
            show(plan, server, self._run, self.tally, self._mailbox)
            return
        if plan.fetch or plan.set_flags:
            self._state.begin([name])
        if seen is None or seen.uidvalidity != validity:
            self._state.save_folder(name, FolderState(validity, messages=status.messages))
            self._state.save_messages(name, {uid: agreed[uid] for uid in agreed if uid in server})
        assert self._maildir is not None  # noqa: S101 - only a dry run may have none
        carrier = Carrier(
            self._run,
            self._mailbox,
            self._state,
            self._maildir,
            self.tally,
            self._folder,
            self._hash,
            validity,
            self._files,
            server,
            agreed,
            policy.mark_seen,
            not policy.keep_on_server,
            self._root.descriptor,
            look_again=lambda: self._root.index().uids(self._hash, validity),
        )
        carrier.carry_out(plan)
        due.note({*self._files, *elsewhere, *carrier.fetched} & server.keys(), server)
        self._remember(status, plan, carrier, writable=writable)
        if plan.changed:
            raise SafetyError(
                f"{name}: the server shows other messages than before under {len(plan.changed)} known UIDs; "
                "they were left alone, and nothing was removed",
                hint="Has the server been restored from a backup? Move this folder's Maildir away to fetch it anew.",
                code="identity_changed",
            )

    def _is_fresh(self, status: FolderStatus, seen: FolderState | None, agreed: dict[int, Agreed]) -> bool:
        """Whether the folder is large, all of it is wanted, and nothing of it is here or was."""
        if agreed or self._files or not self._is_bulk(status):
            return False
        known = seen is None and self._state.complete
        return known or not self._root.whole.by_folder.get(self._hash)

    def _is_begun(self, status: FolderStatus, seen: FolderState | None) -> bool:
        """Whether the folder is large, all of it is wanted, and a run was cut short in it."""
        if seen is None or seen.uidvalidity != status.uidvalidity or not self._is_bulk(status):
            return False
        return seen.at_work or seen.uidnext is None

    def _is_bulk(self, status: FolderStatus) -> bool:
        if self._maildir is None or not status.uidvalidity or status.messages <= WORTH_UNSIZED:
            return False
        return takes_all(self._job)

    def _by_uids(self) -> "ByUids":
        from mailctl.sync.archive.fresh import ByUids

        maildir, root = self._maildir, self._root.descriptor
        assert maildir is not None  # noqa: S101 - it is bulk
        return ByUids(self._run, self._mailbox, self._state, maildir, self._folder, self._hash, self.tally, root)

    def _elsewhere(self, validity: int, seen: FolderState | None, agreed: dict[int, Agreed]) -> set[int]:
        """Messages whose files lie in other folders, or were missed here: renamed while the directory was read.

        What one of two looks has seen is there. If all files are known, and nothing is to be decided on a message that
        is missed, no second look is needed.
        """
        known = seen is not None and seen.uidvalidity == validity and not seen.at_work and self._state.complete
        if known and not self._changes_server and not self._job.start_afresh:
            return agreed.keys() - self._files.keys()
        return self._root.whole.uids(self._hash, validity) - self._files.keys()

    def _remember(self, status: FolderStatus, plan: FolderPlan, carrier: Carrier, *, writable: bool) -> None:
        """Keep where the files are, and how the folder was left; the next run goes on from there."""
        assert self._watch is not None  # noqa: S101 - only a dry run may have none
        name, tally = self._folder.name, self.tally
        places = {**{uid: place_of(file) for uid, file in self._files.items()}, **carrier.places}
        all_new = not carrier.leaving and self._state.known(name) == len(carrier.fetched)
        kept = {} if all_new else self._state.files(name)
        old = (item for item in kept.items() if item[0] not in carrier.fetched)  # those were saved with their messages
        moved = {uid: places.get(uid) for uid, place in old if places.get(uid) != place}
        left_out = None if plan.shrunken or plan.changed or tally.warnings else write_left_out(tally.skipped)
        settled = left_out is not None and (writable or not self._changes_server)
        state = folder_state(status, str(self._path), fingerprint(self._job) if settled else "")
        times = self._watch.times()
        self._here.proved = self._here.proved or times != UNKNOWN
        with self._state.together():
            self._state.save_files(name, moved)
            files = self._count + len(carrier.fetched)
            state = replace(state, cur=times.cur, new=times.new, files=files, left_out=left_out or "")
            self._state.save_folder(name, state)

    def _local(self, validity: int, seen: FolderState | None) -> dict[int, Agreed]:
        """Take in the files of this folder; returns what was agreed."""
        if self._maildir is not None:
            self._watch = Watch(self._maildir, quiet=self._job.dry_run)
        maildir = self._maildir
        self._files, self._count = {}, 0
        odd: list[str] = []
        for file in maildir.scan(odd) if maildir else ():
            self._count += 1
            if file.name.folder == self._hash and file.name.uidvalidity == validity:
                other = self._files.get(file.name.uid)
                if maildir and other and both_there(maildir.descriptors[file.subdirectory], other, file):
                    self._run.doubled(self._folder.name, file.filename)
                self._files[file.name.uid] = file
        for name in odd:
            self._run.warn(f"{name} is no file, and no message: it is left alone")
        if self._maildir is not None:
            letters = {c for file in self._files.values() for c in file.name.letters}
            self._maildir.keywords.reserve("".join(letters))
        return self._state.agreed(self._folder.name) if seen and seen.uidvalidity == validity else {}

    def _flags(self) -> dict[int, frozenset[str]]:
        """Of the files in this folder, by UID; a set is made once for all that have the same letters."""
        if self._maildir is None:
            return {}
        keywords = self._maildir.keywords
        flags = {letters: from_letters(letters, keywords) for letters in {f.name.letters for f in self._files.values()}}
        return {uid: flags[file.name.letters] for uid, file in self._files.items()}

    def _server(
        self, status: FolderStatus, seen: FolderState | None, agreed: dict[int, Agreed]
    ) -> tuple[dict[int, MessageMeta], set[int] | None]:
        """What the server shows by UID, and the UIDs that `since` lets through (None: all).

        With CONDSTORE (RFC 7162) only what may have changed is asked for; of a message that is neither here nor let
        through, nothing but the UID. A server whose numbers went backwards is looked at afresh.
        """
        known = seen if seen is not None and seen.uidvalidity == status.uidvalidity else None
        before, now = known.highestmodseq if known else None, status.highestmodseq
        if known is None or not before or not now or now < before or (status.uidnext or 0) < (known.uidnext or 0):
            return self._counted({meta.uid: meta for meta in self._mailbox.scan()}, status), self._recent()
        same = (known.uidnext, before, known.messages) == (status.uidnext, now, status.messages)
        below = known.uidnext or 0  # what isn't agreed of these has gone from the server; the files stay
        if same and known.settled == fingerprint(self._job) and all(u in agreed or u < below for u in self._files):
            self.tally.skipped += read_left_out(self._folder.name, known.left_out)
            return {uid: as_meta(uid, message) for uid, message in agreed.items()}, None
        changed = {meta.uid: meta for meta in self._mailbox.scan(changed_since=before)} if now != before else {}
        present, recent = self._mailbox.uids(), self._recent()
        found = {}
        unknown = []
        for uid in present:
            if uid in changed:
                found[uid] = changed[uid]
            elif uid in agreed:
                found[uid] = as_meta(uid, agreed[uid])
            elif recent is None or uid in recent or uid in self._files:
                unknown.append(uid)
            else:
                found[uid] = MessageMeta(uid)
        if unknown:
            found |= {meta.uid: meta for meta in self._mailbox.scan(unknown)}
        return self._counted(found, status), recent

    def _counted(self, server: dict[int, MessageMeta], status: FolderStatus) -> dict[int, MessageMeta]:
        """`server`, if it is all that the folder has; else that is told, and the next run looks again."""
        if len(server) < status.messages:
            text = f"{self._folder.name}: the server has {counted(status.messages, 'message')} and showed {len(server)}"
            self.tally.warnings.append(text)
            self._run.warn(text)
        return server

    def _recent(self) -> set[int] | None:
        return set(self._mailbox.uids(since=self._job.since)) if self._job.since else None

    def _match_again(
        self, server: dict[int, MessageMeta], validity: int, elsewhere: set[int], seen: FolderState | None
    ) -> dict[int, Agreed]:
        """Take in files from another UIDVALIDITY whose messages are still there; returns what was agreed on them."""
        wanted = [uid for uid in sorted(server) if uid not in self._files and uid not in elsewhere]
        taken = {}
        with ExitStack() as stack:
            strangers = self._strangers(validity, stack)
            if not wanted or not strangers:
                return {}
            name, dry_run = MessageName(self._hash, validity), self._job.dry_run
            adopted = adopt(self._mailbox, wanted, server, strangers, name, dry_run=dry_run)
            before = self._state.agreed(self._folder.name) if seen else {}
            for uid, file in adopted.items():
                if file.maildir is self._maildir:
                    self._files[uid] = file.new
                else:
                    elsewhere.add(uid)
                old = file.old.name
                if seen and seen.uidvalidity == old.uidvalidity and old.uid in before:
                    taken[uid] = replace(remember(server[uid]), flags=before[old.uid].flags)
        self.tally.step("adopt", list(adopted), "matched again by Message-ID, size and date")
        if adopted and not dry_run:
            text = f"{self._folder.name}: the server gave new UIDs; {len(adopted)} messages were found again here"
            self._run.record("sync.folder.rematched", text, folder=self._folder.name, matched=len(adopted))
        return taken

    def _strangers(self, validity: int, stack: ExitStack) -> list[Stranger]:
        """This folder's files under other UIDVALIDITYs, also those that were moved; `stack` closes what is opened."""
        files = self._root.whole.by_folder.get(self._hash, ())
        others = [(path, file) for path, file in files if file.name.uidvalidity != validity]
        return open_strangers(self._root, others, stack, self._maildir)
