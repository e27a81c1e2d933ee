"""Pasted texts: taken apart, masked, and the passage found that tells why."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailctl.diagnosis.explain import about, explain
from mailctl.diagnosis.knowledge import Failure, load_knowledge
from mailctl.diagnosis.matcher import judge
from mailctl.diagnosis.passages import Passage, endpoint, hosts, passages
from mailctl.diagnosis.redact import conceal
from mailctl.diagnosis.verdict import Evidence

KNOWLEDGE = load_knowledge()


def told(text: str) -> list[Passage]:
    return passages(text.split("\n"), 40)


def meant(text: str, **known: str) -> str:
    return explain(text, Evidence(**known), KNOWLEDGE).cause  # type: ignore[arg-type]  # texts only are given


@pytest.mark.parametrize(
    ("text", "protocol", "stage"),
    [
        ("a1 NO [AUTHENTICATIONFAILED] Authentication failed.", "imap", "authenticate"),
        ("* BYE Temporary problem, please try again later", "imap", ""),
        ("-ERR Authentication failed", "pop3", "authenticate"),
        ("550 5.1.1 <x@y.example>: Recipient address rejected", "smtp", ""),
        ("smtplib.SMTPAuthenticationError: (535, b'5.7.8 Error')", "smtp", "authenticate"),
        ("imaplib.error: b'[AUTHENTICATIONFAILED] Invalid'", "imap", ""),
        ("<~* 535 5.7.8 Error", "smtp", ""),
        ("host x.example said: 554 Denied (in reply to RCPT TO command)", "", "rcpt"),
        ("S: a1 NO Denied", "imap", ""),
        ("something failed", "", ""),
    ],
)
def test_the_shape_tells_protocol_and_stage(text: str, protocol: str, stage: str) -> None:
    assert [(each.protocol, each.stage) for each in told(text)] == [(protocol, stage)]


def test_a_reply_of_several_lines_is_one_passage() -> None:
    found = told("S: 550-5.7.1 one\nS: 550-5.7.1 two\nS: 550 5.7.1 three\nS: 250 ok")
    assert [(each.first, each.last, each.text.count("\n")) for each in found] == [(0, 2, 2), (3, 3, 0)]


def test_a_command_tells_the_stage_of_its_answer() -> None:
    found = told("C: a1 SELECT INBOX\nS: a1 NO denied\n> MAIL FROM:<x@y.example>\n< 550 denied")
    assert [each.stage for each in found] == ["select", "mail"]


def test_a_token_in_use_is_noticed() -> None:
    assert told("C: AUTH XOAUTH2 dXNlcj14\nS: 535 5.7.3 Authentication unsuccessful")[0].oauth


def test_only_so_many_passages_are_kept_the_heaviest() -> None:
    lines = [*(f"all is well with {word}" for word in map(chr, range(0x4E00, 0x4F00))), "error: authentication failed"]
    assert passages(lines, 5)[-1].text == lines[-1]


def test_hosts_and_endpoints() -> None:
    assert hosts("anna@gmail.com at imap.yandex.com") == ["imap.yandex.com"]
    assert endpoint("connect to mx.example.org[192.0.2.1]:25: refused") == ("mx.example.org", 25)
    assert endpoint("file smtplib.py:735") == ("", 0)


@pytest.mark.parametrize(
    "text",
    [
        "a1 LOGIN anna s3cretpw",
        'C: 1 LOGIN "anna" "s3cretpw"',
        "> b'ABCD1 LOGIN anna \"s3cretpw\"'",
        "C: PASS s3cretpw",
        " ~> PASS s3cretpw",
        "pass s3cretpw",
        "a1 LOGIN {4}\n+ OK\nanna {8}\n+ OK\ns3cretpw",
        "AUTH PLAIN AHMzY3JldHB3s3cretpw=",
        "send: 'AUTH PLAIN s3cretpwAHMzY3JldA==\\r\\n'",
        "a1 AUTHENTICATE XOAUTH2 s3cretpwdXNlcj1h",
        "334 UGFzc3dvcmQ6\ns3cretpw",
        "S: 334 UGFzc3dvcmQ6\nC: s3cretpw",
        "+ \ns3cretpw",
        "curl imaps://anna:s3cretpw@imap.example.org",
        "curl -u anna:s3cretpw imaps://imap.example.org",
        "swaks -ap s3cretpw --server x",
        "password = s3cretpw",
        '{"access_token": "s3cretpw"}',
        "Authorization: Bearer s3cretpw.abc",
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str) -> None:
    assert "s3cretpw" not in "\n".join(conceal(text.split("\n")))


@pytest.mark.parametrize(
    "text",
    [
        "a1 NO [AUTHENTICATIONFAILED] LOGIN invalid credentials or IMAP is disabled",
        "535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6",
        "PASS command failed",
        "LOGIN failed.",
        "550 5.1.1 <x@y.example>: Recipient address rejected",
        "AUTHENTICATE failed",
        "ConnectionRefusedError",
    ],
)
def test_what_a_server_says_stays(text: str) -> None:
    assert list(conceal([text])) == [text]


@given(st.lists(st.text(), max_size=20))
def test_masking_keeps_the_lines(lines: list[str]) -> None:
    assert len(list(conceal(lines))) == len(lines)


def test_a_specific_line_beats_its_consequences() -> None:
    text = (
        "S: 535 5.7.8 Error: authentication failed\nS: 554 5.7.1 <b@x.example>: Relay access denied\n"
        "S: 421 4.4.2 Connection lost"
    )
    assert meant(text) == "relay_denied"


def test_a_python_trace_is_read_by_its_last_line() -> None:
    trace = (
        'Traceback (most recent call last):\n  File "/x/imaplib.py", line 312, in open\n    self.sock = socket()\n'
        "ConnectionRefusedError: [Errno 111] Connection refused"
    )
    found = explain(trace, Evidence(), KNOWLEDGE)
    assert (found.cause, found.line) == ("tcp_refused", trace.splitlines()[-1])


def test_a_greeting_names_the_provider() -> None:
    text = "* OK Gimap ready for requests from 192.0.2.1\na1 NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)"
    assert "Google" in explain(text, Evidence(), KNOWLEDGE).explanation


def test_the_domain_of_an_address_is_no_speaker() -> None:
    found = explain("a1 NO [AUTHENTICATIONFAILED] anna@gmail.com failed", Evidence(), KNOWLEDGE)
    assert "Google" not in found.explanation


def test_a_layer_named_wrongly_hides_nothing_but_lowers_confidence() -> None:
    found = explain("554 5.7.1 <b@x.example>: Relay access denied", Evidence("tls"), KNOWLEDGE)
    assert (found.cause, found.confidence) == ("relay_denied", "medium")


def test_every_cause_can_be_asked_for() -> None:
    for name in KNOWLEDGE.causes:
        assert about(name, Evidence(), KNOWLEDGE).cause == name


@settings(max_examples=40)
@given(st.text(max_size=400))
def test_any_text_has_an_explanation(text: str) -> None:
    assert explain(text, Evidence(), KNOWLEDGE).cause in KNOWLEDGE.causes


def test_a_line_of_success_does_not_hide_a_failure_that_is_not_understood() -> None:
    assert meant("a1 OK LOGIN completed") == "no_failure"
    assert meant("a1 OK LOGIN completed\na2 NO frobnication of the gnus failed") == "unknown"


def test_a_log_of_many_servers_has_no_single_speaker() -> None:
    noise = "".join(f"Nov 21 mx postfix/smtp[{n}]: connect to gmail-smtp-in.l.google.com\n" for n in range(100))
    log = f"{noise}Nov 21 mx imap: a1 NO [AUTHENTICATIONFAILED] Authentication failed"
    assert "Google" not in explain(log, Evidence(), KNOWLEDGE).explanation


@pytest.mark.parametrize("refusal", ["a1 NO Xyzzy", "NO Xyzzy", "-ERR Xyzzy"])
def test_a_refused_sign_in_in_unknown_words_may_be_a_wrong_password(refusal: str) -> None:
    found = explain(refusal, Evidence(stage="authenticate"), KNOWLEDGE)
    assert (found.cause, [other.cause for other in found.alternatives]) == ("unknown", ["bad_credentials"])


@pytest.mark.parametrize(
    "words", ["Anmeldung fehlgeschlagen: falsches Passwort", "onjuist wachtwoord", "neplatné heslo"]
)
def test_a_refused_sign_in_is_understood_in_other_tongues(words: str) -> None:
    found = explain(f"a1 NO {words}", Evidence("imap", "authenticate"), KNOWLEDGE)
    assert (found.cause, found.confidence) == ("bad_credentials", "medium")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("a1 BAD Error in IMAP command received by server.\nError, connection closed", "client_bug"),
        ("Account sync: connection closed\n*** Finished account 'x'", "no_failure"),
        ("Account sync: connection closed\nError: nothing finished", "connection_lost"),
    ],
)
def test_a_lost_connection_comes_from_what_went_before(text: str, cause: str) -> None:
    assert explain(text, Evidence("imap"), KNOWLEDGE).cause == cause


def test_the_status_of_a_notice_belongs_to_its_reason() -> None:
    reason = "Diagnostic-Code: X-Postfix; Host or domain name not found. Name service error for name=x.example"
    assert explain(f"Action: failed\nStatus: 5.4.4\n{reason}", Evidence(), KNOWLEDGE).cause == "no_such_domain"


def test_a_reply_that_is_not_quoted_to_its_end_counts() -> None:
    assert [each.text for each in told("220-mx.example.org ready\n535 denied")] == [
        "220-mx.example.org ready",
        "535 denied",
    ]


def test_a_provider_that_answers_as_somebody_else_is_not_who_refused() -> None:
    log = "opening to smtp.office365.com:587\n220-cp12.example.net ESMTP Exim 4.96\n535 Incorrect authentication data"
    assert explain(log, Evidence(), KNOWLEDGE).cause == "connection_redirected"


def test_a_reply_with_another_code_is_another_passage() -> None:
    assert len(told("535 5.7.8 denied\n550 5.7.1 denied\n550 5.7.1 denied")) == 2


@pytest.mark.parametrize("failure", [each for each in KNOWLEDGE.failures if each.example], ids=lambda each: each.id)
def test_taking_a_text_apart_loses_nothing(failure: Failure) -> None:
    known = Evidence(min(failure.protocols, default=""), provider=failure.provider)
    judged = judge(replace(known, text=failure.example), KNOWLEDGE)
    found = explain(failure.example, known, KNOWLEDGE)
    assert found.cause in (judged.cause, failure.cause)
