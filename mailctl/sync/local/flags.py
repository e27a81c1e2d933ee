"""IMAP flags as Maildir letters, keywords as Dovecot's `dovecot-keywords` letters, and the merge of flags. Pure.

Sources: RFC 9051 section 2.3.2; https://cr.yp.to/proto/maildir.html; https://doc.dovecot.org (Maildir mailbox format).
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from string import ascii_lowercase

LETTERS = {"\\draft": "D", "\\flagged": "F", "\\answered": "R", "\\seen": "S", "\\deleted": "T"}
SYSTEM = {"D": "\\Draft", "F": "\\Flagged", "R": "\\Answered", "S": "\\Seen", "T": "\\Deleted"}
MOST_KEYWORDS = len(ascii_lowercase)
_LONGEST_KEYWORD = 255


def canonical(flags: Iterable[str]) -> frozenset[str]:
    """Flags in one spelling: RFC 9051's for system flags, without \\Recent and unknown ones; keywords as they are.

    The same value for the same flags, as long as it is in use: most of many messages have one of a few sets.
    """
    return _canonical(frozenset(flags))


@lru_cache(maxsize=256)
def _canonical(flags: frozenset[str]) -> frozenset[str]:
    result = set()
    for flag in flags:
        if flag.startswith("\\"):
            letter = LETTERS.get(flag.lower())
            if letter:
                result.add(SYSTEM[letter])
        elif 0 < len(flag) <= _LONGEST_KEYWORD and flag.isascii() and all("!" <= c <= "~" for c in flag):
            result.add(flag)
    return frozenset(result)


class Keywords:
    """The keywords of one Maildir folder, by letter: `a` is the first. Given letters never change."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = list(names)[:MOST_KEYWORDS]
        self.changed = False
        self._carried: Callable[[], str] | None = None

    @classmethod
    def parse(cls, text: str) -> "Keywords":
        """From the text of `dovecot-keywords` (`NUMBER NAME` a line); lines that make no sense are left out."""
        table: dict[int, str] = {}
        for line in text.splitlines():
            number, _, name = line.partition(" ")
            if number.isascii() and number.isdigit() and name and int(number[:3]) < MOST_KEYWORDS:
                table[int(number[:3])] = name
        return cls(table.get(number, "") for number in range(max(table, default=-1) + 1))

    def text(self) -> str:
        """The text of `dovecot-keywords`."""
        return "".join(f"{number} {name}\n" for number, name in enumerate(self.names) if name)

    def letter(self, keyword: str) -> str:
        """The letter of `keyword`, given now if it has none; "" if all are taken."""
        if keyword and keyword in self.names:
            return ascii_lowercase[self.names.index(keyword)]
        if self._carried is not None:
            carried, self._carried = self._carried, None
            self.reserve(carried())
        if len(self.names) == MOST_KEYWORDS:
            return ""
        self.names.append(keyword)
        self.changed = True
        return ascii_lowercase[len(self.names) - 1]

    def reserve(self, letters: str) -> None:
        """Keep the letters that files carry, though their names are lost, from being given to other keywords."""
        highest = max((ascii_lowercase.find(letter) for letter in letters), default=-1)
        self.names.extend([""] * (highest + 1 - len(self.names)))

    def reserve_later(self, letters: Callable[[], str]) -> None:
        """The same when the first letter is given: to find those of many files takes long, and few runs need them."""
        self._carried = letters

    def name(self, letter: str) -> str:
        """The keyword that `letter` stands for, "" if none."""
        number = ascii_lowercase.find(letter)
        return self.names[number] if 0 <= number < len(self.names) else ""


def to_letters(flags: Iterable[str], keywords: Keywords) -> tuple[str, tuple[str, ...]]:
    """(Maildir letters, keywords that found no letter) for canonical `flags`; gives letters to new keywords."""
    letters, homeless = set(), []
    for flag in sorted(flags):
        letter = LETTERS.get(flag.lower()) if flag.startswith("\\") else keywords.letter(flag)
        if letter:
            letters.add(letter)
        else:
            homeless.append(flag)
    return "".join(sorted(letters)), tuple(homeless)


def from_letters(letters: str, keywords: Keywords) -> frozenset[str]:
    """The flags that Maildir letters stand for; letters that mean nothing in IMAP (P, "passed") are left out."""
    flags = (SYSTEM.get(letter) or keywords.name(letter) for letter in letters)
    return frozenset(flag for flag in flags if flag)


def strange_letters(letters: str, keywords: Keywords) -> str:
    """The letters that stand for no flag: they are kept as they are."""
    return "".join(letter for letter in letters if letter not in SYSTEM and not keywords.name(letter))


def merge_down(
    server: frozenset[str], local: frozenset[str], agreed: frozenset[str] | None, *, but: frozenset[str] = frozenset()
) -> frozenset[str]:
    """What the local flags become in archive mode, flag by flag: a change on the server wins, else local stays.

    agreed: the server's flags when last looked at; None if that is not known: then all are united and none is dropped.
    but: flags that don't come down.
    """
    if agreed is None:
        return local | (server - but)
    return (local - ((agreed - server) - but)) | ((server - agreed) - but)
