"""The data of an IMAP response as nested values (RFC 9051 section 9): exact, bounded, no sockets.

A response arrives as its parts: a line without CRLF, then for each literal its octets and the line that follows it.
"""

import re
from collections.abc import Sequence

from mailctl.domain.pattern import pattern
from mailctl.errors import ProtocolError

MAX_DEPTH = 32
"""Parentheses inside parentheses; what mailctl asks for never nests deeper than four."""

MAX_NUMBER = 2**63 - 1
"""The largest number that IMAP has (RFC 7162, mod-sequence-value)."""

_TOKEN = pattern(
    rb"""[ ]*(?:
      (?P<open>\()
    | (?P<close>\))
    | "(?P<quoted>(?:[^"\\\r\n]|\\.)*)"
    | ~?\{(?P<literal>[0-9]{1,20})\+?\}\Z
    | (?P<atom>(?:BODY|BINARY)\[[^\]\x00]*\](?:<[0-9]+>)? | [^\x00-\x20\x7f()"{]+)
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_ESCAPED = pattern(rb"\\(.)")
_LITERAL_END = pattern(rb"~?\{(-?[0-9]+)\+?\}\Z")


class Atom(bytes):
    """A word that stood without quotes: an atom, a number, a flag, a section such as `BODY[]`."""

    __slots__ = ()


Value = bytes | list["Value"] | None
"""An atom, a string (plain bytes), a parenthesised list, or NIL."""


def literal_size(line: bytes, most: int) -> int | None:
    """Octets of the literal that `line` (no CRLF) announces at its end; None if it announces none.

    Raises ProtocolError for a negative size and for one above `most`: nothing is ever allocated on a server's word.
    """
    if not line.endswith(b"}"):
        return None
    found = _LITERAL_END.search(line)
    if not found:
        return None
    digits = found[1]
    if len(digits) > 20 or not 0 <= int(digits) <= most:
        raise ProtocolError(f"the server announced a literal of {digits[:24].decode()} octets", code="literal_size")
    return int(digits)


def parse_values(parts: Sequence[bytes], start: int = 0) -> list[Value]:
    """The values in `parts`, from octet `start` of the first on.

    Raises ProtocolError for what isn't IMAP, and for more than MAX_DEPTH levels of parentheses.
    """
    top: list[Value] = []
    stack = [top]
    queue = iter(parts)
    line: bytes | None = next(queue)
    position = start
    while line is not None:
        end = len(line.rstrip(b" "))
        following: bytes | None = None
        while position < end:
            found = _TOKEN.match(line, position)
            if not found:
                raise ProtocolError("the server sent a response that can't be parsed", server_text=_shown(line))
            kind, position = found.lastgroup, found.end()
            if kind == "open":
                if len(stack) > MAX_DEPTH:
                    raise ProtocolError(f"the server nested more than {MAX_DEPTH} parentheses", code="nesting")
                inner: list[Value] = []
                stack[-1].append(inner)
                stack.append(inner)
            elif kind == "close":
                if len(stack) == 1:
                    raise ProtocolError("the server closed a parenthesis that wasn't open", server_text=_shown(line))
                stack.pop()
            elif kind == "quoted":
                stack[-1].append(unquote(found["quoted"]))
            elif kind == "literal":
                octets, following = next(queue, None), next(queue, None)
                if octets is None or following is None or len(octets) != int(found["literal"]):
                    raise ProtocolError("a literal of the server's response is missing", server_text=_shown(line))
                stack[-1].append(octets)
            else:
                stack[-1].append(None if found["atom"].upper() == b"NIL" else Atom(found["atom"]))
        line, position = following, 0
    if len(stack) > 1:
        raise ProtocolError("the server left a parenthesis open", server_text=_shown(parts[0]))
    return top


def unquote(inside: bytes) -> bytes:
    """What stands between the quotes, escapes undone."""
    return _ESCAPED.sub(rb"\1", inside) if b"\\" in inside else inside


def number(value: Value, most: int = MAX_NUMBER) -> int:
    """An atom as a number from 0 to `most`; ProtocolError otherwise."""
    if not isinstance(value, bytes) or not value.isdigit() or len(value) > 20 or int(value) > most:
        raise ProtocolError(f"the server sent {_quoted(value)} where a number belongs", code="bad_number")
    return int(value)


def _quoted(value: Value) -> str:
    return repr(value[:40].decode("utf-8", "replace")) if isinstance(value, bytes) else "something else"


def _shown(line: bytes) -> str:
    return line[:200].decode("utf-8", "replace")
