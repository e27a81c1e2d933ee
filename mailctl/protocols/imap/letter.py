"""A message as APPEND carries it: looked through before anything of it is sent, then given out in pieces."""

from collections.abc import Iterator

from mailctl.domain.changes import Upload
from mailctl.domain.record import dataclass
from mailctl.errors import RefusedError, StorageError
from mailctl.protocols.imap.dates import format_internaldate
from mailctl.protocols.imap.flags import format_flags

HELD = 1 << 20
"""Octets up to which a message is kept in memory between the look and the sending; a larger one is read twice."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One message. intro: flags and date, each after a space. binary: it has NUL in it. data: None if large."""

    upload: Upload
    intro: bytes
    binary: bool
    data: bytes | None

    def pieces(self) -> Iterator[bytes]:
        """The octets, exactly as many as announced. StorageError (code message_changed) as soon as they can't be."""
        if self.data is None:
            yield from _counted(self.upload)
        else:
            yield self.data


def look_through(upload: Upload, *, binary: bool, limit: int | None) -> Letter:
    """Read the message once. binary: whether the server takes NUL (RFC 3516). limit: octets that it takes, or None.

    RefusedError (code empty_message, nul_in_message, size_limit) for one that can't be sent; StorageError (code
    message_changed); UsageError for flags that can't be.
    """
    flags = format_flags(upload.flags)
    intro = b" (%s)" % flags if flags else b""
    if upload.internaldate is not None:
        intro += b' "%s"' % format_internaldate(upload.internaldate).encode()
    if not upload.octets:  # would end a MULTIAPPEND (RFC 3502 section 6.3.11), and is refused alone
        raise RefusedError("an empty message can't be put on a server", code="empty_message")
    if limit is not None and upload.octets > limit:
        what = f"the server takes messages of {limit} octets at most, and this one has {upload.octets}"
        raise RefusedError(what, code="size_limit", cause="size_limit")
    held = bytearray()
    nul = False
    for piece in _counted(upload):
        nul = nul or b"\0" in piece
        if upload.octets <= HELD:
            held += piece
    if nul and not binary:
        raise RefusedError("the message has NUL characters, which the server does not take", code="nul_in_message")
    return Letter(upload, intro, nul, bytes(held) if upload.octets <= HELD else None)


def _counted(upload: Upload) -> Iterator[bytes]:
    left = upload.octets
    for piece in upload.chunks():
        left -= len(piece)
        if left < 0:
            break
        yield piece
    if left:
        raise StorageError(
            "a message changed while it was being read for the server",
            hint="It is tried again by the next run.",
            code="message_changed",
        )
