"""Checks as a plugin of Nagios, Icinga, Naemon, Checkmk tells them.

The plugin API (Monitoring Plugins Development Guidelines, sections 2.1 to 2.6): one status line, `|` and performance
data, then lines with more; exit code 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
"""

from collections.abc import Sequence
from enum import IntEnum

from mailctl.domain.check import CheckReport
from mailctl.domain.probe import ProbeReport
from mailctl.domain.report import Tested, summarize, tested_name
from mailctl.domain.secret import mask_own
from mailctl.domain.waterfall import show_ms, total_ms
from mailctl.domain.when import counted
from mailctl.errors import ExitCode
from mailctl.output.escape import visible

_LONGEST = 300
_NOT_TRIED = frozenset({ExitCode.CONFIG, ExitCode.SECRET, ExitCode.USAGE, ExitCode.STORAGE, ExitCode.BUG})
"""Failures on this side: they tell nothing of the service."""


class State(IntEnum):
    """What a plugin can say; the number is its exit code."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


_WORST = (State.CRITICAL, State.UNKNOWN, State.WARNING, State.OK)


def state_of(report: Tested) -> State:
    """What one check means for a monitor."""
    if report.ok:
        return State.WARNING if report.warnings else State.OK
    return State.UNKNOWN if report.exit_code in _NOT_TRIED else State.CRITICAL


def render(reports: Sequence[Tested], errors: Sequence[str]) -> tuple[str, State]:
    """The plugin's output without its last line end, and its state. errors: what kept other checks from being made."""
    states = [*map(state_of, reports), *(State.UNKNOWN for _ in errors)]
    state = next((each for each in _WORST if each in states), State.UNKNOWN)
    told = [_line(report) for report in sorted(reports, key=lambda each: _WORST.index(state_of(each)))]
    said = [*told, *(f"UNKNOWN {error}" for error in errors)]
    if len(said) == 1:
        head, more = said[0].partition(" ")[2], []
    else:
        checks = [each for each in reports if isinstance(each, CheckReport)]
        lost = sum(isinstance(each, ProbeReport) and not each.ok for each in reports)
        parts = [str(summarize(checks))] if checks else []
        parts += [f"{counted(lost, 'message')} failed"] if lost else []
        head, more = "; ".join([*parts, *errors]), said
    timed = " ".join(_performance(report) for report in reports if report.stages)
    first = f"MAIL {state.name} - {_clean(head)}"
    return "\n".join([f"{first} | {timed}" if timed else first, *map(_clean, more)]), state


def _line(report: Tested) -> str:
    head = f"{state_of(report).name} {tested_name(report)}"
    if not report.ok:
        at = f" at {report.stage}" if report.stage else ""
        return f"{head} failed{at}: {report.cause}: {report.explanation or report.message}"
    said = f": {'; '.join(report.warnings)}" if report.warnings else ""
    return f"{head} ok in {show_ms(_ms(report))}{said}"


def _ms(report: Tested) -> float:
    """How long the check took; of a message, how long it was on its way."""
    return total_ms(report.stages) if isinstance(report, CheckReport) else report.delay_ms or 0.0


def _performance(report: Tested) -> str:
    """`'anna IMAP'=0.269s;;;0`; quotes are doubled, and `=` is not allowed in a label."""
    label = tested_name(report).replace("'", "''").replace("=", "_")
    return f"'{_clean(label)}'={_ms(report) / 1000:.3f}s;;;0"


def _clean(text: str) -> str:
    """One line without the character that begins performance data."""
    text = visible(mask_own(text)).replace("|", "\\x7c")
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
