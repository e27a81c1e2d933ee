"""Folders read one behind the other, several in flight: EXAMINE, and the bodies of what is new, sent ahead of answers.

Commands that follow an EXAMINE go to the folder that it opens, if it does. RFC 9051 section 6.3.2: one that is refused
leaves no folder open, so that its FETCH is refused as well; a server that answers it all the same answers from the
folder before, and whatever it sends is dropped. What comes before the CLOSED of RFC 7162 section 3.2.11 is of the
folder before, too.
"""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from functools import partial

from mailctl.domain.mailbox import FolderStatus, MessageMeta, SinkFactory
from mailctl.domain.record import dataclass
from mailctl.domain.visits import Arrived, Closed, Opened, Shown, Sinks, Visit
from mailctl.errors import MailctlError, ProtocolError, RefusedError, UsageError
from mailctl.protocols.imap.asked import Nothing, Onward
from mailctl.protocols.imap.bodies import ITEMS, LINES, ROW, BodyReader, Nowhere, allowance, checked_fetch
from mailctl.protocols.imap.channel import LINE, LONG_LINE, PACE, Answer, Channel
from mailctl.protocols.imap.rows import Row, is_fetch, parse_row
from mailctl.protocols.imap.scan import read_scan
from mailctl.protocols.imap.selected import EXISTS, opening, parse_selected
from mailctl.protocols.imap.standing import CHANGES, EARLIER, ask_changes, can_stay, read_changes
from mailctl.protocols.imap.tokens import MAX_NUMBER
from mailctl.protocols.imap.uids import MAX_UID, merge, parse_ranges

DEPTH = 16
"""Folders in flight."""
ROWS = b"(UID FLAGS RFC822.SIZE INTERNALDATE)"
"""What is asked of each message that is shown without its body."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """A visit whose commands are at the server, by their tags; refused: why none were sent."""

    visit: Visit
    examine: bytes = b""
    fetch: bytes = b""
    refused: MailctlError | None = None


def read_visits(
    channel: Channel, visits: Sequence[Visit], sinks: Sinks, largest: int, standing: FolderStatus | None = None
) -> Iterator[Opened | Shown | Arrived | Closed]:
    """See `domain.visits.ImapPipeline.visit`. largest: octets that one body may have. standing: the state of INBOX, if
    that is open.

    The first of them are asked for at once, before anything is read. A folder of which too much changed, or not
    clearly, is Closed with a RefusedError (code `unclear`), and not Opened: it has to be looked at as a whole.
    """
    queue = deque(visits)
    sent: deque[_Sent] = deque()
    channel.wire.allowance = 0
    if standing is not None and len(visits) == 1 and can_stay(channel, visits[0], standing):
        return _stay(channel, visits[0], standing, sinks, largest)
    with channel.guarded():
        _send(channel, queue, sent)
    return _read(channel, queue, sent, sinks, largest)


def _read(
    channel: Channel, queue: deque[Visit], sent: "deque[_Sent]", sinks: Sinks, largest: int
) -> Iterator[Opened | Shown | Arrived | Closed]:
    """The answers, and what else there is to ask."""
    with channel.guarded():
        while queue or sent:
            _send(channel, queue, sent)
            here = sent.popleft()
            if here.refused is not None:
                yield Closed(here.visit, here.refused)
                continue
            looking = _Opening(channel, here)
            opened = looking.read()
            if isinstance(opened, Opened):
                yield opened
                sink = partial(sinks, here.visit)
                yield Closed(here.visit, (yield from _asked_for(channel, here, looking.messages, sink, largest)))
                continue
            for _ in _asked_for(channel, here, looking.messages, lambda octets: Nowhere(), largest):
                pass  # of a folder that is not this one, or whose state isn't known
            yield Closed(here.visit, opened)


def _stay(
    channel: Channel, visit: Visit, standing: FolderStatus, sinks: Sinks, largest: int
) -> Iterator[Opened | Shown | Arrived | Closed]:
    """Read the folder that is open: what changed, then what is new; a server may answer two FETCH side by side."""
    with channel.guarded():
        tag = ask_changes(channel, visit, standing)

    def answers() -> Iterator[Opened | Shown | Arrived | Closed]:
        with channel.guarded():
            opened = read_changes(channel, tag, visit, standing)
            if not isinstance(opened, Opened):
                yield Closed(visit, opened)
                return
            commands = _fetches(visit)
            tags = channel.send_more(*commands, most=allowance(0)) if commands else [b""]
            yield opened
            here, messages = _Sent(visit, fetch=tags[0]), max(standing.messages, channel.exists)
            yield Closed(visit, (yield from _asked_for(channel, here, messages, partial(sinks, visit), largest)))

    return answers()


def _send(channel: Channel, queue: deque[Visit], sent: deque[_Sent]) -> None:
    """Send the commands of the next visits, as many as may be in flight, in one go; at least one is in flight then."""
    commands: list[bytes] = []
    ready: list[tuple[Visit, int]] = []
    most = 0
    while queue and len(sent) + len(ready) < DEPTH:
        visit = queue[0]
        try:
            own = _commands(channel, visit)
        except (UsageError, RefusedError) as error:
            if ready:
                break  # in its turn
            sent.append(_Sent(queue.popleft(), refused=error))
            continue
        octets = sum(map(len, commands)) + sum(map(len, own))
        if (sent or ready) and not channel.in_flight.room(octets):
            break
        queue.popleft()
        ready.append((visit, len(own)))
        commands += own
        most += allowance(0) + (LINE if visit.since is None else LONG_LINE)
    tags = iter(channel.send_more(*commands, most=most) if commands else ())
    sent.extend(_Sent(visit, next(tags), next(tags) if count > 1 else b"") for visit, count in ready)


def _commands(channel: Channel, visit: Visit) -> list[bytes]:
    """EXAMINE or SELECT, and FETCH where rows or bodies are wanted."""
    options = b""
    if visit.since is not None:
        uidvalidity, modseq = visit.since
        if not (1 <= uidvalidity <= MAX_UID and 1 <= modseq <= MAX_NUMBER):
            raise UsageError(f"{visit.since} is no state of a folder", code="bad_argument")
        if "QRESYNC" not in channel.enabled:
            raise RefusedError("the server can't tell what changed (QRESYNC isn't enabled)", code="no_qresync")
        options = b" (QRESYNC (%d %d))" % visit.since
    return [opening(channel, visit.folder, read_only=visit.read_only, options=options), *_fetches(visit)]


def _fetches(visit: Visit) -> list[bytes]:
    """FETCH, if rows or bodies are wanted."""
    commands: list[bytes] = []
    if visit.rows_from is not None and visit.bodies_from is not None:  # NOTE: Dovecot answers both before it ends one
        raise UsageError("a visit is for rows, or for bodies", code="bad_argument")
    for first, items in ((visit.rows_from, ROWS), (visit.bodies_from, ITEMS)):
        if first is not None:
            if not 1 <= first <= MAX_UID:
                raise UsageError(f"{first} is not a UID", code="bad_argument")
            commands.append(b"UID FETCH %d:* %s" % (first, items))
    return commands


def _asked_for(
    channel: Channel, here: _Sent, messages: int, sink: SinkFactory, largest: int
) -> Generator[Shown | Arrived, None, MailctlError | None]:
    """What answers the FETCH → why it didn't bring all, if the server refused."""
    if not here.fetch:
        return None
    if channel.wire.allowance is not None:
        channel.wire.allowance += ROW * messages
    channel.allow(allowance(messages) / PACE)
    answer, first = Answer(), here.visit.rows_from
    if first is not None:
        for meta in read_scan(channel, here.fetch, answer, messages, None):
            if meta.uid >= first and channel.folder_open:  # the last message comes even if its UID is lower
                yield Shown(here.visit, meta)
    else:
        asked = Onward(here.visit.bodies_from or 1, messages) if channel.folder_open else Nothing()
        for meta in BodyReader(channel, asked, sink, largest).read(here.fetch, answer, messages):
            yield Arrived(here.visit, meta)
    try:
        checked_fetch(answer)
    except (RefusedError, ProtocolError) as error:
        return error if messages else None  # NOTE: some servers refuse 1:* where there is no message
    return None


