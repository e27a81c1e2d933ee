"""Refusals of tokens in pasted conversations: the base64 of a challenge is read, and nothing else is."""

import json
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.diagnosis.challenges import read_challenges
from mailctl.diagnosis.explain import explain
from mailctl.diagnosis.knowledge import load_knowledge
from mailctl.diagnosis.verdict import Evidence

KNOWLEDGE = load_knowledge()


def challenge(**told: object) -> str:
    return b64encode(json.dumps(told).encode()).decode()


@pytest.mark.parametrize(
    ("status", "cause"),
    [("400", "token_rejected"), ("invalid_token", "token_rejected"), ("insufficient_scope", "scope_missing")],
)
@pytest.mark.parametrize("line", ["+ {}", "334 {}", "S: + {}", "AUTHENTICATE failed: {}"])
def test_explain_reads_the_status_in_a_challenge(status: str, cause: str, line: str) -> None:
    text = line.format(challenge(status=status, schemes="bearer", scope="https://mail.google.com/"))
    assert explain(text, Evidence(), KNOWLEDGE).cause == cause


def test_what_it_says_stands_behind_it() -> None:
    said = challenge(status="401", scope="mail")
    assert read_challenges(f"334 {said}\r\n") == f'334 {said} {{"status": "401", "scope": "mail"}}\r\n'


@pytest.mark.parametrize(
    "text",
    [
        "Bearer eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.eyJzdGF0dXMiOiI0MDAifQ.c2ln",
        f"AUTH {challenge(user='alice')}",
        f"x{challenge(status='400')}",
        f"{challenge(status='400')}.x",
        "eyJ" + "A" * 5000,
        "eyJ" + b64encode(b"[" * 3000).decode(),
        challenge(status=["400"]),
    ],
)
def test_what_is_no_refusal_stays_as_it_is(text: str) -> None:
    assert read_challenges(text) == text


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert read_challenges(text).startswith(text[:3])


@given(st.dictionaries(st.sampled_from(["status", "error", "scope"]), st.text() | st.integers() | st.none()))
def test_any_refusal_adds_little(told: dict[str, object]) -> None:
    said = challenge(**told)
    assert len(read_challenges(said)) <= len(said) + 1001
