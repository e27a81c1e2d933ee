"""What `mailctl test` shows: a block for each check, a table of many, one record a check for pipes."""

from collections.abc import Sequence

from mailctl.cli.verdict_view import verdict_view
from mailctl.domain.check import CheckReport, Level, StageReport, StageStatus
from mailctl.domain.learned import learned
from mailctl.domain.report import summarize
from mailctl.domain.waterfall import show_ms, spans, total_ms
from mailctl.output.view import Cell, Fields, Lines, Moment, Stack, Styled, Table, Timeline, View, columns

FEW = 3
"""Up to so many checks are shown in full."""
_STATUS: dict[StageStatus, Styled] = {
    StageStatus.PASSED: Styled("ok", "good"),
    StageStatus.FAILED: Styled("FAILED", "bad"),
    StageStatus.NOT_REACHED: Styled("-", "dim"),
}


def checks_view(reports: Sequence[CheckReport]) -> View:
    """For a terminal: few checks in full; of many a table, worst first, their count, and what is wrong with each."""
    if len(reports) <= FEW:
        return Stack([part for report in reports for part in _block(report, alone=len(reports) == 1)])
    ordered = worst_first(reports)
    parts: list[View] = [_overview(ordered), Lines([str(summarize(reports))])]
    for alike in _alike([report for report in ordered if not report.ok]):
        parts += [Lines([_title(report) for report in alike]), verdict_view(alike[0], alike[0].server_text)]
    for report in ordered:
        if report.ok and report.warnings:
            parts += [Lines([_title(report)]), Fields(_warnings(report))]
    return Stack(parts)


def _alike(failed: Sequence[CheckReport]) -> list[list[CheckReport]]:
    """Those of which the same is to be said, together."""
    found: dict[tuple[object, ...], list[CheckReport]] = {}
    for report in failed:
        verdict = (report.cause, report.confidence, report.explanation, report.remedy, report.fixer, report.retry)
        found.setdefault((*verdict, report.alternatives, report.server_text), []).append(report)
    return list(found.values())


def verdicts_view(reports: Sequence[CheckReport]) -> Lines:
    """The verdicts alone, a line a check: `anna imap ok`, `anna smtp FAILED bad_credentials: first step`."""
    return Lines([_verdict(report) for report in reports])


def _verdict(report: CheckReport) -> Styled:
    head = f"{report.gateway or report.address} {report.protocol.value}"
    if report.ok:
        return Styled(f"{head} ok", "good")
    step = next(iter(report.remedy), "") or report.explanation or report.message
    return Styled(f"{head} FAILED {report.cause}: {step}", "bad")


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
    titles = ("gateway", "protocol", "result", "stage", "cause", "fixer", "ms")
    return Table(
        columns(*titles, right=("ms",), fold=("gateway", "cause"), wide=("stage", "fixer")),
        [
            [
                *(report.gateway or report.address, report.protocol.upper()),
                Styled("ok", "warn" if report.warnings else "good") if report.ok else Styled("FAILED", "bad"),
                *(report.stage, report.cause, report.fixer, _ms(report)),
            ]
            for report in reports
        ],
    )


def _title(report: CheckReport) -> Styled:
    where = f"  {report.endpoint}" if report.endpoint else ""
    took = f" in {show_ms(total_ms(report.stages))}" if report.stages else ""
    head = f"{report.gateway or report.address}  {report.protocol.upper()}{where}"
    if report.ok:
        return Styled(f"{head}  works{took}", "good")
    return Styled(f"{head}  FAILED{took}: {report.message}", "bad")


def _block(report: CheckReport, *, alone: bool) -> list[View]:
    """alone: the only one, of which notes are told in full."""
    parts: list[View] = [Lines([_title(report)])]
    if report.stages:
        parts.append(_ladder(report.stages))
    if not report.ok:
        parts.append(verdict_view(report, report.server_text))
    found = [*_warnings(report), *_notes(report, alone)]
    return [*parts, Fields(found)] if found else parts


def _ladder(stages: Sequence[StageReport]) -> Timeline:
    missed = [stage.name for stage in stages if stage.status is StageStatus.NOT_REACHED]
    return Timeline(
        [
            Moment(stage.name, _STATUS[stage.status], show_ms(stage.ms), *span, learned(stage))
            for stage, span in zip(stages, spans(stages), strict=True)
            if stage.status is not StageStatus.NOT_REACHED
        ],
        rest=f"not reached: {', '.join(missed)}" if missed else "",
    )


def _warnings(report: CheckReport) -> list[tuple[str, Cell]]:
    return [("warning", Styled(each.text, "warn")) for each in report.findings if each.level is Level.WARNING]


def _notes(report: CheckReport, in_full: bool) -> list[tuple[str, Cell]]:
    """The notes, each with what it costs; or all on a line, without."""
    texts = [each.text for each in report.findings if each.level is Level.NOTE]
    if in_full:
        return [("note", Styled(text, "dim")) for text in texts]
    short = "; ".join(text.partition(": ")[0] for text in texts)
    return [("notes", Styled(short, "dim"))] if short else []


def _ms(report: CheckReport) -> int:
    return round(sum(stage.ms for stage in report.stages))
