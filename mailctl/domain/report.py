"""A support bundle as a value: what checks found, on what set-up, for whoever is to help; and checks in numbers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from mailctl.domain.check import CheckReport
from mailctl.domain.probe import ProbeReport
from mailctl.domain.record import dataclass
from mailctl.domain.waterfall import show_ms
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
    def failed(self) -> int:
        """How many checks and messages failed."""
        return self.summary.failed + sum(not probe.ok for probe in self.probes)

    @property
    def title(self) -> str:
        """`anna: 1 of 2 checks failed`, `anna IMAP failed`, at most a line."""
        if len(self.tested) == 1:
            return f"{tested_name(self.tested[0])} {'failed' if self.failed else 'is ok'}"
        names = list(dict.fromkeys(each.gateway or each.address for each in self.tested))
        whose = names[0] if len(names) == 1 else f"{len(names)} mailboxes"
        count = counted(len(self.tested), "check")
        return f"{whose}: {self.failed} of {count} failed" if self.failed else f"{whose}: {count}, all ok"

    @property
    def lead(self) -> str:
        """All of it in a sentence."""
        if len(self.tested) == 1 and self.failed:
            return f"{self.tested[0].cause}: {self.tested[0].explanation or self.tested[0].message}"
        if not self.probes:
            return str(self.summary)
        arrived = sum(probe.ok for probe in self.probes)
        return f"{self.summary}; {arrived} of {counted(len(self.probes), 'message')} arrived"

    @property
    def tested(self) -> "list[Tested]":
        """Checks, then messages, each in order."""
        return [*self.checks, *self.probes]


Tested = CheckReport | ProbeReport


def tested_name(tested: Tested) -> str:
    """`anna IMAP`, `anna message to itself`."""
    what = tested.protocol.upper() if isinstance(tested, CheckReport) else "message to itself"
    return f"{tested.gateway or tested.address} {what}"


def tested_where(tested: Tested) -> str:
    """`imap.example.org:993 tls`, "" if there is no such place."""
    if not isinstance(tested, CheckReport):
        return tested.endpoint
    return f"{tested.endpoint} {'unencrypted' if tested.security == 'none' else tested.security}".strip()


def tested_mailbox(tested: Tested) -> str:
    """Whose mailbox it is; "" where the name of the check tells."""
    return tested.address if tested.address not in ("", tested.gateway) and tested.gateway else ""


def travelled(probe: ProbeReport) -> dict[str, str]:
    """How the message of a probe travelled: words for each thing that is known."""
    found = {
        "Arrived in": probe.folder,
        "After": show_ms(probe.delay_ms) if probe.delay_ms is not None else "",
        "SPF": probe.spf,
        "DKIM": probe.dkim,
        "DMARC": probe.dmarc,
        "Checked by": probe.authentication_results.server if probe.authentication_results else "",
        "By way of": ", ".join(hop.by for hop in probe.hops),
        "Message-ID": probe.message_id,
        "Removed again": ("yes" if probe.removed else "no") if probe.sent != "no" else "",
    }
    return {label: value for label, value in found.items() if value}
