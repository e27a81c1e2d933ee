"""INTERNALDATE (RFC 9051, date-time) from and to seconds since the epoch, and ISO dates as SEARCH wants them."""

from datetime import date
from functools import lru_cache

from mailctl.domain.pattern import pattern

MONTHS = (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec")
_NUMBERS = {name: number for number, name in enumerate(MONTHS, 1)}
_DATE_TIME = pattern(
    rb" ?(\d{1,2}-[A-Za-z]{3}-\d{4}) ([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60) ([+-])([01]\d|2[0-3])([0-5]\d)"
)
_TIME = pattern(rb"([01]\d|2[0-3]):([0-5]\d)")
_EPOCH = date(1970, 1, 1).toordinal()
EARLIEST, LATEST = -(2**31), 2**33
"""What file systems can keep as a time: 1901 to 2242."""


def parse_internaldate(text: bytes) -> float | None:
    """`17-Jul-1996 02:44:25 -0700` as seconds since the epoch; None for what is no date or outside 1901 to 2242."""
    # a folder of 150,000 messages has as many dates: their parts repeat, and what is made of each is kept
    if len(text) == 26:
        begins, time, second = _day(text[:12], text[20:]), _time(text[12:17]), _SECONDS.get(text[17:20])
        if begins is not None and time is not None and second is not None:
            return begins + time + second
    return _parse_exact(text)


def _parse_exact(text: bytes) -> float | None:
    found = _DATE_TIME.fullmatch(text)
    midnight = _midnight(found[1]) if found else None
    if found is None or midnight is None:
        return None
    _, hour, minute, second, sign, zone_hours, zone_minutes = found.groups()
    offset = int(zone_hours) * 3600 + int(zone_minutes) * 60
    # a leap second (60) is a second that the epoch doesn't count
    local = midnight + int(hour) * 3600 + int(minute) * 60 + min(int(second), 59)
    seconds = local + offset if sign == b"-" else local - offset
    return float(seconds) if EARLIEST <= seconds <= LATEST else None


_SECONDS = {b":%02d" % second: second for second in range(60)}


@lru_cache(maxsize=4096)
def _day(day: bytes, zone: bytes) -> float | None:
    """When that day begins there, or None: `17-Jul-1996 ` and ` -0700`."""
    begins, ends = (_parse_exact(day + time + zone) for time in (b"00:00:00", b"23:59:59"))
    return begins if ends is not None else None


@lru_cache(maxsize=1500)
def _time(time: bytes) -> int | None:
    """`02:44` as seconds of the day, or None."""
    found = _TIME.fullmatch(time)
    return int(found[1]) * 3600 + int(found[2]) * 60 if found else None


@lru_cache(maxsize=4096)
def _midnight(day: bytes) -> int | None:
    """`17-Jul-1996` as seconds from the epoch to its beginning in UTC, or None. Messages come many to a day."""
    number, name, year = day.split(b"-")
    month = _NUMBERS.get(name.lower())
    try:
        return (date(int(year), month, int(number)).toordinal() - _EPOCH) * 86400 if month else None
    except ValueError:
        return None


def format_internaldate(seconds: float) -> str:
    """Seconds since the epoch as APPEND takes them: `17-Jul-1996 02:44:25 +0000`.

    Times that not every server can keep become the nearest that all can: 1970 to 2037.
    """
    whole = int(min(max(seconds, 0), 2**31 - 86401))
    day = date.fromordinal(_EPOCH + whole // 86400)
    clock = f"{whole // 3600 % 24:02}:{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{day.day:02}-{MONTHS[day.month - 1].decode().capitalize()}-{day.year} {clock} +0000"


def search_date(iso: str) -> str:
    """`2024-07-01` as SEARCH takes it: `1-Jul-2024` (RFC 9051, date). ValueError for what isn't an ISO date."""
    day = date.fromisoformat(iso)
    return f"{day.day}-{MONTHS[day.month - 1].decode().capitalize()}-{day.year:04}"
