"""What `sync` needs of an IMAP server, as an interface (`protocols.imap` implements it) and the values it deals in.

Names and semantics are those of RFC 9051 (IMAP4rev2), RFC 3501 and RFC 7162 (CONDSTORE, QRESYNC).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Protocol as Interface

from mailctl.domain.record import dataclass

if TYPE_CHECKING:
    from mailctl.errors import RefusedError


@dataclass(frozen=True, slots=True)
class Folder:
    """A mailbox of the server.

    name: decoded (Unicode). wire: the name as the server spells it (modified UTF-7), sent back unchanged.
    delimiter: hierarchy delimiter or None. attributes: as listed, lower case, with the backslash (`\\noselect`).
    """

    name: str
    wire: bytes
    delimiter: str | None = None
    attributes: frozenset[str] = frozenset()

    @property
    def selectable(self) -> bool:
        """Whether the folder holds messages at all."""
        return not self.attributes & {"\\noselect", "\\nonexistent"}


@dataclass(frozen=True, slots=True)
class FolderListing:
    """The folders, and the names that could not be decoded (raw bytes) and were set aside.

    statuses: what STATUS told of folders, by name; of folders that aren't in it nothing is known yet.
    """

    folders: tuple[Folder, ...]
    set_aside: tuple[bytes, ...] = ()
    statuses: "Mapping[str, FolderStatus]" = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """State of a folder as SELECT, EXAMINE or STATUS tells it (RFC 9051, 6.3.2); None where the server doesn't.

    mailbox_id: outlives renaming (RFC 8474), "" where the server has none.
    """

    messages: int
    uidvalidity: int | None
    uidnext: int | None
    highestmodseq: int | None = None
    read_only: bool = False
    permanent_flags: frozenset[str] = frozenset()
    mailbox_id: str = ""


@dataclass(frozen=True, slots=True)
class MessageMeta:
    """What FETCH tells of a message without its body.

    flags: as sent, system flags with the backslash (`\\Seen`), keywords as spelt. size: RFC822.SIZE in bytes.
    internaldate: seconds since the epoch, None if not asked or unreadable.
    """

    uid: int
    flags: frozenset[str] = frozenset()
    size: int | None = None
    internaldate: float | None = None
    modseq: int | None = None


class BodySink(Interface):
    """Takes one message body, in chunks, as it comes off the wire.

    What a sink raises (a full disk, a stop) passes through the mailbox to its caller; the connection is then dead, and
    a sink that was neither finished nor abandoned gets `abandon`.
    """

    def write(self, chunk: bytes | memoryview) -> None:
        """Take the next octets, CRLF line ends as on the wire; the chunk is only valid during the call."""

    def finish(self, meta: MessageMeta) -> None:
        """All octets came, and the response was well-formed; now the message may be kept."""

    def abandon(self) -> None:
        """The body was cut, or belongs to no message that was asked for; leave nothing behind."""


class SinkFactory(Interface):
    """Called when a body begins."""

    def __call__(self, octets: int) -> BodySink:
        """octets: the announced length of the body."""


class ImapMailbox(Interface):
    """A signed-in IMAP connection. Methods raise MailctlErrors; after a NetworkError or ProtocolError it is dead."""

    capabilities: frozenset[str]
    """As the server offers them after sign-in, upper case (`UIDPLUS`, `CONDSTORE`, `QRESYNC`)."""

    def folders(self) -> FolderListing:
        """LIST "" "*"."""

    def select(self, folder: Folder, *, read_only: bool) -> FolderStatus:
        """SELECT or EXAMINE. RefusedError (cause no_such_mailbox, no_permission, …) if it can't be."""

    def enter(self, folder: Folder, uidvalidity: int) -> None:
        """EXAMINE, whose answer the next `fetch` takes together with its own: that is what may follow.

        That `fetch` raises, and the connection is dead then: RefusedError as of `select`; SafetyError (code
        uidvalidity_changed) where the folder has another UIDVALIDITY than `uidvalidity` (0: none).
        """

    def uids(self, *, since: str | None = None) -> list[int]:
        """UIDs of the selected folder, ascending, checked (1 to 2^32-1); `since` an ISO date for UID SEARCH SINCE."""

    def scan(self, uids: Sequence[int] | None = None, *, changed_since: int | None = None) -> Iterator[MessageMeta]:
        """UID FETCH of FLAGS, RFC822.SIZE, INTERNALDATE (and MODSEQ with CONDSTORE), of `uids` (ascending) or of all.

        changed_since: only messages whose mod-sequence is greater (RFC 7162 CHANGEDSINCE; needs CONDSTORE).
        """

    def fetch(
        self, uids: Sequence[int], sink: SinkFactory, more: Callable[[], Sequence[int]] | None = None
    ) -> Iterator[MessageMeta]:
        """UID FETCH of FLAGS, INTERNALDATE, BODY.PEEK[] of `uids` (ascending): bodies go to sinks, chunk by chunk.

        more: asked, whenever one more command can be sent, for further UIDs (ascending, none of those before).
        Yields each message after its sink was finished. A message that is gone, or whose body is NIL, is not yielded.
        Never sets \\Seen. The iterator must be exhausted before the next command.
        """

    def headers(self, uids: Sequence[int], names: Sequence[str]) -> Iterator[tuple[int, bytes]]:
        """UID FETCH of BODY.PEEK[HEADER.FIELDS (names)] of `uids` (ascending): (UID, those header lines, raw).

        At most 64 KiB of a message's are given. A message that is gone, or has none, may be left out.
        """

    def add_flags(self, uids: Sequence[int], flags: Iterable[str]) -> None:
        """UID STORE +FLAGS.SILENT; RefusedError if the folder is read-only."""

    def expunge(self, uids: Sequence[int], *, unchanged_since: int | None = None) -> list[int]:
        """UID STORE +FLAGS.SILENT (\\Deleted), then UID EXPUNGE of exactly these (RFC 4315) → those that were left.

        unchanged_since: messages with a greater mod-sequence are left as they are (RFC 7162 section 3.1.3; needs
        CONDSTORE). RefusedError (code no_uidplus) without UIDPLUS: never a blind EXPUNGE.
        """

    @property
    def turn(self) -> float:
        """Seconds of a round trip, by the quickest answer of a survey, and what the server had to do for it."""

    def compress(self) -> bool:
        """COMPRESS DEFLATE (RFC 4978) from here on; False where the server doesn't offer it, or refuses."""

    def noop(self) -> None:
        """NOOP, to keep the connection."""

    def close(self) -> None:
        """LOGOUT if it can be done at once; never raises."""


