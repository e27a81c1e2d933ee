"""Where messages came to lie: the response codes APPENDUID and COPYUID (RFC 4315 section 3), pure.

What makes no sense is as if the server had not told: the messages are placed all the same, and can be looked for.
"""

from collections.abc import Collection, Sequence

from mailctl.domain.changes import Placed
from mailctl.errors import ProtocolError
from mailctl.protocols.imap.uids import check_uid, expand_set


def parse_appenduid(argument: bytes, numbers: Sequence[int]) -> Placed:
    """`38505 3955` or `38505 3955:3957` of the APPEND of uploads `numbers`; nothing told unless the count is right."""
    validity, _, words = argument.partition(b" ")
    try:
        placed, uids = check_uid(validity), expand_set(words.strip(), len(numbers))
    except ProtocolError:
        return Placed()
    if len(set(uids)) != len(numbers):
        return Placed()
    return Placed(placed, dict(zip(numbers, sorted(uids), strict=True)))


def parse_copyuid(argument: bytes, asked: Collection[int]) -> Placed:
    """`38505 304,319:320 3956:3958` of the COPY or MOVE of `asked`: two sets of the same length, in the same order."""
    words = argument.split()
    if len(words) != 3:
        return Placed()
    try:
        placed, old, new = check_uid(words[0]), expand_set(words[1], len(asked)), expand_set(words[2], len(asked))
    except ProtocolError:
        return Placed()
    if not len(old) == len(new) == len(set(old)) == len(set(new)) or not set(old) <= set(asked):
        return Placed()
    return Placed(placed, dict(zip(old, new, strict=True)))


def together(one: Placed, other: Placed) -> Placed:
    """What two commands placed in the same folder; if it was made anew between them, only the later is true."""
    if other.uidvalidity is None:
        return one
    if one.uidvalidity not in (None, other.uidvalidity):
        return other
    return Placed(other.uidvalidity, {**one.uids, **other.uids})
