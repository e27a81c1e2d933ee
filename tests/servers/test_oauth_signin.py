"""Signing in with tokens at real servers: Dovecot's IMAP and POP3, and Postfix with Dovecot's SASL.

One pair of servers validates JWTs by itself and offers both mechanisms; the other asks an introspection endpoint, and
offers XOAUTH2 alone.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from mailctl.domain.check import CheckJob, Session
from mailctl.domain.deadline import Deadline
from mailctl.domain.gateway import Login
from mailctl.domain.secret import BearerToken, Secret
from mailctl.domain.server import CertificatePolicy, Endpoint, Protocol, Security
from mailctl.errors import AuthError
from mailctl.protocols.imap.session import imap_session
from mailctl.protocols.pop3 import pop3_session
from mailctl.protocols.smtp import smtp_session
from mailctl.protocols.transcript import Transcript
from tests.servers.support.certificates import Certificates
from tests.servers.support.dovecot import Dovecot
from tests.servers.support.dovecot_config import DovecotSettings
from tests.servers.support.dovecot_oauth import OAuthSettings
from tests.servers.support.dovecot_programs import DovecotPrograms
from tests.servers.support.postfix import Postfix, find_postfix
from tests.servers.support.requirement import unavailable
from tests.servers.support.tokens import Introspection, make_jwt
from tests.servers.support.workspace import Workspace
from tests.wire.support.jobs import Climbed

SESSIONS: dict[Protocol, Callable[[CheckJob, Secret, Deadline, Transcript], Session]] = {
    Protocol.IMAP: imap_session,
    Protocol.POP3: pop3_session,
    Protocol.SMTP: smtp_session,
}


@dataclass
class Site:
    """A Dovecot, and a Postfix in front of it."""

    dovecot: Dovecot
    postfix: Postfix
    certificates: Certificates

    def climb(self, protocol: Protocol, token: str, user: str = "alice", secret: Secret | None = None) -> Climbed:
        """The climb of all stages, inside TLS."""
        ports = {Protocol.IMAP: self.dovecot.imaps, Protocol.POP3: self.dovecot.pop3s}
        port = ports.get(protocol, self.postfix.submissions)
        trust = CertificatePolicy(ca_file=str(self.certificates.ca))
        endpoint = Endpoint("127.0.0.1", port, Security.TLS, trust)
        job = CheckJob("g", f"{user}@mail.test", protocol, endpoint, Login(user))
        transcript = Transcript()
        climbed = Climbed(SESSIONS[protocol](job, secret or BearerToken(token), Deadline(20), transcript))
        assert token not in "\n".join(transcript.lines())
        return climbed


@pytest.fixture(scope="module")
def make_site(
    workspace: Workspace, dovecot_programs: DovecotPrograms, certificates: Certificates
) -> Iterator[Callable[[DovecotSettings], Site]]:
    programs = find_postfix()
    if isinstance(programs, str):
        unavailable("Postfix", programs)
    with ExitStack() as stack:

        def make(settings: DovecotSettings) -> Site:
            dovecot = stack.enter_context(Dovecot(workspace, dovecot_programs, certificates, settings))
            postfix = stack.enter_context(Postfix(workspace, programs, certificates, dovecot))
            return Site(dovecot, postfix, certificates)

        yield make


@pytest.fixture(scope="module")
def local(make_site: Callable[[DovecotSettings], Site]) -> Site:
    """Validates JWTs by itself."""
    return make_site(DovecotSettings(mechanisms=("plain",), oauth=OAuthSettings(scope="mail")))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Introspection]:
    with Introspection() as made:
        yield made


@pytest.fixture(scope="module")
def asking(make_site: Callable[[DovecotSettings], Site], endpoint: Introspection) -> Site:
    """Asks the introspection endpoint; XOAUTH2 alone, and no password."""
    oauth = OAuthSettings(endpoint.url, scope="mail", mechanisms=("xoauth2",))
    return make_site(DovecotSettings(mechanisms=(), oauth=oauth))


@pytest.fixture(scope="module")
def mute(make_site: Callable[[DovecotSettings], Site]) -> Site:
    """Asks an introspection endpoint that is not there."""
    with Introspection() as gone:
        oauth = OAuthSettings(gone.url)
    return make_site(DovecotSettings(mechanisms=(), oauth=oauth))


def refused(climbed: Climbed) -> None:
    assert climbed.failed == "authenticate"
    assert isinstance(climbed.error, AuthError)
    assert (climbed.error.code, climbed.cause) == ("token_refused", "token_rejected")
    assert '"status":' in climbed.error.server_text


@pytest.mark.parametrize("protocol", Protocol)
@pytest.mark.parametrize("padding", [0, 2000, 3800], ids=["short", "3 KB", "5 KB"])
def test_a_good_token_signs_in(local: Site, protocol: Protocol, padding: int) -> None:
    climbed = local.climb(protocol, make_jwt("alice", scope="openid mail", pad="x" * padding))
    assert climbed.error is None
    assert climbed.evidence["authenticate"]["mechanism"] == "OAUTHBEARER"


@pytest.mark.parametrize("protocol", Protocol)
@pytest.mark.parametrize(
    ("token", "user"),
    [
        (make_jwt("alice", -60, scope="mail"), "alice"),
        (make_jwt("alice", scope="mail"), "bob"),
        (make_jwt("alice", scope="mail", key=b"another key, of somebody else"), "alice"),
        (make_jwt("alice", scope="calendar"), "alice"),
        (make_jwt("alice", scope="mail", iss="https://elsewhere.test"), "alice"),
        ("no.jwt.atall", "alice"),
    ],
    ids=["expired", "of somebody else", "bad signature", "wrong scope", "wrong issuer", "none"],
)
def test_F11_a_token_that_is_no_good_is_refused_in_json(local: Site, protocol: Protocol, token: str, user: str) -> None:
    refused(local.climb(protocol, token, user))


@pytest.mark.parametrize("protocol", Protocol)
def test_a_password_goes_on_going_by_PLAIN(local: Site, protocol: Protocol) -> None:
    climbed = local.climb(protocol, "alice-pw", secret=Secret("alice-pw"))
    assert climbed.evidence["authenticate"]["mechanism"] == "PLAIN"


@pytest.mark.parametrize("protocol", [Protocol.IMAP, Protocol.POP3])
def test_a_token_too_long_for_the_server_is_named(local: Site, protocol: Protocol) -> None:
    climbed = local.climb(protocol, make_jwt("alice", scope="mail", pad="x" * 8000))
    assert (climbed.failed, climbed.cause) == ("authenticate", "token_too_long")


def test_postfix_takes_as_long_a_token_as_rfc_4954_says_and_names_a_longer_one(local: Site) -> None:
    assert local.climb(Protocol.SMTP, make_jwt("alice", scope="mail", pad="x" * 6000)).error is None
    assert local.climb(Protocol.SMTP, make_jwt("alice", scope="mail", pad="x" * 9000)).cause == "token_too_long"


@pytest.mark.parametrize("protocol", Protocol)
def test_an_opaque_token_signs_in_by_XOAUTH2_until_it_is_revoked(
    asking: Site, endpoint: Introspection, protocol: Protocol
) -> None:
    token = endpoint.grant(f"opaque-{protocol}-4f0c", "alice", scope="mail")
    climbed = asking.climb(protocol, token)
    assert climbed.error is None
    assert climbed.evidence["authenticate"]["mechanism"] == "XOAUTH2"
    refused(asking.climb(protocol, token, "bob"))
    del endpoint.known[token]
    refused(asking.climb(protocol, token))


@pytest.mark.parametrize("protocol", Protocol)
def test_the_endpoint_tells_the_scope(asking: Site, endpoint: Introspection, protocol: Protocol) -> None:
    refused(asking.climb(protocol, endpoint.grant(f"calendar-{protocol}", "alice", scope="calendar")))


@pytest.mark.parametrize("protocol", [Protocol.IMAP, Protocol.SMTP])  # Dovecot's POP3 offers USER all the same
def test_a_password_is_not_tried_where_only_tokens_are_taken(asking: Site, protocol: Protocol) -> None:
    climbed = asking.climb(protocol, "alice-pw", secret=Secret("alice-pw"))
    assert (climbed.failed, climbed.cause) == ("authenticate", "auth_not_offered")
    assert "XOAUTH2" in str(climbed.error and climbed.error.server_text)


@pytest.mark.parametrize(("protocol", "word"), [("imap", "[UNAVAILABLE]"), ("pop3", "[SYS/TEMP]")])
def test_a_server_that_can_ask_nobody_says_nothing_of_the_token(mute: Site, protocol: str, word: str) -> None:
    climbed = mute.climb(Protocol(protocol), "opaque-token-of-alice")
    assert climbed.error is not None
    assert (climbed.failed, climbed.error.code, climbed.cause) == ("authenticate", "auth_refused", "")
    assert word in climbed.error.server_text
