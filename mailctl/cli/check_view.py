"""What `mailctl test` shows: a block for each check, a table of many, one record a check for pipes."""

from collections.abc import Callable, Mapping, Sequence

from mailctl.cli.verdict_view import verdict_view
from mailctl.domain.check import CheckReport, StageReport, StageStatus
from mailctl.domain.when import counted, show_size
from mailctl.output.view import Cell, Lines, Stack, Styled, Table, View, columns

_FEW = 3
"""Up to so many checks are shown in full."""
_LONGEST = 100
_STATUS: dict[StageStatus, Styled] = {
    StageStatus.PASSED: Styled("ok", "good"),
    StageStatus.FAILED: Styled("FAILED", "bad"),
    StageStatus.NOT_REACHED: Styled("-", "dim"),
}


def checks_view(reports: Sequence[CheckReport]) -> View:
    """For a terminal: few checks in full; of many a table, worst first, and what each failure means."""
    if len(reports) <= _FEW:
        return Stack([part for report in reports for part in _block(report)])
    ordered = worst_first(reports)
    failed = [report for report in ordered if not report.ok]
    return Stack(
        [
            _overview(ordered),
            *(part for report in failed for part in (_title(report), verdict_view(report, report.server_text))),
        ]
    )


def checks_records(reports: Sequence[CheckReport]) -> Table:
    """For a pipe: one record a check, in the order they were asked for."""
    titles = ("gateway", "address", "protocol", "endpoint", "result", "stage", "cause", "confidence", "fixer", "retry")
    return Table(
        columns(*titles, "ms", "message", "server text"),
        [
            [
                *(report.gateway, report.address, report.protocol.value, report.endpoint),
                *("ok" if report.ok else "failed", report.stage, report.cause, report.confidence),
                *(report.fixer, report.retry, _ms(report), report.message, report.server_text),
            ]
            for report in reports
        ],
    )


def worst_first(reports: Sequence[CheckReport]) -> list[CheckReport]:
    """Failures first, those that end earliest on the ladder before later ones; then what passed with warnings."""

    def order(report: CheckReport) -> tuple[int, int, str, str]:
        reached = sum(stage.status == "passed" for stage in report.stages)
        warned = 1 if report.warnings else 2
        return (warned if report.ok else 0, reached, report.gateway or report.address, report.protocol.value)

    return sorted(reports, key=order)


def _overview(reports: Sequence[CheckReport]) -> Table:
    return Table(
        columns(
            "gateway", "protocol", "result", "stage", "cause", "fixer", "ms", right=("ms",), fold=("gateway", "cause")
        ),
        [
            [
                *(report.gateway or report.address, report.protocol.upper()),
                Styled("ok", "warn" if report.warnings else "good") if report.ok else Styled("FAILED", "bad"),
                *(report.stage, report.cause, report.fixer, _ms(report)),
            ]
            for report in reports
        ],
    )


def _title(report: CheckReport) -> Lines:
    where = f"  {report.endpoint}" if report.endpoint else ""
    head = f"{report.gateway or report.address}  {report.protocol.upper()}{where}"
    return Lines(
        [Styled(f"{head}  works", "good") if report.ok else Styled(f"{head}  FAILED: {report.message}", "bad")]
    )


def _block(report: CheckReport) -> list[View]:
    parts: list[View] = [_title(report)]
    if report.stages:
        parts.append(_ladder(report.stages))
    return parts if report.ok else [*parts, verdict_view(report, report.server_text)]


def _ladder(stages: Sequence[StageReport]) -> Table:
    reached = [stage for stage in stages if stage.status is not StageStatus.NOT_REACHED]
    missed = [stage.name for stage in stages if stage.status is StageStatus.NOT_REACHED]
    rows: list[list[Cell]] = [[s.name, _STATUS[s.status], f"{s.ms:.0f}", learned(s)] for s in reached]
    if missed:
        rows.append([Styled("not reached", "dim"), "", "", Styled(", ".join(missed), "dim")])
    return Table(columns("stage", "", "ms", "what was learned", right=("ms",), fold=("what was learned",)), rows)


def _ms(report: CheckReport) -> int:
    return round(sum(stage.ms for stage in report.stages))


def learned(stage: StageReport) -> str:
    """What a stage taught, in short."""
    detail = stage.detail
    if stage.status is StageStatus.PASSED:
        detail = {key: value for key, value in detail.items() if key not in _ONLY_FAILED}
    said = [text for key, tell in _TELL.items() if key in detail and (text := tell(detail[key], detail))]
    return ", ".join(said)


_Tell = Callable[[object, Mapping[str, object]], str]


def _plain(value: object, _: Mapping[str, object]) -> str:
    text = " ".join(str(value or "").split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _each(value: object, detail: Mapping[str, object]) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return ", ".join(str(item) for item in value) if isinstance(value, list | tuple) else _plain(value, detail)


def _count(noun: str) -> _Tell:
    def tell(value: object, _: Mapping[str, object]) -> str:
        return f"{len(value)} {noun}" if isinstance(value, list | tuple) else ""

    return tell


def _until(value: object, detail: Mapping[str, object]) -> str:
    days = detail.get("days_left")
    left = ""
    if isinstance(days, int):
        count = "1 day" if abs(days) == 1 else f"{abs(days)} days"
        left = f" ({count} ago)" if days < 0 else f" ({count})"
    return f"certificate until {str(value)[:10]}{left}"


def _quota(value: object, _: Mapping[str, object]) -> str:
    match value:
        case {"used": int(used), "limit": int(limit)}:
            return f"{show_size(used)} of {show_size(limit)} used"
    return ""


def _banner(value: object, detail: Mapping[str, object]) -> str:
    text = str(value or "")
    if text.startswith("[CAPABILITY") and "]" in text:
        text = text.partition("]")[2]
    return _quoted(text, detail)


def _quoted(value: object, detail: Mapping[str, object]) -> str:
    """The server's own words, marked as such, whatever they imitate."""
    text = _plain(value, detail).replace('"', "'")
    return f'"{text}"' if text else ""


def _if(prefix: str) -> _Tell:
    return lambda value, detail: f"{prefix} {text}" if (text := _each(value, detail)) else ""


_ONLY_FAILED = frozenset({"names", "issuer", "fingerprint"})
"""What matters of a certificate only if it was refused."""
_TELL: dict[str, _Tell] = {
    "source": _if("from"),
    "addresses": _each,
    "address": _plain,
    "failed": _if("no answer from"),
    "tls_version": _plain,
    "cipher": _plain,
    "names": _if("for"),
    "issuer": _if("issued by"),
    "not_after": _until,
    "fingerprint": lambda value, _: f"fingerprint sha256:{value}",
    "greeting": _banner,
    "banner": _banner,
    "mechanism": _plain,
    "capabilities": _count("capabilities"),
    "extensions": _count("extensions"),
    "folder": _plain,
    "messages": lambda value, _: counted(value, "message") if isinstance(value, int) else "",
    "octets": lambda value, _: show_size(value) if isinstance(value, int) else "",
    "size": lambda value, _: f"messages up to {show_size(value)}" if isinstance(value, int) and value else "",
    "quota": _quota,
    "reply": _quoted,
}
"""How each thing that stages learn is told; anything else is for programs."""
