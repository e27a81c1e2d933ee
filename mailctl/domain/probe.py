"""Probes: a message that a gateway sends to itself, to see how it travels: a job in, a report out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import NamedTuple
from typing import Protocol as Interface

from mailctl.domain.check import CheckJob, Finding, OtherCause, Session, StageReport
from mailctl.domain.deadline import Deadline
from mailctl.domain.mailbox import Folder, ImapMailbox, SinkFactory
from mailctl.domain.record import dataclass
from mailctl.domain.secret import Secret
from mailctl.errors import ExitCode


@dataclass(frozen=True, slots=True)
class ProbeMessage:
    """The message. message_id: with its angle brackets. data: all of it, CRLF line ends, not yet dot-stuffed."""

    message_id: str
    subject: str
    data: bytes


@dataclass(frozen=True, slots=True)
class ProbeJob:
    """What one probe needs: how it is sent, how it comes in (IMAP or POP3), what, and the seconds to look for it."""

    outbound: CheckJob
    inbound: CheckJob
    message: ProbeMessage
    patience: float = 60.0


@dataclass(frozen=True, slots=True)
class Hop:
    """A server on the message's way, as its Received field tells. seconds: since the one before, None if not told."""

    by: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One check of a message's origin (RFC 8601): `spf`, `pass`, {"smtp.mailfrom": "example.org"}."""

    method: str
    result: str
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Authentication:
    """What the receiving server found out about a message's origin. server: as it calls itself, or ""."""

    server: str = ""
    results: tuple[MethodResult, ...] = ()


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What became of a probe. The fields of the verdict are those of a check's report.

    ok: it was sent and it arrived. stage: where it failed: a stage of the checks, `data`, `find` or `remove`; "" if it
    did not. sent: "yes", "no", or "unknown" where the connection was lost before the server answered.
    folder: where it was found; "" if it was not, or by POP3. delay_ms: from the server's yes until it was found.
    spf, dkim, dmarc: the results (`pass`, `fail`, `none`, …), "" if not told. removed: whether nothing is left of it.
    endpoint: where it was sent. stages: those of sending, then `find` and `remove`. findings: warnings first; warnings:
    their texts.
    """

    gateway: str
    address: str
    ok: bool
    endpoint: str = ""
    stage: str = ""
    cause: str = ""
    confidence: str = ""
    explanation: str = ""
    remedy: tuple[str, ...] = ()
    fixer: str = ""
    retry: str = ""
    doc_url: str = ""
    evidence: tuple[str, ...] = ()
    alternatives: tuple[OtherCause, ...] = ()
    server_text: str = ""
    message: str = ""
    sent: str = "no"
    message_id: str = ""
    folder: str = ""
    delay_ms: float | None = None
    spf: str = ""
    dkim: str = ""
    dmarc: str = ""
    authentication_results: Authentication | None = None
    hops: tuple[Hop, ...] = ()
    removed: bool = False
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()
    stages: tuple[StageReport, ...] = ()
    transcript: tuple[str, ...] = ()
    exit_code: ExitCode = ExitCode.OK


class Outgoing(Session, Interface):
    """A session that sends one message: the stages of a check up to `rcpt`, then `data`."""

    handed_over: bool
    """Whether the whole message left, up to its final dot, and was not refused: it may have been taken."""


class ProbeMailbox(ImapMailbox, Interface):
    """An IMAP mailbox with what a probe needs besides."""

    def search_header(self, name: str, value: str) -> list[int]:
        """UID SEARCH HEADER: UIDs of the messages whose field `name` contains `value`, ascending."""

    def move(self, uids: Sequence[int], folder: Folder) -> object:
        """UID MOVE to a folder (RFC 6851). RefusedError (code no_move) without MOVE."""

    def quota(self) -> tuple[int, int] | None:
        """Octets used and allowed (RFC 9208); None where the server doesn't tell."""


class ProbePopMailbox(Interface):
    """What a probe needs of a signed-in POP3 connection; see `PopMailbox` for what isn't told here."""

    login_delay: int
    """Seconds that the server wants between two sign-ins (LOGIN-DELAY); 0 if it doesn't say."""

    def uidl(self) -> list[tuple[int, str, int]]:
        """(message number, unique-id, octets) of every message."""

    def retrieve(self, number: int, octets: int, sink: SinkFactory) -> None:
        """RETR: the body, byte-unstuffed, CRLF line ends, goes to one sink, which is then finished (uid 0)."""

    def top(self, number: int) -> bytes | None:
        """TOP n 0: the header, line ends as LF; None without TOP."""

    def delete(self, number: int) -> None:
        """DELE; takes effect at `quit` only."""

    def quit(self) -> None:
        """QUIT: enter the UPDATE state. Raises if the server doesn't confirm."""

    def close(self) -> None:
        """Drop the connection without UPDATE; never raises."""


class Incoming(Session, Interface):
    """A session on the protocol that mail comes in by."""

    def mailbox(self) -> ProbeMailbox | ProbePopMailbox:
        """The mailbox; there is one from `authenticate` on."""


Lines = Callable[[], Sequence[str]]
"""Reads the transcript of a session; empty unless the job traces."""
OpenIncoming = Callable[[CheckJob, Secret, Deadline], tuple[Incoming, Lines]]
"""Makes a session on the mailbox of a job (IMAP or POP3), not connected yet."""
OpenOutgoing = Callable[[CheckJob, Secret, Deadline, ProbeMessage], tuple[Outgoing, Lines]]
"""Makes a session that sends a message to the address of a job, not connected yet."""


class ProbeTools(NamedTuple):
    """What probes are sent and found with. a_labels: a domain as DNS spells it; raises MailctlError for none."""

    open_incoming: OpenIncoming
    open_outgoing: OpenOutgoing
    a_labels: Callable[[str], str]
