"""The Cyrus, the Courier and the Exim of the fixtures answer as real ones do."""

import imaplib
import poplib
import smtplib
import ssl

import pytest

from .support.certificates import Certificates
from .support.courier import Courier
from .support.cyrus import Cyrus
from .support.exim import Exim
from .support.mailbox import Mailbox


@pytest.fixture(params=["cyrus", "courier"])
def server(request: pytest.FixtureRequest) -> Cyrus | Courier:
    found: Cyrus | Courier = request.getfixturevalue(request.param)
    return found


def test_imap_keeps_mail(server: Cyrus | Courier, certificates: Certificates) -> None:
    trust = ssl.create_default_context(cafile=certificates.ca)
    with imaplib.IMAP4(server.host, server.imap) as client:
        with pytest.raises(imaplib.IMAP4.error, match=r"(?i)layer|TLS"):
            client.login("alice", "alice-pw")
        client.starttls(trust)
        assert client.login("alice", "alice-pw")[0] == "OK"
        assert client.append("INBOX", "", "", b"Subject: kept\r\n\r\nbody\r\n")[0] == "OK"
    with imaplib.IMAP4_SSL(server.host, server.imaps, ssl_context=trust) as client:
        client.login("alice", "alice-pw")
        client.select("INBOX")
        parts = client.fetch("*", "(BODY[])")[1]
        assert isinstance(parts[0], tuple)
        assert parts[0][1] == b"Subject: kept\r\n\r\nbody\r\n"


def test_pop3_signs_in(server: Cyrus | Courier, certificates: Certificates) -> None:
    trust = ssl.create_default_context(cafile=certificates.ca)
    for client in (poplib.POP3(server.host, server.pop3), poplib.POP3_SSL(server.host, server.pop3s, context=trust)):
        if not isinstance(client, poplib.POP3_SSL):
            with pytest.raises(poplib.error_proto, match=r"(?i)layer|TLS"):
                client.user("bob")
            client.stls(trust)
        client.user("bob")
        assert client.pass_("bob-pw").startswith(b"+OK")
        client.quit()


def test_exim_delivers_and_refuses(exim: Exim, mailbox: Mailbox, certificates: Certificates) -> None:
    trust = ssl.create_default_context(cafile=certificates.ca)
    with smtplib.SMTP_SSL("localhost", exim.submissions, context=trust) as client:
        with pytest.raises(smtplib.SMTPAuthenticationError, match="535"):
            client.login("alice", "wrong")
        client.login("alice", "alice-pw")
        client.sendmail("alice@mail.test", [mailbox.address], b"Subject: sent\r\n\r\nbody\r\n")
        assert client.mail("bob@mail.test")[0] == 250
        assert client.rcpt(mailbox.address) == (550, b"Sender address bob@mail.test is not owned by alice")
    with smtplib.SMTP("localhost", exim.submission) as client:
        client.ehlo()
        assert not client.has_extn("AUTH")
        client.starttls(context=trust)
        client.login("bob@mail.test", "bob-pw")
    with smtplib.SMTP("localhost", exim.mx) as client:
        client.sendmail("a@example.org", [mailbox.address], b"Subject: in\r\n\r\n")
        client.mail("a@example.org")
        assert client.rcpt("b@example.com") == (550, b"relay not permitted")
    found = 0
    for _ in range(500):
        found = len(mailbox.messages())
        if found == 2:
            break
    assert found == 2, exim.log()
