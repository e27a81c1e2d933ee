"""The streaming FETCH reader: bodies go from the wire's buffer to their sinks, never through memory as a whole."""

import re
from collections.abc import Callable, Iterator

from mailctl.domain.mailbox import BodySink, MessageMeta, SinkFactory
from mailctl.domain.pattern import pattern
from mailctl.errors import ProtocolError
from mailctl.protocols.imap.asked import NEWS, Asked
from mailctl.protocols.imap.channel import LINE, Answer, Channel
from mailctl.protocols.imap.dates import parse_internaldate
from mailctl.protocols.imap.rows import Row, is_fetch, parse_flags, parse_row
from mailctl.protocols.imap.tokens import literal_size
from mailctl.protocols.imap.uids import check_uid
from mailctl.protocols.wire import Wire

ROW = 4096
"""Octets that FETCH tells of one message, its body apart, on average at most: room for a hundred keywords."""
ITEMS = b"(UID FLAGS INTERNALDATE BODY.PEEK[])"
"""What is asked of each message whose body is fetched."""
_ANOTHER = frozenset({"CLOSED", "UIDVALIDITY"})
"""Codes that belong to the opening of a folder: UIDs are no longer those of the one that was open."""
_BODY = pattern(rb"BODY\[\] ~?\{-?[0-9]+\+?\}\Z", re.IGNORECASE)
_COMMON = pattern(
    rb'\* [0-9]{1,10} FETCH \((?:UID ([0-9]{1,10}) )?FLAGS \(([^()"{\r\n]*)\) (?:UID ([0-9]{1,10}) )?'
    rb'INTERNALDATE "([^"\\\r\n]*)" BODY\[\] \{([0-9]{1,18})\}\r\n'
)
_END = b")\r\n"
SLOWEST = 2048
"""Octets a second below which a body is given up."""
_OFTEN = 1 << 20
"""Octets after which the command in hand gets more time; at SLOWEST they take less than it has."""
CHUNK = 1 << 16
"""Octets that a sink gets at once, at most: most messages whole, and a quarter of the receive buffer."""
LINES = 10_000
"""Responses that may come besides the ones asked for, and besides four for each message."""


def allowance(messages: int) -> int:
    """Octets that a FETCH of so many messages may bring, bodies apart."""
    return LINE + ROW * (messages + NEWS)


def read_rows(channel: Channel, tag: bytes, answer: Answer, messages: int) -> Iterator[Row]:
    """Yield what answers a UID FETCH without bodies, row by row; the tagged response goes into `answer`."""
    with channel.guarded():
        for line in fetch_lines(channel, tag, answer, messages):
            yield parse_row(channel.complete(line).parts if line.endswith(b"}") else [line])


def fetch_lines(
    channel: Channel,
    tag: bytes,
    answer: Answer,
    messages: int,
    longest: int = LINE,
    take: Callable[[bytes], bool] = lambda line: False,
) -> Iterator[bytes]:
    """Yield the first line of each FETCH response, up to the tagged response.

    longest: octets of a line. take: shown what else comes, and whether it took it; what it didn't is passed over.
    """
    for _ in range(4 * messages + LINES):
        line = channel.read_line(longest)
        if is_fetch(line):
            yield line
            continue
        if take(line):
            continue
        response = channel.complete(line)
        if response.tag == tag:
            channel.conclude(response, answer)
            return
        if response.tag == b"+":
            raise ProtocolError("the server asked for more where a command was complete", code="unasked")
        if response.status is not None and response.status.code in _ANOTHER:
            raise ProtocolError("the server went on to another folder in the middle of one", code="another_folder")
        channel.note(response, answer)
        answer.responses.clear()
    raise ProtocolError("the server does not come to the end of its answer", code="too_much")


def _copy(wire: Wire, octets: int, sink: BodySink) -> None:
    """Hand the next `octets` octets to `sink`, in chunks that are large even where TLS brings 16 KiB at a time."""
    left = octets
    while left > 0:
        count = min(left, CHUNK)
        while (missing := count - wire.hi + wire.lo) > 0:
            wire.fill(least=missing)
        chunk = wire.view[wire.lo : wire.lo + count]
        wire.lo += count
        left -= count
        sink.write(chunk)
    if wire.transcript is not None:
        wire.transcript.left_out(octets)


def checked_fetch(answer: Answer) -> None:
    """A FETCH answered NO since some messages are gone brought the others (RFC 2180 section 4.1)."""
    if answer.status.kind == "NO" and answer.status.code in ("EXPUNGEISSUED", "NONEXISTENT"):
        return
    answer.checked("UID FETCH")


class Nowhere:
    """A sink for what is passed over."""

    def write(self, chunk: bytes | memoryview) -> None:
        """Forget it."""

    def finish(self, meta: MessageMeta) -> None:
        """Nothing is kept."""

    def abandon(self) -> None:
        """Nothing is there."""


