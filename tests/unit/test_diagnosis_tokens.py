"""A check with an OAuth token: a refused one is replaced once, and what it lacks is told at the stage `secret`."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from mailctl.diagnosis.ladder import run_check
from mailctl.domain.check import CheckJob, CheckReport, Session, StageStatus
from mailctl.domain.deadline import Deadline
from mailctl.domain.gateway import Login, SecretSource, SourceKind
from mailctl.domain.secret import BearerToken, Secret
from mailctl.errors import AuthError, ExitCode, MailctlError, NetworkError, SecretError

from .test_diagnosis_ladder import Scripted, job, know

REFUSED = AuthError("the server refused the sign-in", code="token_refused", cause="token_rejected")


class Tokens:
    """Gives `held`, and what `fresh` holds once one was refused; counts."""

    def __init__(self, held: str | MailctlError, fresh: str | MailctlError = "fresh", **told: Sequence[str]) -> None:
        self.held, self.fresh, self.told = held, fresh, told
        self.asked: list[bool] = []

    def __call__(self, job: CheckJob) -> Secret:
        self.asked.append(bool(job.token_refused))
        given = self.fresh if job.token_refused else self.held
        if isinstance(given, MailctlError):
            raise given
        return BearerToken(given, **self.told)


def check(tokens: Tokens, *refusals: MailctlError | None, provider: str = "") -> tuple[CheckReport, list[Scripted]]:
    """One check whose sessions, one after another, are refused so."""
    sessions = [Scripted({"authenticate": refusal} if refusal else {}) for refusal in refusals]
    waiting = iter(sessions)

    def opened(job: CheckJob, secret: Secret, deadline: Deadline) -> tuple[Session, Callable[[], Sequence[str]]]:
        return next(waiting), tuple

    login = Login("alice@example.org", SecretSource(SourceKind.OAUTH))
    return run_check(job(login=login, provider=provider), opened, tokens, know), sessions


def detail(report: CheckReport) -> Mapping[str, object]:
    return report.stages[0].detail


def test_F11_a_refused_token_is_replaced_once_and_the_check_passes() -> None:
    tokens = Tokens("old")
    report, sessions = check(tokens, REFUSED, None)
    assert report.ok
    assert tokens.asked == [False, True]
    assert [session.closed for session in sessions] == [1, 1]
    assert detail(report) == {"source": "oauth", "renewed": True}
    assert [finding.name for finding in report.findings] == ["token_renewed"]
    assert [stage.name for stage in report.stages] == ["secret", *sessions[0].stages]


def test_F11_a_second_refusal_is_the_verdict_and_there_is_no_third_attempt() -> None:
    tokens = Tokens("old")
    report, sessions = check(tokens, REFUSED, REFUSED)
    assert (report.ok, report.stage, report.cause) == (False, "authenticate", "token_rejected")
    assert "a fresh one as well" in report.explanation
    assert tokens.asked == [False, True]
    assert sum("authenticate" in session.climbed for session in sessions) == 2


def test_without_another_token_the_refusal_stands() -> None:
    report, sessions = check(Tokens("old", "old"), REFUSED)
    assert (report.stage, report.cause) == ("authenticate", "token_rejected")
    assert "fresh" not in report.explanation
    assert [stage.status for stage in report.stages[:7]] == [StageStatus.PASSED] * 6 + [StageStatus.FAILED]
    assert sessions[0].closed == 1


def test_an_authorization_server_out_of_reach_is_why_there_is_no_other() -> None:
    report, _ = check(Tokens("old", NetworkError("login.test does not answer", cause="tcp_timeout")), REFUSED)
    assert (report.stage, report.cause) == ("secret", "tcp_timeout")


def test_F8_a_sign_in_that_has_ended_tells_more_than_the_refusal() -> None:
    ended = SecretError("The sign-in has ended", code="oauth_expired", cause="token_revoked", hint="Sign in again.")
    report, _ = check(Tokens("old", ended), REFUSED)
    assert (report.stage, report.cause, report.exit_code) == ("secret", "token_revoked", ExitCode.SECRET)
    assert report.explanation.startswith("The sign-in has ended. ")
    assert report.remedy[0] == "Sign in again."


@pytest.mark.parametrize("refusal", [AuthError("no", cause="scope_missing"), AuthError("no", cause="account_disabled")])
def test_what_no_other_token_would_mend_is_tried_once(refusal: AuthError) -> None:
    tokens = Tokens("old")
    report, _ = check(tokens, refusal)
    assert tokens.asked == [False]
    assert report.cause == refusal.cause


@pytest.mark.parametrize("cause", ["other_account", "wrong_audience", "offline_access_missing", "sign_in_needed"])
def test_what_a_token_lacks_is_told_before_a_server_is_asked(cause: str) -> None:
    lacking = SecretError("The token is of eve@gmail.com, not of alice@gmail.com", code="oauth_lacks", cause=cause)
    report, sessions = check(Tokens(lacking))
    assert (report.stage, report.cause, report.confidence) == ("secret", cause, "high")
    assert report.exit_code is ExitCode.SECRET
    assert report.explanation.startswith("The token is of eve@gmail.com, not of alice@gmail.com. ")
    assert report.remedy
    assert report.fixer in ("user", "admin")
    assert sessions == []


def test_what_the_authorization_server_says_is_judged_as_its_words() -> None:
    said = "invalid_grant: AADSTS53003: Access has been blocked by Conditional Access policies."
    report, _ = check(Tokens(AuthError("login.test refused the refresh", cause="token_expired", server_text=said)))
    assert (report.stage, report.cause, report.fixer) == ("secret", "conditional_access", "admin")
    assert report.server_text == said


def test_an_authorization_server_out_of_reach_is_not_taken_for_the_mail_server() -> None:
    lost = NetworkError("login.test:443 does not answer", cause="tcp_timeout", hint="Try again later.")
    report, _ = check(Tokens(lost))
    assert (report.stage, report.cause, report.exit_code) == ("secret", "tcp_timeout", ExitCode.NETWORK)
    assert report.explanation == "No token could be had: login.test:443 does not answer"
    assert "mail.example.org" not in " ".join((report.explanation, *report.remedy))


@pytest.mark.parametrize("cause", ["other_account", "scope_missing"])
def test_what_is_not_certain_explains_a_refusal(cause: str) -> None:
    report, _ = check(Tokens("old", "old", facts=[f"lacks:{cause}"]), REFUSED)
    assert (report.stage, report.cause, report.confidence) == ("authenticate", cause, "medium")


def test_what_will_end_a_sign_in_is_warned_of_while_it_works() -> None:
    report, _ = check(Tokens("t", warnings=["The application is in the state Testing at Google"]), None)
    assert report.ok
    assert report.warnings == ("The application is in the state Testing at Google",)
    assert [finding.name for finding in report.findings] == ["sign_in_lapses"]


def test_an_application_in_testing_is_named_though_the_server_says_only_invalid_grant() -> None:
    said = "invalid_grant: Token has been expired or revoked."
    ended = SecretError("It has ended", code="oauth_expired", cause="app_in_testing", server_text=said)
    report, _ = check(Tokens(ended), provider="gmail")
    assert (report.stage, report.cause, report.confidence) == ("secret", "app_in_testing", "high")


def test_no_password_is_suspected_where_none_was_sent() -> None:
    refusal = AuthError("no", code="token_refused", server_text="NO [AUTHENTICATIONFAILED] Invalid credentials")
    report, _ = check(Tokens("old"), refusal, refusal, provider="gmail")
    assert report.cause == "token_rejected"
    assert "bad_credentials" not in {other.cause for other in report.alternatives}


def test_where_nobody_signs_in_nobody_is_told_to() -> None:
    report, _ = check(Tokens("old", facts=("by_itself",)), REFUSED, REFUSED)
    assert report.cause == "token_rejected"
    assert report.remedy
    assert not [step for step in report.remedy if "auth login" in step]
    assert "Add-MailboxPermission" in report.remedy[0]
