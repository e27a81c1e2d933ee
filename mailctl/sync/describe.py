"""What a person knows a message by: sender, subject, date. Pure; bounded, since other people wrote it."""

import re

from mailctl.domain.pattern import pattern
from mailctl.domain.record import dataclass

MOST_HEADER = 1 << 16
"""Octets of a header that are looked at."""
_FIELD = pattern(rb"^(from|subject|date|message-id)[ \t]*:((?:[^\n]|\n[ \t])*)", re.IGNORECASE | re.MULTILINE)
_RAW = 1000
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Description:
    """sender, subject: decoded (RFC 2047), at most 200 characters each, not escaped. date: ISO 8601 in UTC.

    Each is "" if the header has none. moment: the date as epoch seconds, None if there is none or it can't be read.
    """

    sender: str = ""
    subject: str = ""
    date: str = ""
    moment: int | None = None

    def __str__(self) -> str:
        subject = f"“{self.subject}”" if self.subject else ""
        return ", ".join(part for part in (self.date[:10], self.sender, subject) if part)


def describe(header: bytes) -> Description:
    """The description of a message with this header, or beginning of a message."""
    found = identity(header)
    moment = _moment(found.get("date", b""))
    return Description(_words(found.get("from", b"")), _words(found.get("subject", b"")), _iso(moment), moment)


def identity(header: bytes) -> dict[str, bytes]:
    """From, Subject, Date and Message-ID as they stand there, white space reduced, 1000 octets each; what it has."""
    text = header[:MOST_HEADER].replace(b"\r", b"")
    end = 0 if text.startswith(b"\n") else text.find(b"\n\n")
    found: dict[str, bytes] = {}
    for name, value in _FIELD.findall(text if end < 0 else text[: end + 1]):
        found.setdefault(name.decode().lower(), b" ".join(value.split())[:_RAW])
    return found


def _words(value: bytes) -> str:
    """A field's text, its encoded words decoded."""
    from email.errors import HeaderParseError
    from email.header import decode_header, make_header

    text = value.decode("utf-8", "replace")
    if "=?" in text:
        try:
            text = str(make_header(decode_header(text)))
        except (HeaderParseError, LookupError, ValueError):  # what it raises for what is no encoded word
            return text[:_SHOWN]
    return text[:_SHOWN]


def _moment(value: bytes) -> int | None:
    from email.utils import mktime_tz, parsedate_tz

    try:
        parts = parsedate_tz(value[:100].decode("ascii", "replace"))
        return int(mktime_tz(parts)) if parts else None
    except (ValueError, TypeError, IndexError, OverflowError):  # what they raise for what is no date
        return None


def _iso(moment: int | None) -> str:
    from datetime import UTC, datetime

    try:
        return "" if moment is None else datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return ""
