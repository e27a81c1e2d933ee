"""What decides between causes: order of evidence, providers, the shape of login and password."""

import pytest

from mailctl.diagnosis.knowledge import load_knowledge
from mailctl.diagnosis.matcher import judge
from mailctl.diagnosis.shape import login_facts
from mailctl.diagnosis.verdict import Evidence
from mailctl.domain.gateway import Login, SecretSource, SourceKind
from mailctl.domain.secret import Secret
from mailctl.errors import ExitCode

KNOWLEDGE = load_knowledge()
GMAIL = KNOWLEDGE.providers["gmail"]


def test_what_the_adapter_knows_wins_over_the_text() -> None:
    verdict = judge(Evidence("imap", "tls", text="NO [AUTHENTICATIONFAILED] x", cause_hint="tls_expired"), KNOWLEDGE)
    assert (verdict.cause, verdict.confidence, verdict.exit_code) == ("tls_expired", "high", ExitCode.TLS)
    assert verdict.alternatives == ()


def test_a_cause_read_off_a_code_gives_way_to_the_text() -> None:
    text = "NO [AUTHENTICATIONFAILED] LOGIN invalid credentials or IMAP is disabled sc=x"
    verdict = judge(Evidence("imap", "authenticate", "yandex", text, "bad_credentials"), KNOWLEDGE)
    assert verdict.cause == "credentials_or_protocol"


def test_a_full_budget_is_no_full_mailbox() -> None:
    text = "NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)"
    assert judge(Evidence("imap", "authenticate", "gmail", text, "quota_full"), KNOWLEDGE).cause == "bandwidth_exceeded"
    assert judge(Evidence("imap", "select", "", "NO [OVERQUOTA] full", "quota_full"), KNOWLEDGE).cause == "quota_full"


@pytest.mark.parametrize("cause", ["encryption_required", "auth_not_offered", "charset_password", "read_only"])
def test_what_an_adapter_decides_for_itself_stays(cause: str) -> None:
    text = "The password would travel without encryption; it was not sent"
    verdict = judge(Evidence("imap", "authenticate", "", text, cause), KNOWLEDGE)
    assert (verdict.cause, verdict.confidence) == (cause, "high")


def test_a_text_beats_a_generic_code() -> None:
    verdict = judge(Evidence("smtp", "rcpt", text="554 5.7.1 <a@b.example>: Relay access denied"), KNOWLEDGE)
    assert (verdict.cause, verdict.confidence) == ("relay_denied", "high")


@pytest.mark.parametrize("text", ["550 5.7.1 Unauthorized", "550 5.7.0 Refused", "530 Access denied"])
def test_a_generic_code_alone_claims_little(text: str) -> None:
    assert judge(Evidence("smtp", "mail", text=text), KNOWLEDGE).confidence == "low"


@pytest.mark.parametrize("text", ["", "Everything is fine today", "\x00\x01"])
def test_what_fits_nothing_is_unknown(text: str) -> None:
    verdict = judge(Evidence("imap", "select", text=text), KNOWLEDGE)
    assert (verdict.cause, verdict.confidence) == ("unknown", "low")


def test_the_unknown_keeps_the_exit_code_of_its_error() -> None:
    assert judge(Evidence("imap", "authenticate", text="?", exit_code=ExitCode.AUTH), KNOWLEDGE).exit_code == 7


def test_a_broken_protocol_is_named() -> None:
    verdict = judge(Evidence("imap", "select", text="x", exit_code=ExitCode.PROTOCOL), KNOWLEDGE)
    assert (verdict.cause, verdict.exit_code) == ("protocol_violation", ExitCode.PROTOCOL)


@pytest.mark.parametrize("cause", ["connection_lost", "tcp_timeout"])
def test_H13_a_message_that_may_have_arrived_is_not_to_be_sent_again_blindly(cause: str) -> None:
    facts = frozenset({"error:delivery_unknown"})
    verdict = judge(Evidence("smtp", "data", cause_hint=cause, host="mail.example.org", facts=facts), KNOWLEDGE)
    assert verdict.cause == cause
    assert "may arrive or not" in verdict.explanation
    assert "come twice" in verdict.remedy[0]


def test_a_user_unknown_at_sign_in_is_no_missing_recipient() -> None:
    verdict = judge(Evidence("smtp", "authenticate", text="535 5.7.8 user unknown"), KNOWLEDGE)
    assert verdict.cause == "bad_credentials"


def test_the_provider_is_known_by_preset_and_by_host() -> None:
    assert KNOWLEDGE.provider_of("google-workspace", "") is GMAIL
    assert KNOWLEDGE.provider_of("", "imap.gmail.com.") is GMAIL
    assert KNOWLEDGE.provider_of("", "notgmail.com") is None


def test_common_words_mean_more_at_their_provider() -> None:
    text = "NO LOGIN failed."
    assert judge(Evidence("imap", "authenticate", "office365", text), KNOWLEDGE).cause == "oauth_required"
    assert judge(Evidence("imap", "authenticate", "", text), KNOWLEDGE).cause != "oauth_required"


def test_places_in_the_advice_are_filled_in() -> None:
    evidence = Evidence("imap", "tcp", cause_hint="tcp_refused", host="mail.example.org", port=1993, gateway="work")
    verdict = judge(evidence, KNOWLEDGE)
    assert "mail.example.org" in verdict.explanation
    assert "1993" in verdict.explanation
    assert "{" not in " ".join((verdict.explanation, *verdict.remedy))


