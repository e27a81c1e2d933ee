"""One folder of the Maildir on the disk: its directories, its messages' names, its keywords.

https://cr.yp.to/proto/maildir.html. Other programs may rename and remove files at any time; nothing here depends on
what was seen a moment ago. Symbolic links are refused. Writing messages is in `writer`.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Self

from mailctl.domain.record import dataclass
from mailctl.errors import StorageError
from mailctl.sync.local.files import Files, NoFileError, storage_error
from mailctl.sync.local.flags import Keywords
from mailctl.sync.local.names import MessageName, is_part, parse_name, with_letters
from mailctl.sync.local.paths import NAME_FILE, FolderPath

KEYWORDS_FILE = "dovecot-keywords"
SUBDIRECTORIES = ("cur", "new", "tmp")
LITTER_AGE = 36 * 3600.0
"""Seconds after which any file in `tmp` may go, whoever left it (the Maildir rule)."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A message on the disk that mailctl wrote: what its name says, and where it is (`cur` or `new`)."""

    name: MessageName
    subdirectory: str
    filename: str


class MaildirFolder:
    """An open folder. Use as a context manager; the directories stay open until it ends.

    root: descriptor of the Maildir root. create: make what is missing; otherwise FileNotFoundError if it isn't there.
    durable: False if the caller makes durable what is made here.
    """

    def __init__(self, files: Files, root: int, path: FolderPath, *, create: bool, durable: bool = True) -> None:
        self.files, self.path, self._durable = files, path, durable
        self.descriptors: dict[str, int] = {}
        try:
            self._open(root, create)
        except BaseException:
            self.close()
            raise
        self.keywords = self._read_keywords()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the directories."""
        while self.descriptors:
            os.close(self.descriptors.popitem()[1])

    @property
    def directory(self) -> int:
        """Descriptor of the folder's own directory."""
        return self.descriptors["."]

    def _open(self, root: int, create: bool) -> None:
        here = os.dup(root)
        self.descriptors["."] = here
        for part in self.path.parts:
            if create:
                self.files.make_directory(here, part, durable=self._durable)
            following = self._open_directory(here, part)
            os.close(here)
            self.descriptors["."] = here = following
        if create and self.path.name_file and self._read(NAME_FILE, 1) is None:
            self.files.replace(here, NAME_FILE, self.path.name_file.encode("utf-8", "surrogatepass"))
        for name in reversed(SUBDIRECTORIES):  # `cur` last: with it, the folder is a Maildir
            if create:
                self.files.make_directory(here, name, durable=self._durable)
            self.descriptors[name] = self._open_directory(here, name)

    def _open_directory(self, parent: int, name: str) -> int:
        try:
            return self.files.open_directory(parent, name)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise storage_error(f"open {name} of the Maildir folder {self.path}", error) from error

    def scan(self, odd: list[str] | None = None) -> Iterator[LocalFile]:
        """The messages in `cur` and `new` that carry mailctl's names; StorageError if one is a symbolic link.

        odd: gets what carries such a name and is no file.
        """
        for subdirectory in (
            "new",
            "cur",
        ):  # a file moves from new to cur, never back: it can be seen twice, not missed
            yield from scan_directory(self.descriptors[subdirectory], subdirectory, str(self.path), odd)

    def named(self, folder: str, uidvalidity: int) -> set[int]:
        """The UIDs of a folder whose names are here, whatever bears them: a pipe, say, tells of no deletion."""
        names = (parse_name(name) for each in ("new", "cur") for name in os.listdir(self.descriptors[each]))
        return {name.uid for name in names if name and (name.folder, name.uidvalidity) == (folder, uidvalidity)}

    def tokens(self, folder: str) -> set[str]:
        """POP3: the same of messages known by their UIDL."""
        names = (parse_name(name) for each in ("new", "cur") for name in os.listdir(self.descriptors[each]))
        return {name.uidl for name in names if name and name.folder == folder and name.uidl}

    def find(self, stem: str) -> LocalFile | None:
        """The file of one message as it is called now, or None."""
        return next((file for file in self.scan() if file.name.stem == stem), None)

    def has(self, file: LocalFile) -> bool:
        """Whether it is still there, under the same name."""
        try:
            os.stat(file.filename, dir_fd=self.descriptors[file.subdirectory], follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def set_letters(self, file: LocalFile, letters: str) -> LocalFile | None:
        """Give `file` these flags by renaming it into `cur`; what it is called then, None if it is gone.

        Where a second file of the message is called so, and holds other octets, that one has them: none is lost.
        `sync_directories` makes it last.
        """
        for _ in range(3):
            wanted = with_letters(file.filename, letters)
            if file.subdirectory == "cur" and file.filename == wanted:
                return file
            try:
                if self._taken(file, wanted):
                    return LocalFile(replace(file.name, letters=letters), "cur", wanted)
                self.files.rename(self.descriptors[file.subdirectory], file.filename, self.descriptors["cur"], wanted)
            except NoFileError:  # what stands there is not touched
                return None
            except FileNotFoundError:  # a mail client renamed it meanwhile
                found = self.find(file.name.stem)
                if found is None:
                    return None
                file = found
            else:
                return LocalFile(replace(file.name, letters=letters), "cur", wanted)
        return None

    def _taken(self, file: LocalFile, wanted: str) -> bool:
        """Whether `cur` has a file `wanted` with other octets than `file`. NoFileError if one of them is no file."""
        try:
            other = self.files.open_file(self.descriptors["cur"], wanted)
        except FileNotFoundError:
            return False
        except PermissionError:  # it can't be told
            return True
        try:
            own = self.files.open_file(self.descriptors[file.subdirectory], file.filename)
        except OSError as error:
            os.close(other)
            if isinstance(error, FileNotFoundError):
                return False
            raise
        try:
            if os.fstat(own).st_size != os.fstat(other).st_size:
                return True
            blocks = zip(self.files.read_blocks(own), self.files.read_blocks(other), strict=False)
            return any(one != two for one, two in blocks)
        finally:
            os.close(own)
            os.close(other)

    def rename(self, file: LocalFile, name: MessageName) -> None:
        """Give `file` another message's name, keeping directory and flags; nothing happens if it is gone."""
        directory = self.descriptors[file.subdirectory]
        _, colon, letters = file.filename.partition(":2,")
        with suppress(FileNotFoundError):
            self.files.rename(directory, file.filename, directory, f"{name.base()}{colon}{letters}")

    def read_start(self, file: LocalFile, most: int = 65536) -> bytes | None:
        """The first octets of a message as stored, None if it is gone, or no file any more."""
        try:
            return self.files.read_small(self.descriptors[file.subdirectory], file.filename, most)
        except NoFileError:
            return None

    def measure(self, file: LocalFile) -> tuple[int, float] | None:
        """(octets on the wire, modification time) of a message, by reading it; None as of `read_start`."""
        try:
            fd = self.files.open_file(self.descriptors[file.subdirectory], file.filename)
        except (FileNotFoundError, NoFileError):
            return None
        try:
            status = os.fstat(fd)
            added = 0 if file.name.verbatim else sum(block.count(b"\n") for block in self.files.read_blocks(fd))
            return status.st_size + added, status.st_mtime
        finally:
            os.close(fd)

    def now(self) -> int:
        """The file system's clock in nanoseconds, told by touching `tmp`, whose times mean nothing; 0 if that fails."""
        try:
            os.utime(self.descriptors["tmp"])
            return os.fstat(self.descriptors["tmp"]).st_mtime_ns
        except OSError:
            return 0

    def sync_directories(self) -> None:
        """Make the renames in `cur` and `new` durable."""
        self.files.fsync_directory(self.descriptors["cur"])
        self.files.fsync_directory(self.descriptors["new"])

    def save_keywords(self) -> None:
        """Write the letters given since; before any file name uses them."""
        if self.keywords.changed:
            self.files.replace(self.directory, KEYWORDS_FILE, self.keywords.text().encode())
            self.keywords.changed = False

    def _read_keywords(self) -> Keywords:
        return Keywords.parse((self._read(KEYWORDS_FILE) or b"").decode("utf-8", "replace"))

    def _read(self, name: str, most: int = 65536) -> bytes | None:
        """One of mailctl's small files."""
        try:
            return self.files.read_small(self.directory, name, most)
        except OSError as error:
            self.close()
            raise not_a_file(f"{self.path}/{name}", error) from error

    def clean(self, now: float) -> int:
        """Remove what dead runs left in `tmp`: mailctl's own at once (the lock is held), others' by the Maildir rule.

        now: seconds since the epoch. Returns how many files went.
        """
        gone = 0
        for name in os.listdir(self.descriptors["tmp"]):
            if is_part(name) or self._is_old(name, now):
                self.files.unlink(self.descriptors["tmp"], name)
                gone += 1
        for name in (f"{KEYWORDS_FILE}.part", f"{NAME_FILE}.part"):
            self.files.unlink(self.directory, name)
        return gone

    def _is_old(self, name: str, now: float) -> bool:
        try:
            status = os.stat(name, dir_fd=self.descriptors["tmp"], follow_symlinks=False)
        except FileNotFoundError:
            return False
        if stat.S_ISDIR(status.st_mode):  # never left by a delivery
            return False
        return max(status.st_mtime, status.st_atime) < now - LITTER_AGE


def not_a_file(shown: str, error: OSError) -> StorageError:
    """The error for one of mailctl's small files that can't be read: a link or a directory, mostly."""
    text = f"{shown} can't be read: {error.strerror or error}"
    return StorageError(text, hint="Put the file itself in its place, or remove what is there.", code="not_a_folder")


def scan_directory(descriptor: int, subdirectory: str, shown: str, odd: list[str] | None = None) -> Iterator[LocalFile]:
    """The messages with mailctl's names in one open directory; `shown` names the folder in errors, and in `odd`."""
    with os.scandir(descriptor) as entries:
        for entry in entries:
            name = parse_name(entry.name)
            if name is None:
                continue
            if entry.is_symlink():
                raise StorageError(
                    f"{shown}/{subdirectory}/{entry.name} is a symbolic link; in a Maildir, links aren't followed",
                    hint="Remove the link; the message is fetched again.",
                    code="symbolic_link",
                )
            if entry.is_file(follow_symlinks=False):  # a pipe or a folder of that name is no message
                yield LocalFile(name, subdirectory, entry.name)
            elif odd is not None:
                odd.append(f"{shown}/{subdirectory}/{entry.name}")


def both_there(directory: int, one: LocalFile, two: LocalFile) -> bool:
    """Whether two files of one open directory are both there: a file that was renamed meanwhile is there once."""
    if one.subdirectory != two.subdirectory:
        return False
    try:
        for name in (one.filename, two.filename, one.filename):
            os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
