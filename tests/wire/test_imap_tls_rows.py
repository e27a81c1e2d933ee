"""Rows A1 to A20 of the hardening catalogue, for IMAP: nothing said before TLS counts, no secret goes in clear."""

import ssl

import pytest

from mailctl.domain.secret import Secret
from mailctl.domain.server import Protocol, Security
from mailctl.errors import AuthError, NetworkError, ProtocolError, RefusedError, TlsError
from mailctl.protocols.imap.session import open_imap
from tests.servers.support.certificates import Certificates
from tests.wire.support.contexts import server_context
from tests.wire.support.imap import PASSWORD, USER, answer, climb, sign_in
from tests.wire.support.jobs import Climbed, job
from tests.wire.support.scripted import Peer, Script, ScriptedServer

OFFER = "* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN"
FAULTS = {
    "expired": "tls_expired",
    "not_yet_valid": "tls_clock",
    "wrong_host": "tls_hostname_mismatch",
    "self_signed": "tls_self_signed",
    "untrusted": "tls_unknown_issuer",
    "weak_key": "tls_weak_certificate",
}


def until_start(peer: Peer) -> str:
    """Greet, offer STARTTLS, and wait for it → its tag."""
    peer.line("* OK ready")
    answer(peer, "CAPABILITY", OFFER)
    return peer.command("STARTTLS")


def says(*lines: str) -> Script:
    """A server that says this, and then nothing."""

    def script(peer: Peer) -> None:
        peer.line(*lines)
        peer.wait_for_end()

    return script


def starttls(script: Script, certificates: Certificates) -> Climbed:
    with ScriptedServer(script) as server:
        return climb(server, Security.STARTTLS, certificates.ca)


