"""What a message's header tells of its way: Authentication-Results (RFC 8601), Received-SPF (RFC 7208), Received.

The header is what others wrote, so all is bounded and nothing raises. Own code, since the one library for the field,
authres, has had no release since 2019, can't read what Microsoft writes (no name of a server first), and lets a few
thousand parentheses run the stack over.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from mailctl.domain.probe import Authentication, Hop, MethodResult

MARK = "X-Mailctl-Probe"
"""A field that repeats the Message-ID, since some providers write a Message-ID of their own (Amazon SES does)."""
WAY = ("Authentication-Results", "Received-SPF", "Received")
"""The fields that tell of the message's way."""
_FIELD = 8192
"""Octets of one field that are read."""
_MOST = 50
_VALUE = 255
_UNFOLD = re.compile(r"\r?\n[ \t]+")
_NAME = re.compile(r"([!-9;-~]{1,76})[ \t]*:[ \t]*(.*)", re.DOTALL)
_METHOD = re.compile(
    r"\s*([A-Za-z][A-Za-z0-9-]{0,30})(?:\s*/\s*[0-9]{1,3})?\s*=\s*([A-Za-z][A-Za-z0-9]{0,20})(?=[\s;]|$)"
)
_PROPERTY = re.compile(
    r"\b([A-Za-z][A-Za-z0-9-]{0,30}\.[A-Za-z0-9][A-Za-z0-9_-]{0,30}|reason|action)\s*=\s*(\"(?:[^\"\\]|\\.)*\"|[^\s;\"]+)"
)
_BY = re.compile(r"(?:^|\s)by\s+([^\s;()]{1,255})", re.IGNORECASE)


def header_fields(header: bytes) -> list[tuple[str, str]]:
    """The fields of `header` in order: (name in lower case, value unfolded, at most 8 KiB)."""
    text = header[: 1 << 18].decode("utf-8", "replace")
    lines = _UNFOLD.sub(" ", text).split("\n")  # not splitlines, which ends lines where mail doesn't
    matches = (_NAME.fullmatch(line.rstrip("\r")) for line in lines)
    return [(match[1].lower(), match[2].strip()[:_FIELD]) for match in matches if match]


def is_probe(header: bytes, message_id: str) -> bool:
    """Whether the header is that of the probe, and of no other message: its Message-ID, or its mark, exactly so."""
    fields = header_fields(header)
    marks = ([value for name, value in fields if name == mark] for mark in ("message-id", MARK.lower()))
    return [message_id] in marks


def authentication(fields: Sequence[tuple[str, str]]) -> Authentication | None:
    """What the last server that checked found: the topmost Authentication-Results, else Received-SPF; None if neither.

    A probe leaves without such a field, so whoever wrote the topmost one received it later than all others.
    """
    for name, value in fields:
        if name == "authentication-results":
            return parse_authentication_results(value)
    for name, value in fields:
        if name == "received-spf" and (word := re.match(r"[A-Za-z]{1,20}", value)):
            return Authentication("", (MethodResult("spf", word[0].lower()),))
    return None


def parse_authentication_results(value: str) -> Authentication:
    """The value of an Authentication-Results field (RFC 8601 section 2.2), read as far as it can be.

    Some providers leave the name of the server out; what begins with a result then has none.
    """
    parts = list(_split(_without_comments(value[:_FIELD])))
    server = ""
    if parts and not _METHOD.match(parts[0]):
        words = parts.pop(0).split()
        server = words[0].strip('"')[:_VALUE] if words else ""
    results = []
    for part in parts[:_MOST]:
        if found := _METHOD.match(part):
            properties = {
                name.lower(): _unquoted(text)[:_VALUE] for name, text in _PROPERTY.findall(part[found.end() :])[:_MOST]
            }
            results.append(MethodResult(found[1].lower(), found[2].lower(), properties))
    return Authentication(server, tuple(results))


def result_of(found: Authentication | None, method: str) -> str:
    """The result of `method`: `pass` if any is (there may be several signatures), else the first; "" if not told."""
    results = [each.result for each in found.results if each.method == method] if found else []
    return "pass" if "pass" in results else next(iter(results), "")


def hops(fields: Sequence[tuple[str, str]]) -> tuple[Hop, ...]:
    """The servers on the way, first to last, each with the seconds since the one before where their clocks tell."""
    found: list[Hop] = []
    before: datetime | None = None
    for value in [value for name, value in fields if name == "received"][:_MOST][::-1]:
        plain = _without_comments(value)
        by = _BY.search(plain)
        at = _moment(plain.rpartition(";")[2].strip())
        seconds = (at - before).total_seconds() if at and before else None
        found.append(Hop(by[1] if by else "", seconds))
        before = at or before
    return tuple(found)


def _moment(text: str) -> datetime | None:
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text[:100])
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):  # what it raises for what is no date
        return None


def _without_comments(text: str) -> str:
    """`text` without comments in parentheses, which may nest; quoted strings stay."""
    kept: list[str] = []
    depth, quoted, escaped = 0, False, False
    for character in text:
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == '"' and not depth:
            quoted = not quoted
        elif character == "(" and not quoted:
            depth += 1
            continue
        elif character == ")" and depth and not quoted:
            depth -= 1
            kept.append(" ")
            continue
        if not depth:
            kept.append(character)
    return "".join(kept)


def _split(text: str) -> Iterator[str]:
    """`text` between semicolons that aren't quoted."""
    begin, quoted, escaped = 0, False, False
    for index, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == ";" and not quoted:
            yield text[begin:index]
            begin = index + 1
    yield text[begin:]


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text[:1] == '"' else text
