"""A signed-in POP3 mailbox for sync (`domain.mailbox.PopMailbox`): bodies stream, nothing is held in memory.

Where the server knows PIPELINING (RFC 2449 section 6.6), commands go out before the ones ahead of them were answered.
"""

from collections.abc import Callable, Iterator, Sequence
from threading import Event

from mailctl.domain.check import CheckJob
from mailctl.domain.deadline import Deadline
from mailctl.domain.gateway import Login
from mailctl.domain.mailbox import BodySink, MessageMeta, SinkFactory
from mailctl.domain.secret import Secret
from mailctl.domain.server import Endpoint, Protocol
from mailctl.errors import AuthError, NetworkError, ProtocolError, RefusedError
from mailctl.protocols.pop3 import Pop3Session, command
from mailctl.protocols.pop3_reply import read_lines, read_status
from mailctl.protocols.transcript import Transcript
from mailctl.protocols.wire import Wire

MESSAGES = 500_000
"""Messages that a listing may have."""
LISTING = 1 << 26
"""Octets that a listing may have."""
HEADER = 1 << 20
"""Octets that a header may have."""
COMMAND = 120.0
"""Seconds for one command; a body gets more, by `SLOWEST`."""
SLOWEST = 2048
"""Octets a second below which a body is given up."""
LARGEST = 1 << 32
"""Octets that a message may have; the rest of what was announced is not waited for."""
IN_FLIGHT = 64
"""Commands that may wait for their answers: together far less than any receive buffer, so that neither side blocks."""
AHEAD = 1 << 20
"""Octets that may have come of answers after the one that is being read."""
NOT_NOW = {
    "[IN-USE]": (
        "mailbox_in_use",
        "the maildrop is in use by another session",
        "Wait a minute, or close the other mail program; then run it again.",
    ),
    "[LOGIN-DELAY]": (
        "rate_limited_login",
        "it is too soon after the last sign-in",
        "Sync this gateway less often: `--interval`.",
    ),
    "[SYS/TEMP]": ("temp_unavailable", "the server can't open the maildrop at the moment", "Run it again later."),
}
"""Refusals after a right password (RFC 2449 section 8.1, RFC 3206): code and cause, what it means, what helps."""
_DOT, _CR, _LF = b".\r\n"


def open_pop3(
    endpoint: Endpoint,
    user: str,
    secret: Secret,
    deadline: Deadline,
    *,
    allow_plaintext: bool = False,
    transcript: Transcript | None = None,
    stop: Event | None = None,
) -> "Pop3Mailbox":
    """Connect and sign in within `deadline`, by the stages of a check; then each command has a deadline of its own.

    stop: see `Waits`. Raises NetworkError, TlsError, AuthError, RefusedError, ProtocolError, UsageError, StoppedError;
    nothing stays open then.
    """
    job = CheckJob("", "", Protocol.POP3, endpoint, Login(user), allow_plaintext=allow_plaintext)
    session = Pop3Session(job, secret, deadline, transcript, stop=stop)
    try:
        wire = session.sign_in()
    except AuthError as error:
        told = error.server_text.removeprefix("-ERR ").partition(" ")[0].upper()
        if told not in NOT_NOW:
            raise
        code, what, hint = NOT_NOW[told]
        raise RefusedError(
            f"{endpoint}: {what}", hint=hint, code=code, cause=code, server_text=error.server_text
        ) from error
    return Pop3Mailbox(wire, frozenset(session.capabilities or ()))