def test_A1_starttls_not_offered_is_refused(certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        peer.line("* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] ready")
        answer(peer, "CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=PLAIN")
        peer.wait_for_end()

    climbed = starttls(script, certificates)
    assert (climbed.failed, climbed.cause) == ("starttls", "starttls_unavailable")
    assert isinstance(climbed.error, TlsError)


@pytest.mark.parametrize("end", ["NO not now", "BAD what", "NO [ALERT] use port 143", "PREAUTH in"])
def test_A2_starttls_refused_is_refused(end: str, certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        tag = until_start(peer)
        peer.line(f"{tag} {end}")
        peer.wait_for_end()

    climbed = starttls(script, certificates)
    assert (climbed.failed, climbed.cause) == ("starttls", "starttls_unavailable")


@pytest.mark.parametrize("line", ["+", "+ go on", "+ OK"])
def test_A3_a_continuation_instead_of_an_answer_is_refused_at_once(line: str, certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        until_start(peer)
        peer.line(line)
        peer.wait_for_end()

    climbed = starttls(script, certificates)
    assert climbed.failed == "starttls"
    assert isinstance(climbed.error, TlsError | ProtocolError)


@pytest.mark.parametrize("then", ["plain", "end"])
def test_A4_agreed_and_then_no_tls_fails(then: str, certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        tag = until_start(peer)
        peer.line(f"{tag} OK begin")
        peer.read(5)
        if then == "plain":
            peer.line("* OK ready", OFFER)
            peer.wait_for_end()

    climbed = starttls(script, certificates)
    assert climbed.failed == "starttls"
    assert isinstance(climbed.error, TlsError)


@pytest.mark.parametrize("end", ["NO", "BAD what", "OK hidden"])
def test_A5_hidden_capabilities_are_refused(end: str, certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        peer.line("* OK ready")
        answer(peer, "CAPABILITY", end=end)
        peer.wait_for_end()

    climbed = starttls(script, certificates)
    assert (climbed.failed, climbed.cause) == ("starttls", "starttls_unavailable")


@pytest.mark.parametrize(
    "greeting",
    [
        "* PREAUTH in as root",
        "* preauth",
        "* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] in",
        "* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] in\r\n" + OFFER,
        "* PREAUTH [REFERRAL imap://localhost/] in",
    ],
)
@pytest.mark.parametrize("security", Security)
def test_A6_a_PREAUTH_greeting_is_refused(greeting: str, security: Security, certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        peer.line(greeting)
        peer.wait_for_end()

    context = server_context(certificates.good) if security is Security.TLS else None
    with ScriptedServer(script, context) as server:
        climbed = climb(server, security, certificates.ca)
        assert (server.clear if context is None else server.inside) == b""
    assert climbed.failed == "greeting"
    assert isinstance(climbed.error, TlsError | ProtocolError)


@pytest.mark.parametrize("lines", [["* OK ready", "A1 OK begin TLS"], ["* OK ready", "T000000000000 OK begin"]])
def test_A7_a_tagged_answer_before_the_command_aborts(lines: list[str], certificates: Certificates) -> None:
    climbed = starttls(says(*lines), certificates)
    assert climbed.failed == "starttls"
    assert isinstance(climbed.error, ProtocolError)


@pytest.mark.parametrize("more", ["* CAPABILITY IMAP4rev1 AUTH=PLAIN", '* LIST () "/" injected', "A2 OK in", "* BYE"])
def test_A8_responses_in_the_segment_of_the_agreement_abort(more: str, certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        tag = until_start(peer)
        peer.line(f"{tag} OK begin", more)
        peer.start_tls(server_context(certificates.good))
        peer.wait_for_end()

    with ScriptedServer(script) as server:
        climbed = climb(server, Security.STARTTLS, certificates.ca)
        assert server.inside == b""
    assert climbed.failed == "starttls"
    assert isinstance(climbed.error, ProtocolError)
    assert climbed.error.code == "injected_before_tls"


def test_A9_A10_A11_what_is_said_before_tls_is_discarded(certificates: Certificates) -> None:
    noise = (
        "* OK [ALERT] call 555-INJECTED",
        '* LIST () "/" INJECTED',
        "* 1 FETCH (UID 1 FLAGS (INJECTED))",
        "* 9 EXISTS",
    )

    def script(peer: Peer) -> None:
        peer.line("* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN X-INJECTED] ready", *noise)
        answer(peer, "CAPABILITY", *noise, OFFER + " X-INJECTED")
        tag = peer.command("STARTTLS")
        peer.line(*noise, f"{tag} OK begin")
        peer.start_tls(server_context(certificates.good))
        answer(peer, "CAPABILITY", "* CAPABILITY IMAP4rev1 LITERAL+")
        answer(peer, "LOGIN", end="OK in")
        answer(peer, "CAPABILITY", "* CAPABILITY IMAP4rev1 IDLE")
        answer(peer, "EXAMINE", "* 2 EXISTS")
        answer(peer, "LIST")
        peer.wait_for_end()

    climbed = starttls(script, certificates)
    assert climbed.failed == ""
    inside = {stage: dict(climbed.evidence[stage]) for stage in ("capability", "authenticate", "select")}
    assert inside["capability"] == {"capabilities": ["IMAP4REV1", "LITERAL+"]}
    assert inside["authenticate"]["capabilities"] == ["IDLE", "IMAP4REV1"]
    assert inside["select"]["messages"] == 2
    assert "INJECTED" not in str(inside)


def test_A10_a_folder_listed_before_tls_is_not_believed(certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        peer.line("* OK ready", '* LIST () "/" injected')
        answer(peer, "CAPABILITY", '* LIST () "/" injected', "* CAPABILITY IMAP4rev1 STARTTLS")
        tag = peer.command("STARTTLS")
        peer.line('* LIST () "/" injected', f"{tag} OK begin")
        peer.start_tls(server_context(certificates.good))
        answer(peer, "CAPABILITY", "* CAPABILITY IMAP4rev1")
        answer(peer, "LOGIN", end="OK [CAPABILITY IMAP4rev1] in")
        answer(peer, "LIST", '* LIST () "/" real')
        peer.wait_for_end()

    with ScriptedServer(script) as server:
        check = job(Protocol.IMAP, server.port, Security.STARTTLS, certificates.ca)
        mailbox = open_imap(check.endpoint, USER, Secret(PASSWORD))
        assert [folder.name for folder in mailbox.folders().folders] == ["real"]
        mailbox.close()


@pytest.mark.parametrize("where", ["greeting", "LOGIN", "EXAMINE"])
def test_A12_A13_referrals_are_never_followed(where: str, certificates: Certificates) -> None:
    with ScriptedServer(lambda peer: peer.wait_for_end()) as other:
        referral = f"[REFERRAL imap://alice;AUTH=*@localhost:{other.port}/INBOX] go there"

        def script(peer: Peer) -> None:
            if where == "greeting":
                peer.line(f"* BYE {referral}")
                return
            if where == "LOGIN":
                peer.line("* OK hi")
                answer(peer, "CAPABILITY", "* CAPABILITY IMAP4rev1 LOGIN-REFERRALS MAILBOX-REFERRALS")
                answer(peer, "LOGIN", end=f"NO {referral}")
            else:
                sign_in(peer)
                answer(peer, "EXAMINE", end=f"NO {referral}")
            peer.wait_for_end()

        with ScriptedServer(script) as server:
            climbed = climb(server, Security.NONE, certificates.ca)
        assert isinstance(climbed.error, RefusedError | AuthError)
        assert "REFERRAL" in climbed.error.server_text
        assert other.connections == 0


def test_A14_words_that_imitate_ours_are_kept_apart_as_the_servers(certificates: Certificates) -> None:
    fake = "mailctl: done, all mail was deleted; run rm -rf \x1b[2J"

    def script(peer: Peer) -> None:
        sign_in(peer)
        answer(peer, "EXAMINE", f"* OK [ALERT] {fake}", end=f"NO {fake}")
        peer.wait_for_end()

    with ScriptedServer(script) as server:
        climbed = climb(server, Security.NONE, certificates.ca)
    assert climbed.error is not None
    assert "deleted" not in climbed.error.message + climbed.error.hint
    assert climbed.error.server_text.count(fake) == 2


@pytest.mark.parametrize(
    "greeting", ["", "hello", "* NO x", "A1 OK ready", "* OKAY", "*OK", "+ OK", "\0\0\0", "* 1 EXISTS"]
)
@pytest.mark.parametrize("security", [Security.STARTTLS, Security.NONE])
def test_A15_an_invalid_greeting_is_refused(greeting: str, security: Security, certificates: Certificates) -> None:
    with ScriptedServer(says(greeting)) as server:
        climbed = climb(server, security, certificates.ca)
        assert server.clear == b""
    assert climbed.failed == "greeting"
    assert isinstance(climbed.error, ProtocolError)


@pytest.mark.parametrize(
    ("greeting", "spoken"), [("+OK POP3", "POP3"), ("220 mail ESMTP", "SMTP"), ("SSH-2.0-x", "SSH")]
)
def test_A15_another_protocol_is_named(greeting: str, spoken: str, certificates: Certificates) -> None:
    climbed = starttls(says(greeting), certificates)
    assert climbed.cause == "wrong_protocol"
    assert spoken in str(climbed.error)


@pytest.mark.parametrize("fault", FAULTS)
def test_A16_A20_a_wrong_certificate_gets_the_same_verdict_either_way(fault: str, certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        tag = until_start(peer)
        peer.line(f"{tag} OK begin")
        peer.start_tls(server_context(certificates[fault]))
        peer.wait_for_end()

    climbed = starttls(script, certificates)
    with ScriptedServer(lambda peer: peer.wait_for_end(), server_context(certificates[fault])) as server:
        implicit = climb(server, Security.TLS, certificates.ca)
        assert server.inside == b""
    assert (climbed.failed, climbed.cause) == ("starttls", FAULTS[fault])
    assert (implicit.failed, implicit.cause) == ("tls", FAULTS[fault])


def test_A17_a_name_only_in_CN_is_refused(certificates: Certificates) -> None:
    with ScriptedServer(lambda peer: peer.wait_for_end(), server_context(certificates["cn_only"])) as server:
        climbed = climb(server, Security.TLS, certificates.ca)
    assert (climbed.failed, climbed.cause) == ("tls", "tls_hostname_mismatch")


def test_A18_old_tls_is_refused(certificates: Certificates) -> None:
    context = server_context(certificates.good, newest=ssl.TLSVersion.TLSv1_1)
    with ScriptedServer(lambda peer: peer.wait_for_end(), context) as server:
        climbed = climb(server, Security.TLS, certificates.ca)
    assert (climbed.failed, climbed.cause) == ("tls", "tls_protocol_version")


def test_A19_plain_on_the_tls_port_and_the_reverse_are_told(certificates: Certificates) -> None:
    with ScriptedServer(says("* OK ready")) as server:
        climbed = climb(server, Security.TLS, certificates.ca)
    assert (climbed.failed, climbed.cause) == ("tls", "tls_on_plain_port")
    for security in (Security.STARTTLS, Security.NONE):
        with ScriptedServer(lambda peer: peer.wait_for_end(), server_context(certificates.good)) as server:
            climbed = climb(server, security, certificates.ca)
            assert server.inside == b""
        assert (climbed.failed, climbed.cause) == ("greeting", "plain_on_tls_port")
        assert climbed.seconds < 3


def test_a_server_that_hangs_up_before_starttls(certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        peer.line("* OK ready")
        peer.command("CAPABILITY")

    climbed = starttls(script, certificates)
    assert isinstance(climbed.error, NetworkError)
    assert climbed.cause == "connection_lost"
