"""SMTP replies as values (RFC 5321 section 4.2), read within bounds.

Our own reader rather than smtplib's: that one reads a reply of any number of lines into memory and knows no deadline
for the whole, and it speaks before it checks what it was given; what remains of it is this page.
"""

import re

from mailctl.domain.pattern import pattern
from mailctl.domain.record import dataclass
from mailctl.errors import ProtocolError
from mailctl.protocols.buffer import decode
from mailctl.protocols.wire import Wire

LINES = 200
"""Lines that one reply may have; EHLO replies have about twenty."""
_LINE = pattern(rb"([2-5][0-9]{2})(?:([ -])(.*))?\r?\n", re.DOTALL)
_ENHANCED = pattern(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)")


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply. lines: their texts, without code and line end; octets that are no UTF-8 as `\\xNN`."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The whole reply in the server's words, one line each: `535 5.7.8 Error: authentication failed`."""
        last = len(self.lines) - 1
        return "\n".join(f"{self.code}{'-' if i < last else ' '}{line}" for i, line in enumerate(self.lines))

    @property
    def enhanced(self) -> str:
        """The enhanced status code (RFC 3463) such as `5.7.8`, or ""."""
        found = _ENHANCED.match(self.lines[0])
        return found[1] if found else ""


def read_reply(wire: Wire) -> Reply:
    """The next reply. Raises ProtocolError for what is none, or one without end (NetworkError as the wire does)."""
    lines: list[str] = []
    code = b""
    while len(lines) < LINES:
        line = wire.readline()
        found = _LINE.fullmatch(line)
        if not found or (code and found[1] != code):
            raise ProtocolError(
                f"{wire.endpoint} sent something that is no SMTP reply", code="bad_reply", server_text=decode(line)
            )
        code = found[1]
        lines.append(decode(found[3] or b""))
        if found[2] != b"-":
            return Reply(int(code), tuple(lines))
    raise ProtocolError(f"{wire.endpoint} sent a reply of more than {LINES} lines", code="too_much")
