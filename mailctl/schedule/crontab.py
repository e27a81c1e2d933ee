"""A block of our own in somebody's crontab (crontab(5)); all that stands around it stays as it is. Pure, on octets."""

import shlex
from zlib import crc32

from mailctl.errors import ConfigError, UsageError
from mailctl.schedule.wanted import Wanted, checked

_MINUTES = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)
_HOURS = (1, 2, 3, 4, 6, 8, 12)
INTERVALS = (*(60 * n for n in _MINUTES), *(3600 * n for n in _HOURS), 86400)
"""Seconds between two runs that a crontab can say."""


def block(wanted: Wanted) -> bytes:
    """The lines of the block. UsageError for an interval that no crontab can say."""
    begin, end = _marks(wanted.realm)
    variables = [f"{name}={value}" for name, value in sorted(wanted.environment.items())]
    words = [*(["env", *variables] if variables else []), *wanted.words]
    line = " ".join(shlex.quote(checked(word, "the command line")) for word in words).replace("%", "\\%")
    when = moments(wanted.every or 0, crc32(repr((wanted.words, variables)).encode("utf-8", "surrogateescape")))
    said = f"# what it did is in `mailctl log`\n{when} {line} >/dev/null 2>&1\n"
    return begin + said.encode("utf-8", "surrogateescape") + end


def moments(every: int, number: int) -> str:
    """The five fields that run something `every` so many seconds; `number` spreads different schedules over time."""
    if every not in INTERVALS:
        near = [
            max((n for n in INTERVALS if n < every), default=0),
            min((n for n in INTERVALS if n > every), default=0),
        ]
        shown = " or ".join(_shown(seconds) for seconds in near if seconds)
        raise UsageError(
            f"cron can't run something every {_shown(every)}", hint=f"Choose {shown}.", code="bad_interval"
        )
    minute = number % 60
    if every < 3600:
        step = every // 60
        return f"{minute % step}-59/{step} * * * *" if step > 1 else "* * * * *"
    if every < 86400:
        step = every // 3600
        return f"{minute} {number // 60 % step}-23/{step} * * *" if step > 1 else f"{minute} * * * *"
    return f"{minute} {number // 60 % 24} * * *"


def with_block(crontab: bytes, wanted: Wanted) -> bytes:
    """The crontab with the block, in the place of an older one or at the end."""
    before, old, after = _parts(crontab, wanted.realm)
    if not old and before and not before.endswith(b"\n"):
        before += b"\n"
    return before + block(wanted) + after


def without_block(crontab: bytes, realm: str) -> bytes:
    """The crontab without the block."""
    before, _, after = _parts(crontab, realm)
    return before + after


def found(crontab: bytes, realm: str) -> str:
    """The line of the block that runs something, "" if there is no block."""
    _, old, _ = _parts(crontab, realm)
    lines = [line for line in old.decode("utf-8", "replace").splitlines() if not line.startswith("#")]
    return lines[0] if lines else ""


def _parts(crontab: bytes, realm: str) -> tuple[bytes, bytes, bytes]:
    """What stands before the block, the block, and what stands after it."""
    begin, end = _marks(realm)
    start = crontab.find(begin)
    if start < 0 or (start > 0 and crontab[start - 1 : start] != b"\n"):
        return crontab, b"", b""
    stop = crontab.find(end, start)
    if stop < 0:
        raise ConfigError(
            "The crontab has the begin of mailctl's block, and not its end",
            hint=f"`crontab -e`: remove the line {begin.decode().strip()!r} and what belongs to it.",
            code="crontab_damaged",
        )
    stop += len(end)
    return crontab[:start], crontab[start:stop], crontab[stop:]


def _marks(realm: str) -> tuple[bytes, bytes]:
    name = f"mailctl {realm}".strip()
    return f"# {name}: begin (`mailctl schedule remove` removes it)\n".encode(), f"# {name}: end\n".encode()


def _shown(seconds: int) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
