"""Texts without a failure are called so, what is not understood is not, and codes of sign-in services are all known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.diagnosis.explain import explain
from mailctl.diagnosis.knowledge import load_knowledge
from mailctl.diagnosis.matcher import judge
from mailctl.diagnosis.success import no_failure
from mailctl.diagnosis.verdict import Evidence

KNOWLEDGE = load_knowledge()
SIGN_IN_CODES = [(code, f) for f in KNOWLEDGE.failures for code in sorted(f.codes) if code.startswith("AADSTS")]


@pytest.mark.parametrize(
    "text",
    [
        "* OK [CAPABILITY IMAP4rev1 SASL-IR IDLE AUTH=PLAIN] Dovecot ready.",
        "a1 OK [CAPABILITY IMAP4rev1] Logged in",
        "250 2.1.5 Ok",
        "235 2.7.0 Authentication successful",
        "250-mail.example.org\n250-SIZE 35882577\n250-STARTTLS\n250 AUTH PLAIN LOGIN XOAUTH2",
        "220 mail.example.org ESMTP Postfix",
        "* BYE Logging out",
        "+OK 5 messages (12345 octets)",
        "dovecot: imap-login: Login: user=<a@b.example>, method=PLAIN, rip=192.0.2.1, lip=192.0.2.2, mpid=12, TLS",
        "postfix/smtp[1]: 4F2: to=<a@b.example>, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as ABC)",
        "Verify return code: 0 (ok)",
        ";; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1234",
        "Hello, I would like to set a signature in my mail. Thanks!",
    ],
)
def test_a_text_without_a_failure_is_called_so(text: str) -> None:
    assert judge(Evidence(text=text), KNOWLEDGE).cause == "no_failure"


@pytest.mark.parametrize(
    "text", ["", "Innskráning tókst ekki", "blorp 42 frobnicated", "It does not work", "599 what is this"]
)
def test_what_is_not_understood_is_unknown(text: str) -> None:
    assert judge(Evidence(text=text), KNOWLEDGE).cause == "unknown"


def test_where_an_error_was_raised_there_is_a_failure() -> None:
    for evidence in (Evidence("smtp", "mail", text="250 Ok"), Evidence(text="250 Ok", facts=frozenset({"error:x"}))):
        assert judge(evidence, KNOWLEDGE).cause == "unknown"


@given(st.text(max_size=200))
def test_any_text_gets_an_answer(text: str) -> None:
    assert no_failure(text) in {"high", "medium", ""}


@pytest.mark.parametrize(("code", "failure"), SIGN_IN_CODES, ids=[code for code, _ in SIGN_IN_CODES])
def test_a_code_of_a_sign_in_service_is_read_whatever_stands_around_it(code: str, failure: object) -> None:
    text = f'{{"error":"invalid_grant","error_description":"{code}: words. Trace ID: 1"}}'
    for protocol in ("", "oauth", "imap"):
        verdict = judge(Evidence(protocol, text=text), KNOWLEDGE)
        assert verdict.cause == getattr(failure, "cause", "")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("smtplib.SMTPAuthenticationError: (535, b'Incorrect authentication data')", "bad_credentials"),
        ("socket.gaierror: [Errno -2] Name or service not known", "dns_not_found"),
        ("ConnectionRefusedError: [Errno 111] Connection refused", "tcp_refused"),
        ("Error: getaddrinfo ENOTFOUND smtp.example.com", "dns_not_found"),
        (
            "curl: (60) SSL: no alternative certificate subject name matches target host name 'x'",
            "tls_hostname_mismatch",
        ),
        ("Verify return code: 21 (unable to verify the first certificate)", "tls_unknown_issuer"),
        ("x509: certificate has expired or is not yet valid: current time A is after B", "tls_expired"),
        ("The remote certificate is invalid: RemoteCertificateNameMismatch", "tls_hostname_mismatch"),
        ("System.Net.Sockets.SocketException (11001): No such host is known.", "dns_not_found"),
        ("0x800CCC92 Your e-mail server rejected your login", "bad_credentials"),
        ("java.net.UnknownHostException: smtp.example.com", "dns_not_found"),
        ("dovecot: imap-login: Disconnected (auth failed, 2 attempts in 9 secs): user=<a>", "bad_credentials"),
        ("postfix/smtpd: 554 5.7.1 <a@b.example>: Relay access denied; from=<x> to=<y>", "relay_denied"),
        ("H=(x) [192.0.2.1] F=<a@b.example> rejected RCPT <c@d.example>: relay not permitted", "relay_denied"),
    ],
)
def test_the_same_failure_is_known_in_other_programs_words(text: str, cause: str) -> None:
    assert judge(Evidence(text=text), KNOWLEDGE).cause == cause


@pytest.mark.parametrize(
    "text",
    [
        "smtpd_relay_restrictions = permit_mynetworks defer_unauth_destination\nmessage_size_limit = 52428800",
        "* CAPABILITY IMAP4rev1 IDLE STARTTLS LOGINDISABLED\na OK Pre-login capabilities listed",
        "220 mx.example.org ESMTP\nQUIT\n221 2.0.0 Bye\nConnection closed by foreign host.",
        "WARN imap: connection lost, reconnecting in 5 s\nINFO imap: connected\nINFO imap: logged in",
        "dmarc=pass (p=REJECT dis=NONE) header.from=example.org",
    ],
)
def test_settings_listings_and_what_ended_well_are_no_failure(text: str) -> None:
    assert explain(text, Evidence(), KNOWLEDGE).cause == "no_failure"


@pytest.mark.parametrize(
    "text",
    [
        "Account not authenticated",
        "220 mx.example.org ESMTP\nConnection closed by foreign host.",
        "INFO imap: logged in\nWARN imap: connection lost",
        "smtp_error = 535 5.7.8 Authentication failed",
        "Connected, but no mail arrives",
        "Logged in successfully, but could not read the folder",
    ],
)
def test_what_does_not_end_well_is_a_failure(text: str) -> None:
    assert explain(text, Evidence(), KNOWLEDGE).cause != "no_failure"
