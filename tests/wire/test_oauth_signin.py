"""Signing in with a token where Dovecot and Postfix are not: Exchange's POP3, Gmail's refusals, servers without it."""

from base64 import b64decode, b64encode
from collections.abc import Callable

import pytest

from mailctl.domain.check import CheckJob, Session
from mailctl.domain.deadline import Deadline
from mailctl.domain.secret import BearerToken, Secret
from mailctl.domain.server import Protocol, Security
from mailctl.errors import AuthError, ProtocolError
from mailctl.protocols.imap.session import imap_session
from mailctl.protocols.pop3 import pop3_session
from mailctl.protocols.session import require_privacy
from mailctl.protocols.smtp import smtp_session
from mailctl.protocols.transcript import Transcript
from mailctl.protocols.wire import Wire
from tests.servers.support.certificates import Certificates
from tests.wire.support.contexts import server_context
from tests.wire.support.jobs import Climbed, job
from tests.wire.support.scripted import Peer, Script, ScriptedServer

TOKEN = "eyJ0eXAiOiJKV1QifQ." + "c4nary" * 300 + ".sig-nature_x"  # as long as Microsoft's
XOAUTH2 = b64encode(f"user=alice\x01auth=Bearer {TOKEN}\x01\x01".encode()).decode()
REFUSAL = b64encode(b'{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}').decode()
SESSIONS: dict[Protocol, Callable[[CheckJob, Secret, Deadline, Transcript], Session]] = {
    Protocol.IMAP: imap_session,
    Protocol.POP3: pop3_session,
    Protocol.SMTP: smtp_session,
}


def run(
    protocol: Protocol, script: Script, certificates: Certificates, secret: Secret | None = None
) -> tuple[Climbed, str]:
    """The climb over implicit TLS, and its transcript."""
    transcript = Transcript()
    with ScriptedServer(script, server_context(certificates.good)) as server:
        check = job(protocol, server.port, Security.TLS, certificates.ca)
        climbed = Climbed(SESSIONS[protocol](check, secret or BearerToken(TOKEN), Deadline(10), transcript))
    return climbed, "\n".join(transcript.lines())


def greeted(peer: Peer, protocol: Protocol, *mechanisms: str) -> None:
    """Up to where the client signs in."""
    if protocol is Protocol.IMAP:
        peer.line(f"* OK [CAPABILITY IMAP4rev1 SASL-IR {' '.join(f'AUTH={each}' for each in mechanisms)}] hello")
    elif protocol is Protocol.POP3:
        peer.line("+OK hello")
        peer.expect("CAPA")
        peer.line("+OK", "USER", f"SASL {' '.join(mechanisms)}", ".")
    else:
        peer.line("220 hello")
        peer.expect("EHLO")
        peer.line("250-mail.test", f"250 AUTH {' '.join(mechanisms)}")


