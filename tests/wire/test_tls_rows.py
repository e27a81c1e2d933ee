"""Rows A16 to A20 of the hardening catalogue, for POP3 and SMTP: whose certificate, which TLS, which port."""

import ssl

import pytest

from mailctl.domain.server import CertificatePolicy, Security
from mailctl.errors import ConfigError, TlsError
from tests.servers.support.certificates import Certificates
from tests.wire.support.contexts import server_context
from tests.wire.support.dialects import CANARY, POP3, SMTP, Dialect
from tests.wire.support.jobs import Climbed
from tests.wire.support.scripted import Peer, ScriptedServer, says

both = pytest.mark.parametrize("dialect", [POP3, SMTP], ids=["pop3", "smtp"])
FAULTS = {
    "expired": "tls_expired",
    "not_yet_valid": "tls_clock",
    "wrong_host": "tls_hostname_mismatch",
    "self_signed": "tls_self_signed",
    "untrusted": "tls_unknown_issuer",
    "weak_key": "tls_weak_certificate",
}


def implicit(
    dialect: Dialect,
    context: ssl.SSLContext,
    certificates: Certificates,
    policy: CertificatePolicy | None = None,
    host: str = "localhost",
) -> Climbed:
    def script(peer: Peer) -> None:
        peer.line(dialect.greeting)
        peer.expect(dialect.ask)
        peer.line(*dialect.silence)
        peer.expect("AUTH PLAIN")
        peer.line("-ERR no" if dialect is POP3 else "535 no")
        peer.wait_for_end()

    with ScriptedServer(script, context) as server:
        climbed = dialect.climb(server, Security.TLS, certificates.ca, policy=policy, host=host)
        if climbed.failed == "tls":
            assert server.inside == b""
        return climbed


@both
@pytest.mark.parametrize("fault", FAULTS)
def test_A16_a_wrong_certificate_is_refused_and_the_cause_names_why(
    dialect: Dialect, fault: str, certificates: Certificates
) -> None:
    climbed = implicit(dialect, server_context(certificates[fault]), certificates)
    assert climbed.failed == "tls"
    assert isinstance(climbed.error, TlsError)
    assert climbed.cause == FAULTS[fault]
    assert climbed.error.detail["fingerprint"] == certificates[fault].sha256
    assert "not_after" in climbed.error.detail


@both
@pytest.mark.parametrize("fault", FAULTS)
def test_A20_a_wrong_certificate_under_starttls_gets_the_same_verdict(
    dialect: Dialect, fault: str, certificates: Certificates
) -> None:
    def script(peer: Peer) -> None:
        dialect.until_start(peer)
        peer.line(dialect.go)
        peer.start_tls(server_context(certificates[fault]))
        peer.wait_for_end()

    with ScriptedServer(script) as server:
        climbed = dialect.climb(server, Security.STARTTLS, certificates.ca)
    assert climbed.failed == "starttls"
    assert climbed.cause == FAULTS[fault]
    assert climbed.error is not None
    assert climbed.error.detail["fingerprint"] == certificates[fault].sha256


def test_A16_the_message_names_the_date_and_the_other_name(certificates: Certificates) -> None:
    expired = implicit(SMTP, server_context(certificates.expired), certificates)
    wrong = implicit(SMTP, server_context(certificates.wrong_host), certificates)
    assert expired.error is not None
    assert wrong.error is not None
    assert str(expired.error.detail["not_after"])[:10] in expired.error.message
    assert expired.error.detail["days_left"] == -1  # it was good until this time yesterday
    assert "another.example" in wrong.error.message


@both
def test_A17_a_name_in_the_common_name_alone_is_refused(dialect: Dialect, certificates: Certificates) -> None:
    climbed = implicit(dialect, server_context(certificates.cn_only), certificates)
    assert climbed.cause == "tls_hostname_mismatch"
    assert climbed.error is not None
    assert "holds no host name" in climbed.error.message


@both
def test_A18_tls_1_1_is_refused(dialect: Dialect, certificates: Certificates) -> None:
    context = server_context(certificates.good, newest=ssl.TLSVersion.TLSv1_1)
    climbed = implicit(dialect, context, certificates)
    assert isinstance(climbed.error, TlsError)
    assert climbed.cause == "tls_protocol_version"


def test_A18_tls_1_2_is_refused_where_1_3_is_the_minimum(certificates: Certificates) -> None:
    context = server_context(certificates.good, newest=ssl.TLSVersion.TLSv1_2)
    policy = CertificatePolicy(ca_file=str(certificates.ca), minimum_tls="1.3")
    assert implicit(SMTP, context, certificates, policy).cause == "tls_protocol_version"
    assert implicit(SMTP, context, certificates).failed == "authenticate"


