"""From a text to what the matcher compares: its codes, and a normal form of its words. Text is hostile: bounded first.

A code is what a standard gives a meaning: `[AUTHENTICATIONFAILED]` (RFC 5530; POP3's, RFC 2449 and 3206, look the
same), `5.7.8` (RFC 3463, 5248), `535` (RFC 5321), `AADSTS50076` (Microsoft's), `speaks:pop3` (whose greeting it is).
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from itertools import product

LONGEST = 8192
"""Characters of a text that are looked at."""
GAP = 100
"""Characters that a `*` of a phrase stands for at most."""

_BRACKETED = re.compile(r"\[([A-Za-z][A-Za-z0-9/-]{1,30})(?=[\] ])")
_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")
_REPLY = re.compile(r"^\W{0,4}([2-5]\d\d)(?=[ \-,:]|$)", re.MULTILINE)
_REPLY_BEFORE_ENHANCED = re.compile(r"(?<!\d)([245]\d\d)[ -]#?[245]\.\d")
_MICROSOFT = re.compile(r"\b(AADSTS\d{4,7})\b")
_CONTINUED = re.compile(r"\r?\n\W{0,2}[2-5]\d\d[ -](?:[245]\.\d{1,3}\.\d{1,3}\s)?")
_SPACE = re.compile(r"\s+")
_PLAIN = str.maketrans("‘’“”‐‑–-", "''\"\"    ")
_SAME = (
    *(("can't", "can not"), ("cannot", "can not"), ("n't ", " not "), ("'s ", " "), (" e mail", " email")),
    *(("log in", "login"), ("logon", "login"), ("log on", "login"), ("sign in", "login"), ("signin", "login")),
    *(("user name", "username"), ("pass word", "password"), ("mail box", "mailbox"), ("host name", "hostname")),
    *(("timed out", "timeout"), ("time out", "timeout"), ("timedout", "timeout"), ("over quota", "overquota")),
    *(("black list", "blocklist"), ("blacklist", "blocklist"), ("block list", "blocklist"), ("graylist", "greylist")),
    *(("grey list", "greylist"), ("gray list", "greylist"), ("start tls", "starttls"), ("ratelimit", "rate limit")),
    *(("authoris", "authoriz"), ("recognis", "recogniz"), ("honour", "honor"), ("selfsigned", "self signed")),
)
"""Spellings of the same word."""
_GROUP = re.compile(r"\(([^()|]*\|[^()]*)\)")
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
    """`text` in a normal form: lower case, one line, single spaces for white space and hyphens, one
    spelling for a word that has several; codes that only continue a reply are gone."""
    text = _CONTINUED.sub(" ", text[:LONGEST].replace("\\n", "\n"))
    text = _SPACE.sub(" ", text.translate(_PLAIN).lower()).strip()
    for spelling, same in _SAME:
        text = text.replace(spelling, same)
    return text


class Phrase:
    """Words to be found in a text: whole words, in order. Both are in the form that `words` gives.

    ` * ` stands for anything short between (`GAP`); a `*` that touches a letter goes on inside the word: `greylist*`.
    `no such (user|mailbox)` stands for each of them.
    """

    __slots__ = ("_pieces", "length")

    def __init__(self, source: str) -> None:
        self._pieces: list[tuple[tuple[str, ...], bool, bool]] = []
        parts = source.split("*")
        for number, part in enumerate(parts):
            if piece := part.strip():
                inside_left = number > 0 and part[:1] != " "
                inside_right = number < len(parts) - 1 and part[-1:] != " "
                self._pieces.append((_alternatives(piece), inside_left, inside_right))
        if not self._pieces:
            raise ValueError("a pattern needs words")
        self.length = sum(min(map(len, piece)) for piece, _, _ in self._pieces)

    def found_in(self, text: str) -> bool:
        """Whether `text` holds the phrase."""
        ends: list[int] = []
        for number, (piece, inside_left, inside_right) in enumerate(self._pieces):
            found = (each for one in piece for each in _places(text, one, inside_left, inside_right))
            ends = sorted(end for start, end in found if number == 0 or _follows(start, ends))
            if not ends:
                return False
        return True


def _alternatives(piece: str) -> tuple[str, ...]:
    """`no such (user|mailbox)` as the texts that it stands for."""
    parts = _GROUP.split(piece)
    choices = [part.split("|") if number % 2 else [part] for number, part in enumerate(parts)]
    return tuple("".join(choice).strip() for choice in product(*choices))


def _follows(start: int, ends: list[int]) -> bool:
    """Whether one of `ends`, in order, lies at most `GAP` before `start`."""
    at = bisect_left(ends, start - GAP)
    return at < len(ends) and ends[at] <= start


def _places(text: str, piece: str, inside_left: bool, inside_right: bool) -> Iterator[tuple[int, int]]:
    """Where `piece` begins and ends in `text`, not inside a longer word unless it may."""
    at = text.find(piece)
    while at >= 0:
        end = at + len(piece)
        left = inside_left or at == 0 or not (piece[0].isalnum() and text[at - 1].isalnum())
        right = inside_right or end == len(text) or not (piece[-1].isalnum() and text[end].isalnum())
        if left and right:
            yield at, end
        at = text.find(piece, at + 1)
