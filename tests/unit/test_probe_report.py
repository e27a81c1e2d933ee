"""What became of a probe, read off how it was sent and what its header says."""

from dataclasses import replace

import pytest

from mailctl.diagnosis.probes.look import Found
from mailctl.diagnosis.probes.report import probe_report
from mailctl.domain.check import CheckJob, CheckReport, StageReport, StageStatus
from mailctl.domain.gateway import Login
from mailctl.domain.probe import ProbeJob, ProbeMessage, ProbeReport
from mailctl.domain.server import Endpoint, Protocol, Security
from mailctl.errors import ExitCode


def job(protocol: Protocol) -> CheckJob:
    return CheckJob("work", "a@b.test", protocol, Endpoint(f"{protocol}.b.test", 1, Security.TLS), Login("a"))


def check(protocol: Protocol, *stages: str, **verdict: object) -> CheckReport:
    made = tuple(StageReport(stage, StageStatus.PASSED) for stage in stages)
    report = CheckReport("work", "a@b.test", protocol, ok=not verdict, stages=made, endpoint=f"{protocol}.b.test:1")
    return replace(report, **verdict)  # type: ignore[arg-type]  # fields of the class


JOB = ProbeJob(job(Protocol.SMTP), job(Protocol.IMAP), ProbeMessage("<1@b.test>", "x", b""), 7.0)
SENT = check(Protocol.SMTP, "secret", "mail", "rcpt", "data")
LOOKED = check(Protocol.IMAP, "secret", "dns", "authenticate", "send", "find", "remove")


def found(header: str, folder: str = "INBOX", *, junk: bool = False, left: str = "") -> ProbeReport:
    place = Found(1, header.encode(), folder, junk)
    return probe_report(JOB, SENT, LOOKED, handed_over=True, found=place, delay=1.5, left=left)


def names(report: ProbeReport) -> list[str]:
    return [finding.name for finding in report.findings]


def test_one_that_arrived() -> None:
    report = found("Authentication-Results: mx; spf=pass; dkim=pass; dmarc=pass\r\n")
    assert (report.ok, report.sent, report.folder, report.delay_ms) == (True, "yes", "INBOX", 1500.0)
    assert (report.spf, report.dkim, report.dmarc, report.removed) == ("pass", "pass", "pass", True)
    assert [stage.name for stage in report.stages] == ["secret", "mail", "rcpt", "data", "find", "remove"]
    assert report.findings == ()
    assert report.endpoint == "smtp.b.test:1"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", ["authentication_not_told"]),
        ("Authentication-Results: mx; none\r\n", ["authentication_not_told"]),
        (
            "Authentication-Results: mx; spf=fail; dkim=permerror; dmarc=none\r\n",
            ["spf_failed", "dkim_failed", "dmarc_none"],
        ),
        ("Authentication-Results: mx; spf=temperror; dkim=neutral; auth=pass\r\n", ["spf_not_checked"]),
        (
            "Received: by b; Sun, 22 Nov 2026 01:10:40 +0000\r\nReceived: by a; Sun, 22 Nov 2026 01:10:09 +0000\r\n"
            "Received-SPF: pass\r\n",
            ["probe_delayed"],
        ),
    ],
)
def test_what_a_header_gives_rise_to(header: str, expected: list[str]) -> None:
    report = found(header)
    assert sorted(names(report)) == sorted(expected)
    assert report.ok


def test_warnings_come_first() -> None:
    report = found("Authentication-Results: mx; dkim=none\r\n", "Spam", junk=True, left="Spam: locked")
    assert names(report) == ["probe_in_junk", "probe_left", "dkim_none"]
    assert len(report.warnings) == 2
    assert not report.removed


def test_one_that_arrived_twice_and_one_that_may_not_have_reached_the_inbox() -> None:
    told = b"Authentication-Results: mx; spf=pass\r\n"
    twice = probe_report(
        JOB, SENT, LOOKED, handed_over=True, found=Found(1, told, "INBOX"), delay=1.5, left="", times=2
    )
    assert (twice.ok, names(twice)) == (True, ["probe_doubled"])
    place = Found(1, told, "[Gmail]/All Mail", all_mail=True)
    somewhere = probe_report(JOB, SENT, LOOKED, handed_over=True, found=place, delay=1.5, left="")
    assert (somewhere.ok, names(somewhere)) == (True, ["probe_in_all_mail"])


def test_what_was_refused_has_the_verdict_of_sending() -> None:
    refused = check(Protocol.SMTP, "mail", stage="data", cause="spam_content", exit_code=ExitCode.REFUSED, message="no")
    looking = check(Protocol.IMAP, "send", stage="send", cause="unknown", message="other")
    report = probe_report(JOB, refused, looking, handed_over=False, found=None, delay=None, left=None)
    assert (report.ok, report.sent, report.stage, report.cause) == (False, "no", "data", "spam_content")
    assert (report.message, report.message_id, report.exit_code) == ("no", "", ExitCode.REFUSED)


def test_H13_what_may_have_been_taken_and_was_not_found() -> None:
    lost = check(Protocol.SMTP, "mail", stage="data", cause="connection_lost", message="who knows")
    looking = check(Protocol.IMAP, "send", stage="find", cause="not_arrived", message="other")
    report = probe_report(JOB, lost, looking, handed_over=True, found=None, delay=None, left=None)
    assert (report.sent, report.stage, report.cause) == ("unknown", "data", "connection_lost")
    assert report.message == "who knows; it did not arrive within 7 s, and was not sent again"
    assert report.message_id == "<1@b.test>"
    assert names(report) == ["probe_left"]
    assert "`x`" in report.warnings[0]


def test_a_mailbox_that_can_not_be_opened_sends_nothing() -> None:
    looking = check(Protocol.IMAP, "secret", "dns", stage="tcp", cause="tcp_refused", message="no")
    report = probe_report(JOB, None, looking, handed_over=False, found=None, delay=None, left=None)
    assert (report.sent, report.stage, report.cause) == ("no", "tcp", "tcp_refused")
    assert [stage.name for stage in report.stages] == ["secret", "dns"]


def test_what_came_back_has_the_verdict_of_smtp_at_the_stage_of_looking() -> None:
    looking = check(Protocol.IMAP, "send", stage="find", cause="unknown", message="the message came back")
    returned = check(Protocol.SMTP, stage="data", cause="no_such_recipient", message="the message came back")
    report = probe_report(JOB, SENT, looking, returned=returned, handed_over=True, found=None, delay=None, left=None)
    assert report.findings == ()
    assert (report.sent, report.stage, report.cause) == ("yes", "find", "no_such_recipient")