@both
def test_A19_plain_text_on_the_tls_port_is_told_within_3_seconds(dialect: Dialect, certificates: Certificates) -> None:
    with ScriptedServer(says(dialect.greeting)) as server:
        climbed = dialect.climb(server, Security.TLS, certificates.ca)
    assert climbed.cause == "tls_on_plain_port"
    assert climbed.seconds < 3


@both
@pytest.mark.parametrize("security", [Security.STARTTLS, Security.NONE])
def test_A19_tls_on_the_plain_port_is_told_within_3_seconds(
    dialect: Dialect, security: Security, certificates: Certificates
) -> None:
    with ScriptedServer(lambda peer: peer.wait_for_end(), server_context(certificates.good)) as server:
        climbed = dialect.climb(server, security, certificates.ca)
        assert server.clear == b""
    assert climbed.failed == "greeting"
    assert climbed.cause == "plain_on_tls_port"
    assert climbed.seconds < 3


def test_A19_a_tls_port_that_hangs_up_is_told_too(certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        if peer.number:  # the first connection is cut for not speaking TLS
            peer.start_tls(server_context(certificates.good))
            peer.wait_for_end()

    with ScriptedServer(script) as server:
        assert SMTP.climb(server, Security.STARTTLS, certificates.ca).cause == "plain_on_tls_port"


def test_a_silent_peer_is_a_handshake_timeout(certificates: Certificates) -> None:
    with ScriptedServer(lambda peer: peer.wait_for_end()) as server:
        climbed = SMTP.climb(server, Security.TLS, certificates.ca, timeout=1)
    assert climbed.cause == "tls_handshake_timeout"


def test_a_peer_that_hangs_up_in_the_handshake(certificates: Certificates) -> None:
    with ScriptedServer(lambda peer: peer.read(5)) as server:
        assert SMTP.climb(server, Security.TLS, certificates.ca).cause == "tls_eof"


def test_a_pinned_certificate_is_enough_whatever_else_is_wrong(certificates: Certificates) -> None:
    policy = CertificatePolicy(fingerprints=(certificates.expired.sha256,))
    climbed = implicit(SMTP, server_context(certificates.expired), certificates, policy)
    assert climbed.failed == "authenticate"


def test_a_certificate_that_is_not_the_pinned_one_is_refused_however_good(certificates: Certificates) -> None:
    policy = CertificatePolicy(ca_file=str(certificates.ca), fingerprints=(certificates.expired.sha256,))
    climbed = implicit(SMTP, server_context(certificates.good), certificates, policy)
    assert climbed.failed == "tls"
    assert isinstance(climbed.error, TlsError)
    assert climbed.error.detail["fingerprint"] == certificates.good.sha256


def test_verification_switched_off_accepts_and_warns(certificates: Certificates) -> None:
    climbed = implicit(SMTP, server_context(certificates.expired), certificates, CertificatePolicy(verify=False))
    assert climbed.failed == "authenticate"
    assert climbed.evidence["tls"]["warnings"]
    assert climbed.evidence["tls"]["days_left"] < 0  # type: ignore[operator]  # an int


def test_an_address_in_the_certificate_is_enough_for_an_address(certificates: Certificates) -> None:
    climbed = implicit(SMTP, server_context(certificates.good), certificates, host="127.0.0.1")
    assert climbed.failed == "authenticate"


def test_a_ca_file_that_is_none_is_a_configuration_error(certificates: Certificates) -> None:
    policy = CertificatePolicy(ca_file=str(certificates.good.key))
    climbed = implicit(SMTP, server_context(certificates.good), certificates, policy)
    assert isinstance(climbed.error, ConfigError)


def test_the_password_goes_inside_tls_only(certificates: Certificates) -> None:
    seen = b""

    def script(peer: Peer) -> None:
        nonlocal seen
        SMTP.until_start(peer)
        peer.line(SMTP.go)
        peer.start_tls(server_context(certificates.good))
        peer.expect("EHLO")
        peer.line(*SMTP.silence)
        seen = peer.expect("AUTH PLAIN").encode()
        peer.line("535 no")
        peer.wait_for_end()

    with ScriptedServer(script) as server:
        assert SMTP.climb(server, Security.STARTTLS, certificates.ca).failed == "authenticate"
    assert seen.startswith(b"AUTH PLAIN ")
    assert CANARY.encode() not in server.clear
