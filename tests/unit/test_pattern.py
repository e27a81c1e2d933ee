"""Patterns compile when they are used."""

import re

import pytest

from mailctl.domain.pattern import pattern


def test_it_is_what_it_stands_for() -> None:
    words = pattern(r"(\w+) (\w+)", re.IGNORECASE)
    for _ in range(2):
        found = words.fullmatch("a B")
        assert found is not None
        assert found.groups() == ("a", "B")
        assert words.search("no") is None
    assert words.sub(r"\2 \1", "a b") == "b a"
    assert (words.pattern, words.flags & re.IGNORECASE) == (r"(\w+) (\w+)", re.IGNORECASE)
    assert pattern(rb"x").match(b"xy")


def test_a_wrong_one_is_told_when_it_is_used() -> None:
    wrong = pattern("(")
    with pytest.raises(re.error):
        wrong.match("")
    with pytest.raises(AttributeError):
        pattern("x").fits()  # type: ignore[attr-defined]  # what is tried
