"""The streaming FETCH reader: bodies go from the wire's buffer to their sinks, never through memory as a whole."""

import re
from collections.abc import Collection, Iterator
from dataclasses import replace

from mailctl.domain.mailbox import BodySink, MessageMeta, SinkFactory
from mailctl.errors import ProtocolError
from mailctl.protocols.imap.channel import LINE, Answer, Channel
from mailctl.protocols.imap.rows import Row, is_fetch, parse_row
from mailctl.protocols.imap.tokens import literal_size

ROW = 4096
"""Octets that FETCH tells of one message, its body apart, on average at most: room for a hundred keywords."""
_BODY = re.compile(rb"BODY\[\] ~?\{-?[0-9]+\+?\}\Z", re.IGNORECASE)


def allowance(messages: int) -> int:
    """Octets that a FETCH of so many messages may bring, bodies apart."""
    return LINE + ROW * messages


def read_rows(channel: Channel, tag: bytes, answer: Answer) -> Iterator[Row]:
    """Yield what answers a UID FETCH without bodies, row by row; the tagged response goes into `answer`."""
    with channel.guarded():
        while True:
            line = channel.read_line()
            fetch = is_fetch(line)
            if fetch and not line.endswith(b"}"):
                yield parse_row([line])
                continue
            response = channel.complete(line)
            if fetch:
                yield parse_row(response.parts)
            elif response.tag == tag:
                channel.conclude(response, answer)
                return
            else:
                channel.note(response, answer)
                answer.responses.clear()  # what isn't FETCH isn't of interest here, and there may be much of it


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
                while True:
                    line = self._channel.read_line()
                    if is_fetch(line):
                        meta = self._take(line)
                        if meta is not None:
                            yield meta
                        continue
                    response = self._channel.complete(line)
                    if response.tag == tag:
                        self._channel.conclude(response, answer)
                        return
                    self._channel.note(response, answer)
                    answer.responses.clear()  # as above
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
        wire.stream(octets, sink.write)

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
        meta = replace(row, size=self._octets).meta()
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
