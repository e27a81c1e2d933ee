"""Rows A1 to A15 of the hardening catalogue, for POP3 and SMTP: nothing said before TLS counts, no secret leaks."""

import pytest

from mailctl.domain.server import Security
from mailctl.errors import NetworkError, ProtocolError, RefusedError, TlsError
from mailctl.protocols import tls
from tests.servers.support.certificates import Certificates
from tests.wire.support.contexts import server_context
from tests.wire.support.dialects import POP3, SMTP, VERDICT, Dialect
from tests.wire.support.jobs import Climbed
from tests.wire.support.scripted import Peer, Script, ScriptedServer, says

both = pytest.mark.parametrize("dialect", [POP3, SMTP], ids=["pop3", "smtp"])


def climb(dialect: Dialect, script: Script, certificates: Certificates) -> Climbed:
    with ScriptedServer(script) as server:
        return dialect.climb(server, Security.STARTTLS, certificates.ca)


@both
def test_A1_starttls_not_offered_is_refused(dialect: Dialect, certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        peer.line(dialect.greeting)
        peer.expect(dialect.ask)
        peer.line(*dialect.silence)
        peer.wait_for_end()

    climbed = climb(dialect, script, certificates)
    assert climbed.failed == "starttls"
    assert isinstance(climbed.error, TlsError)
    assert climbed.cause == "starttls_unavailable"
    assert "PLAIN" in climbed.error.server_text


@pytest.mark.parametrize(
    ("dialect", "answer"), [(dialect, answer) for dialect in (POP3, SMTP) for answer in dialect.refusals]
)
def test_A2_starttls_refused_is_refused(dialect: Dialect, answer: str, certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        dialect.until_start(peer)
        peer.line(answer)
        peer.wait_for_end()

    climbed = climb(dialect, script, certificates)
    assert isinstance(climbed.error, TlsError)
    assert climbed.cause == "starttls_unavailable"
    assert climbed.error.server_text == answer


@pytest.mark.parametrize(("dialect", "answer"), [(POP3, "+ "), (POP3, "+"), (SMTP, "354 go on"), (SMTP, "334 ")])
def test_A3_a_continuation_instead_of_an_answer_is_refused_at_once(
    dialect: Dialect, answer: str, certificates: Certificates
) -> None:
    def script(peer: Peer) -> None:
        dialect.until_start(peer)
        peer.line(answer)
        peer.wait_for_end()

    climbed = climb(dialect, script, certificates)
    assert climbed.failed == "starttls"
    assert isinstance(climbed.error, TlsError | ProtocolError)


@pytest.mark.parametrize(
    ("dialect", "then"), [(POP3, "plain"), (SMTP, "plain"), (SMTP, "nothing"), (POP3, "end"), (SMTP, "end")]
)
def test_A4_agreed_and_then_no_tls_fails(
    dialect: Dialect, then: str, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tls.HANDSHAKE < VERDICT
    monkeypatch.setattr(tls, "HANDSHAKE", 0.5)

    def script(peer: Peer) -> None:
        dialect.until_start(peer)
        peer.line(dialect.go)
        peer.read(5)
        if then == "plain":
            peer.line(dialect.greeting)
        if then != "end":
            peer.wait_for_end()

    climbed = climb(dialect, script, certificates)
    assert climbed.failed == "starttls"
    assert isinstance(climbed.error, TlsError)
    expected = {"plain": "starttls_unavailable", "nothing": "tls_handshake_timeout", "end": "tls_eof"}
    assert climbed.cause == expected[then]


@both
def test_A5_hidden_capabilities_are_refused(dialect: Dialect, certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        peer.line(dialect.greeting)
        peer.expect(dialect.ask)
        peer.line(dialect.hidden)
        peer.wait_for_end()

    climbed = climb(dialect, script, certificates)
    assert isinstance(climbed.error, TlsError)
    assert climbed.cause == "starttls_unavailable"


@both
def test_A7_an_answer_before_the_question_aborts(dialect: Dialect, certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        peer.line(dialect.greeting)
        peer.expect(dialect.ask)
        peer.line(*dialect.offer, dialect.go)
        peer.wait_for_end()

    climbed = climb(dialect, script, certificates)
    assert isinstance(climbed.error, ProtocolError)
    assert climbed.error.code == "injected_before_tls"


@both
def test_A7_an_answer_with_the_greeting_aborts(dialect: Dialect, certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        peer.line(dialect.greeting, *dialect.offer)
        peer.wait_for_end()

    climbed = climb(dialect, script, certificates)
    assert isinstance(climbed.error, ProtocolError)
    assert climbed.error.code == "injected_before_tls"


@both
def test_A8_responses_in_the_segment_of_the_agreement_abort(dialect: Dialect, certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        dialect.until_start(peer)
        peer.line(dialect.go, *dialect.silence)
        peer.start_tls(server_context(certificates.good))
        peer.wait_for_end()

    climbed = climb(dialect, script, certificates)
    assert isinstance(climbed.error, ProtocolError)
    assert climbed.error.code == "injected_before_tls"


def test_A9_a_farewell_before_starttls_ends_the_check(certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        peer.line(SMTP.greeting)
        peer.expect("EHLO")
        peer.line(*SMTP.offer, "421 4.3.2 closing")

    climbed = climb(SMTP, script, certificates)
    assert isinstance(climbed.error, RefusedError)
    assert climbed.error.server_text == "421 4.3.2 closing"


@both
def test_A10_A11_what_was_offered_before_tls_is_asked_again_and_not_believed(
    dialect: Dialect, certificates: Certificates
) -> None:
    def script(peer: Peer) -> None:
        peer.line(dialect.greeting)
        peer.expect(dialect.ask)
        peer.line(*dialect.offer[:-1], *(("INJECTED", ".") if dialect is POP3 else ("250-INJECTED", "250 STARTTLS")))
        peer.expect(dialect.start)
        peer.line(dialect.go)
        peer.start_tls(server_context(certificates.good))
        peer.expect(dialect.ask)
        if dialect is POP3:
            peer.line("+OK", "SASL SCRAM-SHA-256", ".")
        else:
            peer.line("250-mail.test", "250 AUTH SCRAM-SHA-256")
        peer.expect("AUTH SCRAM-SHA-256")  # PLAIN was offered only before TLS
        peer.line("-ERR no" if dialect is POP3 else "535 5.7.8 no")
        peer.wait_for_end()

    climbed = climb(dialect, script, certificates)
    assert climbed.failed == "authenticate"
    inside = {name: facts for name, facts in climbed.evidence.items() if name in ("capability", "starttls")}
    shown = str({name: {k: v for k, v in facts.items() if "before_tls" not in k} for name, facts in inside.items()})
    assert "INJECTED" not in shown


@both
def test_A12_A13_a_referral_is_never_followed(dialect: Dialect, certificates: Certificates) -> None:
    with ScriptedServer(lambda peer: peer.wait_for_end()) as other:
        referral = f"pop3://localhost:{other.port}/ smtp://localhost:{other.port}/"

        def script(peer: Peer) -> None:
            peer.line(f"-ERR [REFERRAL {referral}]" if dialect is POP3 else f"554 5.7.1 go to {referral}")
            peer.wait_for_end()

        climbed = climb(dialect, script, certificates)
        assert isinstance(climbed.error, RefusedError)
        assert other.connections == 0


@both
def test_A14_words_that_imitate_ours_are_kept_apart_as_the_servers(
    dialect: Dialect, certificates: Certificates
) -> None:
    fake = "mailctl: done, all mail was deleted; run rm -rf \x1b[2J"

    def script(peer: Peer) -> None:
        peer.line(f"-ERR {fake}" if dialect is POP3 else f"554 {fake}")

    climbed = climb(dialect, script, certificates)
    assert climbed.error is not None
    assert "deleted" not in climbed.error.message + climbed.error.hint
    assert fake in climbed.error.server_text


@both
@pytest.mark.parametrize("greeting", ["", "hello", "2200 x", "\0\0\0\0", "22", "250 hi", "+OKAY"])
def test_A15_an_invalid_greeting_is_refused(dialect: Dialect, greeting: str, certificates: Certificates) -> None:
    climbed = climb(dialect, says(greeting), certificates)
    assert climbed.failed == "greeting"
    assert isinstance(climbed.error, ProtocolError | RefusedError)


@pytest.mark.parametrize(
    ("dialect", "greeting", "spoken"),
    [
        (POP3, "* OK Dovecot ready", "IMAP"),
        (POP3, "220 mail ESMTP", "SMTP"),
        (SMTP, "+OK POP3", "POP3"),
        (SMTP, "* OK IMAP", "IMAP"),
        (SMTP, "HTTP/1.1 400 Bad Request", "HTTP"),
        (POP3, "SSH-2.0-OpenSSH_9.2", "SSH"),
    ],
)
def test_A15_another_protocol_is_named(
    dialect: Dialect, greeting: str, spoken: str, certificates: Certificates
) -> None:
    climbed = climb(dialect, says(greeting), certificates)
    assert climbed.cause == "wrong_protocol"
    assert climbed.error is not None
    assert spoken in climbed.error.message


@both
def test_a_connection_that_ends_before_the_greeting(dialect: Dialect, certificates: Certificates) -> None:
    climbed = climb(dialect, lambda peer: None, certificates)
    assert isinstance(climbed.error, NetworkError)
    assert climbed.cause == "eof_no_greeting"


@both
def test_a_connection_that_is_reset_before_the_greeting(dialect: Dialect, certificates: Certificates) -> None:
    climbed = climb(dialect, lambda peer: peer.reset(), certificates)
    assert climbed.cause == "tcp_reset"


@both
def test_a_connection_that_ends_in_the_middle(dialect: Dialect, certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        peer.line(dialect.greeting)
        peer.expect(dialect.ask)

    climbed = climb(dialect, script, certificates)
    assert climbed.cause == "connection_lost"
