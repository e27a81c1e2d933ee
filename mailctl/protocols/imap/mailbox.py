"""A signed-in IMAP connection: `Mailbox`, the `domain.mailbox.ImapMailbox` of this protocol."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from mailctl.domain.mailbox import Folder, FolderListing, FolderStatus, MessageMeta, SinkFactory
from mailctl.domain.pattern import pattern
from mailctl.errors import ProtocolError, RefusedError, SafetyError, UsageError
from mailctl.protocols.imap.bodies import allowance, checked_fetch, read_rows
from mailctl.protocols.imap.changes import Changing
from mailctl.protocols.imap.channel import LONG_LINE, STRING, Answer, Channel, quoted
from mailctl.protocols.imap.dates import search_date
from mailctl.protocols.imap.fetching import fetch_bodies
from mailctl.protocols.imap.folders import FolderChanges
from mailctl.protocols.imap.listing import survey_folders
from mailctl.protocols.imap.names import is_list, parse_listing
from mailctl.protocols.imap.quota import parse_quota
from mailctl.protocols.imap.scan import read_scan
from mailctl.protocols.imap.searching import parse_found, search_command
from mailctl.protocols.imap.selected import opening, parse_selected
from mailctl.protocols.imap.uids import format_sets
from mailctl.protocols.imap.waiting import Waiting

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable

    from mailctl.domain.changes import Placed, Upload
    from mailctl.domain.visits import Arrived, Closed, Opened, Shown, Sinks, Visit

INBOX = Folder("INBOX", b"INBOX")
NEAR = 0.008
"""Seconds of the quickest answer up to which one more round trip costs less than what it spares the server."""
LARGEST = 1 << 31
"""Octets of the largest message that is fetched unless the caller says otherwise."""
_FIELD = pattern(r"[A-Za-z0-9-]{1,76}")


class Mailbox(Changing, FolderChanges, Waiting):
    """See `domain.mailbox.ImapMailbox`. largest: octets above which a body is a ProtocolError."""

    def __init__(self, channel: Channel, *, largest: int = LARGEST) -> None:
        super().__init__(channel)
        self._largest = largest
        self._surveyed: FolderListing | None = None
        self._entering: Callable[[], None] | None = None
        self._standing: FolderStatus | None = None
        """Of INBOX, where it is still open from the survey."""

    def folders(self) -> FolderListing:
        """LIST "" "*" (RFC 9051 section 6.3.9); names that can't be decoded are set aside."""
        answer = self._channel.run(b'LIST "" "*"').checked("LIST")
        return parse_listing(response.parts for response in answer.responses if is_list(response.line))

    def survey(self) -> FolderListing:
        """The folders with their state; see `domain.visits.ImapPipeline.survey`."""
        made, self._surveyed = self._surveyed, None
        return made or survey_folders(self._channel)[0]

    def survey_ahead(self, *, inbox: bool) -> None:
        """Make a survey now; the next `survey` returns it.

        inbox: INBOX is likely to be read next. It is opened before its STATUS is asked for, if the server is near and
        can tell what changed in an open folder: else servers open it for the STATUS, and once more to read it.
        """
        channel = self._channel
        near = channel.turn <= NEAR and "QRESYNC" in self.capabilities
        first = opening(channel, INBOX, read_only=True) if inbox and near else b""
        self._surveyed, answer = survey_folders(channel, first)
        if answer is not None and answer.status.ok:
            channel.folder_open = True
            with suppress(ProtocolError):  # told again, and of INBOX alone, when it is opened to be read
                self._standing = parse_selected([each.line for each in answer.responses], b"", True)

    def append(self, folder: Folder, uploads: "Sequence[Upload]") -> "Placed":
        """APPEND; see `domain.changes.ImapChanges.append`."""
        from mailctl.protocols.imap.append import append

        return append(self._channel, folder, uploads)

    def visit(self, visits: "Sequence[Visit]", sinks: "Sinks") -> "Iterator[Opened | Shown | Arrived | Closed]":
        """Read folders, several in flight; see `domain.visits.ImapPipeline.visit`."""
        from mailctl.protocols.imap.visits import read_visits

        standing = self._standing
        self._leave()
        return read_visits(self._channel, visits, sinks, self._largest, standing)

    def look_ahead(self, folders: Sequence[Folder]) -> "list[tuple[FolderStatus, array[int]] | None]":
        """EXAMINE and UID SEARCH ALL of many; see `domain.visits.ImapPipeline.look_ahead`."""
        from mailctl.protocols.imap.searching import look_ahead

        self._leave()
        return look_ahead(self._channel, folders)

    @property
    def turn(self) -> float:
        """See `domain.mailbox.ImapMailbox.turn`."""
        return self._channel.turn

    @property
    def quick(self) -> bool:
        """Whether QRESYNC is enabled on this connection."""
        return "QRESYNC" in self._channel.enabled

    def compress(self) -> bool:
        """COMPRESS DEFLATE (RFC 4978); see `domain.visits.ImapPipeline.compress`."""
        channel = self._channel
        if "COMPRESS=DEFLATE" not in self.capabilities or not channel.run(b"COMPRESS DEFLATE").status.ok:
            return False
        channel.wire.compress()
        return True

    def select(self, folder: Folder, *, read_only: bool) -> FolderStatus:
        """SELECT or EXAMINE; RefusedError (cause no_such_mailbox, no_permission, …) if it can't be."""
        self._leave()  # a refused SELECT leaves no folder selected
        command = opening(self._channel, folder, read_only=read_only)
        answer = self._channel.run(command).checked(f"{'EXAMINE' if read_only else 'SELECT'} {folder.name}")
        return self._opened(answer, read_only=read_only)

    def _leave(self) -> None:
        self._selected, self._entering, self._standing, self._channel.exists = None, None, None, 0

    def _opened(self, answer: Answer, *, read_only: bool) -> FolderStatus:
        self._channel.folder_open = True
        with self._channel.guarded():
            lines = [response.line for response in answer.responses]
            self._selected = parse_selected(lines, answer.status.code.encode(), read_only)
        return self._selected

    def enter(self, folder: Folder, uidvalidity: int) -> None:
        """EXAMINE, answered with the next `fetch`; see `domain.mailbox.ImapMailbox.enter`."""
        self._leave()
        tag = self._channel.send(opening(self._channel, folder, read_only=True))

        def entered() -> None:
            self._entering = None
            with self._channel.guarded():  # bodies of another folder may be on their way: it can't be gone on with
                answer = self._channel.answer(tag).checked(f"EXAMINE {folder.name}")
                if (self._opened(answer, read_only=True).uidvalidity or 0) != uidvalidity:
                    raise SafetyError(f"{folder.name} has another UIDVALIDITY by now", code="uidvalidity_changed")

        self._entering = entered

    def uids(self, *, since: str | None = None) -> list[int]:
        """UID SEARCH ALL, or SINCE an ISO date (by INTERNALDATE's day); as ESEARCH where the server has it."""
        found = self._search(b"ALL" if since is None else b"SINCE " + _search_date(since).encode())
        if found is None and since is None and self._folder().messages:
            raise ProtocolError("the server answered a search without a result", code="no_result")
        return found or []

    def search_header(self, name: str, value: str) -> list[int]:
        """UID SEARCH HEADER: UIDs of the messages whose field `name` contains `value` (ASCII), as it says."""
        return self._search(b"HEADER %s %s" % (_checked_field(name).encode(), quoted(value, "header field"))) or []

    def _search(self, criterion: bytes) -> list[int] | None:
        """UIDs, ascending; None if the server said OK and nothing else."""
        self._folder()
        command = search_command(self._channel, criterion)
        answer = self._channel.run(command, line=LONG_LINE).checked("UID SEARCH")
        with self._channel.guarded():
            return parse_found(answer.responses, max(self._folder().messages, self._channel.exists))

    def scan(self, uids: Sequence[int] | None = None, *, changed_since: int | None = None) -> Iterator[MessageMeta]:
        """UID FETCH of FLAGS, RFC822.SIZE, INTERNALDATE, and MODSEQ with CONDSTORE, of `uids` or of all messages.

        Responses that lack what was asked are news of flags that the server sends by itself; they are passed over.
        """
        status = self._folder()
        items = b"UID FLAGS RFC822.SIZE INTERNALDATE"
        if status.highestmodseq is not None:
            items += b" MODSEQ"
        if changed_since is not None:
            if not 1 <= changed_since < 2**63:
                raise UsageError(f"{changed_since} is not a mod-sequence")
            if status.highestmodseq is None:
                raise RefusedError("the folder keeps no mod-sequences (CONDSTORE)", code="no_condstore")
        modifier = b"" if changed_since is None else b" (CHANGEDSINCE %d)" % changed_since
        if uids is None:
            if status.messages or changed_since is not None:
                yield from self._scan(b"1:*", status.messages, items, modifier, None)
            return
        for words, held in format_sets(uids):
            yield from self._scan(words.encode(), len(held), items, modifier, set(held))

    def _scan(
        self, words: bytes, messages: int, items: bytes, modifier: bytes, asked: set[int] | None
    ) -> Iterator[MessageMeta]:
        tag = self._channel.send(b"UID FETCH %s (%s)%s" % (words, items, modifier), most=allowance(messages))
        answer = Answer()
        yield from read_scan(self._channel, tag, answer, messages, asked)
        checked_fetch(answer)

    def fetch(
        self, uids: Sequence[int], sink: SinkFactory, more: "Callable[[], Sequence[int]] | None" = None
    ) -> Iterator[MessageMeta]:
        """UID FETCH of FLAGS, INTERNALDATE, BODY.PEEK[] of `uids`: bodies go to sinks, chunk by chunk.

        Yields each message after its sink was finished; see `domain.mailbox.ImapMailbox.fetch`.
        """
        if self._entering is None:
            self._folder()
        yield from fetch_bodies(self._channel, uids, sink, self._largest, more, self._entering)

    def headers(self, uids: Sequence[int], names: Sequence[str]) -> Iterator[tuple[int, bytes]]:
        """UID FETCH of BODY.PEEK[HEADER.FIELDS (names)] of `uids`: (UID, those lines, raw, at most 64 KiB)."""
        self._folder()
        fields = " ".join(_checked_field(name) for name in names)
        for words, held in format_sets(uids):
            # <0.n> bounds what a server sends of one message; a longer field is cut
            command = f"UID FETCH {words} (UID BODY.PEEK[HEADER.FIELDS ({fields})]<0.{STRING}>)"
            tag = self._channel.send(command.encode(), most=allowance(len(held)) + STRING * len(held))
            answer = Answer()
            waiting = set(held)
            with self._channel.guarded():
                for row in read_rows(self._channel, tag, answer, len(held)):
                    if row.header is None:
                        continue
                    if row.uid not in waiting:
                        raise ProtocolError("the server sent a header unasked, or twice", code="bad_uid")
                    waiting.remove(row.uid)
                    yield row.uid, row.header
            checked_fetch(answer)

    def quota(self) -> tuple[int, int] | None:
        """GETQUOTAROOT of INBOX (RFC 9208): octets used and allowed; None where the server doesn't tell."""
        if "QUOTA" not in self.capabilities:
            return None
        answer = self._channel.run(b"GETQUOTAROOT INBOX")
        found = parse_quota(response.parts for response in answer.responses)
        return (found["used"], found["limit"]) if found else None

    def noop(self) -> None:
        """NOOP, to keep the connection."""
        self._channel.run(b"NOOP").checked("NOOP")


def _search_date(iso: str) -> str:
    try:
        return search_date(iso)
    except ValueError:
        raise UsageError(f"{iso!r} is not a date such as 2024-07-01", code="bad_date") from None


def _checked_field(name: str) -> str:
    if not _FIELD.fullmatch(name):
        raise UsageError(f"{name!r} can't be the name of a header field", code="bad_argument")
    return name
