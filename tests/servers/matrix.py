"""What the matrix tests share: servers by name, gateways on them, and what a check must say of a failure."""

from dataclasses import dataclass
from time import monotonic
from typing import Any

import pytest

from .support.courier import Courier, CourierSettings
from .support.cyrus import Cyrus, CyrusSettings
from .support.dovecot import Dovecot
from .support.dovecot_config import DovecotSettings
from .support.exim import Exim, EximSettings
from .support.home import Home
from .support.postfix import Postfix, PostfixSettings

MAILBOXES = ("dovecot", "cyrus", "courier")
SUBMISSIONS = ("postfix", "exim")
ALL = MAILBOXES + SUBMISSIONS
TIMEOUT = 10
"""Seconds that a check gets; every failure but that of a port that swallows everything is told long before."""
Server = Dovecot | Cyrus | Courier | Postfix | Exim


@dataclass(frozen=True)
class Expected:
    """What a check must say.

    cause: or several, where the server's answer varies. stage: "": that of the gateway's security, `tls` or `starttls`.
    step: words of the steps to take.
    """

    cause: str | tuple[str, ...]
    code: int
    stage: str
    step: str
    fixer: str = "user"


def shared(request: pytest.FixtureRequest, name: str) -> Server:
    """The running server of that name that all tests share."""
    found: Server = request.getfixturevalue(name)
    return found


def with_certificate(request: pytest.FixtureRequest, name: str, certificate: str | None) -> Server:
    """A server of the test's own with that certificate; None: without TLS."""
    make = request.getfixturevalue(f"make_{name}")
    made: Server
    match name:
        case "dovecot":
            made = make(DovecotSettings(certificate=certificate))
        case "cyrus":
            made = make(CyrusSettings(certificate=certificate))
        case "courier":
            made = make(CourierSettings(certificate=certificate))
        case "exim":
            made = make(EximSettings(certificate=certificate))
        case _ if certificate is None:
            made = make(PostfixSettings(parameters={"smtpd_tls_security_level": "none"}))
        case _:
            made = make(PostfixSettings(certificate=certificate))
    return made


def ports(server: Server, security: str) -> dict[str, int]:
    """Where a server serves each protocol that it speaks: with TLS from the start (`tls`), or not."""
    if isinstance(server, Postfix | Exim):
        return {"smtp": server.submissions if security == "tls" else server.submission}
    if security == "tls":
        return {"imap": server.imaps, "pop3": server.pop3s}
    return {"imap": server.imap, "pop3": server.pop3}


def gateways(
    home: Home,
    server: Server,
    user: str = "bob",
    password: str = "",
    *,
    security: str = "tls",
    there: dict[str, int] | None = None,
) -> None:
    """A gateway for each protocol of `server`, named SERVER-PROTOCOL-SECURITY-USER; there: other ports than it has."""
    for protocol, port in (there or ports(server, security)).items():
        name = f"{type(server).__name__.lower()}-{protocol}-{security}-{user}"
        home.gateway(name, user, password or f"{user}-pw", f"{protocol} {server.host} {port} {security}")


def check(home: Home, expected: Expected, *names: str) -> list[dict[str, Any]]:
    """Test all gateways, or those named, which must fail as expected and in time; the checks, to look further."""
    began = monotonic()
    checks = home.test(*(names or ("--all",)), "--timeout", str(TIMEOUT), code=expected.code)
    assert monotonic() - began < TIMEOUT
    causes = (expected.cause,) if isinstance(expected.cause, str) else expected.cause
    for found in checks:
        told = f"{found['gateway']}: {found['cause']} at {found['stage']}: {found['server_text']!r}, {found['remedy']}"
        assert not found["ok"], told
        assert found["cause"] in causes, told
        assert found["stage"] == (expected.stage or found["security"]), told
        assert found["fixer"] == expected.fixer, told
        assert expected.step in "\n".join(found["remedy"]), told
        assert found["explanation"], told
    return checks
