"""A support bundle as a value: what checks found, on what set-up, for whoever is to help; and checks in numbers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mailctl.domain.check import CheckReport
from mailctl.domain.probe import ProbeReport
from mailctl.domain.when import counted

SCHEMA = "mailctl.report/1"
"""What a report as JSON calls itself."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Checks in numbers.

    warned: those of the ones that are ok that warn of something. causes: the failures by cause, most first.
    """

    checks: int
    ok: int
    warned: int
    failed: int
    causes: Mapping[str, int]

    def __str__(self) -> str:
        """`12 checks: 9 ok, 2 bad_credentials, 1 tls_expired`."""
        good = [f"{self.ok} ok"] if self.ok or not self.failed else []
        warned = [f"{self.warned} of them with warnings"] if self.warned else []
        return f"{counted(self.checks, 'check')}: {', '.join([*good, *warned, *self.failures])}"

    @property
    def failures(self) -> list[str]:
        """`2 bad_credentials`, `1 tls_expired`."""
        return [f"{count} {cause or 'unknown'}" for cause, count in self.causes.items()]


def summarize(reports: Sequence[CheckReport]) -> Summary:
    """The numbers of `reports`."""
    failed = [report for report in reports if not report.ok]
    causes = Counter(sorted(report.cause for report in failed)).most_common()
    warned = sum(report.ok and bool(report.warnings) for report in reports)
    return Summary(len(reports), len(reports) - len(failed), warned, len(failed), dict(causes))


@dataclass(frozen=True, slots=True)
class Setup:
    """What is configured, without secrets. kind: "gateway" or "server". settings: words for each, in order."""

    kind: str
    name: str
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Report:
    """All that a report tells. versions: of what took part, by its name. made_at: aware. probes: messages sent."""

    schema: str
    made_at: datetime
    versions: Mapping[str, str]
    summary: Summary
    checks: tuple[CheckReport, ...]
    setups: tuple[Setup, ...]
    probes: tuple[ProbeReport, ...] = ()

    @property
    def title(self) -> str:
        """`anna: 1 of 2 checks failed`, at most a line."""
        names = list(dict.fromkeys(check.gateway or check.address for check in self.checks))
        whose = names[0] if len(names) == 1 else f"{len(names)} mailboxes"
        failed = self.summary.failed
        if failed:
            return f"{whose}: {failed} of {counted(self.summary.checks, 'check')} failed"
        return f"{whose}: {counted(self.summary.checks, 'check')}, all ok"