def test_exchanges_pop3_takes_the_token_in_a_second_step(certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        greeted(peer, Protocol.POP3, "PLAIN", "XOAUTH2")
        assert peer.read_line() == b"AUTH XOAUTH2"
        peer.line("+ ")
        assert peer.read_line().decode() == XOAUTH2
        peer.line("+OK User successfully authenticated.")
        peer.expect("STAT")
        peer.line("+OK 1 20")
        peer.expect("UIDL 1")
        peer.line("+OK 1 a")
        peer.wait_for_end()

    climbed, said = run(Protocol.POP3, script, certificates)
    assert climbed.error is None
    assert climbed.evidence["authenticate"] == {"mechanism": "XOAUTH2"}
    assert "c4nary" not in said


def test_exchanges_pop3_refuses_in_words_alone(certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        greeted(peer, Protocol.POP3, "PLAIN", "XOAUTH2")
        peer.expect("AUTH XOAUTH2")
        peer.line("+")
        peer.read_line()
        peer.line("-ERR Authentication failure: unknown user name or bad password.")
        peer.wait_for_end()

    climbed, _ = run(Protocol.POP3, script, certificates)
    assert isinstance(climbed.error, AuthError)
    assert (climbed.error.code, climbed.cause) == ("token_refused", "")


def test_gmails_imap_takes_it_in_one_line_and_refuses_it_in_json(certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        greeted(peer, Protocol.IMAP, "XOAUTH2", "PLAIN")
        tag, _, rest = peer.read_line().decode().partition(" ")
        assert rest == f"AUTHENTICATE XOAUTH2 {XOAUTH2}"
        peer.line(f"+ {REFUSAL}")
        assert peer.read_line() == b""
        peer.line(f"{tag} NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)")
        peer.wait_for_end()

    climbed, said = run(Protocol.IMAP, script, certificates)
    assert climbed.error is not None
    assert (climbed.error.code, climbed.cause) == ("token_refused", "token_rejected")
    assert climbed.error.server_text.splitlines()[0] == "NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)"
    assert '"scope":"https://mail.google.com/"' in climbed.error.server_text
    assert climbed.error.detail == {"status": "400", "scope": "https://mail.google.com/"}
    assert "c4nary" not in said
    assert XOAUTH2[:60] not in said


def test_imap_without_SASL_IR_waits_to_be_asked(certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        peer.line("* OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2] hello")
        tag, _, rest = peer.read_line().decode().partition(" ")
        assert rest == "AUTHENTICATE XOAUTH2"
        peer.line("+ ")
        assert peer.read_line().decode() == XOAUTH2
        peer.line(f"{tag} NO AUTHENTICATE failed.")
        peer.wait_for_end()

    climbed, _ = run(Protocol.IMAP, script, certificates)
    assert (climbed.failed, climbed.cause) == ("authenticate", "")


def test_smtp_sends_a_long_token_on_a_line_of_its_own(certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        greeted(peer, Protocol.SMTP, "LOGIN", "XOAUTH2")
        assert peer.read_line() == b"AUTH XOAUTH2"
        peer.line("334 ")
        assert peer.read_line().decode() == XOAUTH2
        peer.line(f"334 {REFUSAL}")
        assert peer.read_line() == b""
        peer.line("535 5.7.3 Authentication unsuccessful [AM0PR06CA0126.eurprd06.prod.outlook.com]")
        peer.wait_for_end()

    climbed, said = run(Protocol.SMTP, script, certificates)
    assert climbed.error is not None
    assert (climbed.error.code, climbed.cause) == ("token_refused", "token_rejected")
    assert "c4nary" not in said


@pytest.mark.parametrize("protocol", Protocol)
def test_OAUTHBEARERs_refusal_is_answered_by_one_octet(protocol: Protocol, certificates: Certificates) -> None:
    ends = {Protocol.IMAP: "{tag} NO no", Protocol.POP3: "-ERR no", Protocol.SMTP: "535 5.7.8 no"}
    asks = {Protocol.IMAP: "+ ", Protocol.POP3: "+ ", Protocol.SMTP: "334 "}
    refusal = b64encode(b'{"status":"insufficient_scope","scope":"imap smtp"}').decode()

    def script(peer: Peer) -> None:
        greeted(peer, protocol, "XOAUTH2", "OAUTHBEARER")
        first = peer.read_line().decode().split()
        if protocol is not Protocol.IMAP:
            peer.line(asks[protocol])
            first.append(peer.read_line().decode())
        assert "OAUTHBEARER" in first
        port = peer.connection.getsockname()[1]
        message = f"n,a=alice,\x01host=localhost\x01port={port}\x01auth=Bearer {TOKEN}\x01\x01"
        assert b64decode(first[-1]).decode() == message
        peer.line(f"{asks[protocol]}{refusal}")
        assert peer.read_line() == b"AQ=="
        peer.line(ends[protocol].format(tag=first[0]))
        peer.wait_for_end()

    climbed, _ = run(protocol, script, certificates)
    assert climbed.error is not None
    assert (climbed.error.code, climbed.cause) == ("auth_refused", "scope_missing")


@pytest.mark.parametrize("protocol", Protocol)
def test_a_server_without_either_never_sees_the_token(protocol: Protocol, certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        greeted(peer, protocol, "PLAIN", "LOGIN", "SCRAM-SHA-256")
        peer.wait_for_end()

    with ScriptedServer(script, server_context(certificates.good)) as server:
        check = job(protocol, server.port, Security.TLS, certificates.ca)
        climbed = Climbed(SESSIONS[protocol](check, BearerToken(TOKEN), Deadline(10), Transcript()))
        assert not any(word in server.inside for word in (b"AUTH ", b"AUTHENTICATE", b"LOGIN", b"USER", b"PASS"))
    assert (climbed.failed, climbed.cause) == ("authenticate", "auth_not_offered")


@pytest.mark.parametrize("protocol", Protocol)
def test_a_challenge_that_makes_no_sense_ends_the_sign_in(protocol: Protocol, certificates: Certificates) -> None:
    asks = {Protocol.IMAP: "+ ", Protocol.POP3: "+ ", Protocol.SMTP: "334 "}

    def script(peer: Peer) -> None:
        greeted(peer, protocol, "XOAUTH2")
        peer.read_line()
        if protocol is not Protocol.IMAP:
            peer.line(asks[protocol])
            peer.read_line()
        for _ in range(3):
            peer.line(f"{asks[protocol]}{REFUSAL}")
            peer.read_line()

    climbed, _ = run(protocol, script, certificates)
    assert climbed.failed == "authenticate"
    assert isinstance(climbed.error, ProtocolError)


def test_a_token_never_goes_in_clear_whatever_the_gateway_permits() -> None:
    class Elsewhere(Wire):
        """A connection that leaves this machine."""

        loopback = property(lambda self: False)  # there is no other machine to test with

    import socket

    here, there = socket.socketpair()
    check = job(Protocol.IMAP, 143, Security.NONE, None, allow_plaintext=True)
    from mailctl.protocols.resolve import Address

    wire = Elsewhere(here, Address(socket.AF_INET, "192.0.2.1", ("192.0.2.1", 143)), check.endpoint, Deadline(1))
    require_privacy(wire, allow_plaintext=True)
    with pytest.raises(AuthError) as caught:
        require_privacy(wire, allow_plaintext=True, token=True)
    assert caught.value.cause == "encryption_required"
    assert "allow_plaintext" not in caught.value.hint
    here.close()
    there.close()
