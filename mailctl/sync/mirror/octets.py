"""A file of the Maildir as a message on the wire: how long, by what it is known, its octets, chunk by chunk.

A file under mailctl's name is as `lineends` says. Any other is taken for text with LF line ends, or, if every LF in it
has its CR, for one that is stored verbatim. One that has both is no message's exact form; see `MIXED`.
"""

import os
from collections.abc import Iterable, Iterator
from hashlib import sha256

from mailctl.domain.record import dataclass
from mailctl.sync.local.files import Files, NoFileError
from mailctl.sync.local.lineends import expand
from mailctl.sync.local.maildir import LocalFile
from mailctl.sync.rematch import message_id

HEADER = 65536
"""Octets of a message that are searched for its Message-ID."""


@dataclass(frozen=True, slots=True)
class Measured:
    """octets: on the wire. date: modification time. message_id: "" if it has none or several.

    verbatim: whether the file holds the octets of the wire. mixed: it has LF and CRLF line ends. nul: it has NUL
    octets, which IMAP does not carry (RFC 9051 section 4.3).
    """

    octets: int
    date: float
    message_id: str
    verbatim: bool = False
    mixed: bool = False
    nul: bool = False


def open_message(files: Files, directory: int, filename: str) -> int | None:
    """A file for reading; None if it is gone, or no regular file."""
    try:
        return files.open_file(directory, filename)
    except (FileNotFoundError, NoFileError):
        return None


def measure(files: Files, fd: int, file: LocalFile) -> Measured:
    """What a file is, by reading it."""
    lines = pairs = size = 0
    nul = held = False
    start = b""
    for block in files.read_blocks(fd):
        if not size:
            start = block[:HEADER]
        size += len(block)
        lines += block.count(b"\n")
        pairs += block.count(b"\r\n") + (held and block.startswith(b"\n"))
        held = block.endswith(b"\r")
        nul = nul or b"\0" in block
    ours = bool(file.name.folder)
    verbatim = file.name.verbatim if ours else 0 < lines == pairs
    mixed = not ours and 0 < pairs < lines
    octets = size if verbatim else size + lines - (pairs if mixed else 0)
    return Measured(octets, os.fstat(fd).st_mtime, message_id(start), verbatim, mixed, nul)


def wire(files: Files, fd: int, *, verbatim: bool) -> Iterator[bytes]:
    """The octets on the wire."""
    for block in files.read_blocks(fd):
        yield block if verbatim else expand(block)


_DIGEST = " sha256:"


def is_digest(identity: str) -> bool:
    """Whether it is what `Digest` makes of octets, and no Message-ID."""
    return identity.startswith(_DIGEST)


class Digest:
    """What stands for a message that has no Message-ID: a word of its octets that is like no Message-ID."""

    def __init__(self, chunks: Iterable[bytes] = ()) -> None:
        self._hash = sha256()
        for chunk in chunks:
            self._hash.update(chunk)

    def update(self, chunk: bytes | memoryview) -> None:
        """Take more octets."""
        self._hash.update(chunk)

    @property
    def identity(self) -> str:
        """The word."""
        return f"{_DIGEST}{self._hash.hexdigest()}"


def regular(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """`blocks` with LF in place of every CRLF."""
    held = b""
    for block in blocks:
        data = held + block
        held = b"\r" if data.endswith(b"\r") else b""
        yield (data[:-1] if held else data).replace(b"\r\n", b"\n")
    if held:
        yield held
