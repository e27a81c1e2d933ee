"""How often `explain` names the true cause of the failures collected here: `python -m tests.corpus.score [--misses]`.

--misses shows the texts that were misread, of the half that patterns were written from only: whoever looks at the
other half has no measure any more.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mailctl.diagnosis.explain import Explanation, explain
from mailctl.diagnosis.knowledge import Knowledge, load_knowledge
from mailctl.diagnosis.verdict import Evidence
from mailctl.errors import ExitCode

HERE = Path(__file__).parent
WRITTEN_FROM, HELD_OUT = HERE / "written_from.jsonl", HERE / "held_out.jsonl"
NORMAL = HERE / "normal.jsonl"


@dataclass(frozen=True, slots=True)
class Case:
    """A real text and its cause. also: causes that are right too, where the text can't decide. source: where from."""

    id: str
    text: str
    cause: str
    also: tuple[str, ...]
    known: Evidence
    source: str


@dataclass(frozen=True, slots=True)
class Score:
    """What came out. sure, sure_right: of the readings with high confidence. accusing: sign-in causes without one."""

    cases: int
    right: int
    sure: int
    sure_right: int
    accusing: int
    misses: tuple[tuple[Case, Explanation], ...]

    def __str__(self) -> str:
        return (
            f"{self.right} of {self.cases} right ({self.right / self.cases:.1%}); "
            f"high confidence: {self.sure_right} of {self.sure} right ({self.sure_right / max(self.sure, 1):.1%}); "
            f"sign-in blamed where none failed: {self.accusing}"
        )


def read(file: Path) -> Iterator[Case]:
    """The cases of a half."""
    for line in file.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        known = Evidence(**{name: entry[name] for name in ("protocol", "provider", "host", "stage") if entry.get(name)})
        yield Case(entry["id"], entry["text"], entry["cause"], tuple(entry.get("also", ())), known, entry["source"])


def score(cases: Iterable[Case], knowledge: Knowledge) -> Score:
    """What `explain` makes of `cases`."""
    read_as = [(case, explain(case.text, case.known, knowledge)) for case in cases]
    sure = [(case, found) for case, found in read_as if found.confidence == "high"]
    return Score(
        cases=len(read_as),
        right=sum(_right(case, found) for case, found in read_as),
        sure=len(sure),
        sure_right=sum(_right(case, found) for case, found in sure),
        accusing=sum(
            _is_sign_in(found.cause, knowledge)
            and not any(_is_sign_in(cause, knowledge) for cause in (case.cause, *case.also))
            for case, found in read_as
        ),
        misses=tuple((case, found) for case, found in read_as if not _right(case, found)),
    )


def _right(case: Case, found: Explanation) -> bool:
    return found.cause in (case.cause, *case.also)


def _is_sign_in(cause: str, knowledge: Knowledge) -> bool:
    return knowledge.causes[cause].exit_code is ExitCode.AUTH


def main(words: list[str]) -> None:
    """Print the figures of both halves."""
    knowledge = load_knowledge()
    for file in (WRITTEN_FROM, HELD_OUT):
        reached = score(read(file), knowledge)
        print(f"{file.stem}: {reached}")
        if file == WRITTEN_FROM and "--misses" in words:
            for case, found in reached.misses:
                print(f"\n== {case.id}: {case.cause} read as {found.cause} ({found.confidence})\n{case.text}")
        by_cause = Counter(case.cause for case, _ in reached.misses)
        print("   missed:", ", ".join(f"{cause} {count}" for cause, count in by_cause.most_common()) or "none")


if __name__ == "__main__":
    main(sys.argv[1:])
