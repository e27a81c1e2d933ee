"""mailctl's IMAP session on a real Dovecot: every way in, and the ways that lead nowhere."""

import pytest

from mailctl.domain.check import CheckJob
from mailctl.domain.deadline import Deadline
from mailctl.domain.gateway import Login
from mailctl.domain.secret import Secret
from mailctl.domain.server import Protocol, Security
from mailctl.errors import AuthError, MailctlError, NetworkError, TlsError, UsageError
from mailctl.protocols.imap.session import ImapSession, imap_session, open_imap
from mailctl.protocols.transcript import Transcript
from tests.servers.support.certificates import Certificates
from tests.servers.support.dovecot import ACCENTED_PASSWORD, Dovecot
from tests.servers.support.dovecot_config import DovecotSettings
from tests.servers.support.fixtures import MakeDovecot
from tests.servers.support.imap_client import endpoint
from tests.servers.support.mailbox import Mailbox


def session_for(
    server: Dovecot,
    certificates: Certificates,
    security: Security = Security.TLS,
    user: str = "alice",
    password: str = "alice-pw",
    transcript: Transcript | None = None,
) -> ImapSession:
    job = CheckJob("g", "alice@mail.test", Protocol.IMAP, endpoint(server, certificates, security), Login(user))
    return imap_session(job, Secret(password), Deadline(20), transcript)


def climb(session: ImapSession) -> dict[str, dict[str, object]]:
    """Climb all stages → what each learned."""
    try:
        return {stage: dict(session.climb(stage)) for stage in session.stages}
    finally:
        session.close()


@pytest.mark.parametrize("security", Security)
def test_every_stage_tells_what_it_learned(mailbox: Mailbox, certificates: Certificates, security: Security) -> None:
    mailbox.deliver("INBOX", b"Subject: x\r\n\r\n")
    transcript = Transcript()
    session = session_for(mailbox.server, certificates, security, mailbox.user, mailbox.password, transcript)
    learned = climb(session)
    middle = {"tls": ["tls", "greeting"], "starttls": ["greeting", "starttls"], "none": ["greeting"]}[security]
    assert list(learned) == ["dns", "tcp", *middle, "capability", "authenticate", "select", "folders"]
    assert learned["tcp"]["address"] == "127.0.0.1"
    assert "Dovecot" in str(learned["greeting"]["greeting"])
    assert {"IMAP4REV1", "SASL-IR"} <= set(learned["capability"]["capabilities"])  # type: ignore[call-overload]
    assert "UIDPLUS" in learned["authenticate"]["capabilities"]  # type: ignore[operator]
    assert (learned["select"]["folder"], learned["select"]["messages"]) == ("INBOX", 1)
    said = "\n".join(transcript.lines())
    assert mailbox.password not in said
    assert "EXAMINE" in said


@pytest.mark.parametrize(
    ("mechanism", "ir"),
    [
        ("plain", True),
        ("plain", False),
        *((name, True) for name in ("login", "cram-md5", "scram-sha-1", "scram-sha-256")),
    ],
)
def test_every_mechanism_signs_in(
    make_dovecot: MakeDovecot, certificates: Certificates, mechanism: str, ir: bool
) -> None:
    server = make_dovecot(DovecotSettings(mechanisms=(mechanism,), without=() if ir else ("SASL-IR",)))
    assert climb(session_for(server, certificates))["authenticate"]["mechanism"] == mechanism.upper()
    climb(session_for(server, certificates, user="accented", password=ACCENTED_PASSWORD))
    with pytest.raises(AuthError) as caught:
        climb(session_for(server, certificates, password="wrong"))
    assert "AUTHENTICATIONFAILED" in caught.value.server_text
    assert caught.value.cause == ""


def test_a_password_with_quotes_and_backslashes(dovecot: Dovecot, certificates: Certificates) -> None:
    password = 'q"uo\\te (x) {3} %'
    dovecot.add_user("odd user", password)
    climb(session_for(dovecot, certificates, user="odd user", password=password))


@pytest.mark.parametrize("field", ["user", "password"])
@pytest.mark.parametrize("end", ["\r\nA1 LOGOUT", "\n", "\0"])
def test_B1_to_B4_line_breaks_are_rejected_before_anything_is_sent(
    dovecot: Dovecot, certificates: Certificates, field: str, end: str
) -> None:
    transcript = Transcript()
    user, password = ("alice" + end, "alice-pw") if field == "user" else ("alice", "alice-pw" + end)
    session = session_for(dovecot, certificates, Security.TLS, user, password, transcript)
    with pytest.raises(UsageError):
        climb(session)
    assert not any("AUTH" in line for line in transcript.lines() if " C: " in line)


def test_the_quota_is_told(make_dovecot: MakeDovecot, certificates: Certificates) -> None:
    server = make_dovecot(DovecotSettings(quota="100k"))
    server.deliver("alice", "INBOX", b"Subject: x\r\n\r\n" + b"x" * 20_000)
    quota = climb(session_for(server, certificates))["folders"]["quota"]
    assert isinstance(quota, dict)
    assert quota["limit"] == 102_400
    assert 19_000 < quota["used"] < 30_000


def test_where_the_server_wants_tls_first_the_cause_says_so(
    make_dovecot: MakeDovecot, certificates: Certificates
) -> None:
    server = make_dovecot(DovecotSettings(plaintext_auth=False, mechanisms=("plain", "login")))
    with pytest.raises(AuthError) as caught:
        climb(session_for(server, certificates, Security.NONE))
    assert caught.value.cause == "encryption_required"
    climb(session_for(server, certificates, Security.STARTTLS))


def test_too_many_connections_are_told_in_the_servers_words(
    make_dovecot: MakeDovecot, certificates: Certificates
) -> None:
    server = make_dovecot(DovecotSettings(connections=1))
    first = open_imap(endpoint(server, certificates), "alice", Secret("alice-pw"))
    with pytest.raises(MailctlError) as caught:
        open_imap(endpoint(server, certificates), "alice", Secret("alice-pw"))
    first.close()
    assert isinstance(caught.value, AuthError | NetworkError)
    assert "Maximum number of connections" in caught.value.server_text


def test_certificate_faults_have_causes(make_dovecot: MakeDovecot, certificates: Certificates) -> None:
    server = make_dovecot(DovecotSettings(certificate="expired"))
    for security in (Security.TLS, Security.STARTTLS):
        with pytest.raises(TlsError) as caught:
            climb(session_for(server, certificates, security))
        assert caught.value.cause == "tls_expired"
