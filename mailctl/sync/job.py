"""One gateway's sync as a value (the job), which pickles and holds no secret, and the counts while it goes on.

What a command needs to connect; what the sync did is a `report`.
"""

from collections.abc import Sequence
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING
from typing import Protocol as Interface

from mailctl.domain.gateway import Gateway, Inbound
from mailctl.domain.record import dataclass
from mailctl.domain.server import Endpoint, Protocol
from mailctl.domain.when import counted, show_size

if TYPE_CHECKING:
    from mailctl.domain.mailbox import ImapMailbox, PopMailbox
    from mailctl.errors import MailctlError
    from mailctl.sync.describe import Description
    from mailctl.sync.report import FolderReport, Skipped, Step


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

    def open_imap(self, job: SyncJob) -> "ImapMailbox":
        """A signed-in IMAP connection."""

    def open_pop3(self, job: SyncJob) -> "PopMailbox":
        """A signed-in POP3 connection."""


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
    skipped: "list[Skipped]" = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    steps: "list[Step]" = field(default_factory=list)
    error: "MailctlError | None" = None
    avoid: set[int] = field(default_factory=set)
    suspects: list[int] = field(default_factory=list)
    changing: set[str] = field(default_factory=set)

    def skip(self, code: str, reason: str, *, uid: int = 0, count: int = 1, what: "Description | None" = None) -> None:
        """Note messages that were left out; what: the one, if its header is known."""
        from mailctl.sync.report import Skipped

        told = (what.sender, what.subject, what.date) if what else ()
        self.skipped.append(Skipped(self.name, uid, reason, code, count, *told))

    def around(self, uids: Sequence[int]) -> list[int]:
        """`uids` without those at which the server broke the protocol (see `avoid`), which are noted."""
        for uid in uids:
            if uid in self.avoid:
                self.skip("bad_response", "the server breaks the protocol when this message is asked for", uid=uid)
        return [uid for uid in uids if uid not in self.avoid]

    def skip_large(self, uid: int, octets: int, most: int, what: "Description | None" = None) -> None:
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
        which: "Sequence[Description]" = (),
    ) -> None:
        """Note a step of the plan, if it concerns any message."""
        from mailctl.sync.report import Step

        if uids:
            self.steps.append(
                Step(self.name, action, tuple(sorted(uids)), detail, octets, tuple(map(str, which)), len(uids))
            )

    @property
    def eventful(self) -> bool:
        """Whether there is anything to tell."""
        done = self.fetched or self.flagged or self.removed or self.uploaded or self.moved
        return bool(done or self.skipped or self.warnings or self.error)

    def report(self) -> "FolderReport":
        """As a value."""
        from mailctl.sync.report import Failure, FolderReport

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