class PopMailbox(Interface):
    """A signed-in POP3 connection (RFC 1939)."""

    capabilities: frozenset[str]

    def uidl(self) -> list[tuple[int, str, int]]:
        """(message number, unique-id, octets) of every message (UIDL and LIST), checked. RefusedError without UIDL."""

    def retrieve_all(
        self, messages: Sequence[tuple[int, int]], sinks: Callable[[int, int], BodySink]
    ) -> "Iterator[tuple[int, RefusedError | None]]":
        """RETR of (message number, octets announced), several in flight where the server knows PIPELINING.

        sinks: makes a sink for a number and its octets when the body begins; it takes the body, byte-unstuffed, CRLF
        line ends, and is finished (uid 0). Yields each number in order, with the refusal if there was one. Whoever
        doesn't exhaust it closes the mailbox.
        """

    def headers(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """TOP n 0: (number, header with LF line ends, at most 1 MiB), in order; nothing of messages refused.

        TOP is optional (RFC 1939 section 7): of a server without it, nothing comes.
        """

    def delete_all(self, numbers: Sequence[int]) -> list[int]:
        """DELE; takes effect at `quit` only. Returns those that the server refused."""

    def quit(self) -> None:
        """QUIT: enter the UPDATE state. Raises if the server doesn't confirm; what was deleted is then unknown."""

    def close(self) -> None:
        """Drop the connection without UPDATE; never raises."""
