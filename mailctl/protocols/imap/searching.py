"""UID SEARCH, as ESEARCH where the server has it (RFC 4731): what is sent, what is found; of many folders at once."""

import re
from array import array
from collections.abc import Iterable, Sequence

from mailctl.domain.mailbox import Folder, FolderStatus
from mailctl.domain.pattern import pattern
from mailctl.errors import ProtocolError, RefusedError
from mailctl.protocols.imap.channel import ANSWER, LONG_LINE, Channel, Response
from mailctl.protocols.imap.selected import opening, parse_selected
from mailctl.protocols.imap.uids import parse_search, parse_set

_ESEARCH = pattern(rb"\* ESEARCH (?:\(TAG [^)]*\) )?(?:UID)?(?: .*?\b(?:ALL) ([0-9:,]+).*)?", re.IGNORECASE)


def search_command(channel: Channel, criterion: bytes) -> bytes:
    """UID SEARCH of `criterion` in the open folder."""
    return b"UID SEARCH %s%s" % (b"RETURN (ALL) " if channel.offers("ESEARCH") else b"", criterion)


def parse_found(responses: Iterable[Response], most: int) -> list[int] | None:
    """The UIDs that the responses name, ascending; None if none of them tells of a search.

    most: how many there can be. Raises ProtocolError.
    """
    found: list[list[int]] = []
    for response in responses:
        line = response.line
        if line[:8].upper() == b"* SEARCH":
            found.append(parse_search(line[2:]))
        elif line[:10].upper() == b"* ESEARCH ":
            found.append(_esearch(line, most))
    return sorted({uid for uids in found for uid in uids}) if found else None


def look_ahead(channel: Channel, folders: Sequence[Folder]) -> "list[tuple[FolderStatus, array[int]] | None]":
    """See `domain.visits.ImapPipeline.look_ahead`."""
    commands = []
    for folder in folders:
        commands += [opening(channel, folder, read_only=True), search_command(channel, b"ALL")]
    tags = iter(channel.send_more(*commands, most=len(commands) * max(ANSWER, 2 * LONG_LINE)))
    return [_seen(channel, folder, next(tags), next(tags)) for folder in folders]


def _seen(channel: Channel, folder: Folder, examine: bytes, search: bytes) -> "tuple[FolderStatus, array[int]] | None":
    channel.exists = 0
    opened, found = channel.answer(examine), channel.answer(search, LONG_LINE)
    channel.folder_open = opened.status.ok
    try:
        opened.checked(f"EXAMINE {folder.name}")
        found.checked("UID SEARCH")
    except (RefusedError, ProtocolError):
        return None
    with channel.guarded():
        status = parse_selected([each.line for each in opened.responses], opened.status.code.encode(), True)
        uids = parse_found(found.responses, max(status.messages, channel.exists))
    return None if uids is None else (status, array("L", uids))


def _esearch(line: bytes, most: int) -> list[int]:
    found = _ESEARCH.fullmatch(line)
    if not found:
        raise ProtocolError("the server sent an ESEARCH response that isn't one", code="bad_uid")
    return parse_set(found[1], most) if found[1] else []
