"""A full look at all that lies below a Maildir root, whatever it is: nothing is changed, and nothing ends the look."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256

from mailctl.domain.record import dataclass
from mailctl.sync.local.files import Files
from mailctl.sync.local.flags import Keywords
from mailctl.sync.local.lineends import expand
from mailctl.sync.local.maildir import KEYWORDS_FILE, SUBDIRECTORIES
from mailctl.sync.local.names import MessageName, parse_name
from mailctl.sync.local.paths import NAME_FILE

HEAD = 1 << 16
"""Octets of a message that are kept to tell which one it is."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in `cur`, `new` or `tmp`. name: what it says, None if it isn't one of mailctl's.

    regular, directory: a plain file, a directory; a link is neither.
    """

    path: tuple[str, ...]
    subdirectory: str
    filename: str
    name: MessageName | None
    regular: bool
    size: int = 0
    mtime: float = 0.0
    inode: tuple[int, int] = (0, 0)
    directory: bool = False

    @property
    def shown(self) -> str:
        """Below the Maildir root."""
        return "/".join((*self.path, self.subdirectory, self.filename))


@dataclass(frozen=True, slots=True)
class Contents:
    """One Maildir folder. modes: permissions of its directories, by name ("" for its own). broken: what can't be read.

    parts: leftovers of files of the folder itself that were being written.
    """

    path: tuple[str, ...]
    entries: tuple[Entry, ...]
    keywords: Keywords
    modes: dict[str, int]
    broken: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Body:
    """A message's file, read through. octets, digest (SHA-256): as on the wire. head: its beginning, as stored.

    nul: whether it has NUL octets.
    """

    octets: int
    head: bytes
    digest: bytes
    nul: bool = False


def inspect(files: Files, root: int) -> Iterator[Contents]:
    """Every Maildir folder below the root; hidden directories and symbolic links are not entered."""
    pending: list[tuple[str, ...]] = [()]
    while pending:
        path = pending.pop()
        try:
            here = files.descend(root, path)
        except OSError as error:
            yield Contents(path, (), Keywords(), {}, (f"{'/'.join(path)}: {error.strerror}",))
            continue
        try:
            with os.scandir(here) as entries:
                found = {e.name: e.is_dir(follow_symlinks=False) for e in entries}
            names = sorted(name for name, directory in found.items() if directory and name[0] != ".")
            if "cur" in names:
                yield _contents(files, here, path, found)
            pending += [(*path, name) for name in reversed(names) if name not in SUBDIRECTORIES]
        finally:
            os.close(here)


def _contents(files: Files, here: int, path: tuple[str, ...], found: dict[str, bool]) -> Contents:
    entries: list[Entry] = []
    broken: list[str] = []
    modes = {"": stat.S_IMODE(os.fstat(here).st_mode)}
    for subdirectory in ("new", "cur", "tmp"):  # a message moves from new to cur: it may be seen twice, never missed
        shown = "/".join((*path, subdirectory))
        if subdirectory not in found:
            broken.append(f"{shown}: there is none")
            continue
        modes[subdirectory] = stat.S_IMODE(os.stat(subdirectory, dir_fd=here, follow_symlinks=False).st_mode)
        try:
            inner = files.open_directory(here, subdirectory)
            try:
                entries += [_entry(path, subdirectory, each, inner) for each in sorted(os.listdir(inner))]
            finally:
                os.close(inner)
        except OSError as error:
            broken.append(f"{shown}: {error.strerror}")
    data = None
    with suppress(OSError):
        data = files.read_small(here, KEYWORDS_FILE)
    keywords = Keywords.parse((data or b"").decode("utf-8", "replace"))
    parts = tuple(name for name in (f"{KEYWORDS_FILE}.part", f"{NAME_FILE}.part") if found.get(name) is False)
    return Contents(path, tuple(entries), keywords, modes, tuple(broken), parts)


def _entry(path: tuple[str, ...], subdirectory: str, filename: str, directory: int) -> Entry:
    name = parse_name(filename) if subdirectory != "tmp" else None
    try:
        status = os.stat(filename, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:  # renamed meanwhile: it is seen under its new name, or by the next look
        return Entry(path, subdirectory, filename, None, regular=True)
    regular, directory = stat.S_ISREG(status.st_mode), stat.S_ISDIR(status.st_mode)
    inode = (status.st_dev, status.st_ino)
    return Entry(path, subdirectory, filename, name, regular, status.st_size, status.st_mtime, inode, directory)


class Reader:
    """Reads messages' files; keeps the directory it read from last. Use as a context manager."""

    def __init__(self, files: Files, root: int) -> None:
        self._files, self._root = files, root
        self._at: tuple[str, ...] | None = None
        self._directory = -1

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *error: object) -> None:
        self._leave()

    def read(self, entry: Entry) -> Body:
        """The file, all of it. OSError if it is gone or can't be read."""
        where = (*entry.path, entry.subdirectory)
        if where != self._at:
            self._leave()
            self._directory = self._files.descend(self._root, where)
            self._at = where
        fd = self._files.open_file(self._directory, entry.filename)
        try:
            verbatim = entry.name is not None and entry.name.verbatim
            octets, head, nul, digest = 0, b"", False, sha256()
            for block in self._files.read_blocks(fd):
                head = head or block[:HEAD]
                wire = block if verbatim else expand(block)
                octets += len(wire)
                nul = nul or b"\0" in block
                digest.update(wire)
            return Body(octets, head, digest.digest(), nul)
        finally:
            os.close(fd)

    def _leave(self) -> None:
        if self._directory >= 0:
            os.close(self._directory)
        self._directory, self._at = -1, None
