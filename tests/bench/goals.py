"""What is to be reached, as ratios to a peer measured in the same run, and whether it is. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .programs import Sample, Traffic
from .tools import DURABLE_REFERENCE, REFERENCE


@dataclass(frozen=True)
class Goal:
    """At most `ratio` times the wall time of the tool `against`, or at most `seconds`."""

    ratio: float | None = None
    seconds: float | None = None
    against: str = REFERENCE


_NEAR, _FAR = 0, 40  # milliseconds, the round trips with goals
_SAME: Mapping[float, Goal] = {_NEAR: Goal(seconds=0.130), _FAR: Goal(ratio=0.55)}
# mailbox, step -> by round trip; for the whole of `mailctl sync`
GOALS: Mapping[tuple[str, str], Mapping[float, Goal]] = {
    ("10000", "initial"): {_NEAR: Goal(0.90), _FAR: Goal(0.75)},
    ("50000", "initial"): {_NEAR: Goal(0.85), _FAR: Goal(0.70)},
    ("10000", "durable"): {_NEAR: Goal(0.55, against=DURABLE_REFERENCE)},
    ("folders", "initial"): {_NEAR: Goal(1.0), _FAR: Goal(0.10)},
    ("1000", "same"): _SAME,
    ("10000", "same"): _SAME,
    ("50000", "same"): _SAME,
    ("folders", "same"): {_NEAR: Goal(0.80), _FAR: Goal(0.03)},
    ("delta", "delta"): {_NEAR: Goal(1.2), _FAR: Goal(0.80)},
}


@dataclass(frozen=True)
class Row:
    """What one tool took for one step: samples of all rounds but the first, and the traffic of one run, if counted."""

    mailbox: str
    rtt: float
    step: str
    tool: str
    samples: Sequence[Sample]
    traffic: Traffic

    @property
    def wall(self) -> float:
        """Seconds, the median."""
        return statistics.median(sample.wall for sample in self.samples)

    @property
    def least(self) -> float:
        """Seconds, the least."""
        return min(sample.wall for sample in self.samples)

    @property
    def cpu(self) -> float:
        """Seconds, the median."""
        return statistics.median(sample.cpu for sample in self.samples)

    @property
    def peak(self) -> float:
        """MB, the most."""
        return max(sample.peak for sample in self.samples) / 1024


@dataclass(frozen=True)
class Verdict:
    """A goal and what was reached: ratios of neighbouring runs, their median and that of the least times."""

    row: Row
    goal: Goal
    reached: float
    of_least: float

    @property
    def holds(self) -> bool:
        """Whether the goal was reached."""
        most = self.goal.ratio if self.goal.seconds is None else self.goal.seconds
        return most is not None and self.reached <= most


def ratio(row: Row, reference: Row) -> tuple[float, float]:
    """The median of the ratios of runs that followed each other, and the ratio of the least times."""
    pairs = [mine.wall / its.wall for mine, its in zip(row.samples, reference.samples, strict=False)]
    return statistics.median(pairs), row.least / reference.least


def judged(rows: Sequence[Row]) -> list[Verdict]:
    """Every goal that can be judged from these rows."""
    found = {(row.mailbox, row.rtt, row.step, row.tool): row for row in rows}
    verdicts = []
    for row in rows:
        goal = GOALS.get((row.mailbox, row.step), {}).get(row.rtt)
        if goal is None or not row.tool.startswith("mailctl"):
            continue
        if goal.ratio is None:
            verdicts.append(Verdict(row, goal, row.wall, row.least))
            continue
        reference = found.get((row.mailbox, row.rtt, row.step, goal.against))
        if reference is not None:
            verdicts.append(Verdict(row, goal, *ratio(row, reference)))
    return verdicts
