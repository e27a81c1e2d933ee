"""From a text to what the matcher compares: its codes, and a normal form of its words. Text is hostile: bounded first.

A code is what a standard gives a meaning: `[AUTHENTICATIONFAILED]` (RFC 5530; POP3's, RFC 2449 and 3206, look the
same), `5.7.8` (RFC 3463, 5248), `535` (RFC 5321), `AADSTS50076` (Microsoft's), `speaks:pop3` (whose greeting it is).
"""

import re

LONGEST = 8192
"""Characters of a text that are looked at."""

_BRACKETED = re.compile(r"\[([A-Za-z][A-Za-z0-9/-]{1,30})(?=[\] ])")
_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")
_REPLY = re.compile(r"^\W{0,4}([2-5]\d\d)(?=[ \-,:]|$)", re.MULTILINE)
_REPLY_BEFORE_ENHANCED = re.compile(r"(?<!\d)([245]\d\d)[ -]#?[245]\.\d")
_MICROSOFT = re.compile(r"\b(AADSTS\d{4,7})\b")
_CONTINUED = re.compile(r"\r?\n\W{0,2}[2-5]\d\d[ -](?:[245]\.\d{1,3}\.\d{1,3}\s)?")
_SPACE = re.compile(r"\s+")
_QUOTES = str.maketrans("‘’“”‐‑–", "''\"\"---")
_GREETINGS = (
    ("speaks:imap", ("* OK", "* PREAUTH", "* BYE")),
    ("speaks:pop3", ("+OK", "-ERR")),
    ("speaks:smtp", ("220 ", "220-")),
    ("speaks:http", ("HTTP/", "<!DOCTYPE", "<html")),
    ("speaks:ssh", ("SSH-",)),
)


def codes(text: str) -> frozenset[str]:
    """The codes that `text` holds."""
    text = text[:LONGEST]
    found = {f"[{code.upper()}]" for code in _BRACKETED.findall(text)}
    found.update(_ENHANCED.findall(text), _REPLY.findall(text), _REPLY_BEFORE_ENHANCED.findall(text))
    found.update(_MICROSOFT.findall(text))
    begin = text.lstrip("b'\"( \t\r\n")
    found.update(name for name, starts in _GREETINGS if begin.startswith(starts))
    return frozenset(found)


def words(text: str) -> str:
    """`text` in lower case on one line, white space single, quotes plain; codes that only continue a reply gone."""
    text = _CONTINUED.sub(" ", text[:LONGEST].replace("\\n", "\n"))
    return _SPACE.sub(" ", text.translate(_QUOTES)).lower().strip()


class Phrase:
    """Words to be found in a text in normal form: whole words, in order; ` * ` stands for anything between.

    A `*` that touches a letter goes on inside the word: `greylist*`. Search takes time in proportion to the text.
    """

    __slots__ = ("_pieces", "length")

    def __init__(self, source: str) -> None:
        self._pieces: list[tuple[str, bool, bool]] = []
        parts = source.lower().split("*")
        for number, part in enumerate(parts):
            piece = part.strip()
            if piece:
                inside_left = number > 0 and part[:1] != " "
                inside_right = number < len(parts) - 1 and part[-1:] != " "
                self._pieces.append((piece, inside_left, inside_right))
        if not self._pieces:
            raise ValueError("a pattern needs words")
        self.length = sum(len(piece) for piece, _, _ in self._pieces)

    def found_in(self, text: str) -> bool:
        """Whether `text`, in the form that `words` gives, holds the phrase."""
        at = 0
        for piece, inside_left, inside_right in self._pieces:
            at = _find(text, piece, at, inside_left, inside_right)
            if at < 0:
                return False
            at += len(piece)
        return True


def _find(text: str, piece: str, start: int, inside_left: bool, inside_right: bool) -> int:
    """Where `piece` stands in `text` from `start` on, not inside a longer word unless it may; -1 if nowhere."""
    at = text.find(piece, start)
    while at >= 0:
        end = at + len(piece)
        left = inside_left or at == 0 or not (piece[0].isalnum() and text[at - 1].isalnum())
        right = inside_right or end == len(text) or not (piece[-1].isalnum() and text[end].isalnum())
        if left and right:
            return at
        at = text.find(piece, at + 1)
    return -1
