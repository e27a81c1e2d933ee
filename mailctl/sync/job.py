"""One gateway's sync as a value in (the job) and a value out (the report); both pickle, neither holds a secret."""

from collections.abc import Sequence
from dataclasses import field
from enum import StrEnum
from typing import Protocol as Interface

from mailctl.domain.gateway import Gateway, Inbound
from mailctl.domain.mailbox import ImapMailbox, PopMailbox
from mailctl.domain.record import dataclass
from mailctl.domain.secret import mask
from mailctl.domain.server import Endpoint, Protocol
from mailctl.domain.when import counted, show_size
from mailctl.errors import ExitCode, MailctlError
from mailctl.sync.describe import Description
from mailctl.sync.verify.differences import Repaired, Verified


class Task(StrEnum):
    """What is to be done: sync, compare both sides (changing nothing), or rebuild the state from what is there."""

    SYNC = "sync"
    VERIFY = "verify"
    REPAIR = "repair"


@dataclass(frozen=True, slots=True)
class SyncJob:
    """What one gateway's sync needs.

    protocol: IMAP or POP3. inbound: resolved, all values set. root: the Maildir root. state: the state database.
    folders: globs that replace the gateway's for this run, or (). since: ISO date, nothing older is fetched, or "".
    dry_run: plan only; nothing changes anywhere. confirm_deletes: the user agreed to many deletions. start_afresh: the
    user agreed to forget what was synced before. timeout: seconds that signing in may take. content: to verify,
    all bodies are compared too.
    """

    gateway: Gateway
    protocol: Protocol
    endpoint: Endpoint
    inbound: Inbound
    root: str
    state: str
    provider: str = ""
    folders: tuple[str, ...] = ()
    since: str = ""
    dry_run: bool = False
    confirm_deletes: bool = False
    start_afresh: bool = False
    timeout: float = 30.0
    task: Task = Task.SYNC
    content: bool = False

    @property
    def name(self) -> str:
        """The gateway's name."""
        return self.gateway.name

    @property
    def globs(self) -> tuple[str, ...]:
        """Which folders are meant; see `choose`."""
        return self.folders or self.inbound.folders or ("*",)


class Connector(Interface):
    """Signs in for a job; every call is a new connection. Raises MailctlErrors."""

    def open_imap(self, job: SyncJob) -> ImapMailbox:
        """A signed-in IMAP connection."""

    def open_pop3(self, job: SyncJob) -> PopMailbox:
        """A signed-in POP3 connection."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Messages that were left out, and why.

    uid: 0 where several are meant (`count` of them); POP3: the message number. code: stable word. reason: for people.
    sender, subject, date (ISO 8601): of one message, where its header was asked for, else "".
    """

    folder: str
    uid: int
    reason: str
    code: str
    count: int = 1
    sender: str = ""
    subject: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a plan, as `--dry-run` shows it.

    action: fetch, flag, adopt, rename_folder, mark_seen, remove_from_server, delete_on_server; in mirror mode also
    recognise, follow, upload, move, copy, flag_on_server, delete_here, make_folder, remove_folder. uids: which
    messages, ascending (POP3: message numbers); () where they have none yet. detail: more for people, "" if the action
    says all. octets: of these messages, 0 if that doesn't matter. which: some of them as a person knows them.
    messages: how many.
    """

    folder: str
    action: str
    uids: tuple[int, ...]
    detail: str = ""
    octets: int = 0
    which: tuple[str, ...] = ()
    messages: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as a report carries it."""

    code: str
    message: str
    hint: str = ""
    cause: str = ""
    server_text: str = ""
    exit_code: ExitCode = ExitCode.BUG

    @classmethod
    def of(cls, error: MailctlError) -> "Failure":
        """From an error."""
        return cls(error.code, error.message, error.hint, error.cause, mask(error.server_text), error.exit_code)