_NOWHERE = Nowhere()


class BodyReader:
    """Reads what answers one UID FETCH of ITEMS.

    asked: what the command asked for. largest: octets that one body may have. A body reaches `finish` only if its
    response is well-formed, has one UID, and that UID was asked for and has not come before.
    """

    def __init__(self, channel: Channel, asked: Asked, sink: SinkFactory, largest: int) -> None:
        self._channel, self._asked, self._sink, self._largest = channel, asked, sink, largest
        self._kept: BodySink | None = None
        self._octets = 0
        self._since = _OFTEN
        """Octets since the command in hand was given more time."""

    def read(self, tag: bytes, answer: Answer, messages: int) -> Iterator[MessageMeta]:
        """Yield each message after its sink was finished; ends with the tagged response, which goes into `answer`.

        messages: how many may come. Whatever stops it half-way abandons the body in hand and ends the connection.
        """
        try:
            with self._channel.guarded():
                others = fetch_lines(self._channel, tag, answer, messages)
                match = self._channel.wire.match
                while True:
                    while found := match(_COMMON):
                        meta = self._take_common(found)
                        if meta is not None:
                            yield meta
                    line = next(others, None)
                    if line is None:
                        return
                    found = _COMMON.fullmatch(line + b"\r\n")
                    meta = self._take_common(found) if found else self._take(line)
                    if meta is not None:
                        yield meta
        finally:
            self._drop()

    def _take_common(self, found: re.Match[bytes]) -> MessageMeta | None:
        """Read a FETCH response of the shape that most have: who it is stands before the body."""
        line, (before, flags, after, date, digits) = found[0][:-2], found.groups()
        octets = int(digits)
        if (before is None) is (after is None) or octets > self._largest:
            return self._take(line)
        uid = check_uid(before or after)
        wanted = self._asked.claim(uid)
        self._kept = self._sink(octets) if wanted else None
        self._stream(octets, _NOWHERE if self._kept is None else self._kept)
        rest = b")" if self._channel.wire.skip(_END) else self._channel.read_line()
        if rest == b")":
            meta = MessageMeta(uid, parse_flags(flags), octets, parse_internaldate(date))
        else:
            meta = parse_row(self._parts(line[: line.rindex(b"{")] + b'""' + rest)).meta(octets)
        return self._finish(meta) if wanted else None

    def _take(self, line: bytes) -> MessageMeta | None:
        """Read a FETCH response of any shape that begins with `line`; None if it has no body to keep."""
        row = parse_row(self._parts(line))
        if not row.has_body:
            self._drop()  # what looked like one
            return None
        if self._kept is None and row.body is not None:
            self._begin(len(row.body)).write(row.body)
        if row.uid is None:
            raise ProtocolError("the server sent a message without its UID", code="bad_uid")
        if self._kept is None:  # NIL: the message is gone, or can't be had
            return None
        if not self._asked.claim(row.uid):
            self._drop()
            return None
        return self._finish(row.meta(self._octets))

    def _parts(self, line: bytes) -> list[bytes]:
        """The response that begins with `line`: its body goes to a sink, and an empty string stands in its place."""
        parts = [line]
        while (octets := literal_size(parts[-1], self._largest)) is not None:
            if _BODY.search(parts[-1]):
                if self._kept is not None:
                    raise ProtocolError("the server sent two bodies in one FETCH response", code="bad_fetch")
                self._stream(octets, self._begin(octets))
                parts[-1] = parts[-1][: parts[-1].rindex(b"{")].rstrip(b"~") + b'""' + self._channel.read_line()
            else:
                parts.append(self._channel.wire.read(octets, most=LINE))
                parts.append(self._channel.read_line())
            if sum(map(len, parts)) > LINE:
                raise ProtocolError("the server sent a FETCH response without end", code="response_too_long")
        return parts

    def _begin(self, octets: int) -> BodySink:
        if self._asked.spent():
            raise ProtocolError("the server sent more messages than were asked for", code="bad_fetch")
        self._octets = octets
        self._kept = self._sink(octets)
        return self._kept

    def _stream(self, octets: int, sink: BodySink) -> None:
        wire = self._channel.wire
        if wire.allowance is not None:
            wire.allowance += octets
        self._since += octets + ROW
        if self._since > _OFTEN:
            self._since = 0
            self._channel.allow(octets / SLOWEST)
        _copy(wire, octets, sink)

    def _finish(self, meta: MessageMeta) -> MessageMeta | None:
        sink, self._kept = self._kept, None
        if sink is None:
            return None
        try:
            sink.finish(meta)
        except BaseException:
            sink.abandon()
            raise
        return meta

    def _drop(self) -> None:
        if self._kept is not None:
            sink, self._kept = self._kept, None
            sink.abandon()
