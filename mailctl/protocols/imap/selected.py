"""SELECT and EXAMINE, and the state of a folder from their untagged responses (RFC 9051, 6.3.2 and 7; RFC 7162)."""

import re
from collections.abc import Iterable

from mailctl.domain.mailbox import Folder, FolderStatus
from mailctl.domain.pattern import pattern
from mailctl.errors import ProtocolError
from mailctl.protocols.imap.channel import Channel, quoted
from mailctl.protocols.imap.rows import parse_flags
from mailctl.protocols.imap.tokens import MAX_NUMBER
from mailctl.protocols.imap.uids import MAX_UID

EXISTS = pattern(rb"\* ([0-9]{1,19}) EXISTS *", re.IGNORECASE)
_CODE = pattern(rb"\* OK \[(UIDVALIDITY|UIDNEXT|HIGHESTMODSEQ) ([0-9]{1,20})\]", re.IGNORECASE)
OBJECT_ID = pattern(rb"[A-Za-z0-9_-]{1,255}")
"""RFC 8474 section 7."""
_MAILBOX_ID = pattern(rb"\* OK \[MAILBOXID \((" + OBJECT_ID.pattern + rb")\)\]", re.IGNORECASE)
_PERMANENT = pattern(rb"\* OK \[PERMANENTFLAGS \(([^()]*)\)\]", re.IGNORECASE)
MAX_MESSAGES = 2**32 - 1


def opening(channel: Channel, folder: Folder, *, read_only: bool, options: bytes = b"") -> bytes:
    """EXAMINE, or SELECT, with `options`, else with CONDSTORE where the server has that (RFC 7162 section 3.1.8)."""
    if not options and channel.capabilities & {"CONDSTORE", "QRESYNC"}:
        options = b" (CONDSTORE)"
    return b"%s %s%s" % (b"EXAMINE" if read_only else b"SELECT", quoted(folder.wire, "folder name"), options)


def parse_selected(lines: Iterable[bytes], tagged_code: bytes, asked_read_only: bool) -> FolderStatus:
    """The state that SELECT or EXAMINE told.

    lines: its untagged responses. tagged_code: response code of the tagged OK (`READ-ONLY`, `READ-WRITE`, or empty).
    UIDVALIDITY, UIDNEXT and HIGHESTMODSEQ are None where the server sends none; ProtocolError if one is no such number.
    """
    messages: int | None = None
    seen: dict[bytes, int] = {}
    permanent: frozenset[str] = frozenset()
    identifier = ""
    for line in lines:
        if found := EXISTS.fullmatch(line):
            messages = _bounded(found[1], MAX_MESSAGES, least=0)
        elif found := _CODE.match(line):
            name = found[1].upper()
            # HIGHESTMODSEQ 0 would mean a folder that never changes; RFC 7162 begins at 1
            seen[name] = _bounded(found[2], MAX_NUMBER if name == b"HIGHESTMODSEQ" else MAX_UID, least=1)
        elif found := _PERMANENT.match(line):
            permanent = parse_flags(found[1])
        elif found := _MAILBOX_ID.match(line):
            identifier = found[1].decode("ascii")
    if messages is None:
        raise ProtocolError("the server opened the folder without saying how many messages it has", code="no_exists")
    return FolderStatus(
        messages,
        seen.get(b"UIDVALIDITY"),
        seen.get(b"UIDNEXT"),
        seen.get(b"HIGHESTMODSEQ"),
        asked_read_only or tagged_code.upper() == b"READ-ONLY",
        permanent,
        identifier,
    )


def _bounded(digits: bytes, most: int, *, least: int) -> int:
    """The number that `digits` spells; ProtocolError outside `least` to `most`."""
    if not least <= int(digits) <= most:
        raise ProtocolError(f"the server sent {digits.decode()} where a smaller number belongs", code="bad_number")
    return int(digits)
