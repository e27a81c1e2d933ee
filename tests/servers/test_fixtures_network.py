"""The Postfix, the DNS server and the web server of the fixtures answer as real ones do."""

import smtplib
import ssl
import time
import urllib.error
import urllib.request

import dns.resolver
import pytest

from .support.certificates import Certificates
from .support.fixtures import MakeDns, MakePostfix, MakeWeb
from .support.mail import Held
from .support.mailbox import Mailbox
from .support.postfix import Postfix, PostfixSettings
from .support.web_server import Answer, Request


def arrived(mailbox: Mailbox) -> list[Held]:
    """What the mailbox holds, as soon as it holds something."""
    deadline = time.monotonic() + 20
    while not (held := mailbox.messages()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return held


@pytest.mark.parametrize("implicit", [True, False])
def test_submission_delivers(postfix: Postfix, mailbox: Mailbox, certificates: Certificates, implicit: bool) -> None:
    trust = ssl.create_default_context(cafile=certificates.ca)
    if implicit:
        client: smtplib.SMTP = smtplib.SMTP_SSL("localhost", postfix.submissions, context=trust)
    else:
        client = smtplib.SMTP("localhost", postfix.submission)
    with client:
        if not implicit:
            client.ehlo()
            assert not client.has_extn("AUTH")
            client.starttls(context=trust)
        client.login(mailbox.address, mailbox.password)
        client.sendmail(mailbox.address, [mailbox.address], b"Subject: sent\r\n\r\nbody\r\n")
    assert arrived(mailbox)[0].data.endswith(b"\nbody\n")


def test_submission_refuses(postfix: Postfix, mailbox: Mailbox, certificates: Certificates) -> None:
    trust = ssl.create_default_context(cafile=certificates.ca)
    with smtplib.SMTP_SSL("localhost", postfix.submissions, context=trust) as client:
        with pytest.raises(smtplib.SMTPAuthenticationError, match="535"):
            client.login(mailbox.user, "wrong")
        client.login(mailbox.user, mailbox.password)
        assert client.mail("alice@mail.test")[0] == 250
        assert client.rcpt(mailbox.address) == (
            553,
            f"5.7.1 <alice@mail.test>: Sender address rejected: not owned by user {mailbox.user}".encode(),
        )
        client.rset()
        client.mail(mailbox.address)
        assert client.rcpt("unknown@mail.test")[0] == 550
        assert client.docmd("MAIL", f"FROM:<{mailbox.address}> SIZE=300000")[0] == 503
        client.rset()
        assert client.docmd("MAIL", f"FROM:<{mailbox.address}> SIZE=300000")[0] == 552


def test_mx_takes_mail_for_its_domain_only(make_postfix: MakePostfix, mailbox: Mailbox) -> None:
    server = make_postfix(PostfixSettings(size_limit=100_000, parameters={"myhostname": "mx.mail.test"}))
    with smtplib.SMTP("localhost", server.mx) as client:
        assert client.ehlo()[1].startswith(b"mx.mail.test\n")
        assert client.esmtp_features["size"] == "100000"
        client.sendmail("a@example.org", [mailbox.address], b"Subject: in\r\n\r\n")
        client.mail("a@example.org")
        assert client.rcpt("b@example.com")[0] == 554
    assert arrived(mailbox)
    assert "Relay access denied" in server.log()


def test_dns_knows_its_records_only(make_dns: MakeDns) -> None:
    server = make_dns(
        "_imaps._tcp.mail.test SRV 0 1 993 imap.mail.test", "mail.test MX 10 mx.mail.test", "mail.test A 127.0.0.1"
    )
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [server.host], server.port
    assert str(resolver.resolve("_imaps._tcp.mail.test", "SRV")[0]) == "0 1 993 imap.mail.test."
    assert str(resolver.resolve("mail.test", "MX")[0]) == "10 mx.mail.test."
    with pytest.raises(dns.resolver.NXDOMAIN):
        resolver.resolve("example.com", "MX")
    with pytest.raises(dns.resolver.NoAnswer):
        resolver.resolve("mail.test", "SRV")
    assert server.queries() == [
        ("SRV", "_imaps._tcp.mail.test"),
        ("MX", "mail.test"),
        ("MX", "example.com"),
        ("SRV", "mail.test"),
    ]


@pytest.mark.parametrize("certificate", [None, "good"])
def test_web_records_requests(make_web: MakeWeb, certificates: Certificates, certificate: str | None) -> None:
    server = make_web({"/a.xml": Answer(b"<a/>", headers={"Content-Type": "text/xml"})}, certificate)
    trust = ssl.create_default_context(cafile=certificates.ca)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
    with opener.open(f"{server.url}/a.xml?emailaddress=x", timeout=10) as response:
        assert response.read() == b"<a/>"
    with pytest.raises(urllib.error.HTTPError, match="404") as refused:
        opener.open(f"{server.url}/b", timeout=10)
    refused.value.close()
    host = f"127.0.0.1:{server.port}"
    assert server.requests == [Request("GET", host, "/a.xml?emailaddress=x"), Request("GET", host, "/b")]
