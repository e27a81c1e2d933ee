"""What a check learnt besides its verdict: a pure reading of what its stages report."""

from collections.abc import Iterator, Mapping, Sequence

from mailctl.domain.check import CheckJob, Finding, Level, StageReport, StageStatus
from mailctl.domain.when import counted

EXPIRES_SOON = 21
"""Days before a certificate's end from which a check warns."""


def findings(job: CheckJob, stages: Sequence[StageReport]) -> tuple[Finding, ...]:
    """What is worth saying of a check whose stages so far are these: each once, warnings first."""
    found = list(dict.fromkeys(_found(job, stages)))
    return tuple(sorted(found, key=lambda finding: finding.level is not Level.WARNING))


def _found(job: CheckJob, stages: Sequence[StageReport]) -> Iterator[Finding]:
    if job.endpoint.risk:
        yield Finding("unsafe_endpoint", Level.WARNING, job.endpoint.risk)
    for stage in stages:
        yield from _told(stage.detail)
        if stage.status is StageStatus.PASSED:
            yield from _certificate(job, stage.detail)


def _told(detail: Mapping[str, object]) -> Iterator[Finding]:
    """What the adapter itself warns of."""
    said = detail.get("warnings")
    for line in said if isinstance(said, list | tuple) else ():
        yield Finding("unsafe_connection", Level.WARNING, str(line))


def _certificate(job: CheckJob, detail: Mapping[str, object]) -> Iterator[Finding]:
    days = detail.get("days_left")
    if isinstance(days, int | float) and 0 <= days <= EXPIRES_SOON:
        text = f"the certificate of {job.endpoint} expires in {counted(round(days), 'day')}"
        yield Finding("certificate_expires_soon", Level.WARNING, text)
