"""Rows A and B of the hardening catalogue as support staff meet them: the verdict of a check names what the server did.

The adapters' own refusals are tested row by row in `test_*_rows`; here it is the explanation, the deadline, the secret.
"""

import itertools
import ssl
from collections.abc import Callable
from time import monotonic

import pytest

from mailctl.diagnosis.knowledge import load_knowledge
from mailctl.diagnosis.ladder import run_check
from mailctl.domain.check import CheckJob, CheckReport
from mailctl.domain.gateway import Login
from mailctl.domain.secret import Secret
from mailctl.domain.server import CertificatePolicy, Endpoint, Protocol, Security
from mailctl.protocols.dns import Dns
from mailctl.protocols.ports import see_ports
from mailctl.protocols.resolve import Address, resolve
from mailctl.protocols.sessions import open_session
from mailctl.providers.surroundings import Surroundings
from tests.servers.support.certificates import Certificates
from tests.wire.support.contexts import server_context
from tests.wire.support.scripted import Peer, Script, ScriptedServer, says

KNOWLEDGE = load_knowledge()
CANARY = "canary-s3cret-0816"
IMAP, POP3, SMTP = Protocol.IMAP, Protocol.POP3, Protocol.SMTP
NONE, STARTTLS, TLS = Security.NONE, Security.STARTTLS, Security.TLS
NOWHERE = Dns("127.0.0.1:9")
"""Looks nothing up: the rows are about domains that no DNS is asked for."""


def check(
    server: ScriptedServer,
    protocol: Protocol,
    security: Security,
    *,
    ca: object = None,
    timeout: float = 5.0,
    host: str = "localhost",
    pin: str = "",
) -> CheckReport:
    """The report of a check; fails the test if it was late, or the secret was seen outside TLS or in the report."""
    trust = CertificatePolicy(ca_file=str(ca) if ca else None, fingerprints=(pin,) if pin else ())
    endpoint = Endpoint(host, server.port, security, trust)
    job = CheckJob("work", "alice@mail.test", protocol, endpoint, Login("alice"), timeout=timeout, server="ours")
    start = monotonic()
    looks = Surroundings(see_ports, NOWHERE)
    report = run_check(job, open_session, lambda _: Secret(CANARY), lambda: KNOWLEDGE, looks=looks)
    assert monotonic() - start < timeout + 0.5
    assert not report.ok
    assert CANARY not in repr(report)
    assert CANARY.encode() not in server.clear
    return report


# -- IMAP before TLS


def imap_offer(peer: Peer, *words: str) -> None:
    peer.line("* OK ready")
    tag = peer.command("CAPABILITY")
    peer.line(f"* CAPABILITY IMAP4rev1 {' '.join(words)}", f"{tag} OK done")


def imap_starttls(*answer: str) -> Script:
    """Offers STARTTLS and answers it so; `TAG` stands for the tag."""

    def script(peer: Peer) -> None:
        imap_offer(peer, "STARTTLS")
        tag = peer.command("STARTTLS")
        peer.line(*(each.replace("TAG", tag) for each in answer))
        peer.wait_for_end()

    return script


def hides(peer: Peer) -> None:
    peer.line("* OK ready")
    peer.line(f"{peer.command('CAPABILITY')} BAD what")
    peer.wait_for_end()


def answers_before(peer: Peer) -> None:
    peer.line("* OK ready", "T1 OK done")
    peer.wait_for_end()


def stripped(peer: Peer) -> None:
    imap_offer(peer, "AUTH=PLAIN", "LOGINDISABLED")
    peer.wait_for_end()


