"""SMTP submission (RFC 5321, 6409) as a check: up to where a message would be accepted, and not a step further."""

from collections.abc import Mapping
from contextlib import suppress

from mailctl.domain.address import parse_address
from mailctl.domain.check import CheckJob, Session
from mailctl.domain.deadline import Deadline
from mailctl.domain.secret import Secret
from mailctl.domain.server import Protocol, Security
from mailctl.errors import AuthError, MailctlError, RefusedError
from mailctl.protocols import sasl
from mailctl.protocols.arguments import argument, ascii_argument
from mailctl.protocols.idn import a_labels
from mailctl.protocols.session import Climb, WireSession, tls_evidence
from mailctl.protocols.smtp_reply import Reply, read_reply
from mailctl.protocols.transcript import Transcript

REPLY = 1 << 17
"""Octets that one reply may have."""


def smtp_session(
    job: CheckJob, secret: Secret | None, deadline: Deadline, transcript: Transcript | None = None
) -> Session:
    """A session for `job`; without a secret it ends before signing in. See `domain.check.Session`."""
    return SmtpSession(job, secret, deadline, transcript)


class SmtpSession(WireSession):
    """The ladder of SMTP: … greeting, ehlo, (starttls,) authenticate, mail, rcpt. Nothing is ever sent (no DATA)."""

    protocol = Protocol.SMTP
    farewell = b"QUIT"

    _extensions: Mapping[str, str] = {}

    def rungs(self, security: Security) -> dict[str, Climb]:
        """See `WireSession`."""
        rungs: dict[str, Climb] = {"ehlo": self._ehlo}
        if security is Security.STARTTLS:
            rungs |= {"ehlo": self._ehlo_before_tls, "starttls": self._starttls}
        if self.secret is not None:
            rungs |= {"authenticate": self._authenticate, "mail": self._mail, "rcpt": self._rcpt}
        return rungs

    def _ehlo_before_tls(self) -> Mapping[str, object]:
        return {"ehlo_name": self.wire.ehlo_name, "extensions_before_tls": list(self.prefix.capabilities())}

    def _starttls(self) -> Mapping[str, object]:
        secured = self.prefix.start_tls()
        return tls_evidence(secured) | self._ehlo()

    def _ehlo(self) -> dict[str, object]:
        reply = self._command(f"EHLO {self.wire.ehlo_name}")
        if reply.code != 250:
            raise RefusedError(f"{self.wire.endpoint} refuses EHLO", server_text=reply.text)
        self._extensions = _extensions(reply)
        return {
            "ehlo_name": self.wire.ehlo_name,
            "server_name": reply.lines[0].partition(" ")[0],
            "extensions": list(reply.lines[1:]),
            "auth": self._extensions.get("AUTH", "").split(),
            "size": _number(self._extensions.get("SIZE", "")),
        }

    def _authenticate(self) -> Mapping[str, object]:
        assert self.secret is not None  # else there is no such stage  # noqa: S101
        warnings = self.require_privacy()
        offered = self._extensions.get("AUTH")
        if offered is None:
            raise AuthError(
                f"{self.wire.endpoint} offers no sign-in",
                hint="Mail is sent through a submission port (587 with STARTTLS, 465 with TLS).",
                code="no_mechanism",
                cause="auth_not_offered",
                server_text="\n".join(self._extensions),
            )
        mechanism = sasl.choose(offered.split(), self.job.login.user, self.secret, verified=self.wire.verified)
        sasl.converse(mechanism, self._begin, self._answer)
        return {"mechanism": mechanism.name, **warnings}

    def _begin(self, name: str, initial: str | None) -> str | None:
        return self._challenge(self._command(f"AUTH {name}" + ("" if initial is None else f" {initial}")))

    def _answer(self, response: str) -> str | None:
        return self._challenge(self._command(response, secret=True))

    def _challenge(self, reply: Reply) -> str | None:
        if reply.code == 334:
            return reply.lines[0].strip()
        if reply.code == 235:
            return None
        raise AuthError(f"{self.wire.endpoint} refuses the sign-in", server_text=reply.text)

    def _mail(self) -> Mapping[str, object]:
        path, parameter = self._path()
        reply = self._command(f"MAIL FROM:<{path}>{parameter}")
        return self._accepted(reply, f"{self.wire.endpoint} refuses {path} as sender")

    def _rcpt(self) -> Mapping[str, object]:
        """RCPT to the mailbox itself, then RSET: the transaction is gone before there is a message."""
        path, _ = self._path()
        reply = self._command(f"RCPT TO:<{path}>")
        with suppress(MailctlError):  # a transaction ends with its connection too
            self._command("RSET")
        return self._accepted(reply, f"{self.wire.endpoint} refuses {path} as recipient")

    def _accepted(self, reply: Reply, refusal: str) -> Mapping[str, object]:
        if reply.code not in (250, 251):
            raise RefusedError(refusal, server_text=reply.text, detail={"enhanced": reply.enhanced})
        return {"reply": reply.text, "enhanced": reply.enhanced}

    def _path(self) -> tuple[str, str]:
        """The address for MAIL and RCPT, and the parameter of MAIL that a local part beyond ASCII needs (RFC 6531)."""
        address = parse_address(self.job.address)
        path = argument(f"{address.local}@{a_labels(address.domain)}", "address", most=320)
        if path.isascii():
            return ascii_argument(path, "address"), ""
        if "SMTPUTF8" not in self._extensions:
            raise RefusedError(
                f"{self.wire.endpoint} takes no addresses with characters beyond ASCII before the @",
                code="no_smtputf8",
                server_text="\n".join(self._extensions),
            )
        return path, " SMTPUTF8"

    def _command(self, line: str, *, secret: bool = False) -> Reply:
        wire = self.wire
        wire.allowance = REPLY
        wire.send(line.encode() + b"\r\n", secret=secret)
        return read_reply(wire)


def _extensions(reply: Reply) -> dict[str, str]:
    """EHLO keywords in upper case → parameters; `AUTH=…` of servers before RFC 4954 counts as AUTH."""
    found: dict[str, str] = {}
    for line in reply.lines[1:]:
        keyword, _, parameters = line.strip().partition(" ")
        if keyword.upper().startswith("AUTH="):
            keyword, parameters = "AUTH", f"{keyword[5:]} {parameters}"
        merged = f"{found.get(keyword.upper(), '')} {parameters}".strip()
        found[keyword.upper()] = merged
    return found


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None
