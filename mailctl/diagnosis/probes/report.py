"""What became of a probe: a pure reading of how it was sent, where it was found, and what its header says."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypedDict

from mailctl.diagnosis.probes.headers import authentication, header_fields, hops, result_of
from mailctl.diagnosis.probes.look import Found
from mailctl.domain.check import CheckReport, Finding, Level, OtherCause
from mailctl.domain.probe import Authentication, Hop, ProbeJob, ProbeReport
from mailctl.domain.secret import mask
from mailctl.domain.when import show_age
from mailctl.errors import ExitCode

SLOW = 30.0
"""Seconds between two servers from which it is worth saying."""
_OWN = ("find", "remove")
"""Stages that are the probe's own."""
_BAD = frozenset({"fail", "softfail", "hardfail", "permerror", "policy"})
_LACKING = {
    "spf": "no SPF record of the domain was found",
    "dkim": "the message carries no DKIM signature",
    "dmarc": "the domain publishes no DMARC policy",
}


class VerdictFields(TypedDict):
    """The fields that the report on a check and that on a probe have in common."""

    endpoint: str
    stage: str
    cause: str
    confidence: str
    explanation: str
    remedy: tuple[str, ...]
    fixer: str
    retry: str
    doc_url: str
    evidence: tuple[str, ...]
    alternatives: tuple[OtherCause, ...]
    server_text: str
    message: str
    exit_code: ExitCode


def verdict_of(check: CheckReport) -> VerdictFields:
    """The verdict of `check`, for a probe's report."""
    return VerdictFields(
        endpoint=check.endpoint,
        stage=check.stage,
        cause=check.cause,
        confidence=check.confidence,
        explanation=check.explanation,
        remedy=check.remedy,
        fixer=check.fixer,
        retry=check.retry,
        doc_url=check.doc_url,
        evidence=check.evidence,
        alternatives=check.alternatives,
        server_text=check.server_text,
        message=check.message,
        exit_code=check.exit_code,
    )


def probe_report(
    job: ProbeJob,
    sending: CheckReport | None,
    looking: CheckReport,
    *,
    returned: CheckReport | None = None,
    handed_over: bool,
    found: Found | None,
    delay: float | None,
    left: str | None,
    times: int = 1,
) -> ProbeReport:
    """The report on a probe.

    sending: the climb that sent it, None if it never came to that. looking: the climb around it, in the mailbox.
    returned: the verdict on a refusal that came back by mail. handed_over: whether the whole message left. delay:
    seconds from then until it was found. left: where something of it is left in the mailbox, and why; "" if nothing is,
    None if it was not tried. times: how often it had arrived.
    """
    sent = "no" if sending is None else "yes" if sending.ok else "unknown" if handed_over else "no"
    fields = [(name, mask(value)) for name, value in header_fields(found.header)] if found else []
    told = authentication(fields)
    way = hops(fields)
    findings = sorted(_findings(sent, found, told, way, left, times), key=lambda each: each.level is Level.NOTE)
    if sent != "no" and found is None and returned is None:
        text = f"the message `{job.message.subject}` may still arrive, or be left in the mailbox: it can be deleted"
        findings = [Finding("probe_left", Level.WARNING, text)]
    report = ProbeReport(
        gateway=job.inbound.gateway,
        address=job.inbound.address,
        ok=True,
        endpoint=str(job.outbound.endpoint),
        sent=sent,
        message_id=job.message.message_id if sent != "no" else "",
        folder=found.folder if found else "",
        delay_ms=None if delay is None else round(delay * 1000, 1),
        spf=result_of(told, "spf"),
        dkim=result_of(told, "dkim"),
        dmarc=result_of(told, "dmarc"),
        authentication_results=told,
        hops=way,
        removed=left == "",
        findings=tuple(findings),
        warnings=tuple(each.text for each in findings if each.level is Level.WARNING),
        stages=(*(sending.stages if sending else ()), *(each for each in looking.stages if each.name in _OWN)),
        transcript=(*(sending.transcript if sending else ()), *looking.transcript),
    )
    if found:
        return report
    failed = looking if sending is None or sending.ok else sending
    stages = report.stages if sending else looking.stages
    failing = verdict_of(returned or failed)
    failing["stage"] = failed.stage
    if sent == "unknown":
        failing["message"] = f"{failed.message}; it did not arrive within {job.patience:g} s, and was not sent again"
    return replace(report, ok=False, stages=stages, **failing)


def _findings(
    sent: str, found: Found | None, told: Authentication | None, way: Sequence[Hop], left: str | None, times: int
) -> Iterator[Finding]:
    if found is None:
        return
    if sent == "unknown":
        text = "the connection was lost before the server had taken the message, which arrived all the same"
        yield Finding("acceptance_unknown", Level.WARNING, text)
    if found.junk:
        text = f"the message was put into {found.folder}: mail of this address is taken for spam, here at least"
        yield Finding("probe_in_junk", Level.WARNING, text)
    elif found.all_mail:
        text = f"the message is in {found.folder} only, where sent mail is too: it may not have reached INBOX"
        yield Finding("probe_in_all_mail", Level.WARNING, text)
    elif found.folder not in ("INBOX", ""):
        yield Finding("probe_filed", Level.NOTE, f"the message was filed into {found.folder}, as a rule may want it")
    if times > 1:
        text = f"the message arrived {times} times: an alias, a rule or a forwarding doubles mail of this address"
        yield Finding("probe_doubled", Level.WARNING, text)
    if left:
        yield Finding("probe_left", Level.WARNING, f"the message is not all removed; {mask(left)}")
    for hop in way:
        if hop.seconds is not None and hop.seconds >= SLOW:
            text = f"the message waited {show_age(hop.seconds)} before {hop.by}, by the clocks of the servers"
            yield Finding("probe_delayed", Level.NOTE, text)
    if told is None or not told.results:
        text = "the receiving server says nothing of SPF, DKIM and DMARC; many don't check mail of their own users"
        yield Finding("authentication_not_told", Level.NOTE, text)
        return
    for method, lacking in _LACKING.items():
        result = result_of(told, method)
        if result in _BAD:
            text = f"{method.upper()} says {result}: others may refuse mail of this address, or take it for spam"
            yield Finding(f"{method}_failed", Level.WARNING, text)
        elif result == "none":
            yield Finding(f"{method}_none", Level.NOTE, f"{method.upper()} says none: {lacking}")
        elif result == "temperror":
            yield Finding(f"{method}_not_checked", Level.NOTE, f"{method.upper()} could not be checked this time")
