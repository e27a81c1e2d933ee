"""The one STARTTLS prefix, for IMAP, POP3 and SMTP: what is said before TLS, alone in a room that is then torn down.

Greeting, capabilities, STARTTLS, the answer to it and nothing more, TLS. Whoever sits on the line may have written all
of it, so nothing read here is believed afterwards: not a capability, not an alert, not a folder (RFC 2595 section 2.2,
RFC 3207 section 4.2, RFC 9051 section 6.2.1). Whatever is not exactly the expected answer ends the connection; there is
no way on in clear text.
"""

import os
from collections.abc import Callable

from mailctl.domain.server import Protocol
from mailctl.errors import MailctlError, ProtocolError, RefusedError, TlsError
from mailctl.protocols.buffer import decode
from mailctl.protocols.greeting import Greeting, read_greeting
from mailctl.protocols.pop3_reply import read_lines, read_status
from mailctl.protocols.smtp_reply import read_reply
from mailctl.protocols.tls import Secured
from mailctl.protocols.wire import Wire

LINES = 200
"""Lines that an answer may have here."""
OCTETS = 1 << 16
"""Octets that an answer may have here."""


class Prefix:
    """The exchange on a fresh `wire`: `greeting`, `capabilities`, `start_tls`, in this order, each once.

    All raise TlsError (cause starttls_unavailable) if the server refuses, can't or evades; ProtocolError if it says
    what nobody may say here; NetworkError. After any of them the wire is closed.
    """

    def __init__(self, wire: Wire, protocol: Protocol) -> None:
        self.wire, self.protocol = wire, protocol
        self._offered: tuple[str, ...] = ()

    def greeting(self) -> Greeting:
        """Read the greeting. A server that says we are signed in already keeps us from TLS (CVE-2021-39272)."""
        with _ClosedOnError(self.wire):
            greeting = read_greeting(self.wire, self.protocol)
            if greeting.preauth:
                raise self._refusal("says that we are signed in before TLS began", greeting.text, code="preauth")
            return greeting

    def capabilities(self) -> tuple[str, ...]:
        """Ask what the server offers → raw words or lines, to show as "before TLS" and for nothing else."""
        with _ClosedOnError(self.wire):
            ask: dict[Protocol, Callable[[], tuple[bool, str, tuple[str, ...]]]] = {
                Protocol.IMAP: lambda: self._imap(b"CAPABILITY"),
                Protocol.POP3: self._capa,
                Protocol.SMTP: self._ehlo,
            }
            done, text, self._offered = ask[self.protocol]()
            if not done:
                raise self._refusal("does not say what it offers", text, code="starttls_hidden")
            return self._offered

    def start_tls(self) -> Secured:
        """Send STARTTLS or STLS if it is offered, take the answer, and speak TLS."""
        with _ClosedOnError(self.wire):
            command = "STLS" if self.protocol is Protocol.POP3 else "STARTTLS"
            if command not in (line.upper().strip() for line in self._offered):
                raise self._refusal(
                    f"does not offer {command} here", "\n".join(self._offered), code="starttls_not_offered"
                )
            agreed, text = self._ask(command.encode())
            if not agreed:
                raise self._refusal(f"refuses {command}", text, code="starttls_refused")
            try:
                secured = self.wire.start_tls(lambda other: Prefix(other, self.protocol).until_tls())
            except TlsError as error:
                if error.cause != "tls_on_plain_port":
                    raise
                raise self._refusal("agreed to TLS and went on in plain text", "", code="starttls_evaded") from error
            self.wire.allowance = None
            return secured

    def until_tls(self) -> None:
        """All but TLS itself; for a second connection that only looks at the certificate."""
        self.greeting()
        self.capabilities()
        self._ask(b"STLS" if self.protocol is Protocol.POP3 else b"STARTTLS")

    # -- the three dialects

    def _ask(self, command: bytes) -> tuple[bool, str]:
        """Send `command` → (whether it was granted, the server's words)."""
        match self.protocol:
            case Protocol.IMAP:
                granted, text, _ = self._imap(command)
                return granted, text
            case Protocol.POP3:
                self._send(command)
                granted, text = read_status(self.wire)
                return granted, text if granted else f"-ERR {text}"
            case Protocol.SMTP:
                self._send(command)
                reply = read_reply(self.wire)
                return reply.code == 220, reply.text

    def _capa(self) -> tuple[bool, str, tuple[str, ...]]:
        self._send(b"CAPA")
        ok, text = read_status(self.wire)
        if not ok:
            return False, f"-ERR {text}", ()
        return True, text, tuple(decode(line) for line in read_lines(self.wire, LINES))

    def _ehlo(self) -> tuple[bool, str, tuple[str, ...]]:
        self._send(b"EHLO " + self.wire.ehlo_name.encode())
        reply = read_reply(self.wire)
        return reply.code == 250, reply.text, reply.lines[1:]

    def _imap(self, command: bytes) -> tuple[bool, str, tuple[str, ...]]:
        """Send `command` under a tag nobody can foresee → (OK, the answer, words of CAPABILITY)."""
        tag = b"T" + os.urandom(6).hex().encode()
        self._send(tag + b" " + command)
        words: tuple[str, ...] = ()
        for _ in range(LINES):
            line = self.wire.readline()
            if line.startswith(tag + b" "):
                status = line.split(None, 2)[1:2]
                return [word.upper() for word in status] == [b"OK"], decode(line[len(tag) + 1 :]), words
            if line.upper().startswith(b"* CAPABILITY "):
                words = tuple(decode(line).split()[2:])
            self._untagged(line)
        raise ProtocolError(f"{self.wire.endpoint} does not come to the end of its answer", code="too_much")

    def _untagged(self, line: bytes) -> None:
        """Let an untagged IMAP response pass unheeded; anything else was not asked for."""
        if line.startswith(b"+"):
            raise self._refusal("asks for more instead of answering", decode(line), code="starttls_evaded")
        if not line.startswith(b"* ") or line.rstrip(b"\r\n").endswith(b"}"):
            raise self._injected(line)

    def _send(self, command: bytes) -> None:
        """Send a command line; nothing may have come that answers it already."""
        self.wire.allowance = OCTETS
        for _ in range(LINES):
            if not self.wire.pending():
                self.wire.send(command + b"\r\n")
                return
            if self.protocol is not Protocol.IMAP:
                raise self._unasked()
            self._untagged(self.wire.readline())
        raise ProtocolError(f"{self.wire.endpoint} does not stop talking", code="too_much")

    # -- failing

    def _unasked(self) -> MailctlError:
        line = self.wire.readline()
        if self.protocol is Protocol.SMTP and line.startswith(b"421"):
            return RefusedError(f"{self.wire.endpoint} ends the connection", server_text=decode(line))
        return self._injected(line)

    def _injected(self, line: bytes) -> ProtocolError:
        return ProtocolError(
            f"{self.wire.endpoint} answered before it was asked, or what nobody asked, before TLS began",
            code="injected_before_tls",
            server_text=decode(line),
        )

    def _refusal(self, what: str, text: str, *, code: str = "") -> TlsError:
        return TlsError(
            f"{self.wire.endpoint} {what}; nothing secret was sent",
            hint="If the server has a port with TLS from the start (IMAP 993, POP3 995, SMTP 465), use that.",
            code=code,
            cause="starttls_unavailable",
            server_text=text,
        )


class _ClosedOnError:
    """Closes the wire when the block raises."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is not None:
            self.wire.close()
