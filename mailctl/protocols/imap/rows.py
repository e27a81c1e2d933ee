"""FETCH responses without their bodies: a line in, a row out (RFC 9051 section 7.5.2).

The common shape is read with one regular expression (a folder of 150,000 messages is 150,000 lines); whatever else is
allowed goes through the exact tokenizer.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from mailctl.domain.mailbox import MessageMeta
from mailctl.domain.pattern import pattern
from mailctl.domain.record import dataclass
from mailctl.errors import ProtocolError
from mailctl.protocols.imap.dates import parse_internaldate
from mailctl.protocols.imap.tokens import Atom, Value, number, parse_values
from mailctl.protocols.imap.uids import check_uid

_PREFIX = pattern(rb"\* ([0-9]{1,10}) FETCH ", re.IGNORECASE)
_COMMON = pattern(
    rb"""\*\ ([0-9]{1,10})\ FETCH\ \((?=[A-Z])
    (?: UID\ (?P<uid>[0-9]+)
      | FLAGS\ \((?P<flags>[^()"{\r\n]*)\)
      | RFC822\.SIZE\ (?P<size>[0-9]{1,18})
      | INTERNALDATE\ "(?P<date>[^"\\]*)"
      | MODSEQ\ \((?P<modseq>[0-9]{1,18})\)
      | (?P<body>BODY\[\]\ "")
      | (?P<next>\ (?=[A-Z]))
    )+\)""",
    re.VERBOSE,
)


SCANNED = pattern(
    rb'\* ([0-9]{1,10}) FETCH \(UID ([0-9]{1,10}) FLAGS \(([^()"{\r\n]*)\) RFC822\.SIZE ([0-9]{1,18}) '
    rb'INTERNALDATE "([^"\\\r\n]*)"(?: MODSEQ \(([0-9]{1,18})\))?\)\r\n'
)
"""A whole row as most servers answer a scan: sequence number, UID, flags, size, date, mod-sequence."""


@dataclass(slots=True)  # not frozen: that triples the cost of making one
class Row:
    """One FETCH response. None: the item wasn't in it. body: of a BODY[] that came as a string or a literal in memory.

    has_body: whether BODY[] was there at all; with `body` None it was NIL. header: of a BODY[HEADER…].
    """

    sequence: int
    uid: int | None = None
    flags: frozenset[str] | None = None
    size: int | None = None
    date: bytes | None = None
    modseq: int | None = None
    has_body: bool = False
    body: bytes | None = None
    header: bytes | None = None

    def meta(self, size: int | None = None) -> MessageMeta:
        """The row as the domain has it; the row has a UID. size: of a body that was seen, else the server's word."""
        if self.uid is None:
            raise ProtocolError("the server sent a message without its UID", code="bad_uid")
        when = None if self.date is None else parse_internaldate(self.date)
        return MessageMeta(self.uid, self.flags or frozenset(), self.size if size is None else size, when, self.modseq)


def is_fetch(line: bytes) -> bool:
    """Whether the line begins a FETCH response."""
    return _PREFIX.match(line) is not None


def parse_row(parts: Sequence[bytes]) -> Row:
    """The FETCH response in `parts` (a line, and for each literal its octets and the line that follows).

    Raises ProtocolError for what isn't one, for an item that comes twice, and for a UID that can't be one.
    """
    return (_parse_common(parts[0]) if len(parts) == 1 else None) or _parse_exact(parts)


def _parse_common(line: bytes) -> Row | None:
    found = _COMMON.fullmatch(line)
    if (
        found is None
        or line.count(b" UID ") + line.count(b"(UID ") > 1
        or line.count(b"FLAGS (") > 1
        or line.count(b"BODY[] ") > 1
    ):
        return None
    sequence, uid, flags, size, date, modseq, body, _ = found.groups()
    return Row(
        int(sequence),
        None if uid is None else check_uid(uid),
        None if flags is None else parse_flags(flags),
        None if size is None else int(size),
        date,
        None if modseq is None else int(modseq),
        body is not None,
        None if body is None else b"",
    )


def _parse_exact(parts: Sequence[bytes]) -> Row:
    prefix = _PREFIX.match(parts[0])
    values = parse_values(parts, prefix.end()) if prefix else []
    if prefix is None or len(values) != 1 or not isinstance(values[0], list) or len(values[0]) % 2:
        raise ProtocolError("the server sent a FETCH response that isn't one", code="bad_fetch")
    items: dict[bytes, Value] = {}
    for name, value in zip(values[0][::2], values[0][1::2], strict=True):
        if not isinstance(name, Atom) or not name[:1].isalpha() or name.upper() in items:
            raise ProtocolError("the server sent an item of a FETCH response twice, or none", code="bad_fetch")
        items[name.upper()] = value
    uid, flags, size, date, modseq = (
        items.get(n) for n in (b"UID", b"FLAGS", b"RFC822.SIZE", b"INTERNALDATE", b"MODSEQ")
    )
    body = items.get(b"BODY[]")
    header = next((value for name, value in items.items() if name.startswith(b"BODY[HEADER")), None)
    if (
        isinstance(body, list)
        or isinstance(header, list)
        or not isinstance(flags, list | None)
        or not isinstance(date, bytes | None)
    ):
        raise ProtocolError("the server sent a FETCH response of the wrong shape", code="bad_fetch")
    if uid is not None and not isinstance(uid, bytes):
        raise ProtocolError("the server sent a list for a UID", code="bad_uid")
    return Row(
        int(prefix[1]),
        None if uid is None else check_uid(uid),
        None if flags is None else parse_flags(b" ".join(flag for flag in flags if isinstance(flag, bytes))),
        None if size is None else number(size),
        date,
        number(modseq[0]) if isinstance(modseq, list) and modseq else None,
        b"BODY[]" in items,
        body,
        header,
    )


@lru_cache(maxsize=1024)
def parse_flags(text: bytes) -> frozenset[str]:
    """`\\Seen $Label` as a set; keywords as spelt. \\Recent is left out: it tells of sessions, not of the message."""
    return frozenset(word.decode("utf-8", "surrogateescape") for word in text.split() if word.lower() != b"\\recent")