def refused(login: Login, address: str, secret: str, provider: str = "") -> str:
    known = KNOWLEDGE.provider_of(provider, "")
    facts = login_facts(login, address, Secret(secret), known)
    assert not any(secret in fact for fact in facts)
    text = "NO [AUTHENTICATIONFAILED] Authentication failed"
    verdict = judge(Evidence("imap", "authenticate", provider, text, facts=facts), KNOWLEDGE)
    assert verdict.confidence != "high"
    assert secret not in repr(verdict)
    return f"{verdict.cause}: {verdict.explanation}"


ALICE = "alice@example.org"


def test_the_account_password_where_an_app_password_is_wanted() -> None:
    said = refused(Login("a@gmail.com"), "a@gmail.com", "Tr0ub4dor&3-x", "gmail")
    assert said.startswith("app_password_required:")


def test_an_app_password_that_is_refused() -> None:
    said = refused(Login("a@gmail.com"), "a@gmail.com", "abcdefghijklmnop", "gmail")
    assert said.startswith("bad_credentials:")
    assert "refuses this app password" in said


def test_an_app_password_with_the_spaces_it_is_shown_with() -> None:
    said = refused(Login("a@gmail.com"), "a@gmail.com", "abcd efgh ijkl mnop", "gmail")
    assert "spaces" in said


def test_a_line_break_at_the_end() -> None:
    assert "line break" in refused(Login(ALICE), ALICE, "s3cret-of-alice\n")


def test_the_local_part_where_the_address_is_wanted() -> None:
    assert refused(Login("a"), "a@gmail.com", "s3cret-of-alice", "gmail").startswith("username_format:")


def test_a_user_name_without_a_domain_is_usual_on_servers_of_ones_own() -> None:
    facts = login_facts(Login("alice"), ALICE, Secret("s3cret-of-alice"), None)
    verdict = judge(Evidence("imap", "authenticate", text="NO [AUTHENTICATIONFAILED] x", facts=facts), KNOWLEDGE)
    assert verdict.cause == "bad_credentials"
    assert [other.cause for other in verdict.alternatives] == ["username_format"]


def test_letters_beyond_ascii() -> None:
    assert refused(Login(ALICE), ALICE, "geheimnis-äöü").startswith("charset_password:")


def test_a_refused_token_is_no_wrong_password() -> None:
    login = Login(ALICE, SecretSource(SourceKind.OAUTH))
    assert refused(login, ALICE, "ya29.token-of-alice").startswith("token_rejected:")


def test_a_plain_wrong_password_stays_one() -> None:
    assert refused(Login(ALICE), ALICE, "s3cret-of-alice").startswith("bad_credentials:")


def test_words_that_depend_on_the_stage_are_less_sure_without_one() -> None:
    text = "550 mailbox unavailable"
    assert judge(Evidence("smtp", "rcpt", text=text), KNOWLEDGE).confidence == "high"
    assert judge(Evidence("smtp", text=text), KNOWLEDGE).confidence == "medium"


def test_a_permission_denied_by_a_server_is_no_local_firewall() -> None:
    assert judge(Evidence(text="550 5.7.1 permission denied"), KNOWLEDGE).cause != "tcp_blocked_locally"


@pytest.mark.parametrize(
    "secret", ["'s3cret-of-alice'", '"s3cret-of-alice"', "“s3cret-of-alice”", ' "s3cret-of-alice"']
)
def test_a_password_that_was_pasted_with_its_quotes(secret: str) -> None:
    said = refused(Login(ALICE), ALICE, secret)
    assert "quotation marks" in said or "white space" in said


@pytest.mark.parametrize("secret", ["abcd\u00a0efgh\u00a0ijkl\u00a0mnop", "abcd\tefgh ijkl mnop"])
def test_an_app_password_with_other_white_space(secret: str) -> None:
    assert "spaces" in refused(Login("a@gmail.com"), "a@gmail.com", secret, "gmail")


@pytest.mark.parametrize("secret", [" s3cret-of-alice", "s3cret-of-alice ", "\ts3cret-of-alice"])
def test_white_space_around_a_password(secret: str) -> None:
    assert "white space" in refused(Login(ALICE), ALICE, secret)


@pytest.mark.parametrize("user", ["<alice@example.org>", "mailto:alice@example.org", '"alice@example.org"'])
def test_a_user_name_with_more_than_a_name_in_it(user: str) -> None:
    assert refused(Login(user), ALICE, "s3cret-of-alice").startswith("username_format:")


def test_a_user_name_beyond_ascii() -> None:
    assert "outside ASCII" in refused(Login("аlice@example.org"), ALICE, "s3cret-of-alice")


def test_a_user_name_of_another_mailbox_is_asked_about() -> None:
    facts = login_facts(Login("bob@example.org"), ALICE, Secret("s3cret-of-alice"), None)
    verdict = judge(Evidence("imap", "authenticate", text="NO [AUTHENTICATIONFAILED] x", facts=facts), KNOWLEDGE)
    assert verdict.cause == "bad_credentials"
    assert "another address" in " ".join(verdict.remedy)


@pytest.mark.parametrize("secret", ["s3cret\n", "s3cret\r\n", "s3\ncret"])
def test_a_line_break_in_a_password_is_told_though_nothing_was_sent(secret: str) -> None:
    facts = login_facts(Login(ALICE), ALICE, Secret(secret), None) | {"error:bad_argument"}
    text = "The password has a line break in it"
    verdict = judge(Evidence("imap", "authenticate", text=text, facts=facts, exit_code=ExitCode.USAGE), KNOWLEDGE)
    assert (verdict.cause, verdict.exit_code) == ("bad_credentials", ExitCode.AUTH)
    assert "not sent" in verdict.explanation
