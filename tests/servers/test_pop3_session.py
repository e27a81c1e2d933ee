"""POP3 check sessions and mailboxes on a real Dovecot."""

import pytest

from mailctl.domain.check import CheckJob
from mailctl.domain.deadline import Deadline
from mailctl.domain.mailbox import MessageMeta
from mailctl.domain.secret import Secret
from mailctl.domain.server import CertificatePolicy, Endpoint, Protocol, Security
from mailctl.errors import AuthError, RefusedError
from mailctl.protocols.pop3 import pop3_session
from mailctl.protocols.pop3_mailbox import Pop3Mailbox, open_pop3
from tests.servers.support.certificates import Certificates
from tests.servers.support.dovecot import ACCENTED_PASSWORD, Dovecot
from tests.servers.support.dovecot_config import DovecotSettings
from tests.servers.support.fixtures import MakeDovecot
from tests.servers.support.mailbox import Mailbox
from tests.wire.support.jobs import Climbed, job

MESSAGES = (
    b"Subject: one\r\n\r\nbody\r\n",
    b"Subject: dots\r\n\r\n.\r\n..\r\n.begin\r\nend.\r\n...\r\n",
    b"Subject: empty\r\n\r\n",
    b"Subject: long\r\n\r\n" + b".".join(b"x" * 70 + b"\r\n" for _ in range(20_000)),
)


class Sink:
    """Keeps a body."""

    def __init__(self) -> None:
        self.data = b""
        self.meta: MessageMeta | None = None
        self.abandoned = False

    def __call__(self, octets: int) -> "Sink":
        self.octets = octets
        return self

    def write(self, chunk: bytes | memoryview) -> None:
        self.data += chunk

    def finish(self, meta: MessageMeta) -> None:
        self.meta = meta

    def abandon(self) -> None:
        self.abandoned = True


def climb(check: CheckJob, password: str = "alice-pw") -> Climbed:
    return Climbed(pop3_session(check, Secret(password), Deadline(20)))


def opened(mailbox: Mailbox, certificates: Certificates) -> Pop3Mailbox:
    endpoint = Endpoint("localhost", mailbox.server.pop3s, Security.TLS, CertificatePolicy(str(certificates.ca)))
    return open_pop3(endpoint, mailbox.user, Secret(mailbox.password), Deadline(20))


def test_implicit_tls_climbs_to_stat(dovecot: Dovecot, certificates: Certificates) -> None:
    climbed = climb(job(Protocol.POP3, dovecot.pop3s, Security.TLS, certificates.ca))
    assert climbed.error is None
    assert list(climbed.evidence) == ["dns", "tcp", "tls", "greeting", "capability", "authenticate", "stat"]
    assert climbed.evidence["authenticate"] == {"mechanism": "PLAIN"}
    assert climbed.evidence["stat"] == {"messages": 0, "octets": 0, "uidl": True}


def test_starttls_climbs_to_stat(dovecot: Dovecot, certificates: Certificates) -> None:
    climbed = climb(job(Protocol.POP3, dovecot.pop3, Security.STARTTLS, certificates.ca))
    assert climbed.error is None
    assert list(climbed.evidence)[2:5] == ["greeting", "starttls", "capability"]
    assert "STLS" in climbed.evidence["starttls"]["capabilities_before_tls"]  # type: ignore[operator]  # a list
    assert climbed.evidence["starttls"]["tls_version"] == "TLSv1.3"


def test_loopback_needs_no_tls(dovecot: Dovecot) -> None:
    assert climb(job(Protocol.POP3, dovecot.pop3, Security.NONE, None)).error is None


@pytest.mark.parametrize("mechanism", ["plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256"])
def test_each_mechanism_signs_in(make_dovecot: MakeDovecot, certificates: Certificates, mechanism: str) -> None:
    server = make_dovecot(DovecotSettings(mechanisms=(mechanism,)))
    climbed = climb(job(Protocol.POP3, server.pop3s, Security.TLS, certificates.ca))
    assert climbed.error is None
    assert climbed.evidence["authenticate"] == {"mechanism": mechanism.upper()}


def test_a_password_beyond_ascii_signs_in(dovecot: Dovecot, certificates: Certificates) -> None:
    check = job(Protocol.POP3, dovecot.pop3s, Security.TLS, certificates.ca, user="accented")
    assert climb(check, ACCENTED_PASSWORD).error is None


def test_a_wrong_password_is_refused_in_the_servers_words(dovecot: Dovecot, certificates: Certificates) -> None:
    climbed = climb(job(Protocol.POP3, dovecot.pop3s, Security.TLS, certificates.ca), "not-the-password")
    assert climbed.failed == "authenticate"
    assert isinstance(climbed.error, AuthError)
    assert climbed.error.server_text == "-ERR [AUTH] Authentication failed."


def test_a_mailbox_lists_fetches_and_deletes(mailbox: Mailbox, certificates: Certificates) -> None:
    mailbox.server.deliver_many(mailbox.user, "INBOX", MESSAGES)
    client = opened(mailbox, certificates)
    listed = client.uidl()
    assert [number for number, _, _ in listed] == [1, 2, 3, 4]
    assert len({unique for _, unique, _ in listed}) == 4
    for (number, _, octets), message in zip(listed, MESSAGES, strict=True):
        sink = Sink()
        client.retrieve(number, octets, sink)
        assert sink.data == message
        assert sink.meta == MessageMeta(uid=0, size=len(message))
        assert sink.octets == octets == len(message)
    client.delete(2)
    client.quit()
    assert len(mailbox.messages()) == 3


def test_hanging_up_without_quit_deletes_nothing(mailbox: Mailbox, certificates: Certificates) -> None:
    mailbox.deliver("INBOX", MESSAGES[0])
    client = opened(mailbox, certificates)
    client.delete(1)
    client.close()
    assert len(mailbox.messages()) == 1


def test_a_message_that_is_not_there_is_refused_and_the_mailbox_goes_on(
    mailbox: Mailbox, certificates: Certificates
) -> None:
    mailbox.deliver("INBOX", MESSAGES[0])
    client = opened(mailbox, certificates)
    with pytest.raises(RefusedError):
        client.retrieve(7, 100, Sink())
    assert len(client.uidl()) == 1
    client.quit()


def test_what_a_sink_raises_passes_and_the_sink_is_abandoned(mailbox: Mailbox, certificates: Certificates) -> None:
    class Full(Sink):
        def write(self, chunk: bytes | memoryview) -> None:
            raise OSError("disk full")

    mailbox.deliver("INBOX", MESSAGES[0])
    client = opened(mailbox, certificates)
    sink = Full()
    with pytest.raises(OSError, match="disk full"):
        client.retrieve(1, 10, sink)
    assert sink.abandoned
    assert sink.meta is None
