"""POP3 responses as values (RFC 1939 section 3), read within bounds."""

from mailctl.errors import ProtocolError
from mailctl.protocols.buffer import decode
from mailctl.protocols.wire import LINE, Wire


def read_status(wire: Wire) -> tuple[bool, str]:
    """A single-line response → (whether it is +OK, the server's words after the indicator).

    Raises ProtocolError for anything else, a `+` continuation too (NetworkError as the wire does).
    """
    line = wire.readline()
    word, _, text = line.rstrip(b"\r\n").partition(b" ")
    if word.upper() not in (b"+OK", b"-ERR"):
        raise ProtocolError(
            f"{wire.endpoint} sent something that is no POP3 response", code="bad_reply", server_text=decode(line)
        )
    return word.upper() == b"+OK", decode(text)


def read_lines(wire: Wire, most: int, longest: int = LINE) -> list[bytes]:
    """The lines of a multi-line response, without line ends and byte-stuffing.

    ProtocolError beyond `most` lines, or `longest` octets in one.
    """
    lines: list[bytes] = []
    while len(lines) <= most:
        line = wire.readline(longest).rstrip(b"\r\n")
        if line == b".":
            return lines
        lines.append(line.removeprefix(b"."))
    raise ProtocolError(f"{wire.endpoint} sent a response of more than {most} lines", code="too_much")
