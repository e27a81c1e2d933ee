"""The receive buffer of a connection: what came and was not yet consumed, in place, and the room behind it."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailctl.protocols.transcript import Transcript

ROOM = 1 << 16
"""Octets that there must be room for when more is received."""


class Buffer:
    """view[lo:hi] is what was received and not yet consumed; a streaming reader may consume from there by itself.

    transcript: the conversation, where it is kept: then all is consumed as lines, which are recorded.
    """

    def __init__(self, room: int, transcript: "Transcript | None" = None) -> None:
        self.transcript = transcript
        self.view = memoryview(bytearray(room))
        self.lo = self.hi = 0
        self._least = ROOM

    def find(self, octets: bytes, start: int) -> int:
        """Where `octets` are in `view[start:hi]`, as an index into `view`; -1 if nowhere."""
        buffer = self.view.obj
        assert isinstance(buffer, bytearray)  # made by this class  # noqa: S101
        return buffer.find(octets, start, self.hi)

    def match(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """What `pattern` matches at the beginning, then consumed; always None where there is a transcript.

        The match is to be read before more is received.
        """
        if self.transcript is not None:
            return None
        found = pattern.match(self.view.obj, self.lo, self.hi)
        if found:
            self.lo = found.end()
        return found

    def skip(self, octets: bytes) -> bool:
        """Whether it begins with `octets`, then consumed; always False where there is a transcript."""
        end = self.lo + len(octets)
        if self.transcript is None and end <= self.hi and self.view[self.lo : end] == octets:
            self.lo = end
            return True
        return False

    def resize(self, room: int) -> None:
        """A buffer of about `room` octets from now on: many connections may wait in one process."""
        held = self.view[self.lo : self.hi]
        view = memoryview(bytearray(max(room, 2 * len(held))))
        view[: len(held)] = held
        self.lo, self.hi, self.view, self._least = 0, len(held), view, min(ROOM, room // 4)

    def make_room(self) -> None:
        """See to it that more can be received behind `hi`: contents may move, and `view` be another."""
        if self.lo == self.hi:
            self.lo = self.hi = 0
        if len(self.view) - self.hi >= self._least:
            return
        if self.lo:
            waiting = self.hi - self.lo
            self.view[:waiting] = self.view[self.lo : self.hi]
            self.lo, self.hi = 0, waiting
        if len(self.view) - self.hi < self._least:
            larger = memoryview(bytearray(2 * len(self.view)))
            larger[: self.hi] = self.view[: self.hi]
            self.view = larger


def decode(line: bytes) -> str:
    """A line of a server as text, without its line end; octets that are no UTF-8 as `\\xNN`."""
    return line.rstrip(b"\r\n").decode("utf-8", "backslashreplace")