@dataclass(frozen=True, slots=True)
class FolderReport:
    """What was done in one folder. path: below the Maildir root. messages: how many the server shows.

    uploaded, moved (to it): in mirror mode; `removed` counts both sides there.
    """

    name: str
    path: str
    ok: bool = True
    messages: int = 0
    fetched: int = 0
    flagged: int = 0
    removed: int = 0
    skipped: int = 0
    bytes: int = 0
    error: Failure | None = None
    uploaded: int = 0
    moved: int = 0


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What one gateway's sync did. bytes: octets of messages that came or went. steps: the plan, of a dry run only.

    verified, repaired: what --verify found, what --repair did.
    """

    gateway: str
    ok: bool
    fetched: int = 0
    flagged: int = 0
    removed: int = 0
    bytes: int = 0
    seconds: float = 0.0
    messages: int = 0
    skipped: tuple[Skipped, ...] = ()
    folders: tuple[FolderReport, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    error: Failure | None = None
    protocol: str = ""
    verified: Verified | None = None
    repaired: Repaired | None = None
    uploaded: int = 0
    moved: int = 0


@dataclass
class FolderTally:
    """Counts while a folder is being synced.

    avoid: messages at which the server broke the protocol in this run. suspects: messages of which one is such.
    changing: files that changed while they were being sent, by name up to the flags.
    """

    name: str
    path: str
    messages: int = 0
    fetched: int = 0
    flagged: int = 0
    removed: int = 0
    bytes: int = 0
    uploaded: int = 0
    moved: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    error: MailctlError | None = None
    avoid: set[int] = field(default_factory=set)
    suspects: list[int] = field(default_factory=list)
    changing: set[str] = field(default_factory=set)

    def skip(self, code: str, reason: str, *, uid: int = 0, count: int = 1, what: Description | None = None) -> None:
        """Note messages that were left out; what: the one, if its header is known."""
        what = what or Description()
        self.skipped.append(Skipped(self.name, uid, reason, code, count, what.sender, what.subject, what.date))

    def around(self, uids: Sequence[int]) -> list[int]:
        """`uids` without those at which the server broke the protocol (see `avoid`), which are noted."""
        for uid in uids:
            if uid in self.avoid:
                self.skip("bad_response", "the server breaks the protocol when this message is asked for", uid=uid)
        return [uid for uid in uids if uid not in self.avoid]

    def skip_large(self, uid: int, octets: int, most: int, what: Description | None = None) -> None:
        """Note a message of more than `most` octets (max_size)."""
        self.skip("too_large", f"{show_size(octets)}, more than max_size ({show_size(most)})", uid=uid, what=what)

    def skip_old(self, since: str, count: int) -> None:
        """Note messages from before `since`, if there are any."""
        if count:
            self.skip("too_old", f"older than {since}: {counted(count, 'message')}", count=count)

    def skip_rest(self, count: int) -> None:
        """Note messages for which this run had no budget left, if there are any."""
        if count:
            reason = f"left for the next run (max_per_run): {counted(count, 'message')}"
            self.skip("over_limit", reason, count=count)

    def step(
        self,
        action: str,
        uids: "list[int] | tuple[int, ...]",
        detail: str = "",
        *,
        octets: int = 0,
        which: Sequence[Description] = (),
    ) -> None:
        """Note a step of the plan, if it concerns any message."""
        if uids:
            self.steps.append(
                Step(self.name, action, tuple(sorted(uids)), detail, octets, tuple(map(str, which)), len(uids))
            )

    @property
    def eventful(self) -> bool:
        """Whether there is anything to tell."""
        done = self.fetched or self.flagged or self.removed or self.uploaded or self.moved
        return bool(done or self.skipped or self.warnings or self.error)

    def report(self) -> FolderReport:
        """As a value."""
        return FolderReport(
            self.name,
            self.path,
            self.error is None,
            self.messages,
            self.fetched,
            self.flagged,
            self.removed,
            sum(skipped.count for skipped in self.skipped),
            self.bytes,
            Failure.of(self.error) if self.error else None,
            self.uploaded,
            self.moved,
        )


def done(what: FolderTally | SyncReport) -> str:
    """What was done, in numbers; what goes up is told where any did."""
    up = f", {what.uploaded} uploaded, {what.moved} moved" if what.uploaded or what.moved else ""
    return f"{what.fetched} fetched, {what.flagged} flagged, {what.removed} removed{up}"
