"""One gateway over POP3: the maildrop as the folder INBOX, messages known by their UIDL (RFC 1939). Archive mode.

Message numbers hold for one session only; a connection that is lost is made anew, and all is planned again.
"""

from contextlib import closing
from dataclasses import replace

from mailctl.domain.event import Level
from mailctl.domain.mailbox import Folder, PopMailbox
from mailctl.domain.when import counted
from mailctl.errors import MailctlError, NetworkError, NotFoundError, SafetyError
from mailctl.sync.choose import choose
from mailctl.sync.deletions import check_deletions
from mailctl.sync.describe import Description, describe
from mailctl.sync.due import HERE
from mailctl.sync.job import FolderTally
from mailctl.sync.local.maildir import MaildirFolder
from mailctl.sync.local.names import folder_hash, uidl_token
from mailctl.sync.local.paths import assign
from mailctl.sync.local.root import Index, Root, vanished_folder
from mailctl.sync.pop3.bring import Bringer, remember
from mailctl.sync.pop3.compare import compare
from mailctl.sync.pop3.plan import Maildrop, Message, PopPlan, PopPolicy, doubtful, plan_maildrop
from mailctl.sync.run import Run
from mailctl.sync.state import FolderState, State

INBOX = Folder("INBOX", b"INBOX", "/")
MOST_CONNECTIONS = 8
"""Connections that one run may make in all: the first, and more after one was lost that had brought something."""
MOST_DESCRIBED = 50
"""Messages not taken, or to be deleted, whose headers are asked for only to tell a person which they are."""
DATE = "date"
_WAITS = (1.0, 2.0, 4.0)
"""Seconds between tries to sign in again, while the server believes that the lost session goes on."""


