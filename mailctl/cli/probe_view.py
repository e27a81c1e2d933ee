"""What `mailctl test --send` shows of a message that a gateway sent to itself."""

from collections.abc import Sequence

from mailctl.cli.verdict_view import verdict_view
from mailctl.domain.check import Level
from mailctl.domain.probe import ProbeReport
from mailctl.domain.waterfall import show_ms
from mailctl.output.view import Cell, Fields, Lines, Style, Styled, View

FEW = 3
"""Up to so many are shown in full; of more, only those that failed or warn."""
_RESULTS: dict[str, Style] = {"pass": "good", "fail": "bad", "softfail": "bad", "permerror": "bad", "temperror": "warn"}


def probes_view(probes: Sequence[ProbeReport]) -> list[View]:
    """For a terminal: a block for each probe."""
    parts: list[View] = []
    for report in probes:
        parts.append(_title(report))
        if len(probes) <= FEW or not report.ok or report.warnings:
            parts += _block(report)
    return parts


def probe_verdicts(probes: Sequence[ProbeReport]) -> list[Styled]:
    """The verdicts alone, a line each."""
    return [
        Styled(f"{_name(report)} probe ok", "good")
        if report.ok
        else Styled(
            f"{_name(report)} probe FAILED {report.cause}: {next(iter(report.remedy), '') or report.message}", "bad"
        )
        for report in probes
    ]


def probe_rows(probes: Sequence[ProbeReport]) -> list[list[Cell]]:
    """For a pipe: one record a probe, under the columns of checks; `ms` is the delay of the message."""
    return [
        [
            *(report.gateway, report.address, "probe", report.endpoint),
            *("ok" if report.ok else "failed", report.stage, report.cause, report.confidence),
            *(report.fixer, report.retry, None if report.delay_ms is None else round(report.delay_ms)),
            *(report.message, report.server_text),
        ]
        for report in probes
    ]


def _name(report: ProbeReport) -> str:
    return report.gateway or report.address


def _title(report: ProbeReport) -> Lines:
    head = f"{_name(report)}  message to itself"
    if not report.ok:
        return Lines([Styled(f"{head}  FAILED at {report.stage}: {report.message}", "bad")])
    took = f" in {show_ms(report.delay_ms)}" if report.delay_ms is not None else ""
    return Lines([Styled(f"{head}  arrived{took}" + (f" in {report.folder}" if report.folder else ""), "good")])


def _block(report: ProbeReport) -> list[View]:
    results = (("SPF", report.spf), ("DKIM", report.dkim), ("DMARC", report.dmarc))
    pairs: list[tuple[str, Cell]] = [(name, Styled(said, _RESULTS.get(said, ""))) for name, said in results if said]
    authentication = report.authentication_results
    if authentication and authentication.server:
        pairs.append(("checked by", authentication.server))
    if len(report.hops) > 1:
        pairs.append(("way", " → ".join(_hop(hop.by, hop.seconds) for hop in report.hops)))
    if report.sent != "no":
        left = "removed again" if report.removed else f"still there: Message-ID {report.message_id}"
        pairs.append(("message", left if report.ok else f"Message-ID {report.message_id}"))
    parts: list[View] = [] if report.ok else [verdict_view(report, report.server_text)]
    styles: dict[Level, Style] = {Level.WARNING: "warn", Level.NOTE: "dim"}
    pairs += [(each.level.value, Styled(each.text, styles[each.level])) for each in report.findings]
    return [*parts, Fields(pairs)] if pairs else parts


def _hop(by: str, seconds: float | None) -> str:
    return by if seconds is None else f"{by} ({seconds:.0f} s)"
