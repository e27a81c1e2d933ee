"""Sizes, lengths of time and beginnings as files and options hold them: numbers, or texts such as `25MB` and `15m`.

Reading is `domain.when`'s; here are the bounds, the plain numbers, and the way back to text.
"""

import re
from datetime import date, timedelta

from mailctl.domain.when import parse_duration, parse_size
from mailctl.errors import UsageError

MOST = 2**53
"""Integers up to here are exact in every program that reads the JSON."""

_SIZES = (("GiB", 1024**3), ("GB", 1000**3), ("MiB", 1024**2), ("MB", 1000**2), ("KiB", 1024), ("KB", 1000))
_TIMES = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_AGE = r"([0-9]{1,5})d"


def size_octets(value: str | int) -> int:
    """Octets of `26214400` or `"25MB"`. Raises UsageError."""
    octets = value if isinstance(value, int) else parse_size(value)
    if not 0 <= octets <= MOST:
        raise UsageError(f"{value!r} is out of range for a size", code="bad_size")
    return octets


def size_text(octets: int) -> str | int:
    """The shortest exact spelling of a number of octets: `25MB`, `1MiB`, or the number itself."""
    return next((f"{octets // size}{unit}" for unit, size in _SIZES if octets and octets % size == 0), octets)


def seconds_of(value: str | int) -> int:
    """Seconds of `900`, `"900"` or `"15m"`. Raises UsageError."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    seconds = value if isinstance(value, int) else int(parse_duration(value).total_seconds())
    if not 0 <= seconds <= MOST:
        raise UsageError(f"{value!r} is out of range for a length of time", code="bad_duration")
    return seconds


def seconds_text(seconds: int) -> str | int:
    """The shortest exact spelling of a number of seconds: `15m`, `2h`, `90s`."""
    return next((f"{seconds // size}{unit}" for unit, size in _TIMES if seconds and seconds % size == 0), seconds)


def check_since(value: str) -> str:
    """An ISO date (`2026-01-31`) or an age in days (`90d`), returned as it is. Raises UsageError."""
    try:
        if re.fullmatch(_AGE, value) or (len(value) == 10 and date.fromisoformat(value)):
            return value
    except ValueError:
        pass
    raise UsageError(f"{value!r} is neither a date such as 2026-01-31 nor an age such as 90d", code="bad_since")


def since_date(value: str, today: date) -> date:
    """The date that a `since` means on the day `today`. Raises UsageError."""
    match = re.fullmatch(_AGE, check_since(value))
    if match is None:
        return date.fromisoformat(value)
    try:
        return today - timedelta(days=int(match[1]))
    except OverflowError:
        return date.min
