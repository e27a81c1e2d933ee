"""The first words of a server: the right protocol, willing, and not waiting for TLS that nobody began."""

import re

from mailctl.domain.pattern import pattern
from mailctl.domain.record import dataclass
from mailctl.domain.server import Protocol
from mailctl.errors import MailctlError, NetworkError, ProtocolError, RefusedError, TlsError
from mailctl.protocols.buffer import decode
from mailctl.protocols.wire import Wire

PATIENCE = 1.5
"""Seconds of silence after which it is tried whether the port speaks TLS; a mail server greets at once."""
PROBE = 1.2
"""Seconds for that try; both together stay below three."""
GREETING = 1 << 16
"""Octets that a greeting may have."""
LOOK = 2000
"""Octets that are kept of a greeting in another protocol."""
RELAY = 25
_FTP = pattern(r"\b(?:\w+-?)?ftpd?\b(?![.-])", re.IGNORECASE)
"""What programs for files call themselves in greetings that else look like SMTP's (RFC 959); a host name is none."""
_MAIL = pattern(r"smtp|mail", re.IGNORECASE)
_TLS_RECORDS = (b"\x15\x03", b"\x16\x03")
_OTHERS = (
    (b"* OK", "IMAP"),
    (b"* PREAUTH", "IMAP"),
    (b"* BYE", "IMAP"),
    (b"+OK", "POP3"),
    (b"-ERR", "POP3"),
    (b"220", "SMTP or FTP"),
    (b"554", "SMTP"),
    (b"HTTP/", "HTTP"),
    (b"SSH-", "SSH"),
)


@dataclass(frozen=True, slots=True)
class Greeting:
    """What the server said first. text: its own words, raw. preauth: IMAP's PREAUTH, signed in already."""

    text: str
    preauth: bool = False


def read_greeting(wire: Wire, protocol: Protocol) -> Greeting:
    """The greeting of a server of `protocol`, IMAP's PREAUTH included.

    Raises RefusedError if the server turns us away (BYE, -ERR, 4xx, 5xx), ProtocolError if it is no greeting (cause
    wrong_protocol if it is another protocol's), TlsError (cause plain_on_tls_port) if the port wants TLS at once,
    NetworkError if nothing comes.
    """
    wire.allowance = GREETING
    _await_first_words(wire, protocol)
    came = bytes(wire.view[wire.lo : min(wire.hi, wire.lo + LOOK)])
    try:
        match protocol:
            case Protocol.IMAP:
                return _imap(wire)
            case Protocol.POP3:
                from mailctl.protocols.pop3_reply import read_status

                ok, text = read_status(wire)
                if not ok:
                    raise _turned_away(wire, f"-ERR {text}")
                return Greeting(text)
            case Protocol.SMTP:
                from mailctl.protocols.smtp_reply import read_reply

                reply = read_reply(wire)
                if reply.code != 220:
                    raise _turned_away(wire, reply.text)
                if _FTP.search(reply.text) and not _MAIL.search(reply.text):
                    raise _another(wire, protocol, "FTP", reply.text)
                return Greeting("\n".join(reply.lines))
    except ProtocolError as error:
        for beginning, other in _OTHERS:
            if came.upper().startswith(beginning) and protocol.upper() not in other:
                said = decode(came) if other == "HTTP" else error.server_text  # it tells whose page it is
                raise _another(wire, protocol, other, said) from error
        raise


def turned_away_in_clear(wire: Wire, protocol: Protocol) -> MailctlError | None:
    """What a server that didn't begin TLS on `wire` says, if that is a refusal in plain text (Exim's, of too many).

    Or, of a web server, that it is one.
    """
    try:
        other = wire.again(PROBE)
    except MailctlError:
        return None  # only the reason of an error that is raised anyway
    try:
        read_greeting(other, protocol)
    except RefusedError as error:
        return error
    except MailctlError:
        page = _web_answer(wire)
        return _another(wire, protocol, "HTTP", decode(page[:LOOK])) if page else None  # as above
    finally:
        other.close()
    return None


def _imap(wire: Wire) -> Greeting:
    line = wire.readline()
    words = line.upper().split(None, 2)
    text = decode(line)
    if len(words) < 2 or words[0] != b"*" or words[1] not in (b"OK", b"PREAUTH", b"BYE"):
        raise ProtocolError(f"{wire.endpoint} does not greet as an IMAP server", code="bad_greeting", server_text=text)
    if words[1] == b"BYE":
        raise _turned_away(wire, text)
    return Greeting(text.split(None, 2)[2] if len(words) > 2 else "", preauth=words[1] == b"PREAUTH")


def _turned_away(wire: Wire, text: str) -> RefusedError:
    return RefusedError(f"{wire.endpoint} refuses the connection", code="turned_away", server_text=text)


def _await_first_words(wire: Wire, protocol: Protocol) -> None:
    """Wait for the first octets; find out why a port stays silent, or hangs up: it wants TLS (RFC 8314), or is a web's.

    A web server says nothing before it is asked.
    """
    # port 25 never has implicit TLS, and who speaks there too early is taken for a spammer (Postfix's postscreen)
    look = wire.endpoint.port != RELAY
    perhaps = look and not wire.encrypted
    try:
        if look and wire.lo == wire.hi and not wire.fill(PATIENCE):
            if perhaps and _speaks_tls(wire):
                raise _wants_tls(wire)
            if page := _web_answer(wire):
                wire.close()
                raise _another(wire, protocol, "HTTP", decode(page[:LOOK]))
        if wire.lo == wire.hi:
            wire.fill()
    except NetworkError as error:
        if perhaps and error.cause == "eof_no_greeting" and _speaks_tls(wire):
            raise _wants_tls(wire) from error
        raise
    if not wire.encrypted and bytes(wire.view[wire.lo : wire.lo + 2]) in _TLS_RECORDS:
        raise _wants_tls(wire)


def _speaks_tls(wire: Wire) -> bool:
    from mailctl.protocols.second_look import speaks_tls

    return speaks_tls(wire, PROBE)


def _web_answer(wire: Wire) -> bytes:
    from mailctl.protocols.second_look import web_answer

    return web_answer(wire, PROBE)


def _another(wire: Wire, protocol: Protocol, other: str, said: str) -> ProtocolError:
    return ProtocolError(
        f"{wire.endpoint} speaks {other}, not {protocol.upper()}",
        hint="Check the port of this endpoint.",
        cause="wrong_protocol",
        server_text=said,
    )


def _wants_tls(wire: Wire) -> MailctlError:
    wire.close()
    return TlsError(
        f"{wire.endpoint} wants TLS from the first octet on (implicit TLS)",
        hint="Set the security of this endpoint to tls.",
        cause="plain_on_tls_port",
    )
