"""Times, ages and sizes as people write them."""

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.domain.when import parse_duration, parse_moment, parse_size, show_age, show_size
from mailctl.errors import UsageError

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2h", NOW - timedelta(hours=2)),
        ("90d", NOW - timedelta(days=90)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20T08:30", datetime(2026, 11, 20, 8, 30, tzinfo=UTC)),
        ("2026-11-20T08:30+02:00", datetime(2026, 11, 20, 6, 30, tzinfo=UTC)),
    ],
)
def test_moments(text: str, moment: datetime) -> None:
    assert parse_moment(text, NOW) == moment


@pytest.mark.parametrize(
    ("text", "octets"), [("500", 500), ("25MB", 25_000_000), ("2 GiB", 2 * 1024**3), ("1k", 1000), ("3b", 3)]
)
def test_sizes(text: str, octets: int) -> None:
    assert parse_size(text) == octets


@pytest.mark.parametrize("text", ["", "x", "-1h", "2 years", "999999999w", "12:30", "2026-13-01", "9ib", "1.5h"])
def test_what_is_none_of_them_is_refused(text: str) -> None:
    for parse in (parse_duration, parse_size, lambda text: parse_moment(text, NOW)):
        with pytest.raises(UsageError):
            parse(text)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_duration, parse_size, lambda text: parse_moment(text, NOW)):
        with contextlib.suppress(UsageError):
            parse(text)


def test_what_people_see() -> None:
    assert [show_age(s) for s in (5, 300, 7200, 864000)] == ["5 s", "5 min", "2 h", "10 d"]
    assert [show_size(n) for n in (5, 1400, 1_400_000, 250_000_000)] == ["5 B", "1.4 kB", "1.4 MB", "250 MB"]
