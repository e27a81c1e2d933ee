"""The folders of an account and their state, in as few round trips as the server allows.

LIST-EXTENDED (RFC 5258), LIST-STATUS (RFC 5819), SPECIAL-USE (RFC 6154), ENABLE (RFC 5161), STATUS (RFC 9051, 6.3.11).
What a server tells wrongly of one folder is not known of that folder; the rest works.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from mailctl.domain.mailbox import Folder, FolderListing, FolderStatus
from mailctl.domain.pattern import pattern
from mailctl.errors import ProtocolError, UsageError
from mailctl.protocols.imap.channel import Answer, Channel, Response, quoted
from mailctl.protocols.imap.names import is_list, parse_listing
from mailctl.protocols.imap.selected import OBJECT_ID
from mailctl.protocols.imap.tokens import MAX_NUMBER, Atom, Value, number, parse_values, unquote
from mailctl.protocols.imap.uids import MAX_UID

AT_ONCE = 50
"""STATUS commands in flight."""
_STATUS = pattern(rb"\* STATUS ", re.IGNORECASE)
_COMMON = pattern(rb'\* STATUS (?:"((?:[^"\\]|\\.)*)"|([A-Za-z0-9./_-]+)) \(([A-Za-z0-9 ]*)\) *', re.IGNORECASE)
_LEAST = {b"MESSAGES": 0, b"UIDNEXT": 1, b"UIDVALIDITY": 1, b"HIGHESTMODSEQ": 1}
_MOST = {b"MESSAGES": MAX_UID, b"UIDNEXT": MAX_UID, b"UIDVALIDITY": MAX_UID, b"HIGHESTMODSEQ": MAX_NUMBER}


def survey_folders(channel: Channel, first: bytes = b"") -> tuple[FolderListing, Answer | None]:
    """See `domain.visits.ImapPipeline.survey`; QRESYNC, or else CONDSTORE, is enabled afterwards if it can be.

    first: a command that is sent before LIST, if any; its answer is returned as well.
    """
    items = _items(channel)
    options = _options(channel, items)
    answers = channel.gather(*_enable(channel), *([first] if first else []), b'LIST "" "*"' + options)
    told_first = answers[-2] if first else None
    if options and not answers[-1].status.ok:  # offered, and refused: it is asked the plain way
        answers = channel.gather(b'LIST "" "*"')
    answers[-1].checked("LIST")
    responses = [response for answer in answers for response in answer.responses]
    listing = parse_listing(response.parts for response in responses if is_list(response.line))
    statuses = parse_statuses((response.parts for response in responses if is_status(response.line)), listing.folders)
    if not statuses:
        told = _ask_each(channel, items, listing.folders)
        statuses = parse_statuses((response.parts for response in told if is_status(response.line)), listing.folders)
    return replace(listing, statuses=statuses), told_first


def is_status(line: bytes) -> bool:
    """Whether the line begins a STATUS response."""
    return _STATUS.match(line) is not None


def parse_statuses(responses: Iterable[Sequence[bytes]], folders: Iterable[Folder]) -> dict[str, FolderStatus]:
    """STATUS responses, each as its parts → the state of those of `folders` that they are about, by name.

    A response that isn't one, or has a number that can't be, is passed over: that folder's state is then not known.
    """
    names = {_spelt(folder.wire): folder.name for folder in folders}
    statuses: dict[str, FolderStatus] = {}
    for parts in responses:
        try:
            wire, items = _parse(parts)
            name = names.get(_spelt(wire))
            if name is not None:
                statuses[name] = _status(items)
        except ProtocolError:
            continue  # as the docstring says
    return statuses


def _enable(channel: Channel) -> list[bytes]:
    """The command that turns on the best that the server has, once."""
    if not channel.offers("ENABLE"):
        return []
    wanted = next((word for word in ("QRESYNC", "CONDSTORE") if word in channel.capabilities), "")
    return [b"ENABLE " + wanted.encode()] if wanted and wanted not in channel.enabled else []


def _items(channel: Channel) -> bytes:
    """What STATUS is asked for."""
    items = [b"MESSAGES UIDNEXT UIDVALIDITY"]
    if channel.capabilities & {"CONDSTORE", "QRESYNC"}:
        items.append(b"HIGHESTMODSEQ")
    # NOTE: Cyrus 3.6 answers a STATUS of more than MAILBOXID with octets from anywhere in its memory, line ends among
    # them, in its place; EXAMINE tells it rightly
    if "OBJECTID" in channel.capabilities and "X-CREATEDMODSEQ" not in channel.capabilities:
        items.append(b"MAILBOXID")
    return b"(%s)" % b" ".join(items)


def _options(channel: Channel, items: bytes) -> bytes:
    """What LIST is asked to return besides the names, as the end of the command."""
    words = []
    if channel.offers("LIST-EXTENDED"):
        words.append(b"SUBSCRIBED")
        if channel.offers("SPECIAL-USE"):
            words.append(b"SPECIAL-USE")
    if channel.offers("LIST-STATUS"):
        words.append(b"STATUS " + items)
    return b" RETURN (%s)" % b" ".join(words) if words else b""


def _ask_each(channel: Channel, items: bytes, folders: Iterable[Folder]) -> Iterator[Response]:
    """What STATUS of each folder that holds messages brings; refusals bring nothing."""
    commands = []
    for folder in folders:
        if folder.selectable:
            try:
                commands.append(b"STATUS %s %s" % (quoted(folder.wire, "folder name"), items))
            except UsageError:
                continue  # a name that can't be sent; who opens the folder is told so
    answers: Iterator[Answer] = channel.flow(commands, depth=AT_ONCE)
    for answer in answers:
        yield from answer.responses


def _parse(parts: Sequence[bytes]) -> tuple[bytes, dict[bytes, Value]]:
    """One STATUS response: the folder's name on the wire, and the items."""
    found = _COMMON.fullmatch(parts[0]) if len(parts) == 1 else None
    if found:
        words = found[3].split()
        name = found[2] if found[1] is None else unquote(found[1])
        plain: dict[bytes, Value] = {}
        plain.update(zip(map(bytes.upper, words[::2]), words[1::2], strict=False))
        return name, plain
    prefix = _STATUS.match(parts[0])
    values = parse_values(parts, prefix.end()) if prefix else []
    if len(values) != 2 or isinstance(values[0], list) or not isinstance(values[1], list):
        raise ProtocolError("the server sent a STATUS response that isn't one", code="bad_status")
    pairs = zip(values[1][::2], values[1][1::2], strict=False)
    items = {item.upper(): value for item, value in pairs if isinstance(item, Atom)}
    return b"NIL" if values[0] is None else values[0], items