class Pop3Mailbox:
    """See `domain.mailbox.PopMailbox`."""

    def __init__(self, wire: Wire, capabilities: frozenset[str], login_delay: int = 0) -> None:
        self._wire = wire
        self.capabilities = capabilities
        self.login_delay = login_delay

    def uidl(self) -> list[tuple[int, str, int]]:
        """(message number, unique-id, octets) of every message that both UIDL and LIST name, by number."""
        commands = [(0, b"LIST"), (1, b"UIDL")]
        listed, names = [self._listing(commands[which][1].decode()) for which in self._asked(commands)]
        sizes = {number: _size(text) for number, text in listed}
        if len(dict(names)) != len(names):
            raise ProtocolError(f"{self._wire.endpoint} names a message twice", code="bad_listing")
        return [(number, _unique_id(text), sizes[number]) for number, text in sorted(names) if number in sizes]

    def retrieve(self, number: int, octets: int, sink: SinkFactory) -> None:
        """RETR. A message far longer than announced is a ProtocolError: sizes may differ by line ends, not by more."""
        for _, refused in list(self.retrieve_all([(number, octets)], lambda number, octets: sink(octets))):
            if refused is not None:
                raise refused

    def retrieve_all(
        self, messages: Sequence[tuple[int, int]], sinks: Callable[[int, int], BodySink]
    ) -> Iterator[tuple[int, RefusedError | None]]:
        """See `domain.mailbox.PopMailbox`."""
        wire, octets = self._wire, dict(messages)
        for number in self._asked([(number, b"RETR %d" % number) for number, _ in messages]):
            most = 2 * min(octets[number], LARGEST) + (1 << 16)
            wire.deadline = Deadline(COMMAND + most / SLOWEST)
            wire.allowance = None  # `most` bounds it
            ok, text = read_status(wire)
            if not ok:
                what = f"{wire.endpoint} does not give out message {number}"
                yield number, RefusedError(what, server_text=f"-ERR {text}")
                continue
            body = sinks(number, octets[number])
            try:
                size = self._stream(body, most)
                body.finish(MessageMeta(uid=0, size=size))
            except BaseException:
                wire.close()
                body.abandon()
                raise
            if wire.transcript is not None:
                wire.transcript.left_out(size)
            yield number, None

    def top(self, number: int) -> bytes | None:
        """TOP n 0: the header, line ends as LF; None from a server that doesn't do it (it is optional in RFC 1939)."""
        return next(iter(dict(self.headers([number])).values()), None)

    def headers(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """See `domain.mailbox.PopMailbox`. Lines may be as long as the header: other people write them. They are not
        in the transcript.
        """
        wire = self._wire
        for number in self._asked([(number, b"TOP %d 0" % number) for number in numbers]):
            wire.allowance = HEADER + AHEAD
            ok, _ = read_status(wire)
            if not ok:
                continue
            transcript, wire.transcript = wire.transcript, None
            try:
                header = b"\n".join(read_lines(wire, HEADER // 80, HEADER))
            finally:
                wire.transcript = transcript
            if transcript is not None:
                transcript.left_out(len(header))
            yield number, header

    def delete(self, number: int) -> None:
        """DELE."""
        self._begin(COMMAND)
        command(self._wire, b"DELE %d" % number, f"does not delete message {number}")

    def delete_all(self, numbers: Sequence[int]) -> list[int]:
        """See `domain.mailbox.PopMailbox`."""
        asked = self._asked([(number, b"DELE %d" % number) for number in numbers])
        return [number for number in asked if not read_status(self._wire)[0]]

    def quit(self) -> None:
        """QUIT; NetworkError or RefusedError if the server does not confirm."""
        self._begin(COMMAND)
        try:
            command(self._wire, b"QUIT", "did not carry out all deletions")
        finally:
            self._wire.close()

    def close(self) -> None:
        """Hang up without QUIT: the server then deletes nothing (RFC 1939 section 6)."""
        self._wire.close()

    def _begin(self, seconds: float) -> None:
        if self._wire.closed:
            raise NetworkError(f"The connection to {self._wire.endpoint} is closed", cause="connection_lost")
        self._wire.deadline = Deadline(seconds)

    def _asked(self, commands: Sequence[tuple[int, bytes]]) -> Iterator[int]:
        """Send commands, each with its message number, and yield the numbers, each when its answer is the next to read.

        An answer that isn't read whole leaves nobody who knows where the next one begins: the connection is closed.
        """
        wire = self._wire
        most = IN_FLIGHT if "PIPELINING" in self.capabilities else 1
        sent = answered = 0
        try:
            for number, _ in commands:
                self._begin(COMMAND)
                if sent - answered <= most // 2:
                    some = commands[sent : answered + most]
                    wire.send(b"".join(line + b"\r\n" for _, line in some))
                    sent += len(some)
                wire.allowance = LISTING + AHEAD
                yield number
                answered += 1
        finally:
            if answered < sent:
                wire.close()

    def _listing(self, name: str) -> list[tuple[int, str]]:
        """The answer to LIST or UIDL → (number, the rest of the line), not yet checked further."""
        wire = self._wire
        ok, text = read_status(wire)
        if not ok and name == "UIDL" and not text.startswith("["):
            raise RefusedError(
                f"{wire.endpoint} has no UIDL, without which nobody can tell new messages from those that are here",
                hint="If the server offers IMAP: `mailctl gateway edit NAME --protocol imap`.",
                code="no_uidl",
                server_text=f"-ERR {text}",
            )
        if not ok:
            raise RefusedError(f"{wire.endpoint} refuses {name}", server_text=f"-ERR {text}")
        listed = []
        for line in read_lines(wire, MESSAGES):
            number, _, rest = line.strip().partition(b" ")
            if not number.isdigit() or not 0 < len(number) < 10 or number == b"0" or not rest:
                raise ProtocolError(f"{wire.endpoint} sent a listing that is none", code="bad_listing")
            listed.append((int(number), rest.strip().decode("ascii", "backslashreplace")))
        return listed

    def _stream(self, body: BodySink, most: int) -> int:
        """Hand the lines up to the lone dot to `body`, without byte-stuffing → octets handed over (RFC 1939, 3)."""
        wire = self._wire
        size, line_begins = 0, True
        while True:
            if wire.lo == wire.hi:
                wire.fill()
            if line_begins and wire.view[wire.lo] == _DOT:
                if self._ends():
                    return size
                wire.lo += 1
            line_begins = False
            if wire.lo == wire.hi:
                continue
            newline = wire.find(b"\n.", wire.lo)
            end = newline + 1 if newline >= 0 else wire.hi
            size += end - wire.lo
            if size > most:
                raise ProtocolError(f"{wire.endpoint} sends a message far longer than it announced", code="too_much")
            chunk = wire.view[wire.lo : end]
            line_begins = chunk[-1] == _LF
            wire.lo = end
            body.write(chunk)

    def _ends(self) -> bool:
        """Whether the line that begins with a dot is the dot alone; if so, it is consumed."""
        wire = self._wire
        while wire.hi - wire.lo < 2 or (wire.hi - wire.lo < 3 and wire.view[wire.lo + 1] == _CR):
            wire.fill()
        rest = bytes(wire.view[wire.lo + 1 : wire.lo + 3])
        length = 2 if rest[:1] == b"\n" else 3 if rest == b"\r\n" else 0
        wire.lo += length
        return bool(length)


def _size(text: str) -> int:
    word = text.split(" ", 1)[0]
    if not (word.isascii() and word.isdigit() and len(word) < 16):
        raise ProtocolError("the server announced a size that is no number", code="bad_listing", server_text=text[:100])
    return int(word)


def _unique_id(text: str) -> str:
    """RFC 1939 section 7 has 1 to 70 characters from 0x21 to 0x7E; longer ones are seen and do no harm."""
    if not 0 < len(text) <= 255 or not all("!" <= character <= "~" for character in text):
        raise ProtocolError("the server named a message in no permitted way", code="bad_listing", server_text=text)
    return text
