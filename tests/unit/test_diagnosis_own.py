"""The user's own entries: they count before what ships, and a wrong one is told without taking the others along."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.diagnosis.knowledge import load_knowledge
from mailctl.diagnosis.matcher import judge
from mailctl.diagnosis.own import misread, with_own
from mailctl.diagnosis.verdict import Evidence

SHIPPED = load_knowledge()
OWN = """
[[failure]]
id = "own.badge"
cause = "account_locked"
pattern = ["badge not active"]
remedy = ["Call the front desk."]
example = "535 5.7.8 badge not active"
"""


def test_an_own_entry_counts_before_what_ships() -> None:
    knowledge, problems = with_own(SHIPPED, [("own.toml", OWN)])
    assert problems == []
    assert misread(knowledge, [("own.toml", OWN)]) == []
    verdict = judge(Evidence("smtp", "authenticate", text="535 5.7.8 Badge not active"), knowledge)
    assert (verdict.cause, verdict.confidence, verdict.remedy) == ("account_locked", "high", ("Call the front desk.",))


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("nonsense", "", "is not TOML"),
        ("[provider]\nhosts = []\n", "provider", "'id'"),
        ("[[faliure]]\nid = 'a'\n", "faliure", "no such table"),
        ("[failure]\nid = 'a'\n", "failure", "no list"),
        ("failure = [1]\n", "failure 1", "no table"),
        ("[[failure]]\nid = 'a'\npattern = ['x']\n", "a", "lacks 'cause'"),
        ("[[failure]]\ncause = 'unknown'\npattern = ['x']\n", "failure 1", "id"),
        ("[[failure]]\nid = 'a'\ncause = 'weather'\npattern = ['x']\n", "a", "there is no cause 'weather'"),
        ("[[failure]]\nid = 'a'\ncause = 'unknown'\npattern = 'x'\n", "a", "list of texts"),
        ("[[failure]]\nid = 'a'\ncause = 'unknown'\n", "a", "neither pattern"),
        ("[[failure]]\nid = 'a'\ncause = 'unknown'\npattern = [' * ']\n", "a", "needs words"),
        ("[[failure]]\nid = 'a'\ncause = 'unknown'\npattern = ['x']\nconfidence = 'sure'\n", "a", "high"),
        ("[[failure]]\nid = 'a'\ncause = 'unknown'\npattern = ['x']\npriority = 900\n", "a", "from 0 to"),
        ("[[failure]]\nid = 'a'\ncause = 'unknown'\npattern = ['x']\nonly_here = 1\n", "a", "true or false"),
        ("[[failure]]\nid = 'a'\ncause = 'unknown'\npattern = ['x']\ncolour = 'red'\n", "a", "unknown key 'colour'"),
        ("[[failure]]\nid = 'smtp.535'\ncause = 'unknown'\npattern = ['x']\n", "smtp.535", "another entry"),
    ],
)
def test_a_wrong_entry_is_told_and_left_out(text: str, key: str, said: str) -> None:
    knowledge, problems = with_own(SHIPPED, [("bad.toml", text), ("own.toml", OWN)])
    assert [(problem.file, problem.key) for problem in problems] == [("bad.toml", key)]
    assert said in problems[0].message
    assert len(knowledge.failures) == len(SHIPPED.failures) + 1


def test_an_example_that_is_read_otherwise_is_told() -> None:
    text = OWN.replace('example = "535 5.7.8 badge not active"', 'example = "454 4.7.0 later"')
    knowledge, _ = with_own(SHIPPED, [("own.toml", text)])
    assert "its example is read as temp_unavailable" in misread(knowledge, [("own.toml", text)])[0].message


@given(st.text(max_size=120))
def test_no_file_breaks_the_knowledge(text: str) -> None:
    knowledge, _ = with_own(SHIPPED, [("x.toml", text)])
    assert len(knowledge.failures) >= len(SHIPPED.failures)
