"""One IMAP folder: looks at both sides, has it planned, carries the plan out. Archive mode."""

from contextlib import ExitStack
from dataclasses import replace

from mailctl.domain.mailbox import Folder, FolderStatus, ImapMailbox, MessageMeta
from mailctl.domain.when import counted, show_size
from mailctl.errors import SafetyError
from mailctl.sync.adopt import Stranger, adopt
from mailctl.sync.carry import Carrier
from mailctl.sync.job import FolderTally
from mailctl.sync.local.flags import from_letters
from mailctl.sync.local.maildir import LocalFile, MaildirFolder
from mailctl.sync.local.names import MessageName, folder_hash
from mailctl.sync.local.paths import FolderPath
from mailctl.sync.local.root import Index, Root, vanished_folder
from mailctl.sync.plan import SEEN, FolderPlan, Policy, View, plan_folder, remember
from mailctl.sync.run import Run
from mailctl.sync.state import Agreed, FolderState, State


class FolderSync:
    """The sync of one folder with one mailbox; `sync` does it all and counts in `tally`."""

    def __init__(
        self,
        run: Run,
        mailbox: ImapMailbox,
        state: State,
        root: Root,
        index: Index,
        folder: Folder,
        path: FolderPath,
        tally: FolderTally,
    ) -> None:
        self._run, self._mailbox, self._state, self._root, self._index = run, mailbox, state, root, index
        self._folder, self._path, self.tally = folder, path, tally
        self._job, self._inbound = run.job, run.job.inbound
        self._hash = folder_hash(root.account, folder.name)
        wanted = self._inbound
        self._changes_server = bool(wanted.mark_seen or wanted.propagate_deletes or not wanted.keep_on_server)
        self._maildir: MaildirFolder | None = None
        self._files: dict[int, LocalFile] = {}

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
                here = self._index.uids(self._hash, seen.uidvalidity) if seen else set()
                if had.keys() - here and not self._job.start_afresh:
                    raise vanished_folder(self._path, len(had), self._job.name) from None
                if not self._job.dry_run:
                    self._maildir = MaildirFolder(self._root.files, root, self._path, create=True)
        if self._maildir is not None and not self._job.dry_run:
            self._maildir.clean(self._run.tools.clock())

    def _synced(self, status: FolderStatus, seen: FolderState | None, *, writable: bool) -> None:
        name = self._folder.name
        validity = status.uidvalidity or 0
        policy = Policy(
            mark_seen=bool(self._inbound.mark_seen) and writable,
            keep_on_server=bool(self._inbound.keep_on_server) or not writable or not status.uidvalidity,
            propagate_deletes=bool(self._inbound.propagate_deletes) and writable and bool(status.uidvalidity),
            max_size=self._inbound.max_size,
            budget=self._run.budget,
        )
        if self._changes_server and not writable:
            self._run.warn(f"{name} is read-only on the server: nothing is changed there")
        agreed = self._local(validity, seen)
        # a file that is renamed while a directory is read may be missed: what one of two looks has seen is there
        elsewhere = self._index.uids(self._hash, validity) - self._files.keys()
        server, recent = self._server(status, seen, agreed)
        if seen is None or seen.uidvalidity != validity:
            agreed |= self._match_again(server, validity, elsewhere, seen)
        view = View(
            server,
            {uid: self._flags(file) for uid, file in self._files.items()},
            elsewhere,
            agreed,
            recent,
            seen.messages if seen else 0,
        )
        plan = plan_folder(view, policy)
        avoided = [uid for uid in plan.fetch if uid in self.tally.avoid]
        plan.fetch = [uid for uid in plan.fetch if uid not in self.tally.avoid]
        for uid in avoided:
            self.tally.skip("bad_response", "the server breaks the protocol when this message is asked for", uid=uid)
        self._tell(plan, server)
        if self._job.dry_run:
            self._show(plan, server)
            return
        if seen is None or seen.uidvalidity != validity:
            self._state.save_folder(name, FolderState(validity, messages=status.messages))
            self._state.save_messages(name, {uid: agreed[uid] for uid in agreed if uid in server})
        assert self._maildir is not None  # noqa: S101 - only a dry run may have none
        Carrier(
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
            policy.max_size,
            look_again=lambda: self._root.index().uids(self._hash, validity),
        ).carry_out(plan)
        whole = plan.complete and not self.tally.skipped and not self.tally.warnings
        settled = self._fingerprint() if whole and (writable or not self._changes_server) else ""
        self._state.save_folder(
            name, FolderState(validity, status.uidnext, status.highestmodseq, status.messages, settled)
        )
        if plan.changed:
            raise SafetyError(
                f"{name}: the server shows other messages than before under {len(plan.changed)} known UIDs; "
                "they were left alone, and nothing was removed",
                hint="Has the server been restored from a backup? Move this folder's Maildir away to fetch it anew.",
                code="identity_changed",
            )

    def _fingerprint(self) -> str:
        """The policy as one word: what was left alone under one policy may be wanted under another."""
        i = self._inbound
        wanted = (i.mark_seen, i.keep_on_server, i.propagate_deletes, i.max_size, self._job.since)
        return ",".join(str(value) for value in wanted)

    def _local(self, validity: int, seen: FolderState | None) -> dict[int, Agreed]:
        """Take in the files of this folder; returns what was agreed."""
        for file in self._maildir.scan() if self._maildir else ():
            if file.name.folder == self._hash and file.name.uidvalidity == validity:
                self._files[file.name.uid] = file
        if self._maildir is not None:
            letters = {c for file in self._files.values() for c in file.name.letters}
            self._maildir.keywords.reserve("".join(letters))
        return self._state.agreed(self._folder.name) if seen and seen.uidvalidity == validity else {}

    def _flags(self, file: LocalFile) -> frozenset[str]:
        assert self._maildir is not None  # noqa: S101 - a file is in it
        return from_letters(file.name.letters, self._maildir.keywords)

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
            return {meta.uid: meta for meta in self._mailbox.scan()}, self._recent()
        same = (known.uidnext, before, known.messages) == (status.uidnext, now, status.messages)
        if same and known.settled == self._fingerprint() and self._files.keys() <= agreed.keys():
            return {uid: _as_meta(uid, message) for uid, message in agreed.items()}, None
        changed = {meta.uid: meta for meta in self._mailbox.scan(changed_since=before)} if now != before else {}
        present, recent = self._mailbox.uids(), self._recent()
        found = {}
        unknown = []
        for uid in present:
            if uid in changed:
                found[uid] = changed[uid]
            elif uid in agreed:
                found[uid] = _as_meta(uid, agreed[uid])
            elif recent is None or uid in recent or uid in self._files:
                unknown.append(uid)
            else:
                found[uid] = MessageMeta(uid)
        if unknown:
            found |= {meta.uid: meta for meta in self._mailbox.scan(unknown)}
        return found, recent

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
        opened: dict[tuple[str, ...], MaildirFolder] = {}
        if self._maildir is not None:
            opened[self._path.parts] = self._maildir
        found = []
        for path, file in self._index.by_folder.get(self._hash, ()):
            if file.name.uidvalidity == validity or self._root.descriptor is None:
                continue
            if path not in opened:
                folder = MaildirFolder(self._root.files, self._root.descriptor, FolderPath(path), create=False)
                opened[path] = stack.enter_context(folder)
            found.append(Stranger(opened[path], file))
        return found

    def _tell(self, plan: FolderPlan, server: dict[int, MessageMeta]) -> None:
        """Note what is left out, and why."""
        most = show_size(self._inbound.max_size or 0)
        for uid in plan.too_large:
            self.tally.skip("too_large", f"{show_size(server[uid].size or 0)}, more than max_size ({most})", uid=uid)
        if plan.too_old:
            self.tally.skip(
                "too_old", f"older than {self._job.since}: {counted(plan.too_old, 'message')}", count=plan.too_old
            )
        if plan.over_budget:
            reason = f"left for the next run (max_per_run): {counted(plan.over_budget, 'message')}"
            self.tally.skip("over_limit", reason, count=plan.over_budget)
        for uid in plan.changed:
            self.tally.skip("identity_changed", "the server shows another message under this UID", uid=uid)
        if plan.shrunken:
            self._run.warn(f"{self._folder.name}: the server shows {plan.shrunken} messages fewer; all are kept here")

    def _show(self, plan: FolderPlan, server: dict[int, MessageMeta]) -> None:
        """The plan as steps."""
        if self._run.budget is not None:
            self._run.budget -= len(plan.fetch)
        octets = sum(server[uid].size or 0 for uid in plan.fetch)
        self.tally.step("fetch", plan.fetch, f"{octets} octets")
        alike: dict[str, list[int]] = {}
        for uid, flags in plan.set_flags.items():
            alike.setdefault(" ".join(sorted(flags)), []).append(uid)
        for words, uids in alike.items():
            self.tally.step("flag", uids, words)
        unseen = [uid for uid in plan.fetch if SEEN not in server[uid].flags] if self._inbound.mark_seen else []
        self.tally.step("mark_seen", [*plan.mark_seen, *unseen])
        leaving = [] if self._inbound.keep_on_server else plan.fetch
        self.tally.step("remove_from_server", [*plan.remove, *plan.verify, *leaving], "after the file is durable")
        self.tally.step("delete_on_server", plan.delete, "deleted here")


def _as_meta(uid: int, agreed: Agreed) -> MessageMeta:
    date = None if agreed.internaldate is None else float(agreed.internaldate)
    return MessageMeta(uid, agreed.flags, agreed.size, date)
