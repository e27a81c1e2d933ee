"""Sizes, lengths of time and beginnings, as files and options hold them; and the order of lists."""

import os
import pwd
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.domain.home import home_folder
from mailctl.domain.ordering import reorder
from mailctl.domain.units import MOST, check_since, seconds_of, seconds_text, since_date, size_octets, size_text
from mailctl.domain.when import counted
from mailctl.errors import ConfigError, UsageError

NAMES = st.text("abcdefgh", min_size=1, max_size=2)


@given(st.integers(0, MOST))
def test_what_is_written_reads_back(number: int) -> None:
    assert size_octets(size_text(number)) == number
    if number < 10**9:
        assert seconds_of(seconds_text(number)) == number


def test_spellings() -> None:
    assert [size_text(n) for n in (0, 7, 25_000_000, 1 << 20, 3 << 30)] == [0, 7, "25MB", "1MiB", "3GiB"]
    assert [seconds_text(n) for n in (0, 45, 900, 7200, 86400)] == [0, "45s", "15m", "2h", "1d"]
    assert seconds_of("900") == 900


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "90", "20260131", "-3d", "2026-01-31T10:00"])
def test_no_beginning(text: str) -> None:
    with pytest.raises(UsageError):
        check_since(text)


def test_beginnings() -> None:
    today = date(2026, 11, 21)
    assert since_date("2026-01-31", today) == date(2026, 1, 31)
    assert since_date("21d", today) == date(2026, 10, 31)
    assert since_date("99999d", date(1, 1, 5)) == date.min


@given(st.dictionaries(NAMES, st.integers(-3, 3), min_size=2, max_size=12), st.data())
def test_moving_puts_it_there_and_nothing_else_elsewhere(orders: dict[str, int], data: st.DataObject) -> None:
    moved, anchor = data.draw(st.permutations(sorted(orders)))[:2]
    before = data.draw(st.booleans())
    old = sorted(orders, key=lambda name: (orders[name], name))
    changes = reorder(orders, moved, anchor, before=before)
    new = sorted(orders, key=lambda name: ((orders | changes)[name], name))
    assert [name for name in new if name != moved] == [name for name in old if name != moved]
    assert new.index(anchor) - new.index(moved) == (1 if before else -1)
    assert (changes == {}) == (new == old)
    assert all(orders[name] != order for name, order in changes.items())


def test_moving_changes_as_little_as_can_be() -> None:
    assert reorder({"a": 10, "b": 20, "c": 30}, "c", "b", before=True) == {"c": 15}
    assert reorder({"a": 10, "b": 20, "c": 30}, "c", "a", before=True) == {"c": 0}
    assert reorder({"a": 10, "b": 20, "c": 30}, "a", "c", before=False) == {"a": 40}
    assert reorder(dict.fromkeys("abcdefg", 100), "g", "b", before=True) == {"g": 99, "a": 99}


def test_counts() -> None:
    assert [counted(number, "gateway") for number in (0, 1, 2)] == ["0 gateways", "1 gateway", "2 gateways"]


@pytest.mark.parametrize("env", [{}, {"HOME": ""}])
def test_an_empty_home_is_an_unset_one(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert home_folder(env) == Path(pwd.getpwuid(os.getuid()).pw_dir)
    assert home_folder({"HOME": "/h"}) == Path("/h")

    def nobody(number: int) -> object:
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with pytest.raises(ConfigError, match="home folder"):
        home_folder(env)
