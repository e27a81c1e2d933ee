"""Folder names: modified UTF-7 both ways (RFC 3501 section 5.1.3), and LIST responses (RFC 9051 section 7.3.1)."""

import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Sequence

from mailctl.domain.mailbox import Folder, FolderListing
from mailctl.domain.pattern import pattern
from mailctl.errors import ProtocolError
from mailctl.protocols.imap.tokens import Atom, Value, parse_values

_PLAIN = pattern(rb"[\x20-\x25\x27-\x7e]*")
_UNPLAIN = pattern(r"&|[^\x20-\x7e]+")
_SHIFTED = pattern(rb"&([A-Za-z0-9+,]*)-")
_LIST = pattern(rb"\* (?:LIST|XLIST|LSUB) ", re.IGNORECASE)
_COMMON = pattern(rb'\* LIST \(([\\A-Za-z0-9$ -]*)\) (?:"([!#-\[\]-~])"|NIL) (?:"([^"\\\r\n]*)"|([A-Za-z0-9./_&,+-]+))')
"""A LIST response as most servers send it: attributes, delimiter, name with or without quotes."""
_INBOX = "inbox"


def decode_name(wire: bytes) -> str | None:
    """The name that `wire` spells, or None if it isn't the one right spelling of any (two spellings could collide)."""
    if _PLAIN.fullmatch(wire):
        return wire.decode("ascii")
    try:
        name = _SHIFTED.sub(_unshift, wire).decode("utf-8", "surrogatepass")
        right = encode_name(name) == wire
    except (ValueError, UnicodeError):
        return None
    return name if right else None


def encode_name(name: str) -> bytes:
    """`name` as the server spells it. ValueError for a lone surrogate.

    The standard library has the parts: UTF-16 and base64. imapclient's would be imported with all of imapclient, which
    takes longer than a sync of folders that stand still.
    """
    return _UNPLAIN.sub(_shift, name).encode("ascii")


def _unshift(match: re.Match[bytes]) -> bytes:
    if not match[1]:
        return b"&"
    text = a2b_base64(match[1].replace(b",", b"/") + b"=" * (-len(match[1]) % 4)).decode("utf-16-be")
    return text.encode("utf-8", "surrogatepass")


def _shift(match: re.Match[str]) -> str:
    if match[0] == "&":
        return "&-"
    octets = b2a_base64(match[0].encode("utf-16-be"), newline=False)
    return f"&{octets.rstrip(b'=').replace(b'/', b',').decode()}-"


def is_list(line: bytes) -> bool:
    """Whether the line begins a LIST response."""
    return _LIST.match(line) is not None


def parse_listing(responses: Iterable[Sequence[bytes]]) -> FolderListing:
    """LIST responses, each as its parts, in the order they came; a name listed twice counts once.

    Names that can't be decoded are set aside, and so is a line that isn't a LIST response: the rest works.
    """
    folders: dict[str, Folder] = {}
    aside: list[bytes] = []
    for parts in responses:
        try:
            folder = parse_list(parts)
        except ProtocolError:
            aside.append(b"".join(parts)[:1000])
            continue
        if isinstance(folder, bytes):
            aside.append(folder)
        elif folder.name not in folders:
            folders[folder.name] = folder
    return FolderListing(tuple(folders.values()), tuple(aside))


def _parse_exact(parts: Sequence[bytes]) -> tuple[Value, Value, Value]:
    """Attributes, delimiter and name of any LIST response."""
    prefix = _LIST.match(parts[0])
    values = parse_values(parts, prefix.end()) if prefix else []
    if len(values) < 3:
        raise ProtocolError("the server sent a LIST response that isn't one", code="bad_list")
    return values[0], values[1], values[2]


def parse_list(parts: Sequence[bytes]) -> Folder | bytes:
    """One LIST response: the folder, or its name on the wire if that can't be decoded. ProtocolError for junk."""
    found = _COMMON.fullmatch(parts[0]) if len(parts) == 1 else None
    attributes: Value
    if found:
        attributes, delimiter, wire = [*found[1].split()], found[2], found[4] if found[3] is None else found[3]
    else:
        attributes, delimiter, wire = _parse_exact(parts)
    if not isinstance(attributes, list) or isinstance(delimiter, list) or isinstance(wire, list):
        raise ProtocolError("the server sent a LIST response of the wrong shape", code="bad_list")
    if wire is None:  # a folder may be called NIL, and an atom may spell it
        wire = Atom(b"NIL")
    if delimiter is not None and (len(delimiter) != 1 or not 0x20 < delimiter[0] < 0x7F):
        return bytes(wire)
    name = decode_name(wire)
    if not name:
        return bytes(wire)
    if name.lower() == _INBOX:
        name = "INBOX"
    return Folder(
        name,
        bytes(wire),
        delimiter.decode("ascii") if delimiter else None,
        frozenset(word.decode("utf-8", "replace").lower() for word in attributes if isinstance(word, bytes)),
    )
