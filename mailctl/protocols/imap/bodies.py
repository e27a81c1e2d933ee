"""The streaming FETCH reader: bodies go from the wire's buffer to their sinks, never through memory as a whole."""

import re
from collections.abc import Collection, Iterator

from mailctl.domain.mailbox import BodySink, MessageMeta, SinkFactory
from mailctl.errors import ProtocolError
from mailctl.protocols.imap.channel import LINE, Answer, Channel
from mailctl.protocols.imap.rows import Row, is_fetch, parse_row
from mailctl.protocols.imap.tokens import literal_size
from mailctl.protocols.wire import Wire

ROW = 4096
"""Octets that FETCH tells of one message, its body apart, on average at most: room for a hundred keywords."""
_BODY = re.compile(rb"BODY\[\] ~?\{-?[0-9]+\+?\}\Z", re.IGNORECASE)


SLOWEST = 2048
"""Octets a second below which a body is given up."""
CHUNK = 1 << 17
"""Octets that a sink gets at once, at most: half of the receive buffer."""
NEWS = 1000
"""Messages that may come, and flags that may change, while a folder is read."""
LINES = 10_000
"""Responses that may come besides the ones asked for, and besides four for each message."""


def allowance(messages: int) -> int:
    """Octets that a FETCH of so many messages may bring, bodies apart."""
    return LINE + ROW * (messages + NEWS)


def read_rows(channel: Channel, tag: bytes, answer: Answer, messages: int) -> Iterator[Row]:
    """Yield what answers a UID FETCH without bodies, row by row; the tagged response goes into `answer`."""
    with channel.guarded():
        for line in _fetch_lines(channel, tag, answer, messages):
            yield parse_row(channel.complete(line).parts if line.endswith(b"}") else [line])


def _fetch_lines(channel: Channel, tag: bytes, answer: Answer, messages: int) -> Iterator[bytes]:
    """Yield the first line of each FETCH response, up to the tagged response; what else comes is passed over."""
    for _ in range(4 * messages + LINES):
        line = channel.read_line()
        if is_fetch(line):
            yield line
            continue
        response = channel.complete(line)
        if response.tag == tag:
            channel.conclude(response, answer)
            return
        if response.tag == b"+":
            raise ProtocolError("the server asked for more where a command was complete", code="unasked")
        channel.note(response, answer)
        answer.responses.clear()
    raise ProtocolError("the server does not come to the end of its answer", code="too_much")


def _copy(wire: Wire, octets: int, sink: BodySink) -> None:
    """Hand the next `octets` octets to `sink`, in chunks that are large even where TLS brings 16 KiB at a time."""
    left = octets
    while left > 0:
        count = min(left, CHUNK)
        while wire.hi - wire.lo < count:
            wire.fill()
        chunk = wire.view[wire.lo : wire.lo + count]
        wire.lo += count
        left -= count
        sink.write(chunk)
    if wire.transcript is not None:
        wire.transcript.left_out(octets)


class BodyReader:
    """Reads what answers one UID FETCH of bodies.

    asked: the UIDs of the command. largest: octets that one body may have. A body reaches `finish` only if its response
    is well-formed, has one UID, and that UID was asked for and has not come before.
    """

    def __init__(self, channel: Channel, asked: Collection[int], sink: SinkFactory, largest: int) -> None:
        self._channel, self._sink, self._largest = channel, sink, largest
        self._waiting = set(asked)
        self._kept: BodySink | None = None
        self._octets = 0

    def read(self, tag: bytes, answer: Answer) -> Iterator[MessageMeta]:
        """Yield each message after its sink was finished; ends with the tagged response, which goes into `answer`.

        Whatever stops it half-way abandons the body in hand and ends the connection.
        """
        try:
            with self._channel.guarded():
                for line in _fetch_lines(self._channel, tag, answer, len(self._waiting)):
                    meta = self._take(line)
                    if meta is not None:
                        yield meta
        finally:
            self._drop()

    def _take(self, line: bytes) -> MessageMeta | None:
        """Read one FETCH response that begins with `line`; None if it has no body to keep."""
        parts = [line]
        while (octets := literal_size(parts[-1], self._largest)) is not None:
            if _BODY.search(parts[-1]):
                self._stream(octets)
                # the row is parsed as if the body were empty: a placeholder stands for what went to the sink
                parts[-1] = parts[-1][: parts[-1].rindex(b"{")].rstrip(b"~") + b'""' + self._channel.read_line()
            else:
                parts.append(self._channel.wire.read(octets, most=LINE))
                parts.append(self._channel.read_line())
            if sum(map(len, parts)) > LINE:
                raise ProtocolError("the server sent a FETCH response without end", code="response_too_long")
        row = parse_row(parts)
        if not row.has_body:
            return None
        if self._kept is None and row.body is not None:
            self._begin(len(row.body)).write(row.body)
        return self._finish(row)

    def _stream(self, octets: int) -> None:
        if self._kept is not None:
            raise ProtocolError("the server sent two bodies in one FETCH response", code="bad_fetch")
        sink = self._begin(octets)
        wire = self._channel.wire
        if wire.allowance is not None:
            wire.allowance += octets
        self._channel.allow(octets / SLOWEST)
        _copy(wire, octets, sink)

    def _begin(self, octets: int) -> BodySink:
        if not self._waiting:
            raise ProtocolError("the server sent more messages than were asked for", code="bad_fetch")
        self._octets = octets
        self._kept = self._sink(octets)
        return self._kept

    def _finish(self, row: Row) -> MessageMeta | None:
        if row.uid is None:
            raise ProtocolError("the server sent a message without its UID", code="bad_uid")
        if self._kept is None:  # NIL: the message is gone, or can't be had
            return None
        if row.uid not in self._waiting:
            raise ProtocolError(f"the server sent message {row.uid} unasked, or twice", code="bad_uid")
        self._waiting.remove(row.uid)
        sink, self._kept = self._kept, None
        meta = row.meta(self._octets)
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
