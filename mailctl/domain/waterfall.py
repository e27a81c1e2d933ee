"""Where the time of a check went: when each stage began and how long it took, as parts of the whole."""

from collections.abc import Sequence
from typing import NamedTuple

from mailctl.domain.check import StageReport


class Span(NamedTuple):
    """A stage's part of the check: `begin` and `length` as fractions (0 to 1) of the time of all stages."""

    begin: float
    length: float


def total_ms(stages: Sequence[StageReport]) -> float:
    """Milliseconds of all stages; they follow each other."""
    return sum(max(stage.ms, 0.0) for stage in stages)


def spans(stages: Sequence[StageReport]) -> list[Span]:
    """One span a stage, in order; of a check that took no time at all, none has a length."""
    whole = total_ms(stages)
    found: list[Span] = []
    begin = 0.0
    for stage in stages:
        length = max(stage.ms, 0.0) / whole if whole else 0.0
        found.append(Span(min(begin, 1.0), min(length, 1.0)))
        begin += length
    return found


def blocks(span: Span, width: int) -> tuple[int, int]:
    """`span` on a row of `width` characters → (characters before it, characters of it); what took time has one."""
    begin = min(int(span.begin * width), width - 1)
    end = round((span.begin + span.length) * width)
    return begin, max(min(end, width) - begin, 1) if span.length else 0


def show_ms(ms: float) -> str:
    """`12 ms`, `3.4 s`: milliseconds for people."""
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"
