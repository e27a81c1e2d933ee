"""A port where a web server answers, silent until it is asked, in TLS or not; or a server of files."""

from time import monotonic

import pytest

from mailctl.domain.server import Protocol, Security
from mailctl.protocols import greeting
from tests.servers.support.certificates import Certificates
from tests.wire.support.contexts import server_context
from tests.wire.support.scripted import Peer, ScriptedServer
from tests.wire.test_check_verdicts import check

PAGE = b"HTTP/1.1 400 Bad Request\r\nServer: web\r\n\r\n<html><title>Sign in to the guest network</title></html>\r\n"


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other tests of greetings wait as long as users do."""
    monkeypatch.setattr(greeting, "PATIENCE", 0.3)


def asked(peer: Peer) -> None:
    """Wait for a request, whatever it is, and answer as web servers do."""
    peer.read(1)
    peer.send(PAGE)


@pytest.mark.parametrize("protocol", list(Protocol))
@pytest.mark.parametrize(
    ("security", "encrypted"),
    [(Security.NONE, False), (Security.STARTTLS, False), (Security.TLS, True), (Security.TLS, False)],
    ids=["clear", "starttls", "tls", "tls to a port in clear"],
)
def test_a_web_server_that_waits_to_be_asked_is_named(
    protocol: Protocol, security: Security, encrypted: bool, certificates: Certificates
) -> None:
    with ScriptedServer(asked, server_context(certificates.good) if encrypted else None) as server:
        start = monotonic()
        report = check(server, protocol, security, ca=str(certificates.ca), timeout=20.0)
    assert (report.cause, report.confidence) == ("wrong_protocol", "high")
    assert "web server" in report.explanation
    assert "guest network" in report.server_text
    assert monotonic() - start < 10  # and not at the end of the time allowed


def test_a_mail_server_that_greets_late_is_asked_nothing_on_its_own_connection(certificates: Certificates) -> None:
    def late(peer: Peer) -> None:
        if peer.number:  # of the looks
            return
        peer.server.pause(0.8)
        peer.line("* OK late")
        tag = peer.command("CAPABILITY")
        peer.line("* CAPABILITY IMAP4rev1 AUTH=PLAIN", f"{tag} OK")
        peer.line(f"{peer.command('AUTHENTICATE PLAIN')} NO [AUTHENTICATIONFAILED] no")
        peer.wait_for_end()

    with ScriptedServer(late) as server:
        report = check(server, Protocol.IMAP, Security.NONE, timeout=20.0)
    assert (report.stage, report.cause) == ("authenticate", "bad_credentials")


def test_the_conversation_has_the_beginning_of_what_was_too_long() -> None:
    with ScriptedServer(lambda peer: peer.send("* OK " + "A" * 200_000)) as server:
        report = check(server, Protocol.IMAP, Security.NONE)
    assert report.cause == "protocol_violation"
    said, why = report.transcript
    assert "S: * OK AAA" in said
    assert len(said) < 1100
    assert "not read any further" in why


@pytest.mark.parametrize(
    ("greeting", "cause"),
    [
        ("220 (vsFTPd 3.0.3)", "wrong_protocol"),
        ("220 ProFTPD 1.3.5 Server ready.", "wrong_protocol"),
        ("220---------- Welcome to Pure-FTPd [privsep] [TLS] ----------\r\n220 You are user 1", "wrong_protocol"),
        ("220 Microsoft FTP Service", "wrong_protocol"),
        ("220 ftp.example.org ready", "auth_not_offered"),
        ("220 ftp ESMTP Postfix", "auth_not_offered"),
    ],
)
def test_a_server_of_files_is_no_mail_server(greeting: str, cause: str) -> None:
    def script(peer: Peer) -> None:
        peer.line(greeting)
        peer.expect("EHLO")
        peer.line("250 ready")
        peer.wait_for_end()

    with ScriptedServer(script) as server:
        report = check(server, Protocol.SMTP, Security.NONE)
    assert report.cause == cause, report.explanation
