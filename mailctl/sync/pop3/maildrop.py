"""One gateway over POP3: the maildrop as the folder INBOX, messages known by their UIDL (RFC 1939). Archive mode."""

from collections.abc import Sequence

from mailctl.domain.mailbox import Folder, MessageMeta, PopMailbox
from mailctl.domain.when import counted, show_size
from mailctl.errors import MailctlError, NotFoundError, RefusedError, SafetyError, StorageError
from mailctl.sync.choose import choose
from mailctl.sync.imap import check_deletions
from mailctl.sync.job import FolderTally
from mailctl.sync.local.maildir import MaildirFolder
from mailctl.sync.local.names import MessageName, folder_hash, uidl_token
from mailctl.sync.local.paths import assign
from mailctl.sync.local.root import Index, Root, vanished_folder
from mailctl.sync.local.writer import MOST_MESSAGES, MOST_OCTETS, Writer
from mailctl.sync.pop3.plan import Maildrop, PopPlan, plan_maildrop
from mailctl.sync.run import Run
from mailctl.sync.state import FolderState, State

INBOX = Folder("INBOX", b"INBOX", "/")


class PopSync:
    """The sync of one gateway; `sync` raises what ends it."""

    def __init__(self, run: Run, state: State, root: Root, index: Index) -> None:
        self._run, self._state, self._root, self._index = run, state, root, index
        self._job, self._inbound = run.job, run.job.inbound
        self._hash = folder_hash(root.account, INBOX.name)
        self._path = assign([INBOX], root.listing)[INBOX.name]

    def sync(self) -> None:
        """The maildrop."""
        run = self._run
        globs = run.job.folders or self._inbound.folders or ("*",)
        if not choose([INBOX], globs, frozenset()).chosen:
            raise NotFoundError(
                f"{run.job.name} has no folder like {', '.join(globs)}", hint="POP3 has one folder, INBOX."
            )
        self._check_folder()
        check_deletions(run, self._state, self._root.account, self._index)
        if run.job.since:
            run.warn("POP3 tells no dates: `since` has no effect")
        if self._inbound.mark_seen:
            run.warn("POP3 knows no flags: `mark_seen` has no effect")
        tally = run.folder(INBOX.name, str(self._path))
        mailbox = run.tools.connector.open_pop3(run.job)
        try:
            self._synced(mailbox, tally)
        except MailctlError as error:
            tally.error = error
            raise
        finally:
            mailbox.close()
            run.finish_folder(tally)

    def _check_folder(self) -> None:
        """SafetyError if the folder has vanished, since its messages would be taken for deleted."""
        known = {uidl_token(uidl) for uidl in self._state.unique_ids(INBOX.name)}
        *above, name = self._path.parts
        vanished = self._root.descriptor is not None and name not in self._root.listing(tuple(above))
        if vanished and known - self._index.unique_ids(self._hash) and not self._job.start_afresh:
            raise vanished_folder(self._path, len(known), self._job.name)

    def _synced(self, mailbox: PopMailbox, tally: FolderTally) -> None:
        run = self._run
        shown = mailbox.uidl()
        tally.messages = len(shown)
        plan = plan_maildrop(
            Maildrop(shown, self._index.unique_ids(self._hash), self._state.unique_ids(INBOX.name)),
            keep_on_server=bool(self._inbound.keep_on_server),
            propagate_deletes=bool(self._inbound.propagate_deletes),
            max_size=self._inbound.max_size,
            budget=run.budget,
        )
        self._tell(plan, tally)
        if run.job.dry_run:
            tally.step("fetch", [number for number, _, _ in plan.fetch], "message numbers")
            leaving = [] if self._inbound.keep_on_server else plan.fetch
            tally.step("remove_from_server", [n for n, _, _ in (*plan.remove, *leaving)], "after the file is durable")
            tally.step("delete_on_server", [n for n, _, _ in plan.delete], "deleted here")
            return
        if INBOX.name not in self._state.folders():
            self._state.save_folder(INBOX.name, FolderState(0))
        self._state.save_unique_ids(INBOX.name, {uidl: octets for _, uidl, octets in plan.adopt})
        self._state.forget_unique_ids(INBOX.name, plan.forget)
        fetched = self._fetch(mailbox, plan.fetch, tally)
        leaving = [] if self._inbound.keep_on_server else fetched
        here = self._root.index().unique_ids(self._hash) if plan.delete else set()  # one look can miss a file
        deleted = [message for message in plan.delete if uidl_token(message[1]) not in here]
        self._remove(mailbox, sorted([*plan.remove, *deleted, *leaving]), tally)
        self._state.save_folder(INBOX.name, FolderState(0, messages=len(shown)))
        if plan.changed:
            raise SafetyError(
                f"the server shows other messages than before under {len(plan.changed)} known unique-ids; "
                "they were left alone",
                code="identity_changed",
            )

    def _tell(self, plan: PopPlan, tally: FolderTally) -> None:
        for number, _, octets in plan.too_large:
            most = show_size(self._inbound.max_size or 0)
            tally.skip("too_large", f"{show_size(octets)}, more than max_size ({most})", uid=number)
        for number, uidl, _ in plan.copies:
            tally.skip("same_unique_id", f"has the unique-id of another message, {uidl}", uid=number)
        for number, _, _ in plan.changed:
            tally.skip("identity_changed", "the server shows another message under this unique-id", uid=number)
        if plan.over_budget:
            reason = f"left for the next run (max_per_run): {counted(plan.over_budget, 'message')}"
            tally.skip("over_limit", reason, count=plan.over_budget)

    def _fetch(
        self, mailbox: PopMailbox, messages: Sequence[tuple[int, str, int]], tally: FolderTally
    ) -> list[tuple[int, str, int]]:
        """Bring messages down; returns those that are durable."""
        run, state = self._run, self._state
        assert self._root.descriptor is not None  # noqa: S101 - only a dry run has none
        run.expect(len(messages), sum(octets for _, _, octets in messages))
        durable: list[tuple[int, str, int]] = []
        with MaildirFolder(self._root.files, self._root.descriptor, self._path, create=True) as maildir:
            maildir.clean(run.tools.clock())
            waiting: list[tuple[int, str, int]] = []
            token = ""

            def name(meta: MessageMeta) -> MessageName:
                return MessageName(self._hash, uidl=token)

            writer = Writer(maildir, self._hash, name, run.beat)

            def settle() -> None:
                written = writer.commit()
                done = waiting[: len(written)]  # one sink a message, in order
                state.save_unique_ids(INBOX.name, {uidl: octets for _, uidl, octets in done})
                durable.extend(done)
                del waiting[: len(written)]
                tally.fetched += len(done)
                tally.bytes += sum(message.octets for message in written)
                run.arrived(len(done))

            try:
                for message in messages:
                    run.check_stop()
                    number, uidl, octets = message
                    token = uidl_token(uidl)
                    try:
                        mailbox.retrieve(number, octets, writer.sink)
                    except RefusedError as error:
                        tally.skip("no_body", f"the server doesn't give it: {error.message}", uid=number)
                        continue
                    waiting.append(message)
                    if len(waiting) >= MOST_MESSAGES or writer.pending_octets >= MOST_OCTETS:
                        settle()
                settle()
            except MailctlError as error:
                if not isinstance(error, StorageError):
                    settle()  # what came whole is kept
                raise
            finally:
                writer.discard()
        return durable

    def _remove(self, mailbox: PopMailbox, messages: Sequence[tuple[int, str, int]], tally: FolderTally) -> None:
        """DELE, and QUIT to make it so; without QUIT's confirmation nothing counts as removed."""
        for number, _, _ in messages:
            self._run.check_stop()
            mailbox.delete(number)
        mailbox.quit()
        if messages:
            tally.removed += len(messages)
            self._state.forget_unique_ids(INBOX.name, [uidl for _, uidl, _ in messages])
            self._run.record(
                "sync.messages.removed",
                f"{len(messages)} messages removed from the server",
                folder=INBOX.name,
                unique_ids=[uidl for _, uidl, _ in messages][:1000],
            )
