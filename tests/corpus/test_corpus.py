"""What is promised of `explain`, held against real failures."""

import pytest

from mailctl.diagnosis.knowledge import Knowledge, load_knowledge
from tests.corpus.score import HELD_OUT, NORMAL, WRITTEN_FROM, Case, read, score


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return load_knowledge()


def test_the_corpus_is_what_it_says(knowledge: Knowledge) -> None:
    halves = [list(read(WRITTEN_FROM)), list(read(HELD_OUT))]
    cases: list[Case] = [case for half in halves for case in half]
    assert len(cases) >= 250
    assert min(map(len, halves)) >= 125
    assert len({case.id for case in cases}) == len({case.text for case in cases}) == len(cases)
    assert {cause for case in cases for cause in (case.cause, *case.also)} <= set(knowledge.causes)
    assert all(case.source for case in cases)


def test_failures_that_no_pattern_was_written_from_are_read_rightly(knowledge: Knowledge) -> None:
    reached = score(read(HELD_OUT), knowledge)
    assert reached.right / reached.cases > 0.9, reached
    assert reached.sure_right / reached.sure > 0.95, reached
    assert reached.accusing == 0, reached


def test_failures_that_patterns_were_written_from_are_read_rightly(knowledge: Knowledge) -> None:
    reached = score(read(WRITTEN_FROM), knowledge)
    assert reached.right / reached.cases > 0.95, reached
    assert reached.sure_right / reached.sure > 0.97, reached
    assert reached.accusing == 0, reached


def test_normal_sessions_and_settings_are_no_failure(knowledge: Knowledge) -> None:
    reached = score(read(NORMAL), knowledge)
    assert reached.right / reached.cases > 0.95, reached
