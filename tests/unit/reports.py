"""Checks, as values, that tests of what people look at share."""

from dataclasses import replace
from datetime import UTC, datetime

from mailctl.domain.check import CheckReport, Finding, Level, OtherCause, StageReport, StageStatus
from mailctl.domain.report import SCHEMA, Report, Setup, summarize
from mailctl.domain.server import Protocol
from mailctl.errors import ExitCode

PASSED, FAILED, NOT_REACHED = StageStatus.PASSED, StageStatus.FAILED, StageStatus.NOT_REACHED
EXPIRY = "2026-12-22T10:16:23+00:00"

GOOD = CheckReport(
    "anna",
    "anna@example.org",
    Protocol.SMTP,
    ok=True,
    endpoint="smtp.example.org:465",
    security="tls",
    stages=(
        StageReport("dns", PASSED, 2.0, {"addresses": ["192.0.2.1"]}),
        StageReport("tls", PASSED, 98.0, {"tls_version": "TLSv1.3", "not_after": EXPIRY, "days_left": 29}),
    ),
)
WARNED = replace(
    GOOD,
    gateway="bert",
    warnings=("the certificate expires in 9 days",),
    findings=(
        Finding("certificate_expires_soon", Level.WARNING, "the certificate expires in 9 days"),
        Finding("no_idle", Level.NOTE, "no IDLE: new mail is only seen when asked for"),
    ),
)
BAD = CheckReport(
    "anna",
    "anna@example.org",
    Protocol.IMAP,
    ok=False,
    endpoint="imap.example.org:993",
    security="tls",
    stage="authenticate",
    cause="bad_credentials",
    confidence="medium",
    explanation="The server says that user name and password don't belong together.",
    remedy=("Sign in to the web mail.", "Store what works: `mailctl gateway password set anna`."),
    fixer="user",
    retry="after-fix",
    doc_url="https://www.rfc-editor.org/rfc/rfc5530#section-3",
    evidence=("response code AUTHENTICATIONFAILED",),
    alternatives=(OtherCause("app_password_required", "low", "It wants an app password.", ("Make one.",), "user", ""),),
    server_text="NO [AUTHENTICATIONFAILED] Invalid credentials.",
    message="the server refused the sign-in",
    stages=(
        StageReport("dns", PASSED, 2.0, {"addresses": ["192.0.2.1"]}),
        StageReport("tls", PASSED, 98.0, {"tls_version": "TLSv1.3", "not_after": EXPIRY, "days_left": 29}),
        StageReport("authenticate", FAILED, 300.0),
        StageReport("select", NOT_REACHED),
    ),
    transcript=("+0.101 C: A1 AUTHENTICATE PLAIN", "+0.101 C: ***", "+0.400 S: A1 NO Invalid credentials."),
    exit_code=ExitCode.AUTH,
)


def hostile(text: str) -> CheckReport:
    """A check of which everything that a server can have a hand in is `text`."""
    return replace(
        BAD,
        server_text=text,
        message=f"the server said {text}",
        explanation=f"It says {text}",
        evidence=(text,),
        findings=(Finding("said", Level.WARNING, text),),
        warnings=(text,),
        transcript=(text, f"+0.1 S: {text}"),
        stages=(*BAD.stages[:2], StageReport("greeting", FAILED, 1.0, {"greeting": text, "names": [text]})),
    )


def report_on(*checks: CheckReport) -> Report:
    setups = (Setup("gateway", "anna", {"email": "anna@example.org", "login.secret": "keyring"}),)
    versions = {"mailctl": "0.1.0", "Python": "CPython 3.11"}
    return Report(SCHEMA, datetime(2026, 11, 22, 1, 2, tzinfo=UTC), versions, summarize(checks), checks, setups)
