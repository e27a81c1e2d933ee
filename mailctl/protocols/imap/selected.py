"""The state of a folder from the untagged responses to SELECT, EXAMINE and STATUS (RFC 9051, 6.3.2 and 7; RFC 7162)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mailctl.domain.mailbox import FolderStatus
from mailctl.errors import ProtocolError
from mailctl.protocols.imap.rows import parse_flags
from mailctl.protocols.imap.tokens import MAX_NUMBER, number, parse_values
from mailctl.protocols.imap.uids import MAX_UID

_EXISTS = re.compile(rb"\* ([0-9]{1,19}) EXISTS *", re.IGNORECASE)
_CODE = re.compile(rb"\* OK \[(UIDVALIDITY|UIDNEXT|HIGHESTMODSEQ) ([0-9]{1,20})\]", re.IGNORECASE)
_PERMANENT = re.compile(rb"\* OK \[PERMANENTFLAGS \(([^()]*)\)\]", re.IGNORECASE)
_STATUS = re.compile(rb"\* STATUS ", re.IGNORECASE)
MAX_MESSAGES = 2**32 - 1


def parse_selected(lines: Iterable[bytes], tagged_code: bytes, asked_read_only: bool) -> FolderStatus:
    """The state that SELECT or EXAMINE told.

    lines: its untagged responses. tagged_code: response code of the tagged OK (`READ-ONLY`, `READ-WRITE`, or empty).
    UIDVALIDITY, UIDNEXT and HIGHESTMODSEQ are None where the server sends none; ProtocolError if one is no such number.
    """
    messages: int | None = None
    seen: dict[bytes, int] = {}
    permanent: frozenset[str] = frozenset()
    for line in lines:
        if found := _EXISTS.fullmatch(line):
            messages = _bounded(found[1], MAX_MESSAGES, least=0)
        elif found := _CODE.match(line):
            name = found[1].upper()
            # HIGHESTMODSEQ 0 would mean a folder that never changes; RFC 7162 begins at 1
            seen[name] = _bounded(found[2], MAX_NUMBER if name == b"HIGHESTMODSEQ" else MAX_UID, least=1)
        elif found := _PERMANENT.match(line):
            permanent = parse_flags(found[1])
    if messages is None:
        raise ProtocolError("the server opened the folder without saying how many messages it has", code="no_exists")
    return FolderStatus(
        messages,
        seen.get(b"UIDVALIDITY"),
        seen.get(b"UIDNEXT"),
        seen.get(b"HIGHESTMODSEQ"),
        asked_read_only or tagged_code.upper() == b"READ-ONLY",
        permanent,
    )


@dataclass(frozen=True, slots=True)
class StatusLine:
    """A STATUS response: the folder's name on the wire, and its numbers by name (`MESSAGES`, `UIDNEXT`, …)."""

    wire: bytes
    numbers: Mapping[str, int]

    def state(self) -> FolderStatus | None:
        """The same as SELECT would tell; None if the response doesn't say how many messages there are."""
        if "MESSAGES" not in self.numbers:
            return None
        get = self.numbers.get
        return FolderStatus(self.numbers["MESSAGES"], get("UIDVALIDITY"), get("UIDNEXT"), get("HIGHESTMODSEQ"))


def is_status(line: bytes) -> bool:
    """Whether the line begins a STATUS response."""
    return _STATUS.match(line) is not None


def parse_status(parts: Sequence[bytes]) -> StatusLine:
    """One STATUS response; ProtocolError for what isn't one."""
    prefix = _STATUS.match(parts[0])
    values = parse_values(parts, prefix.end()) if prefix else []
    if len(values) != 2 or not isinstance(values[0], bytes) or not isinstance(values[1], list):
        raise ProtocolError("the server sent a STATUS response that isn't one", code="bad_status")
    pairs = zip(values[1][::2], values[1][1::2], strict=False)
    numbers = {
        name.upper().decode("ascii", "replace"): number(value) for name, value in pairs if isinstance(name, bytes)
    }
    return StatusLine(bytes(values[0]), {name: value for name, value in numbers.items() if value or name == "MESSAGES"})


def _bounded(digits: bytes, most: int, *, least: int) -> int:
    """The number that `digits` spells; ProtocolError outside `least` to `most`."""
    if not least <= int(digits) <= most:
        raise ProtocolError(f"the server sent {digits.decode()} where a smaller number belongs", code="bad_number")
    return int(digits)
