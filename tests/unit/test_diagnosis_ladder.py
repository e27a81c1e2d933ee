"""The ladder and many of them side by side, on sessions that only follow a script."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailctl.diagnosis import batch
from mailctl.diagnosis.batch import run_checks
from mailctl.diagnosis.knowledge import Knowledge, load_knowledge
from mailctl.diagnosis.ladder import expected_stages, run_check
from mailctl.domain.check import CheckJob, CheckReport, Session, StageStatus
from mailctl.domain.deadline import Deadline
from mailctl.domain.gateway import Login
from mailctl.domain.secret import Secret
from mailctl.domain.server import CertificatePolicy, Endpoint, Protocol, Security
from mailctl.errors import AuthError, ConfigError, ExitCode, MailctlError, NetworkError, SecretError, TlsError

KNOWLEDGE = load_knowledge()
PASSWORD = "correct-horse-battery"
STAGES = ("dns", "tcp", "tls", "greeting", "capability", "authenticate", "select")
Step = Mapping[str, object] | BaseException | Callable[[], Mapping[str, object]]


def know() -> Knowledge:
    return KNOWLEDGE


def job(**changes: object) -> CheckJob:
    values: dict[str, object] = {
        "gateway": "work",
        "address": "alice@example.org",
        "protocol": Protocol.IMAP,
        "endpoint": Endpoint("mail.example.org", 993, Security.TLS),
        "login": Login("alice@example.org"),
        "timeout": 5.0,
    }
    return CheckJob(**(values | changes))  # type: ignore[arg-type]  # fields of the class


class Scripted:
    """A session whose stages do what `steps` say, and nothing otherwise."""

    protocol: Protocol = Protocol.IMAP
    stages: tuple[str, ...] = STAGES
    later: Mapping[str, Mapping[str, object]] = {}

    def __init__(self, steps: Mapping[str, Step]) -> None:
        self.steps, self.climbed, self.closed = steps, [""], 0

    def climb(self, stage: str) -> Mapping[str, object]:
        assert stage in self.stages
        self.climbed.append(stage)
        step = self.steps.get(stage, {})
        if isinstance(step, BaseException):
            raise step
        return step() if callable(step) else step

    def late(self) -> Mapping[str, Mapping[str, object]]:
        return self.later

    def close(self) -> None:
        self.closed += 1


def opener(session: Session) -> Callable[[CheckJob, Secret, Deadline], tuple[Session, Callable[[], Sequence[str]]]]:
    return lambda job, secret, deadline: (session, lambda: ("+0.001 S: * OK hello",))


def password(job: CheckJob) -> Secret:
    return Secret(PASSWORD)


def check(steps: Mapping[str, Step], **changes: object) -> tuple[CheckReport, Scripted]:
    session = Scripted(steps)
    return run_check(job(**changes), opener(session), password, know), session


def test_all_stages_pass() -> None:
    report, session = check({"dns": {"addresses": ["192.0.2.1"]}})
    assert report.ok
    assert (report.stage, report.cause, report.exit_code) == ("", "", ExitCode.OK)
    assert [stage.name for stage in report.stages] == ["secret", *STAGES]
    assert all(stage.status is StageStatus.PASSED and stage.ms >= 0 for stage in report.stages)
    assert report.stages[1].detail == {"addresses": ["192.0.2.1"]}
    assert session.closed == 1
    assert report.transcript == ()


def test_it_stops_at_the_first_stage_that_fails() -> None:
    error = TlsError("expired", cause="tls_expired", detail={"not_after": "2020-01-01"})
    report, session = check({"tls": error})
    assert (report.ok, report.stage, report.cause, report.exit_code) == (False, "tls", "tls_expired", ExitCode.TLS)
    assert session.climbed[1:] == ["dns", "tcp", "tls"]
    assert session.closed == 1
    status = {stage.name: stage.status.value for stage in report.stages}
    assert status["tcp"] == "passed"
    assert status["tls"] == "failed"
    assert status["greeting"] == status["select"] == "not_reached"
    assert report.stages[3].detail == {"not_after": "2020-01-01"}


def test_a_secret_that_is_not_there_ends_it_before_the_network() -> None:
    def missing(job: CheckJob) -> Secret:
        raise SecretError("the keyring is locked", hint="Unlock it.", code="keyring_locked")

    session = Scripted({})
    report = run_check(job(), opener(session), missing, know)
    assert (report.stage, report.cause, report.exit_code) == ("secret", "secret_unavailable", ExitCode.SECRET)
    assert (report.explanation, report.remedy) == ("the keyring is locked", ("Unlock it.",))
    assert session.climbed == [""]
    assert [stage.name for stage in report.stages] == ["secret", *expected_stages(job())]


def test_where_nothing_was_sent_nothing_is_unsafe() -> None:
    def missing(job: CheckJob) -> Secret:
        raise SecretError("the keyring is locked", code="keyring_locked")

    bare = job(endpoint=Endpoint("mail.example.org", 143, Security.NONE))
    assert run_check(bare, opener(Scripted({})), missing, know).warnings == ()
    assert run_check(bare, opener(Scripted({})), lambda _: Secret(PASSWORD), know).warnings


def test_an_empty_password_is_no_password() -> None:
    report = run_check(job(), opener(Scripted({})), lambda job: Secret(""), know)
    assert (report.stage, report.exit_code) == ("secret", ExitCode.SECRET)


def test_one_deadline_for_the_whole() -> None:
    times = iter(range(0, 1000, 2))
    session = Scripted({})
    report = run_check(job(timeout=10.0), opener(session), password, know, clock=lambda: float(next(times)))
    assert (report.cause, report.exit_code) == ("tcp_timeout", ExitCode.NETWORK)
    assert 1 < len(session.climbed) < len(STAGES)


def test_the_session_gets_the_deadline() -> None:
    seen = []

    def begin(job: CheckJob, secret: Secret, deadline: Deadline) -> tuple[Session, Callable[[], Sequence[str]]]:
        seen.append(deadline.remaining())
        return Scripted({}), tuple

    run_check(job(timeout=7.0), begin, password, know)
    assert seen[0] is not None
    assert 6 < seen[0] <= 7


def test_a_fault_of_the_configuration_speaks_for_itself() -> None:
    error = ConfigError("The file of trusted certificates x.pem can't be read", hint="It must be PEM.")
    report, _ = check({"tls": error})
    assert (report.explanation, report.remedy) == (error.message, ("It must be PEM.",))
    assert report.exit_code is ExitCode.CONFIG


def test_a_bug_in_an_adapter_is_reported_as_one() -> None:
    report, session = check({"greeting": ValueError("oops")})
    assert report.exit_code is ExitCode.BUG
    assert "bug in mailctl" in report.message
    assert session.closed == 1


@pytest.mark.parametrize(
    ("changes", "detail", "expected"),
    [
        ({}, {"days_left": 21}, "expires in 21 days"),
        ({}, {"warnings": ["said by the adapter"]}, "said by the adapter"),
        ({"endpoint": Endpoint("h", 143, Security.NONE)}, {}, "without encryption"),
        ({"endpoint": Endpoint("h", 993, Security.TLS, CertificatePolicy(verify=False))}, {}, "not checked"),
    ],
)
def test_what_should_not_stay_so_is_warned_of(
    changes: dict[str, object], detail: dict[str, object], expected: str
) -> None:
    report, _ = check({"tls": detail}, **changes)
    assert report.ok
    assert expected in " ".join(report.warnings)


def test_a_certificate_with_time_left_is_no_warning() -> None:
    report, _ = check({"tls": {"days_left": 22}})
    assert report.warnings == ()


def families(**ipv6: object) -> dict[str, Mapping[str, object]]:
    well = {"addresses": ["192.0.2.1"], "answered": "192.0.2.1", "ms": 20.0}
    return {"tcp": {"families": {"ipv4": well, "ipv6": {"addresses": ["2001:db8::1"], "ms": 600.0, **ipv6}}}}


@pytest.mark.parametrize(
    ("ipv6", "host", "said"),
    [
        ({"cause": "tcp_timeout"}, "mail.example.org", "does not answer over IPv6 (2001:db8::1) while IPv4 works"),
        ({"cause": "tcp_refused"}, "mail.example.org", "programs that know only IPv6 fail"),
        ({"cause": "tcp_unreachable"}, "mail.example.org", "can't be reached over IPv6"),
        ({"cause": "tcp_unreachable", "route": False}, "mail.example.org", ""),
        ({"answered": "2001:db8::1"}, "mail.example.org", ""),
        ({"cause": "tcp_refused"}, "localhost", ""),
    ],
    ids=["silent", "refused", "unreachable", "no-ipv6-here", "both-work", "localhost"],
)
def test_a_family_that_is_broken_while_the_other_works_is_a_finding(
    ipv6: dict[str, object], host: str, said: str
) -> None:
    session = Scripted({"tcp": {"address": "192.0.2.1"}})
    session.later = families(**ipv6)
    report = run_check(job(endpoint=Endpoint(host, 993, Security.TLS)), opener(session), password, know)
    assert report.ok
    assert report.stages[2].detail == {"address": "192.0.2.1", **session.later["tcp"]}
    assert [finding.name for finding in report.findings] == (["ipv6_broken"] if said else [])
    assert said in " ".join(report.warnings)


def test_a_broken_family_is_told_of_a_check_that_fails_later_too() -> None:
    session = Scripted({"authenticate": AuthError("no")})
    session.later = families(cause="tcp_timeout")
    report = run_check(job(), opener(session), password, know)
    assert not report.ok
    assert [finding.name for finding in report.findings] == ["ipv6_broken"]


def test_a_connection_that_is_opened_on_the_way_is_noted_though_it_is_trusted_here() -> None:
    report, _ = check({"tls": {"issuer": "CN=Avast Web/Mail Shield Root,O=Avast", "days_left": 90}})
    assert report.ok
    assert [(each.name, each.level.value) for each in report.findings] == [("certificate_of_inspector", "note")]
    assert report.warnings == ()
    report, _ = check({"tls": {"issuer": "CN=R10,O=Let's Encrypt,C=US", "days_left": 90}})
    assert report.findings == ()


@pytest.mark.parametrize(
    ("protocol", "detail", "noted"),
    [
        (Protocol.IMAP, {"capabilities_before_tls": ["IMAP4REV1", "STARTTLS", "AUTH=PLAIN"]}, True),
        (Protocol.IMAP, {"capabilities_before_tls": ["IMAP4rev1", "STARTTLS", "LOGINDISABLED"]}, False),
        (Protocol.POP3, {"capabilities_before_tls": ["STLS", "USER"]}, True),
        (Protocol.POP3, {"capabilities_before_tls": ["STLS", "SASL PLAIN"]}, True),
        (Protocol.POP3, {"capabilities_before_tls": ["STLS", "SASL SCRAM-SHA-256"]}, False),
        (Protocol.SMTP, {"extensions_before_tls": ["SIZE 1", "AUTH PLAIN LOGIN", "STARTTLS"]}, True),
        (Protocol.SMTP, {"extensions_before_tls": ["SIZE 1", "STARTTLS"]}, False),
    ],
)
def test_a_server_that_takes_passwords_in_clear_is_noted(
    protocol: Protocol, detail: dict[str, object], noted: bool
) -> None:
    for host, said in (("mail.example.org", noted), ("localhost", False)):
        report, _ = check({"capability": detail}, protocol=protocol, endpoint=Endpoint(host, 143, Security.STARTTLS))
        assert report.warnings == ()
        assert ("sign_in_before_tls" in [finding.name for finding in report.findings]) is said


def test_a_trace_is_kept_if_asked_for() -> None:
    report, _ = check({"tls": TlsError("x", cause="tls_eof")}, trace=True)
    assert report.transcript == ("+0.001 S: * OK hello",)


@given(st.text(max_size=60), st.text(max_size=60), st.sampled_from(STAGES))
@settings(max_examples=60, deadline=None)
def test_no_secret_gets_into_a_report(before: str, after: str, stage: str) -> None:
    said = f"{before}{PASSWORD}{after}"
    error = AuthError(said, server_text=f"NO [AUTHENTICATIONFAILED] {said}", detail={"list": [said], "of": {"x": said}})
    report, _ = check({"dns": {"echo": said}, stage: error})
    assert PASSWORD not in repr(report)


def test_reports_come_in_the_order_of_the_jobs() -> None:
    seconds = [0.2, 0.0, 0.1]

    def wait(seconds: float) -> Mapping[str, object]:
        time.sleep(seconds)
        return {}

    def begin(job: CheckJob, secret: Secret, deadline: Deadline) -> tuple[Session, Callable[[], Sequence[str]]]:
        return Scripted({"tcp": lambda: wait(seconds[int(job.gateway)])}), tuple

    jobs = [job(gateway=str(n), login=Login(f"user{n}")) for n in range(3)]
    came: list[str] = []
    reports = run_checks(jobs, begin, password, know, 3, on_report=lambda report: came.append(report.gateway))
    assert [report.gateway for report in reports] == ["0", "1", "2"]
    assert sorted(came) == ["0", "1", "2"]


@pytest.mark.parametrize(("logins", "most"), [(["a"] * 5, 1), (["a", "b", "c", "d", "e"], 2)])
def test_never_more_at_a_time_than_allowed_nor_twice_the_same_login(logins: list[str], most: int) -> None:
    lock, at_once, peak = threading.Lock(), 0, 0

    def work() -> Mapping[str, object]:
        nonlocal at_once, peak
        with lock:
            at_once += 1
            peak = max(peak, at_once)
        time.sleep(0.02)
        with lock:
            at_once -= 1
        return {}

    jobs = [job(login=Login(user)) for user in logins]
    reports = run_checks(jobs, lambda *_: (Scripted({"tcp": work}), tuple), password, know, 2)
    assert all(report.ok for report in reports)
    assert peak <= most


def test_a_check_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "GRACE", 0.1)
    monkeypatch.setattr(batch, "_LOOK_UP", 0.05)
    released = threading.Event()
    steps: dict[str, Step] = {"greeting": lambda: {"x": released.wait(30)}}
    sessions = {"stuck": Scripted(steps), "well": Scripted({})}
    jobs = [job(gateway=name, login=Login(name), timeout=0.2) for name in sessions]
    stuck, well = run_checks(jobs, lambda job, *_: (sessions[job.gateway], tuple), password, know, 1)
    released.set()
    assert (stuck.stage, stuck.cause, stuck.exit_code) == ("greeting", "tcp_timeout", ExitCode.NETWORK)
    assert [stage.name for stage in stuck.stages] == ["secret", *STAGES]
    assert well.ok


def test_a_password_that_does_not_come_is_not_blamed_on_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "GRACE", 0.1)
    monkeypatch.setattr(batch, "_LOOK_UP", 0.05)
    released = threading.Event()

    def waits(job: CheckJob) -> Secret:
        released.wait(30)
        return Secret(PASSWORD)

    (report,) = run_checks([job(timeout=0.2)], lambda *_: (Scripted({}), tuple), waits, know)
    released.set()
    assert (report.stage, report.cause, report.exit_code) == ("secret", "secret_unavailable", ExitCode.SECRET)
    assert "no server was asked" in report.explanation
    assert "--timeout" in report.remedy[0]


def test_interruption_passes_at_once() -> None:
    released = threading.Event()

    def interrupt(report: CheckReport) -> None:
        raise KeyboardInterrupt

    sessions = {"stuck": Scripted({"tcp": lambda: {"x": released.wait(30)}}), "well": Scripted({})}
    jobs = [job(gateway=name, login=Login(name)) for name in sessions]
    with pytest.raises(KeyboardInterrupt):
        run_checks(jobs, lambda job, *_: (sessions[job.gateway], tuple), password, know, 2, on_report=interrupt)
    released.set()


def test_errors_that_tell_nothing_keep_their_family() -> None:
    for error, code in ((NetworkError("?"), ExitCode.NETWORK), (AuthError("?"), ExitCode.AUTH)):
        report, _ = check({"authenticate": error})
        assert (report.cause, report.exit_code) == ("unknown", code)
        assert isinstance(error, MailctlError)
