"""POP3 and SMTP as scripts speak them, so that one test of a row serves both."""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mailctl.domain.check import CheckJob, Session
from mailctl.domain.deadline import Deadline
from mailctl.domain.secret import Secret
from mailctl.domain.server import CertificatePolicy, Protocol, Security
from mailctl.protocols.pop3 import pop3_session
from mailctl.protocols.smtp import smtp_session
from tests.wire.support.jobs import Climbed, job
from tests.wire.support.scripted import Peer, ScriptedServer

CANARY = "canary-pässword-4711"
VERDICT = 5.0
"""Seconds within which each fault is told."""


@dataclass(frozen=True)
class Dialect:
    """What a server says. offer: the answer to `ask` that offers STARTTLS; silence: one that does not."""

    protocol: Protocol
    greeting: str
    ask: str
    offer: tuple[str, ...]
    silence: tuple[str, ...]
    start: str
    go: str
    refusals: tuple[str, ...]
    hidden: str
    session: Callable[[CheckJob, Secret | None, Deadline], Session]

    def greet(self, peer: Peer) -> None:
        """Greet, and offer STARTTLS when asked."""
        peer.line(self.greeting)
        peer.expect(self.ask)
        peer.line(*self.offer)

    def until_start(self, peer: Peer) -> None:
        """Greet, offer STARTTLS, and wait for it."""
        self.greet(peer)
        peer.expect(self.start)

    def climb(
        self,
        server: ScriptedServer,
        security: Security,
        ca: Path | None,
        *,
        user: str = "alice",
        password: str = CANARY,
        policy: CertificatePolicy | None = None,
        host: str = "localhost",
        timeout: float = 20.0,
    ) -> Climbed:
        """The climb of a check on `server`; fails the test if it took too long or showed the password in clear."""
        check = job(self.protocol, server.port, security, ca, user=user, policy=policy, host=host)
        climbed = Climbed(self.session(check, Secret(password), Deadline(timeout)))
        assert climbed.seconds < VERDICT
        for form in (password.encode(), b64encode(password.encode()), password.encode().hex().encode()):
            assert not form or form not in server.clear
        return climbed


POP3 = Dialect(
    protocol=Protocol.POP3,
    greeting="+OK ready",
    ask="CAPA",
    offer=("+OK", "STLS", "USER", "SASL PLAIN", "."),
    silence=("+OK", "USER", "SASL PLAIN", "."),
    start="STLS",
    go="+OK begin",
    refusals=("-ERR no", "-ERR [SYS/TEMP] not now"),
    hidden="-ERR what",
    session=pop3_session,
)
SMTP = Dialect(
    protocol=Protocol.SMTP,
    greeting="220 mail.test ESMTP",
    ask="EHLO",
    offer=("250-mail.test", "250-AUTH PLAIN", "250 STARTTLS"),
    silence=("250-mail.test", "250 AUTH PLAIN"),
    start="STARTTLS",
    go="220 go ahead",
    refusals=("454 not available", "502 what", "501 no", "554 no", "250 yes?"),
    hidden="502 what",
    session=smtp_session,
)