def _status(items: dict[bytes, Value]) -> FolderStatus:
    """The state that the items tell. ProtocolError without MESSAGES, and for a number that can't be.

    NOTE: 0 stands for "not known" where numbers begin at 1 (RFC 7162 section 3.1.2.2, and older servers' UIDNEXT).
    """
    told = {name: number(items[name], most) for name, most in _MOST.items() if name in items}
    if b"MESSAGES" not in told:
        raise ProtocolError("the server told the state of a folder without its messages", code="bad_status")
    known = {name: value if value >= _LEAST[name] else None for name, value in told.items()}
    identifier = items.get(b"MAILBOXID")
    first = identifier[0] if isinstance(identifier, list) and len(identifier) == 1 else b""
    return FolderStatus(
        told[b"MESSAGES"],
        known.get(b"UIDVALIDITY"),
        known.get(b"UIDNEXT"),
        known.get(b"HIGHESTMODSEQ"),
        mailbox_id=first.decode() if isinstance(first, bytes) and OBJECT_ID.fullmatch(first) else "",
    )


def _spelt(wire: bytes) -> bytes:
    """A name as it is compared: INBOX may be spelt in any case (RFC 9051 section 5.1)."""
    return b"INBOX" if len(wire) == 5 and wire.upper() == b"INBOX" else wire
