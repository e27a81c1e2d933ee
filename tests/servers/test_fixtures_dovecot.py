"""The Dovecot of the fixtures is a real one and says the truth about what it holds."""

import datetime as dt
import imaplib
import poplib
import socket
import ssl

import pytest

from .support.certificates import Certificates
from .support.dovecot import ACCENTED_PASSWORD, Dovecot
from .support.dovecot_config import DovecotSettings
from .support.fixtures import MakeDovecot
from .support.imap_pipe import ImapRefusedError
from .support.mail import Held, Mail
from .support.mailbox import Mailbox
from .support.process import accepts

HOSTILE = (
    *("Été/Müller", "a.b", "..", ".", "a/../b", "[Gmail]/All Mail", "cur", "tmp", "new", "~root", "-rf", "*", "%"),
    *('a"b', "a\\b", "trail ", "& - &", "😀", "a\u202eb", "INBOX/child", "dbox-Mails"),
)


def trusting(certificates: Certificates) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificates.ca)


def test_imap_signs_in_over_tls(mailbox: Mailbox, certificates: Certificates) -> None:
    with imaplib.IMAP4_SSL("localhost", mailbox.server.imaps, ssl_context=trusting(certificates)) as client:
        client.login(mailbox.user, mailbox.password)
        assert client.select()[0] == "OK"


def test_imap_signs_in_after_starttls_by_cram_md5(mailbox: Mailbox, certificates: Certificates) -> None:
    with imaplib.IMAP4("localhost", mailbox.server.imap) as client:
        assert {"AUTH=SCRAM-SHA-1", "AUTH=SCRAM-SHA-256"} <= set(client.capabilities)
        client.starttls(trusting(certificates))
        client.login_cram_md5(mailbox.user, mailbox.password)


def test_imap_signs_in_with_a_password_beyond_ascii(dovecot: Dovecot, certificates: Certificates) -> None:
    with imaplib.IMAP4_SSL("localhost", dovecot.imaps, ssl_context=trusting(certificates)) as client:
        client.authenticate("PLAIN", lambda _: f"\0accented\0{ACCENTED_PASSWORD}".encode())
        client.logout()


@pytest.mark.parametrize("secured", [True, False])
def test_pop3_fetches_what_was_delivered(mailbox: Mailbox, certificates: Certificates, secured: bool) -> None:
    mailbox.deliver("INBOX", b"Subject: one\r\n\r\nbody\r\n")
    client: poplib.POP3
    if secured:
        client = poplib.POP3_SSL("localhost", mailbox.server.pop3s, context=trusting(certificates))
    else:
        client = poplib.POP3("localhost", mailbox.server.pop3)
        client.stls(trusting(certificates))
    client.user(mailbox.user)
    client.pass_(mailbox.password)
    assert client.retr(1)[1] == [b"Subject: one", b"", b"body"]
    client.quit()


def test_messages_says_what_was_delivered(mailbox: Mailbox) -> None:
    received = dt.datetime(2001, 2, 3, 4, 5, 6, tzinfo=dt.timezone(dt.timedelta(hours=-7)))
    data = b"Subject: \xff\r\n\r\nform feed \x0c\nuid: 7\n NUL \0, CR \r, no line end"
    uid = mailbox.deliver("INBOX", data, ["\\Seen", "$Label"], received)
    expected = Held(uid, frozenset({"\\Seen", "$Label"}), received, data.replace(b"\r\n", b"\n"))
    assert mailbox.messages() == [expected]
    mailbox.set_flags("INBOX", uid, ["\\Flagged"])
    assert mailbox.messages()[0].flags == {"\\Flagged"}
    mailbox.expunge("INBOX", uid)
    assert mailbox.messages() == []


def test_a_thousand_messages_are_delivered(mailbox: Mailbox) -> None:
    uids = mailbox.deliver_many("INBOX", (Mail(b"Subject: %d\r\n\r\n" % n, ("\\Seen",)) for n in range(1000)))
    assert uids == list(range(1, 1001))
    held = mailbox.messages()
    assert [each.uid for each in held] == uids
    assert held[-1].data == b"Subject: 999\n\n"


def test_folders_may_have_hostile_names(mailbox: Mailbox) -> None:
    for name in HOSTILE:
        mailbox.create_folder(name)
        mailbox.deliver(name, b"Subject: here\r\n\r\n")
        assert len(mailbox.messages(name)) == 1, name
    assert set(mailbox.folders()) == {*HOSTILE, "INBOX", "Sent", "Junk", "Trash"}
    with pytest.raises(ImapRefusedError, match="Control characters"):
        mailbox.create_folder("a\tb")
    mailbox.delete_folder("..")
    assert ".." not in mailbox.folders()


def test_uidvalidity_can_be_changed(mailbox: Mailbox) -> None:
    mailbox.deliver("INBOX", b"Subject: kept\r\n\r\n")
    mailbox.set_uidvalidity("INBOX", 7)
    assert mailbox.uidvalidity("INBOX") == 7
    assert len(mailbox.messages()) == 1


def test_plaintext_forbidden_and_capabilities_hidden(make_dovecot: MakeDovecot, certificates: Certificates) -> None:
    settings = DovecotSettings(plaintext_auth=False, without=("UIDPLUS", "CONDSTORE", "QRESYNC"))
    server = make_dovecot(settings)
    with imaplib.IMAP4(server.host, server.imap) as client:
        assert "LOGINDISABLED" in client.capabilities
        client.starttls(trusting(certificates))
        client.login("alice", server.passwords["alice"])
        offered = client.capability()[1][0].split()
        assert b"MOVE" in offered
        assert not {b"UIDPLUS", b"CONDSTORE", b"QRESYNC"} & set(offered)


def test_certificate_quota_and_connections_can_be_set(make_dovecot: MakeDovecot, certificates: Certificates) -> None:
    server = make_dovecot(DovecotSettings(certificate="expired", connections=1, quota="10k"))
    expired = pytest.raises(ssl.SSLCertVerificationError, match="expired")
    with socket.create_connection((server.host, server.imaps)) as plain, expired:
        trusting(certificates).wrap_socket(plain, server_hostname="localhost")
    with imaplib.IMAP4(server.host, server.imap) as first:
        first.login("alice", "alice-pw")
        second = imaplib.IMAP4(server.host, server.imap)
        with pytest.raises(imaplib.IMAP4.error, match="Maximum number of connections"):
            second.login("alice", "alice-pw")
        second.shutdown()
        with pytest.raises(ImapRefusedError, match="OVERQUOTA"):
            server.deliver("alice", "INBOX", b"Subject: big\r\n\r\n" + b"x" * 20000)


def test_a_stopped_server_starts_again_with_its_mail(make_dovecot: MakeDovecot) -> None:
    server = make_dovecot(DovecotSettings(certificate=None))
    server.deliver("alice", "INBOX", b"Subject: kept\r\n\r\n")
    server.stop()
    assert not accepts(server.host, server.imap)
    server.start()
    assert [each.data for each in server.messages("alice", "INBOX")] == [b"Subject: kept\n\n"]
