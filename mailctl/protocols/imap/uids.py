"""UIDs: checked numbers, and sets of them as commands carry and responses bring them (RFC 9051, sequence-set)."""

from collections.abc import Iterable, Iterator

from mailctl.domain.pattern import pattern
from mailctl.errors import ProtocolError

MAX_UID = 2**32 - 1
SET_OCTETS = 7_800
"""A command line must stay below 8,000 octets (RFC 2683 section 3.2.1.5, RFC 7162 section 4); the rest is for it."""

_SET = pattern(rb"[0-9]{1,10}(?::[0-9]{1,10})?(?:,[0-9]{1,10}(?::[0-9]{1,10})?)*")


def check_uid(digits: bytes) -> int:
    """A UID, 1 to 2^32-1 (RFC 9051, nz-number); ProtocolError for anything else."""
    if len(digits) <= 10 and digits.isdigit() and 1 <= (uid := int(digits)) <= MAX_UID:
        return uid
    raise ProtocolError(f"{digits[:24].decode('ascii', 'replace')!r} is not a UID", code="bad_uid")


def format_sets(uids: Iterable[int], octets: int = SET_OCTETS) -> Iterator[tuple[str, list[int]]]:
    """`uids` as sets for commands, each at most `octets` long, ascending, runs joined: `1:5,7`; with the UIDs in each.

    Order and repetition don't matter; ValueError for a number that can't be a UID.
    """
    words: list[str] = []
    held: list[int] = []
    length = 0
    for first, last in _runs(uids):
        word = str(first) if first == last else f"{first}:{last}"
        if words and length + len(word) + 1 > octets:
            yield ",".join(words), held
            words, held, length = [], [], 0
        words.append(word)
        held.extend(range(first, last + 1))
        length += len(word) + 1
    if words:
        yield ",".join(words), held


def parse_set(text: bytes, most: int) -> list[int]:
    """The UIDs of a set such as `1:5,7`, ascending, each once (ESEARCH's ALL); see `expand_set`."""
    return sorted(set(expand_set(text, most)))


def expand_set(text: bytes, most: int) -> list[int]:
    """The UIDs of a set such as `7,1:5`, in its order (APPENDUID, COPYUID); a range counts upwards, whichever way told.

    most: how many there can be at most (what the folder holds); ProtocolError beyond it, since `1:4294967295` is short.
    """
    if not _SET.fullmatch(text):
        raise ProtocolError("the server sent a set of UIDs that isn't one", code="bad_uid")
    spans = []
    total = 0
    for item in text.split(b","):
        first, _, last = item.partition(b":")
        low, high = sorted((check_uid(first), check_uid(last or first)))
        total += high - low + 1
        if total > most:
            raise ProtocolError(f"the server sent a set of more than {most} UIDs", code="bad_uid")
        spans.append(range(low, high + 1))
    return [uid for span in spans for uid in span]


def parse_ranges(text: bytes) -> list[tuple[int, int]]:
    """The UIDs of a set such as `1:5,7` as inclusive ranges, ascending, merged where they touch (VANISHED)."""
    if not _SET.fullmatch(text):
        raise ProtocolError("the server sent a set of UIDs that isn't one", code="bad_uid")
    spans = []
    for item in text.split(b","):
        first, _, last = item.partition(b":")
        low = check_uid(first)
        high = check_uid(last) if last else low
        spans.append((low, high) if low <= high else (high, low))
    return merge(spans)


def merge(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Inclusive ranges in any order as ascending ones that neither overlap nor touch."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1] + 1:
            if high > merged[-1][1]:
                merged[-1] = (merged[-1][0], high)
        else:
            merged.append((low, high))
    return merged


def parse_search(line: bytes) -> list[int]:
    """The UIDs of `SEARCH 3 1 2` (what follows the `* `), ascending, each once; a MODSEQ at its end is dropped."""
    words = line.split(b" (", 1)[0].split()[1:]
    return sorted({check_uid(word) for word in words})


def _runs(uids: Iterable[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of consecutive numbers, ascending."""
    first = last = 0
    for uid in sorted(set(uids)):
        if not 1 <= uid <= MAX_UID:
            raise ValueError(f"{uid} is not a UID")
        if first and uid == last + 1:
            last = uid
            continue
        if first:
            yield first, last
        first = last = uid
    if first:
        yield first, last
