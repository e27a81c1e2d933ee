"""Check jobs against loopback servers, and the climb of a session as diagnosis does it."""

from collections.abc import Mapping
from pathlib import Path
from time import monotonic

from mailctl.domain.check import CheckJob, Session
from mailctl.domain.gateway import Login
from mailctl.domain.server import CertificatePolicy, Endpoint, Protocol, Security
from mailctl.errors import MailctlError


def job(
    protocol: Protocol,
    port: int,
    security: Security,
    ca: Path | None,
    *,
    host: str = "localhost",
    user: str = "alice",
    address: str = "alice@mail.test",
    policy: CertificatePolicy | None = None,
    allow_plaintext: bool = False,
) -> CheckJob:
    """A job for a server on `host`:`port` that trusts `ca`, or what `policy` says."""
    trust = policy or CertificatePolicy(ca_file=str(ca) if ca else None)
    endpoint = Endpoint(host, port, security, trust)
    return CheckJob("work", address, protocol, endpoint, Login(user), allow_plaintext=allow_plaintext)


class Climbed:
    """What became of a session: evidence by stage, and the stage that failed with its error, or "" and None.

    seconds: how long the climb took.
    """

    def __init__(self, session: Session) -> None:
        self.evidence: dict[str, Mapping[str, object]] = {}
        self.failed = ""
        self.error: MailctlError | None = None
        start = monotonic()
        try:
            for stage in session.stages:
                self.failed = stage
                self.evidence[stage] = session.climb(stage)
            self.failed = ""
        except MailctlError as error:
            self.error = error
        self.seconds = monotonic() - start
        session.close()

    @property
    def cause(self) -> str:
        """The cause of the failure, "" if none."""
        return self.error.cause if self.error else ""