IMAP_ROWS: list[tuple[str, Script, str, str]] = [
    ("A1", stripped, "starttls_unavailable", "removes the offer"),
    ("A2", imap_starttls("TAG NO [ALERT] use port 143"), "starttls_unavailable", "then refuses it"),
    ("A3", imap_starttls("+ go on"), "starttls_unavailable", "goes on in plain text"),
    ("A4", imap_starttls("TAG OK go", ""), "starttls_injected", "slip words"),
    ("A5", hides, "starttls_unavailable", "doesn't say what it offers"),
    ("A6", says("* PREAUTH welcome back"), "starttls_unavailable", "(PREAUTH)"),
    ("A7", answers_before, "starttls_injected", "answered what nobody had asked"),
    ("A8", imap_starttls("TAG OK go", "* 1 EXISTS"), "starttls_injected", "Nothing of it was believed"),
    ("A15", says("+OK POP3 ready"), "wrong_protocol", "Another service than IMAP"),
]


@pytest.mark.parametrize(("row", "script", "cause", "said"), IMAP_ROWS, ids=[row[0] for row in IMAP_ROWS])
def test_A1_to_A15_what_is_done_before_tls_is_named(row: str, script: Script, cause: str, said: str) -> None:
    with ScriptedServer(script) as server:
        report = check(server, IMAP, STARTTLS)
    assert report.cause == cause, report
    assert said in report.explanation
    assert report.remedy
    passed = {stage.name for stage in report.stages if stage.status == "passed"}
    assert "authenticate" not in passed


def agrees_and_stays_plain(peer: Peer) -> None:
    imap_offer(peer, "STARTTLS")
    peer.line(f"{peer.command('STARTTLS')} OK go")
    peer.read(1)  # the handshake begins
    peer.line("* OK still here in plain text")
    peer.wait_for_end()


def test_A4_agreed_and_then_plain_text_is_named() -> None:
    with ScriptedServer(agrees_and_stays_plain) as server:
        report = check(server, IMAP, STARTTLS)
    assert report.cause == "starttls_unavailable"
    assert "goes on in plain text" in report.explanation


@pytest.mark.parametrize("greeting", ["* PREAUTH hello", "* preauth [CAPABILITY IMAP4rev1 STARTTLS] x", "* PREAUTH"])
@pytest.mark.parametrize("security", [STARTTLS, NONE])
def test_A6_a_preauth_greeting_is_named(greeting: str, security: Security) -> None:
    with ScriptedServer(says(greeting)) as server:
        report = check(server, IMAP, security)
        assert b"LOGIN" not in server.clear
    assert report.cause in ("starttls_unavailable", "protocol_violation")
    assert "(PREAUTH)" in report.explanation


def test_A6_preauth_inside_tls_is_named(certificates: Certificates) -> None:
    with ScriptedServer(says("* PREAUTH hello"), server_context(certificates.good)) as server:
        report = check(server, IMAP, TLS, ca=certificates.ca)
        assert CANARY.encode() not in server.inside
    assert report.cause == "protocol_violation"
    assert "signed in already" in report.explanation


# -- certificates