class PopSync:
    """The sync of one gateway; `sync` raises what ends it."""

    def __init__(self, run: Run, state: State, root: Root, index: Index) -> None:
        self._run, self._state, self._root = run, state, root
        self._job, self._inbound = run.job, run.job.inbound
        self._index = index
        self._hash = folder_hash(root.account, INBOX.name)
        self._path = assign([INBOX], root.listing)[INBOX.name]
        self._here: set[str] = set()

    def sync(self) -> None:
        """The maildrop."""
        run = self._run
        if not choose([INBOX], run.job.globs, frozenset()).chosen:
            raise NotFoundError(
                f"{run.job.name} has no folder like {', '.join(run.job.globs)}", hint="POP3 has one folder, INBOX."
            )
        self._here = self._index.unique_ids(self._hash)
        self._check_folder()
        check_deletions(run, self._state, self._root.account, self._index)
        if self._inbound.mark_seen:
            run.warn("POP3 knows no flags: `mark_seen` has no effect")
        tally = run.folder(INBOX.name, str(self._path))
        try:
            self._sessions(tally)
        except MailctlError as error:
            tally.error = error
            raise
        finally:
            run.finish_folder(tally)

    def _check_folder(self) -> None:
        """SafetyError if the folder has vanished, since its messages would be taken for deleted."""
        known = {uidl_token(key) for key in self._state.unique_ids(INBOX.name)}
        vanished = self._root.descriptor is not None and not {"cur", "new"} <= {*self._root.listing(self._path.parts)}
        if vanished and known - self._here and not self._job.start_afresh:
            raise vanished_folder(self._path, len(known), self._job.name)

    def _sessions(self, tally: FolderTally) -> None:
        """One session; another one, planned anew, after one that was lost, as long as they bring something."""
        run, connections, lost = self._run, 0, None
        while True:
            before, connections = tally.fetched, connections + 1
            with closing(self._open(lost)) as mailbox:
                tally.skipped.clear()
                try:
                    self._synced(mailbox, tally)
                except NetworkError as error:
                    text = f"{tally.name}: {error.message}"
                    run.record("sync.connection.lost", text, level=Level.WARNING, folder=tally.name, code=error.code)
                    if connections == MOST_CONNECTIONS or (lost is not None and tally.fetched == before):
                        raise
                    lost = error
                else:
                    return

    def _open(self, lost: NetworkError | None) -> PopMailbox:
        """Sign in. After a lost connection, what fails is the loss; a server that hasn't noticed it gets some time."""
        connect, stop = self._run.tools.connector.open_pop3, self._run.tools.stop
        if lost is None:
            return connect(self._job)
        for wait in (*_WAITS, None):
            self._run.check_stop()
            try:
                return connect(self._job)
            except MailctlError as error:
                if wait is None or error.code != "mailbox_in_use":
                    raise lost from error
                stop.wait(wait)
        raise lost

    def _synced(self, mailbox: PopMailbox, tally: FolderTally) -> None:
        run, state = self._run, self._state
        shown = mailbox.uidl()
        tally.messages = len(shown)
        drop = Maildrop(
            shown,
            self._here,
            state.unique_ids(INBOX.name),
            state.moments(INBOX.name, HERE),
            state.moments(INBOX.name, DATE) if self._job.since else {},
        )
        doubts, places = doubtful(drop), self._index.places(self._hash)
        verdicts = compare(mailbox, self._root, places, [m for m in doubts if uidl_token(m[1]) in places])
        policy = self._policy()
        plan = plan_maildrop(drop, replace(policy, budget=None) if self._job.since else policy, verdicts)
        described = self._describe(mailbox, drop, plan)
        if self._job.since:
            plan = plan_maildrop(drop, policy, verdicts, {n: each.moment for n, each in described.items()})
        self._tell(plan, described, tally)
        if run.job.dry_run:
            self._show(plan, described, tally)
            return
        self._note(drop, plan, described)
        durable = self._fetch(mailbox, plan, tally)
        leaving = [] if self._inbound.keep_on_server else durable
        here = self._still_here() if plan.delete else set()  # one look can miss a file
        deleted = [message for message in plan.delete if uidl_token(plan.keys[message[0]]) not in here]
        self._remove(mailbox, plan, sorted([*plan.remove, *deleted, *leaving]), tally)
        state.save_folder(INBOX.name, FolderState(0, messages=len(shown)))
        if plan.changed:
            raise SafetyError(
                f"the server shows other messages than before under {len(plan.changed)} known unique-ids, and doesn't "
                "let them be compared; they were left alone, and nothing was removed",
                code="identity_changed",
            )

    def _still_here(self) -> set[str]:
        """Tokens of all messages whose names are anywhere in the Maildir now, whatever bears them."""
        assert self._root.descriptor is not None  # noqa: S101 - only a dry run has none
        with MaildirFolder(self._root.files, self._root.descriptor, self._path, create=False) as maildir:
            return self._root.index().unique_ids(self._hash) | maildir.tokens(self._hash)

    def _policy(self) -> PopPolicy:
        inbound, after = self._inbound, self._inbound.delete_after
        return PopPolicy(
            keep_on_server=bool(inbound.keep_on_server),
            propagate_deletes=bool(inbound.propagate_deletes),
            max_size=inbound.max_size,
            budget=self._run.budget,
            not_before=midnight(self._job.since) if self._job.since else None,
            due=None if after is None else int(self._run.tools.clock()) - after,
        )

    def _describe(self, mailbox: PopMailbox, drop: Maildrop, plan: PopPlan) -> dict[int, Description]:
        """What TOP tells, by number, of the messages of which it matters: with `since`, of new ones whose date isn't
        known; and of some that are not taken or will be deleted, so that a person can be told which they are.
        """
        told = [*plan.too_large[-MOST_DESCRIBED:], *plan.delete[-MOST_DESCRIBED:]]
        if self._job.dry_run:
            told += plan.remove[-MOST_DESCRIBED:]
        new = [*plan.fetch, *plan.too_large] if self._job.since else []
        undated = [message for message in new if message[1] not in drop.dates]
        numbers = sorted({number for number, _, _ in (*told, *undated)})
        return {number: describe(header) for number, header in mailbox.headers(numbers)} if numbers else {}

    def _note(self, drop: Maildrop, plan: PopPlan, described: dict[int, Description]) -> None:
        """Remember what the plan tells, before anything is done."""
        state, now = self._state, int(self._run.tools.clock())
        if INBOX.name not in state.folders():
            state.save_folder(INBOX.name, FolderState(0))
        with state.together():
            remember(state, INBOX.name, plan.keys, plan.adopt, now)
            new = {key: now for key in drop.known if key not in drop.since}
            state.save_moments(INBOX.name, HERE, new)
            state.forget_unique_ids(INBOX.name, plan.forget)
            state.forget_moments(INBOX.name, HERE, plan.forget)
            if self._job.since:
                away = {
                    number: uidl for number, uidl, _ in drop.shown if uidl_token(plan.keys[number]) not in drop.here
                }
                dates = {away[n]: each.moment for n, each in described.items() if n in away and each.moment is not None}
                state.save_moments(INBOX.name, DATE, dates)
                state.forget_moments(INBOX.name, DATE, drop.dates.keys() - away.values())

    def _fetch(self, mailbox: PopMailbox, plan: PopPlan, tally: FolderTally) -> list[Message]:
        """Bring messages down; returns those that are durable."""
        assert self._root.descriptor is not None  # noqa: S101 - only a dry run has none
        self._run.expect(len(plan.fetch), sum(octets for _, _, octets in plan.fetch))
        with MaildirFolder(self._root.files, self._root.descriptor, self._path, create=True) as maildir:
            maildir.clean(self._run.tools.clock())
            bringer = Bringer(self._run, self._state, maildir, self._hash, plan.keys, tally)
            try:
                bringer.fetch(mailbox, plan.fetch)
            finally:
                self._here |= {uidl_token(plan.keys[number]) for number, _, _ in bringer.durable}
        return bringer.durable

    def _remove(self, mailbox: PopMailbox, plan: PopPlan, messages: list[Message], tally: FolderTally) -> None:
        """DELE, and QUIT to make it so; without QUIT's confirmation nothing counts as removed."""
        self._run.check_stop()
        refused = set(mailbox.delete_all([number for number, _, _ in messages]))
        mailbox.quit()
        for number in sorted(refused):
            tally.skip("not_removed", "the server refuses to delete it", uid=number)
        gone = [plan.keys[number] for number, _, _ in messages if number not in refused]
        if gone:
            tally.removed += len(gone)
            self._state.forget_unique_ids(INBOX.name, gone)
            self._state.forget_moments(INBOX.name, HERE, gone)
            text = f"{counted(len(gone), 'message')} removed from the server"
            self._run.record("sync.messages.removed", text, folder=INBOX.name, unique_ids=gone[:1000])

    def _tell(self, plan: PopPlan, described: dict[int, Description], tally: FolderTally) -> None:
        """Note what is left out, and why."""
        for number, _, octets in reversed(plan.too_large):  # the newest are described
            tally.skip_large(number, octets, self._inbound.max_size or 0, described.get(number))
        tally.skip_old(self._job.since, len(plan.too_old))
        for number, uidl, _ in plan.copies:
            tally.skip("same_unique_id", f"has unique-id and size of another message, {uidl}", uid=number)
        for number, _, _ in plan.changed:
            tally.skip("identity_changed", "the server shows another message under this unique-id", uid=number)
        tally.skip_rest(plan.over_budget)

    def _show(self, plan: PopPlan, described: dict[int, Description], tally: FolderTally) -> None:
        """The plan as steps; their UIDs are message numbers."""
        leaving = [] if self._inbound.keep_on_server else plan.fetch
        _step(tally, "fetch", plan.fetch, "message numbers", {})
        _step(tally, "remove_from_server", [*plan.remove, *leaving], "once the file is durable here", described)
        _step(tally, "delete_on_server", plan.delete, "deleted here", described)


def _step(
    tally: FolderTally, action: str, messages: list[Message], why: str, described: dict[int, Description]
) -> None:
    octets = {number: size for number, _, size in messages}
    tally.step(
        action, list(octets), why, octets=sum(octets.values()), which=[described[n] for n in octets if n in described]
    )


def midnight(day: str) -> int:
    """Epoch seconds at which an ISO date begins, UTC."""
    from datetime import UTC, datetime

    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
