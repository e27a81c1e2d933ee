"""APPEND (RFC 9051 section 6.3.12): many messages, in bounded memory, without waiting where the server allows that.

MULTIAPPEND (RFC 3502), LITERAL+ and LITERAL- (RFC 7888), UIDPLUS (RFC 4315), BINARY (RFC 3516), APPENDLIMIT (RFC 7889).
"""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import field

from mailctl.domain.changes import Placed, PlacingError, Upload
from mailctl.domain.mailbox import Folder
from mailctl.domain.record import dataclass
from mailctl.errors import MailctlError, ProtocolError, RefusedError
from mailctl.protocols.imap.bodies import SLOWEST
from mailctl.protocols.imap.channel import STRING, Answer, Channel, Response, quoted
from mailctl.protocols.imap.letter import Letter, look_through
from mailctl.protocols.imap.placed import parse_appenduid, together

BATCH, BATCH_OCTETS = 50, 1 << 23
"""Messages, and octets, of one command: all of it is placed, or nothing."""
FLIGHT = 16
"""Commands that are unanswered at once."""
SMALL = 4096
"""Octets that LITERAL- allows without asking."""
PIECE = 1 << 16
"""Octets that are sent at once."""
_LIMIT = re.compile(r"APPENDLIMIT=([0-9]{1,18})")


def append(channel: Channel, folder: Folder, uploads: Sequence[Upload]) -> Placed:
    """APPEND (RFC 9051 section 6.3.12); see `domain.changes.ImapChanges.append`."""
    return _Appender(channel, folder).append(uploads)


@dataclass(slots=True, eq=False)
class _Command:
    """One APPEND of the uploads `numbers`. tag: b"" until it is sent. over: whether it has been answered."""

    numbers: list[int]
    letters: list[Letter]
    tag: bytes = b""
    answer: Answer = field(default_factory=Answer)
    over: bool = False


class _Appender:
    """What one call of `append` does. A refusal stops it after the commands that are in flight."""

    def __init__(self, channel: Channel, folder: Folder) -> None:
        self._channel, self._folder = channel, folder
        self._target = quoted(folder.wire, "folder name")
        self._waiting: deque[_Command] = deque()
        self._held = bytearray()
        self._placed = Placed()
        self._unplaced: list[int] = []
        self._refusal: MailctlError | None = None
        limits = [found for word in channel.capabilities if (found := _LIMIT.fullmatch(word))]
        self._limit = int(limits[0][1]) if limits else None

    def append(self, uploads: Sequence[Upload]) -> Placed:
        try:
            for numbers in self._batches(uploads):
                if self._refusal is None:
                    command = self._looked_through(numbers, uploads)
                if self._refusal is not None:
                    self._unplaced.extend(numbers)
                    continue
                while len(self._waiting) >= FLIGHT:
                    self._take(self._read())
                with self._channel.guarded():
                    self._send(command)
        finally:
            while self._waiting and not self._channel.dead:
                self._take(self._read())
        if isinstance(self._refusal, RefusedError):
            raise PlacingError(self._refusal, self._placed, sorted(self._unplaced)) from self._refusal
        if self._refusal is not None:
            raise self._refusal
        return self._placed

    # -- what is sent

    def _batches(self, uploads: Sequence[Upload]) -> Iterator[list[int]]:
        """Numbers of the uploads of each command."""
        most = BATCH if "MULTIAPPEND" in self._channel.capabilities else 1
        batch: list[int] = []
        octets = 0
        for number, upload in enumerate(uploads):
            if batch and (len(batch) == most or octets + upload.octets > BATCH_OCTETS):
                yield batch
                batch, octets = [], 0
            batch.append(number)
            octets += upload.octets
        if batch:
            yield batch

    def _looked_through(self, numbers: list[int], uploads: Sequence[Upload]) -> _Command:
        """The command, if each of its messages can be sent; otherwise it has none, and there is a refusal."""
        binary = self._channel.offers("BINARY")
        try:
            return _Command(numbers, [look_through(uploads[n], binary=binary, limit=self._limit) for n in numbers])
        except RefusedError as error:
            self._refusal = error
            return _Command(numbers, [])

    def _send(self, command: _Command) -> None:
        """Send a command piece by piece, with its literals; no further if the server refuses a literal beforehand."""
        channel = self._channel
        command.tag = channel.start(most=STRING)
        self._waiting.append(command)
        octets = sum(letter.upload.octets for letter in command.letters)
        channel.allow(octets / SLOWEST)
        opening = b"%s APPEND %s" % (command.tag, self._target)
        if channel.wire.transcript is not None:
            channel.wire.transcript.sent(b"%s: %d messages of %d octets" % (opening, len(command.letters), octets))
        self._put(opening)
        for letter in command.letters:
            asks = not self._unasked(letter)
            binary = b"~" if letter.binary else b""
            self._put(b"%s %s{%d%s}\r\n" % (letter.intro, binary, letter.upload.octets, b"" if asks else b"+"))
            if asks:
                self._flush()
                if not self._goes_ahead(command):
                    return
            for piece in letter.pieces():
                self._put(piece)
        self._put(b"\r\n")
        self._flush()
        command.letters.clear()

    def _unasked(self, letter: Letter) -> bool:
        """Whether the literal may be sent without asking first."""
        if "LITERAL+" in self._channel.capabilities:
            return True
        return letter.upload.octets <= SMALL and self._channel.offers("LITERAL-")

    def _goes_ahead(self, command: _Command) -> bool:
        """Wait until the server asks for the literal; False if it refuses the command instead."""
        while not command.over:
            response = self._read()
            if response.tag == b"+":
                return True
            self._take(response)
        return False

    def _put(self, octets: bytes) -> None:
        """Send `octets`, in pieces that are neither small nor large."""
        for start in range(0, len(octets), PIECE):
            self._held += octets[start : start + PIECE]
            if len(self._held) >= PIECE:
                self._flush()

    def _flush(self) -> None:
        """Send what is held, once the server was heard: one that ends the connection may have said why."""
        while self._channel.wire.pending():
            response = self._read()
            self._take(response)
            if self._channel.bye is not None:
                self._read()  # which raises it, unless the server goes on talking
        piece = bytes(self._held)
        self._held.clear()
        self._channel.wire.send(piece, recorded=False)

    # -- what comes

    def _read(self) -> Response:
        with self._channel.guarded():
            return self._channel.read()

    def _take(self, response: Response) -> None:
        """Keep what the server said of a command, or besides."""
        with self._channel.guarded():
            if response.tag == b"+":
                raise ProtocolError("the server asked for more where a command was complete", code="unasked")
            command = next((each for each in self._waiting if each.tag == response.tag), None)
            if command is None:
                self._channel.note(response, self._waiting[0].answer if self._waiting else Answer())
                return
            self._channel.conclude(response, command.answer)
        command.over = True
        self._waiting.remove(command)
        self._conclude(command)

    def _conclude(self, command: _Command) -> None:
        try:
            status = command.answer.checked(f"APPEND to {self._folder.name}").status
        except MailctlError as error:
            self._refusal = self._refusal or error
            self._unplaced.extend(command.numbers)
            return
        if status.code == "APPENDUID":
            self._placed = together(self._placed, parse_appenduid(status.argument, command.numbers))
