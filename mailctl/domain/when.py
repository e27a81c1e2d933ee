"""Times, ages, sizes and counts as people write them: `2h`, `90d`, `2026-11-21`, `25MB`."""

import re
from datetime import UTC, date, datetime, time, timedelta

from mailctl.domain.pattern import pattern
from mailctl.errors import UsageError

_DURATION = pattern(r"(\d{1,9}) ?(s|m|h|d|w)", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SIZE = pattern(r"(\d{1,15}) ?([kmgt]?)(i?)b?", re.ASCII | re.IGNORECASE)


def parse_duration(text: str) -> timedelta:
    """`90s`, `15m`, `2h`, `90d`, `2w` → a duration; raises UsageError otherwise."""
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise UsageError(f"{text!r} is not a duration; write 90s, 15m, 2h, 90d or 2w", code="bad_duration")
    try:
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        raise UsageError(f"{text!r} is longer than any calendar", code="bad_duration") from None


def parse_moment(text: str, now: datetime) -> datetime:
    """A duration before `now` (aware), a date (its begin, in now's zone), or an ISO date and time → an aware moment."""
    text = text.strip()
    try:
        if _DURATION.fullmatch(text):
            return now - parse_duration(text)
        if len(text) == 10:
            return datetime.combine(date.fromisoformat(text), time(), now.tzinfo or UTC)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text!r} is not a time; write an age such as 2h, a date such as 2026-11-21, or 2026-11-21T08:30",
            code="bad_time",
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo or UTC)


def parse_size(text: str) -> int:
    """`500`, `25MB`, `2 GiB` → octets; kB, MB, GB are powers of 1000, KiB, MiB, GiB of 1024."""
    match = _SIZE.fullmatch(text.strip())
    if not match or (match[3] and not match[2]):
        raise UsageError(f"{text!r} is not a size; write 500, 25MB or 2GiB", code="bad_size")
    base = 1024 if match[3] else 1000
    return int(match[1]) * int(base ** " kmgt".index(match[2].lower() or " "))


def show_age(seconds: float) -> str:
    """A duration in the largest unit that says enough: `45 s`, `12 min`, `3 h`, `9 d`."""
    for limit, unit, size in ((90, "s", 1), (5400, "min", 60), (129600, "h", 3600)):
        if abs(seconds) < limit:
            return f"{round(seconds / size)} {unit}"
    return f"{round(seconds / 86400)} d"


def counted(number: int, noun: str) -> str:
    """`1 server`, `2 servers`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def show_size(octets: int) -> str:
    """Octets for people: `512 B`, `1.4 MB`."""
    size = float(octets)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
