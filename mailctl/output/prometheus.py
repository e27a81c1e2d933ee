"""Checks as metrics: the text exposition format of Prometheus (version 0.0.4), as node_exporter's textfiles hold it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from mailctl.domain.check import CheckReport, StageStatus
from mailctl.domain.probe import ProbeReport
from mailctl.domain.secret import mask_own
from mailctl.output.escape import visible

_HELP = {
    "mailctl_check_success": "Whether the check passed (1) or failed (0).",
    "mailctl_check_info": "What the check found: the stage and the cause of a failure, empty if there is none.",
    "mailctl_check_warnings": "How many warnings the check gave.",
    "mailctl_check_duration_seconds": "How long each stage of the check took.",
    "mailctl_certificate_expiry_timestamp_seconds": "When the server's certificate ends, in Unix time.",
    "mailctl_message_success": "Whether a message to itself was sent and found (1) or not (0).",
    "mailctl_message_delay_seconds": "How long a message to itself was on its way.",
}


def render(reports: Sequence[CheckReport], probes: Sequence[ProbeReport] = ()) -> str:
    """The metrics, without the last line end; a metric without samples is left out."""
    lines: list[str] = []
    for name, text in _HELP.items():
        samples = dict(sample for report in reports for sample in _samples(name, report))
        samples |= dict(sample for probe in probes for sample in _sent(name, probe))
        if samples:
            lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge"]
            lines += [f"{name}{labels} {value:g}" if value < 1e6 else f"{name}{labels} {value:.0f}"
                      for labels, value in samples.items()]  # fmt: skip
    return "\n".join(lines)


def _samples(name: str, report: CheckReport) -> Iterator[tuple[str, float]]:
    """The labels and value of each sample of the metric `name`."""
    whose = {"gateway": report.gateway or report.address, "protocol": report.protocol.value}
    match name:
        case "mailctl_check_success":
            yield _labels(whose), float(report.ok)
        case "mailctl_check_info":
            where = {"endpoint": report.endpoint, "security": report.security}
            found = {"stage": report.stage, "cause": report.cause, "fixer": report.fixer}
            yield _labels(whose | where | found), 1.0
        case "mailctl_check_warnings":
            yield _labels(whose), float(len(report.warnings))
        case "mailctl_check_duration_seconds":
            for stage in report.stages:
                if stage.status is not StageStatus.NOT_REACHED:
                    yield _labels(whose | {"stage": stage.name}), stage.ms / 1000
        case "mailctl_certificate_expiry_timestamp_seconds":
            for stage in report.stages:
                expiry = _moment(stage.detail.get("not_after"))
                if expiry is not None:
                    yield _labels(whose), expiry


def _sent(name: str, probe: ProbeReport) -> Iterator[tuple[str, float]]:
    """The same of a message."""
    whose = _labels({"gateway": probe.gateway or probe.address})
    if name == "mailctl_message_success":
        yield whose, float(probe.ok)
    if name == "mailctl_message_delay_seconds" and probe.delay_ms is not None:
        yield whose, probe.delay_ms / 1000


def _moment(value: object) -> float | None:
    """Unix time of an ISO moment, None of anything else."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() if moment else None


def _labels(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return visible(mask_own(value)).replace("\\", "\\\\").replace('"', '\\"')
