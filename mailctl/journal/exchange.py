"""The mailer log as JSON Lines: one event a line, out and in again."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import datetime
from typing import Any

from mailctl.domain.event import Event, Level
from mailctl.errors import ConfigError

LONGEST_LINE = 1 << 20
_NAMES = ("run", "event", "protocol")
"""Texts that mailctl makes up itself; the others may quote anything."""


def to_line(number: int, event: Event) -> str:
    """One event as a line of JSON, without the line end."""
    values: dict[str, Any] = {field.name: getattr(event, field.name) for field in fields(event)}
    return json.dumps({**values, "time": event.time.isoformat(), "number": number}, ensure_ascii=True)


def from_lines(lines: Iterable[str], name: str) -> Iterator[tuple[int, Event]]:
    """Events of an export. Raises ConfigError naming the line of file `name` that is none; blank lines are skipped."""
    for count, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            if len(line) > LONGEST_LINE:
                raise ValueError("the line is too long")  # noqa: TRY301 - told like every other fault of the line
            yield _parse(json.loads(line, parse_constant=_no_number))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
            raise ConfigError(
                f"{name}, line {count}: not an event of a mailer log ({what})", code="bad_import"
            ) from error


def _parse(found: dict[str, Any]) -> tuple[int, Event]:
    moment = datetime.fromisoformat(found["time"])
    if moment.tzinfo is None or not 1 < moment.year < 9999:  # the outermost years have no time in every zone
        raise ValueError("its time has no zone, or is none that a log can have")
    texts = {key: found[key] for key in ("run", "event", "message", "gateway", "protocol")}
    if not all(isinstance(text, str) for text in texts.values()) or not texts["run"] or not texts["event"]:
        raise ValueError("a text is missing")
    if not all(text.isascii() and text.isprintable() for key, text in texts.items() if key in _NAMES):
        raise ValueError("run, event or protocol holds more than printable ASCII")
    if not isinstance(found["fields"], dict) or type(found["number"]) is not int or not 0 <= found["number"] < 2**63:
        raise ValueError("fields or number has the wrong type or size")
    return found["number"], Event(time=moment, level=Level(found["level"]), fields=found["fields"], **texts)


def _no_number(word: str) -> None:
    """JSON has neither NaN nor Infinity, though Python reads them."""
    raise ValueError(f"{word} is no JSON")
