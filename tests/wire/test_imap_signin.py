"""Signing in to IMAP servers that Dovecot is not: LOGIN alone, no SASL-IR, servers that leave the script."""

from base64 import b64decode, b64encode
from time import sleep

import pytest

from mailctl.domain.deadline import Deadline
from mailctl.domain.secret import Secret
from mailctl.domain.server import Protocol, Security
from mailctl.errors import AuthError, NetworkError, ProtocolError
from mailctl.protocols.imap.session import imap_session
from tests.servers.support.certificates import Certificates
from tests.wire.support.contexts import server_context
from tests.wire.support.imap import PASSWORD, USER, answer, climb
from tests.wire.support.jobs import Climbed, job
from tests.wire.support.scripted import Peer, Script, ScriptedServer

PLAIN = b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()


def greet(peer: Peer, capabilities: str) -> None:
    peer.line(f"* OK [CAPABILITY {capabilities}] hello")


def run(script: Script, certificates: Certificates, user: str = USER, password: str = PASSWORD) -> Climbed:
    """The climb over implicit TLS, where what the greeting offers is believed."""
    with ScriptedServer(script, server_context(certificates.good)) as server:
        return climb(server, Security.TLS, certificates.ca, user=user, password=password)


def test_LOGIN_quotes_what_needs_it_and_ID_comes_before_a_folder_is_opened(certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        greet(peer, "IMAP4rev1 ID")
        tag, _, rest = peer.read_line().decode().partition(" ")
        assert rest == r'LOGIN "alice \"x\"" "p\\w \"q\" {3}"'
        peer.line(f"{tag} OK [CAPABILITY IMAP4rev1 ID QUOTA] in")
        identity = peer.command('ID ("name" "mailctl"')
        opened = peer.command("EXAMINE")
        peer.line("* ID NIL", f"{identity} NO never mind", "* 4 EXISTS", f"{opened} OK")
        listed, quota = peer.command("LIST"), peer.command("GETQUOTAROOT")
        peer.line('* QUOTAROOT INBOX ""', '* QUOTA "" (MESSAGE 4 9 STORAGE 10 512)', f"{quota} OK", f"{listed} OK")
        peer.wait_for_end()

    climbed = run(script, certificates, 'alice "x"', 'p\\w "q" {3}')
    assert climbed.error is None
    assert climbed.evidence["select"] == {"folder": "INBOX", "messages": 4}
    assert climbed.evidence["folders"]["quota"] == {"used": 10_240, "limit": 524_288}
    assert climbed.evidence["folders"]["quota_messages"] == {"used": 4, "limit": 9}


@pytest.mark.parametrize("end", ["NO", "BAD what?"])
def test_a_refused_quota_is_no_failure(end: str, certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        greet(peer, "IMAP4rev1 QUOTA")
        answer(peer, "LOGIN", end="OK [CAPABILITY IMAP4rev1 QUOTA] in")
        answer(peer, "EXAMINE", "* 0 EXISTS")
        listed, quota = peer.command("LIST"), peer.command("GETQUOTAROOT")
        peer.line(f"{listed} OK", "* QUOTA junk ((", f"{quota} {end}")
        peer.wait_for_end()

    climbed = run(script, certificates)
    assert climbed.error is None
    assert "quota" not in climbed.evidence["folders"]
    assert climbed.evidence["folders"]["folders"] == 0


@pytest.mark.parametrize(("user", "password"), [("alice", "pässwörd"), ("älice", "password")])
def test_LOGIN_carries_ascii_only(user: str, password: str, certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        greet(peer, "IMAP4rev1 AUTH=XOAUTH2")
        peer.wait_for_end()

    climbed = run(script, certificates, user, password)
    assert isinstance(climbed.error, AuthError)
    assert climbed.cause == "charset_password"


def test_no_way_of_signing_in_is_told(certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        greet(peer, "IMAP4rev1 LOGINDISABLED AUTH=XOAUTH2")
        peer.wait_for_end()

    climbed = run(script, certificates)
    assert climbed.cause == "auth_not_offered"
    assert climbed.error is not None
    assert "XOAUTH2" in climbed.error.server_text


@pytest.mark.parametrize("ir", [True, False])
def test_PLAIN_with_and_without_an_initial_response(ir: bool, certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        greet(peer, "IMAP4rev1 AUTH=PLAIN" + (" SASL-IR" if ir else ""))
        tag, _, rest = peer.read_line().decode().partition(" ")
        if not ir:
            assert rest == "AUTHENTICATE PLAIN"
            peer.line("* OK still thinking", "+")
            assert peer.read_line().decode() == PLAIN
        else:
            assert rest == f"AUTHENTICATE PLAIN {PLAIN}"
        peer.line("* CAPABILITY IMAP4rev1 IDLE", f"{tag} OK in")
        answer(peer, "EXAMINE", "* 1 EXISTS")
        answer(peer, "LIST")
        peer.wait_for_end()

    climbed = run(script, certificates)
    assert climbed.error is None
    assert climbed.evidence["authenticate"] == {"mechanism": "PLAIN", "capabilities": ["IDLE", "IMAP4REV1"]}


def test_one_attempt_and_the_servers_words(certificates: Certificates) -> None:
    words = "[AUTHENTICATIONFAILED] Invalid credentials (Failure) \x1b[2J"

    def script(peer: Peer) -> None:
        greet(peer, "IMAP4rev1 AUTH=PLAIN AUTH=LOGIN SASL-IR")
        answer(peer, "AUTHENTICATE PLAIN", "* NO [ALERT] look at the web page", end=f"NO {words}")
        peer.wait_for_end()

    with ScriptedServer(script, server_context(certificates.good)) as server:
        climbed = climb(server, Security.TLS, certificates.ca)
        assert server.inside.count(b"AUTHENTICATE") == 1
        assert b"LOGIN" not in server.inside
    assert isinstance(climbed.error, AuthError)
    assert climbed.cause == ""
    assert climbed.error.server_text == f"NO [ALERT] look at the web page\nNO {words}"


def test_too_many_connections_before_the_answer(certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        greet(peer, "IMAP4rev1 AUTH=PLAIN SASL-IR")
        peer.command("AUTHENTICATE")
        peer.line("* BYE Too many simultaneous connections")

    climbed = run(script, certificates)
    assert isinstance(climbed.error, NetworkError)
    assert climbed.cause == ""
    assert climbed.error.server_text == "BYE Too many simultaneous connections"


@pytest.mark.parametrize("challenge", ["+ !!!", "+ " + b64encode(b"more?").decode(), "+ \x80"])
def test_a_challenge_that_makes_no_sense_ends_the_connection(challenge: str, certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        greet(peer, "IMAP4rev1 AUTH=PLAIN SASL-IR")
        peer.command("AUTHENTICATE")
        peer.line(challenge)
        peer.wait_for_end()

    climbed = run(script, certificates)
    assert climbed.failed == "authenticate"
    assert isinstance(climbed.error, ProtocolError)


@pytest.mark.parametrize("capabilities", ["AUTH=SCRAM-SHA-256 SASL-IR", "AUTH=SCRAM-SHA-256"])
def test_a_server_that_proves_nothing_is_not_believed(capabilities: str, certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        greet(peer, f"IMAP4rev1 {capabilities}")
        answer(peer, "AUTHENTICATE SCRAM-SHA-256", end="OK [CAPABILITY IMAP4rev1] welcome")
        peer.wait_for_end()

    climbed = run(script, certificates)
    assert climbed.failed == "authenticate"
    assert isinstance(climbed.error, ProtocolError)


def test_CRAM_MD5_answers_the_challenge(certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        greet(peer, "IMAP4rev1 AUTH=CRAM-MD5 SASL-IR")
        tag = peer.command("AUTHENTICATE CRAM-MD5")
        peer.line("+ " + b64encode(b"<1@mail.test>").decode())
        assert b64decode(peer.read_line()).startswith(USER.encode() + b" ")
        peer.line(f"{tag} OK")
        answer(peer, "CAPABILITY", "* CAPABILITY IMAP4rev1")
        answer(peer, "EXAMINE", "* 1 EXISTS")
        answer(peer, "LIST")
        peer.wait_for_end()

    assert run(script, certificates).error is None


def test_B12_one_deadline_holds_for_a_server_that_drips(certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        greet(peer, "IMAP4rev1")
        peer.command("LOGIN")
        while True:
            peer.send("* OK wait\r\n")
            sleep(0.05)

    with ScriptedServer(script, server_context(certificates.good)) as server:
        check = job(Protocol.IMAP, server.port, Security.TLS, certificates.ca)
        climbed = Climbed(imap_session(check, Secret(PASSWORD), Deadline(0.5)))
    assert climbed.seconds < 5
    assert isinstance(climbed.error, NetworkError)
    assert climbed.cause == "tcp_timeout"


def test_a_server_that_is_no_imap4(certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        greet(peer, "IMAP2")
        peer.wait_for_end()

    climbed = run(script, certificates)
    assert (climbed.failed, climbed.cause) == ("capability", "wrong_protocol")
