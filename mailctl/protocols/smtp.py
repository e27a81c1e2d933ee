"""SMTP submission (RFC 5321, 6409) as a check: up to where a message would be accepted, and not a step further."""

import re
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
from mailctl.protocols.session import Climb, WireSession
from mailctl.protocols.smtp_reply import Reply, read_reply
from mailctl.protocols.transcript import Transcript

REPLY = 1 << 17
"""Octets that one reply may have."""
RELAY = 3.0
"""Seconds that asking for a foreign recipient may take."""
RESET = 0.5
"""Seconds of that which the answer to RSET may take."""
_RELAY = re.compile(r"(?<![\w.<@-])relay(?:ing|ed)?(?![\w.@-])", re.IGNORECASE)
"""The word, but not as a part of a host's name or an address."""
FOREIGN = ("example.com", "example.net")
"""Domains that are nobody's (RFC 2606 section 3); the second one is for whoever is at home in the first."""


def smtp_session(
    job: CheckJob, secret: Secret | None, deadline: Deadline, transcript: Transcript | None = None
) -> Session:
    """A session for `job`; without a secret it ends before signing in. See `domain.check.Session`."""
    return SmtpSession(job, secret, deadline, transcript)


class SmtpSession(WireSession):
    """The ladder of SMTP: … greeting, ehlo, (starttls,) authenticate, mail, rcpt, relay. Nothing is sent (no DATA)."""

    protocol = Protocol.SMTP
    farewell = b"QUIT"

    extensions: Mapping[str, str] = {}
    """What EHLO told last: keywords in upper case, with their parameters."""
    _open = False
    """Whether there is a transaction: MAIL was accepted, RSET not sent yet."""

    def rungs(self, security: Security) -> dict[str, Climb]:
        """See `WireSession`."""
        rungs: dict[str, Climb] = {"ehlo": self._ehlo}
        if security is Security.STARTTLS:
            rungs |= {"ehlo": self._ehlo_before_tls, "starttls": self._starttls}
        if self.secret is not None:
            rungs |= {"authenticate": self._authenticate} | self.transaction()
        return rungs

    def transaction(self) -> dict[str, Climb]:
        """The stages after sign-in."""
        rungs: dict[str, Climb] = {"mail": self._mail, "rcpt": self._rcpt}
        return rungs | ({"relay": self._relay} if self.job.relaying else {})

    def mail_parameters(self) -> str:
        """What MAIL tells besides the sender, each parameter after a space."""
        return ""

    def close(self) -> None:
        """RSET where a transaction is still open, QUIT; never raises."""
        if self._open and not self.wire.closed:
            with suppress(MailctlError):  # it ends with the connection too
                self.send("RSET")
        super().close()

    def _ehlo_before_tls(self) -> Mapping[str, object]:
        return {"ehlo_name": self.wire.ehlo_name, "extensions_before_tls": list(self.prefix.capabilities())}

    def _starttls(self) -> Mapping[str, object]:
        secured = self.prefix.start_tls()
        return self.tls_evidence(secured) | self._ehlo()

    def _ehlo(self) -> dict[str, object]:
        reply = self.command(f"EHLO {self.wire.ehlo_name}")
        if reply.code != 250:
            raise RefusedError(f"{self.wire.endpoint} refuses EHLO", server_text=reply.text)
        self.extensions = _extensions(reply)
        return {
            "ehlo_name": self.wire.ehlo_name,
            "server_name": reply.lines[0].partition(" ")[0],
            "extensions": list(reply.lines[1:]),
            "auth": self.extensions.get("AUTH", "").split(),
            "size": _number(self.extensions.get("SIZE", "")),
        }

    def _authenticate(self) -> Mapping[str, object]:
        assert self.secret is not None  # else there is no such stage  # noqa: S101
        warnings = self.require_privacy()
        offered = self.extensions.get("AUTH")
        if offered is None:
            bare = "STARTTLS" in self.extensions and not self.wire.encrypted
            raise AuthError(
                f"{self.wire.endpoint} offers no sign-in",
                hint="Mail is sent through a submission port (587 with STARTTLS, 465 with TLS).",
                code="no_mechanism",
                cause="encryption_required" if bare else "auth_not_offered",
                server_text="\n".join(self.extensions),
            )
        mechanism = sasl.choose(
            offered.split(), self.job.login.user, self.secret, self.job.endpoint, verified=self.wire.verified
        )
        sasl.converse(mechanism, self._begin, self._answer)
        return {"mechanism": mechanism.name, **warnings}

    def _begin(self, name: str, initial: str | None) -> str | None:
        return self._challenge(self.command(f"AUTH {name}" + ("" if initial is None else f" {initial}")))

    def _answer(self, response: str) -> str | None:
        return self._challenge(self.command(response, secret=True))

    def _challenge(self, reply: Reply) -> str | None:
        if reply.code == 334:
            return reply.lines[0].strip()
        if reply.code == 235:
            return None
        raise AuthError(f"{self.wire.endpoint} refuses the sign-in", server_text=reply.text)

    def _mail(self) -> Mapping[str, object]:
        path, parameter = self.path(self.job.address)
        reply = self.command(f"MAIL FROM:<{path}>{parameter}{self.mail_parameters()}")
        learned = self._accepted(reply, f"{self.wire.endpoint} refuses mail from {path}")
        self._open = True
        return learned

    def _rcpt(self) -> Mapping[str, object]:
        """RCPT to the mailbox itself; what `_relay` asks goes along where the server reads ahead (RFC 2920)."""
        path, _ = self.path(self.job.address)
        if "PIPELINING" in self.extensions and self.job.relaying:
            self.send(f"RCPT TO:<{path}>", f"RCPT TO:<{self._foreign()}>", "RSET")
            self._open = False
        else:
            self.send(f"RCPT TO:<{path}>")
        return self._accepted(read_reply(self.wire), f"{self.wire.endpoint} refuses mail to {path}")

    def _relay(self) -> Mapping[str, object]:
        """Whether recipients elsewhere are taken after sign-in: one RCPT to a domain that is nobody's, then RSET.

        It can't do harm: no DATA follows, so there is no message that could be delivered, bounced, counted against a
        sending limit or weighed by a filter; the domain is reserved for examples and takes no mail (RFC 7505), so a
        server that looks the recipient up or calls it disturbs nobody; it is asked once, after all else has passed,
        in one transaction with a recipient that was accepted, as any mail program would with a second recipient; the
        local part tells whoever reads the log what it was; and monitors, which come back every few minutes, don't ask
        (fail2ban, for one, bans a host for a few "Relay access denied" in ten minutes). It never fails: the check has
        passed by now.
        """
        wire = self.wire
        try:
            wire.deadline = Deadline(wire.deadline.remaining(RELAY))
            if self._open:
                self.send(f"RCPT TO:<{self._foreign()}>")
            reply = read_reply(wire)
            if self._open:
                self._open = False
                self.send("RSET")
            with suppress(MailctlError):  # what matters is said
                wire.deadline = Deadline(wire.deadline.remaining(RESET))
                read_reply(wire)
        except MailctlError as error:
            return {"relay": "unknown", "reply": error.message}
        accepted = reply.code in (250, 251)
        relay = "relays" if accepted else "relay_denied" if denies_relaying(reply) else "unknown"
        return {"relay": relay, "reply": reply.text, "enhanced": reply.enhanced}

    def _foreign(self) -> str:
        domain = next(each for each in FOREIGN if not self.job.address.lower().endswith(each))
        return f"mailctl-test@{domain}"

    def _accepted(self, reply: Reply, refusal: str) -> Mapping[str, object]:
        if reply.code not in (250, 251):
            raise RefusedError(refusal, server_text=reply.text, detail={"enhanced": reply.enhanced})
        return {"reply": reply.text, "enhanced": reply.enhanced}

    def path(self, text: str) -> tuple[str, str]:
        """An address for MAIL and RCPT, and the parameter of MAIL that a local part beyond ASCII needs (RFC 6531)."""
        address = parse_address(text)
        path = argument(f"{address.local}@{a_labels(address.domain)}", "address", most=320)
        if path.isascii():
            return ascii_argument(path, "address"), ""
        if "SMTPUTF8" not in self.extensions:
            raise RefusedError(
                f"{self.wire.endpoint} takes no addresses with characters beyond ASCII before the @",
                code="no_smtputf8",
                server_text="\n".join(self.extensions),
            )
        return path, " SMTPUTF8"

    def command(self, line: str, *, secret: bool = False) -> Reply:
        """Send a command line, already checked, and take the reply, whatever it is."""
        self.send(line, secret=secret)
        return read_reply(self.wire)

    def send(self, *lines: str, secret: bool = False) -> None:
        """Send command lines, already checked, in one go."""
        self.wire.allowance = REPLY * len(lines)
        self.wire.send("".join(f"{line}\r\n" for line in lines).encode(), secret=secret)


def denies_relaying(reply: Reply) -> bool:
    """Whether a refused recipient tells that mail to elsewhere isn't passed on, rather than that he doesn't exist.

    X.7 is security and policy (RFC 3463 section 3.8); the same sender was just let write to himself.
    """
    return reply.code >= 500 and (reply.enhanced.startswith("5.7.") or bool(_RELAY.search(reply.text)))


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