class _Opening:
    """What answers one EXAMINE."""

    def __init__(self, channel: Channel, here: _Sent) -> None:
        self._channel, self._visit, self._tag = channel, here.visit, here.examine
        self._delta = here.visit.since is not None
        self._answer = Answer()
        self._changed: dict[int, MessageMeta] = {}
        self._vanished: list[tuple[int, int]] = []
        self.messages = 0
        """As the folder has them, at most."""
        self._clear = not channel.folder_open
        """Whether what comes is of this folder for certain."""
        self._whole = True

    def read(self) -> Opened | MailctlError:
        """The folder's state, and what changed; or why it can't be had, if that is of this folder alone."""
        channel, answer = self._channel, self._answer
        channel.allow(0)
        count = 0
        while not self._take(channel.read_line(LONG_LINE if self._delta else LINE)):
            count += 1
            if count > 4 * self.messages + LINES:
                raise ProtocolError("the server does not come to the end of its answer", code="too_much")
        channel.folder_open = answer.status.ok
        try:
            answer.checked(f"{'EXAMINE' if self._visit.read_only else 'SELECT'} {self._visit.folder.name}")
        except (RefusedError, ProtocolError) as error:
            return error
        status = parse_selected(
            [each.line for each in answer.responses], answer.status.code.encode(), self._visit.read_only
        )
        self.messages = status.messages
        if not self._whole or (self._changed and not self._clear):
            return RefusedError("what changed in the folder can't be told from what the server sent", code="unclear")
        return Opened(self._visit, status, tuple(self._changed.values()), tuple(merge(self._vanished)))

    def _take(self, line: bytes) -> bool:
        """Take in the response that begins with `line`; whether it was the last one."""
        channel, answer = self._channel, self._answer
        if is_fetch(line):
            self._take_row(parse_row(channel.complete(line).parts if line.endswith(b"}") else [line]))
            return False
        if line[: len(EARLIER)].upper() == EARLIER:
            self._take_vanished(line[len(EARLIER) :].strip())
            return False
        response = channel.complete(line)
        if response.tag == self._tag:
            channel.conclude(response, answer)
            return True
        if response.tag == b"+":
            raise ProtocolError("the server asked for more where a command was complete", code="unasked")
        channel.note(response, answer)
        if response.status is not None and response.status.code == "CLOSED":
            self._clear = self._whole = True
            answer.responses.clear()
            self._changed.clear()
            self._vanished.clear()
        elif self._delta and (found := EXISTS.fullmatch(line)) and (messages := int(found[1])) > self.messages:
            if channel.wire.allowance is not None:
                channel.wire.allowance += ROW * (messages - self.messages)
            self.messages = messages
        return False

    def _take_row(self, row: Row) -> None:
        if row.has_body:
            raise ProtocolError("the server sent a body before it was asked for", code="bad_fetch")
        if self._delta and (row.uid is None or row.flags is None or len(self._changed) >= CHANGES):
            self._whole = False
        elif self._delta and row.uid is not None:
            self._changed[row.uid] = row.meta()

    def _take_vanished(self, uids: bytes) -> None:
        if self._delta and uids.count(b",") + len(self._vanished) >= CHANGES:
            self._whole = False
        elif self._delta:
            self._vanished += parse_ranges(uids)
