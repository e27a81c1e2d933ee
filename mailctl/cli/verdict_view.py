"""What a verdict looks like: cause, meaning, steps, who can take them. `test` and `explain` show it."""

from collections.abc import Sequence
from typing import Protocol as Interface

from mailctl.domain.who import who
from mailctl.output.view import Cell, Fields, Styled


class Verdict(Interface):
    """What a verdict's block shows; a check's report has it, and so has what `explain` finds."""

    @property
    def cause(self) -> str: ...
    @property
    def confidence(self) -> str: ...
    @property
    def explanation(self) -> str: ...
    @property
    def remedy(self) -> Sequence[str]: ...
    @property
    def fixer(self) -> str: ...
    @property
    def retry(self) -> str: ...
    @property
    def doc_url(self) -> str: ...
    @property
    def alternatives(self) -> "Sequence[Other]": ...


class Other(Interface):
    """Another cause that it may be."""

    @property
    def cause(self) -> str: ...
    @property
    def explanation(self) -> str: ...


def verdict_view(report: Verdict, said: str, label: str = "server said") -> Fields:
    """The cause, what it means, the steps, who can take them; then the words that led there, and other causes."""
    sure = "" if report.confidence == "high" else f" ({report.confidence} confidence)"
    pairs: list[tuple[str, Cell]] = [
        ("cause", Styled(f"{report.cause}{sure}", "strong")),
        ("meaning", report.explanation),
    ]
    pairs += [(f"step {number}", step) for number, step in enumerate(report.remedy, 1)]
    pairs.append(("who", who(report.fixer, report.retry, report.confidence)))
    if report.doc_url:
        pairs.append(("more", report.doc_url))
    pairs += [(label, line) for line in said.splitlines()[:8]]
    pairs += [("or", f"{other.cause}: {other.explanation}") for other in report.alternatives]
    return Fields(pairs)