FAULTS = {
    "expired": ("tls_expired", "the clock of this machine says"),
    "not_yet_valid": ("tls_clock", "the clock of this machine says"),
    "wrong_host": ("tls_hostname_mismatch", 'The certificate is for "another.example".'),
    "self_signed": ("tls_self_signed", "signed itself"),
    "untrusted": ("tls_unknown_issuer", "an authority nobody knows"),
    "weak_key": ("tls_weak_certificate", "too weak"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("security", [TLS, STARTTLS])
def test_A16_A20_each_fault_of_a_certificate_is_named(
    fault: str, security: Security, certificates: Certificates
) -> None:
    context = server_context(certificates[fault])

    def starttls(peer: Peer) -> None:
        imap_offer(peer, "STARTTLS")
        peer.line(f"{peer.command('STARTTLS')} OK go")
        peer.start_tls(context)
        peer.wait_for_end()

    implicit = security is TLS
    with ScriptedServer(says("* OK") if implicit else starttls, context if implicit else None) as server:
        report = check(server, IMAP, security, ca=certificates.ca)
        assert server.inside == b""
    cause, said = FAULTS[fault]
    assert report.cause == cause
    assert said in report.explanation
    assert report.confidence == "high"


def test_A17_a_certificate_without_names_is_named(certificates: Certificates) -> None:
    with ScriptedServer(says("* OK"), server_context(certificates.cn_only)) as server:
        report = check(server, IMAP, TLS, ca=certificates.ca)
    assert report.cause == "tls_hostname_mismatch"
    assert "holds no host name" in report.message


def test_A18_old_tls_is_named(certificates: Certificates) -> None:
    old = server_context(certificates.good, newest=ssl.TLSVersion.TLSv1_1)
    with ScriptedServer(says("* OK"), old) as server:
        report = check(server, IMAP, TLS, ca=certificates.ca)
    assert report.cause == "tls_protocol_version"
    assert "TLS 1.1" in report.explanation


def test_A19_mix_ups_are_named_within_3_seconds_with_what_answers(certificates: Certificates) -> None:
    start = monotonic()
    with ScriptedServer(says("* OK ready")) as plain:
        report = check(plain, IMAP, TLS)
    assert report.cause == "tls_on_plain_port"
    assert f"Port {plain.port} answers with IMAP." in report.explanation
    assert monotonic() - start < 3
    start = monotonic()
    with ScriptedServer(says("* OK ready"), server_context(certificates.good)) as inside:
        report = check(inside, IMAP, STARTTLS)
    assert report.cause == "plain_on_tls_port"
    assert f"Port {inside.port} answers with IMAP over TLS." in report.explanation
    assert monotonic() - start < 4.5  # found out within 3 s; the look comes after
    with ScriptedServer(says("220 mail.test ESMTP")) as other:
        assert check(other, IMAP, TLS).cause == "wrong_protocol"


# -- answers without bounds


def one_line(beginning: str) -> Script:
    def script(peer: Peer) -> None:
        peer.send(beginning)
        for _ in range(20):
            peer.send(b"x" * (1 << 20))

    return script


def endless_greeting(peer: Peer) -> None:
    for each in itertools.repeat(b"220-more of it\r\n" * 500):
        peer.send(each)


def endless_ehlo(peer: Peer) -> None:
    peer.line("220 mail.test ESMTP")
    peer.expect("EHLO")
    for each in itertools.repeat(b"250-more of it\r\n" * 500):
        peer.send(each)


def endless_capa(peer: Peer) -> None:
    peer.line("+OK ready")
    peer.expect("CAPA")
    peer.line("+OK")
    for each in itertools.repeat(b"MORE\r\n" * 500):
        peer.send(each)


def endless_untagged(peer: Peer) -> None:
    peer.line("* OK ready")
    peer.command("CAPABILITY")
    for each in itertools.repeat(b"* 1 EXISTS\r\n" * 500):
        peer.send(each)


def drip(text: str) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        for octet in itertools.cycle(text.encode()):
            peer.send(bytes([octet]))
            peer.server.pause(0.03)

    return script


@pytest.mark.parametrize(
    ("protocol", "script", "said"),
    [
        (IMAP, one_line("* OK "), "a line far longer"),
        (POP3, one_line("+OK "), "a line far longer"),
        (SMTP, one_line("220 "), "a line far longer"),
        (SMTP, endless_greeting, "the end of an answer"),
        (SMTP, endless_ehlo, "the end of an answer"),
        (POP3, endless_capa, "the end of an answer"),
        (IMAP, endless_untagged, "the end of an answer"),
    ],
    ids=["B10-imap", "B10-pop3", "B10-smtp", "B12-greeting", "B13-ehlo", "B13-capa", "B12-untagged"],
)
@pytest.mark.parametrize("security", [STARTTLS, NONE])
def test_B10_B12_B13_what_has_no_end_is_named(
    protocol: Protocol, script: Script, said: str, security: Security
) -> None:
    with ScriptedServer(script) as server:
        report = check(server, protocol, security)
    assert report.cause == "protocol_violation"
    assert said in report.explanation


@pytest.mark.parametrize(("protocol", "text"), [(IMAP, "* OK slow"), (SMTP, "220-slow\r\n"), (POP3, "+OK slow")])
def test_B12_a_slow_drip_is_named_at_the_deadline(protocol: Protocol, text: str) -> None:
    with ScriptedServer(drip(text)) as server:
        report = check(server, protocol, NONE, timeout=1.0)
    assert report.cause == "tcp_timeout"
    assert "so slowly" in report.explanation


def test_B8_a_string_of_absurd_length_is_named(certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        peer.line("* OK ready")
        peer.command("CAPABILITY")
        peer.line("* CAPABILITY {99999999999}")
        peer.wait_for_end()

    with ScriptedServer(script, server_context(certificates.good)) as server:
        report = check(server, IMAP, TLS, ca=certificates.ca)
    assert report.cause == "protocol_violation"
    assert "absurd length" in report.explanation


# -- somebody else in a provider's place


@pytest.fixture
def caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every host is this machine, as in a network that catches all connections."""

    def here(host: str, port: int, deadline: object) -> list[Address]:
        return [each for each in resolve("localhost", port, deadline) if ":" not in each.ip]  # type: ignore[arg-type]

    for module in ("session", "ports"):
        monkeypatch.setattr(f"mailctl.protocols.{module}.resolve", here)


@pytest.mark.usefixtures("caught")
def test_a_hotel_that_answers_for_gmail_is_named_by_its_greeting() -> None:
    def script(peer: Peer) -> None:
        peer.line("220 mx.hotel.example ESMTP")
        peer.expect("EHLO")
        peer.line("250-mx.hotel.example", "250 AUTH PLAIN LOGIN")
        peer.wait_for_end()

    with ScriptedServer(script) as server:
        report = check(server, SMTP, STARTTLS, host="smtp.gmail.com")
    assert report.cause == "connection_redirected"
    assert 'calls itself "mx.hotel.example"' in report.explanation


@pytest.mark.usefixtures("caught")
def test_a_hotel_that_answers_for_gmail_is_named_by_its_certificate(certificates: Certificates) -> None:
    with ScriptedServer(says("* OK"), server_context(certificates.wrong_host)) as server:
        report = check(server, IMAP, TLS, ca=certificates.ca, host="imap.gmail.com")
    assert report.cause == "connection_redirected"
    assert "another.example" in report.explanation


@pytest.mark.usefixtures("caught")
def test_a_hotel_that_answers_in_plain_text_is_named_by_the_second_look() -> None:
    with ScriptedServer(says("220 mx.hotel.example ESMTP")) as server:
        report = check(server, SMTP, TLS, host="smtp.gmail.com")
    assert report.cause == "connection_redirected"
    assert 'calls itself "mx.hotel.example"' in report.explanation


@pytest.mark.usefixtures("caught")
def test_a_login_page_in_a_providers_place() -> None:
    page = "HTTP/1.1 302 Found\r\nLocation: http://login.hotel.example/\r\n\r\n"

    def script(peer: Peer) -> None:
        peer.send(page)
        peer.wait_for_end()

    with ScriptedServer(script) as server:
        report = check(server, IMAP, STARTTLS, host="imap.gmail.com")
    assert report.cause == "connection_redirected"
    assert "login.hotel.example" in report.explanation


@pytest.mark.parametrize("secret", [f"{CANARY}\n", f"{CANARY}\r\n", f"{CANARY[:5]}\n{CANARY[5:]}"])
def test_B4_a_password_with_a_line_break_is_named_by_its_shape(secret: str, certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        peer.line("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready")
        peer.wait_for_end()

    with ScriptedServer(script, server_context(certificates.good)) as server:
        endpoint = Endpoint("localhost", server.port, TLS, CertificatePolicy(ca_file=str(certificates.ca)))
        job = CheckJob("work", "alice@mail.test", IMAP, endpoint, Login("alice@mail.test"), timeout=5.0)
        report = run_check(job, open_session, lambda _: Secret(secret), lambda: KNOWLEDGE)
        assert CANARY.encode() not in server.inside
    assert (report.stage, report.cause) == ("authenticate", "bad_credentials")
    assert "line break" in report.explanation
    assert "`mailctl gateway password set work`" in report.remedy[0]
    assert CANARY not in repr(report)
