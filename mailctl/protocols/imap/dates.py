"""INTERNALDATE (RFC 9051, date-time) as seconds since the epoch, and ISO dates as SEARCH wants them."""

import re
from datetime import UTC, date, datetime, timedelta, timezone

MONTHS = (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec")
_NUMBERS = {name: number for number, name in enumerate(MONTHS, 1)}
_DATE_TIME = re.compile(rb" ?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)([0-5]\d)", re.ASCII)
EARLIEST, LATEST = -(2**31), 2**33
"""What file systems can keep as a time: 1901 to 2242."""


def parse_internaldate(text: bytes) -> float | None:
    """`17-Jul-1996 02:44:25 -0700` as seconds since the epoch; None for what is no date or outside 1901 to 2242."""
    found = _DATE_TIME.fullmatch(text)
    if not found:
        return None
    day, name, year, hour, minute, second, sign, zone_hours, zone_minutes = found.groups()
    month = _NUMBERS.get(name.lower())
    offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
    if month is None or offset >= timedelta(hours=24):
        return None
    try:
        # a leap second (60) is a second that datetime doesn't have
        zone = timezone(-offset if sign == b"-" else offset)
        moment = datetime(int(year), month, int(day), int(hour), int(minute), min(int(second), 59), tzinfo=zone)
        seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    except (ValueError, OverflowError):
        return None
    return seconds if EARLIEST <= seconds <= LATEST and int(second) <= 60 else None


def search_date(iso: str) -> str:
    """`2024-07-01` as SEARCH takes it: `1-Jul-2024` (RFC 9051, date). ValueError for what isn't an ISO date."""
    day = date.fromisoformat(iso)
    return f"{day.day}-{MONTHS[day.month - 1].decode().capitalize()}-{day.year:04}"
