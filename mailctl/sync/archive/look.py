"""What the disk tells of a folder without reading its messages: the times of its directories, the names of its files.

A directory whose time stands still holds the names that it held. That is only true of a time that was past when the
names were read, by more than the file system's granularity (else a change in the same tick could follow, and would
leave the same time), and by the clock of the file system itself, which may be another machine's. A time that can't be
relied on is 0, which is never found again.
"""

import os
import stat
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import field, replace

from mailctl.domain.record import dataclass
from mailctl.sync.local.files import Files
from mailctl.sync.local.maildir import LocalFile, MaildirFolder
from mailctl.sync.local.names import parse_name

FINE = 100_000_000
"""Nanoseconds that must have passed since a directory changed: file systems with fine times write them once a tick."""
COARSE = 2_000_000_000
"""The same where times are whole seconds; FAT counts in steps of two."""
SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Times:
    """When `cur` and `new` of a folder changed last (st_mtime_ns); 0: not to be relied on."""

    cur: int = 0
    new: int = 0


UNKNOWN = Times()


def reliable(before: int, after: int, now: int) -> int:
    """The time to remember of a directory whose names were read between two looks at its time; 0: none. Pure.

    before, after: its time at these looks. now: the file system's clock before the first of them. All in nanoseconds.
    """
    margin = COARSE if before % SECOND == 0 else FINE
    return before if before == after and before > 0 and now - before > margin else 0


def stands(remembered: Times, found: Times | None) -> bool:
    """Whether the names that were read when `remembered` was kept are still those that are there. Pure."""
    return found is not None and remembered.cur > 0 and remembered.new > 0 and remembered == found


def went_back(reached: Times, found: Times | None) -> bool:
    """Whether directories have times that are past, by more than any file system's granularity. Pure.

    No change of a directory leaves such a time: whoever brings one back from a backup sets it.
    """
    pairs = ((reached.cur, found.cur), (reached.new, found.new)) if found is not None else ()
    return any(before - now > COARSE for before, now in pairs)


def look(files: Files, root: int, parts: tuple[str, ...]) -> Times | None:
    """The times of a folder's directories now; None if it isn't there, or can't be reached without a symbolic link."""
    try:
        here = files.descend(root, parts)
    except OSError:
        return None
    try:
        return times_in(here)
    finally:
        os.close(here)


def times_in(directory: int) -> Times | None:
    """The times of `cur` and `new` in an open directory; None if one of them is no directory."""
    try:
        found = [os.stat(name, dir_fd=directory, follow_symlinks=False) for name in ("cur", "new")]
    except OSError:
        return None
    return Times(*(s.st_mtime_ns for s in found)) if all(stat.S_ISDIR(s.st_mode) for s in found) else None


def touched(directory: int, since: int) -> bool:
    """Whether `cur` or `new` in an open directory was changed from `since` (ns) on, or had its times set.

    Whoever copies or restores a directory can set its st_mtime back, but not its st_ctime.
    """
    try:
        found = [os.stat(name, dir_fd=directory, follow_symlinks=False) for name in ("cur", "new")]
    except OSError:
        return True
    return any(s.st_ctime_ns >= since for s in found)


def clock_in(directory: int) -> int:
    """The file system's clock in nanoseconds, told by touching `tmp` in an open directory; 0 if that fails."""
    try:
        os.utime("tmp", dir_fd=directory, follow_symlinks=False)
        return os.stat("tmp", dir_fd=directory, follow_symlinks=False).st_mtime_ns
    except OSError:
        return 0


def reliable_times(before: Times | None, after: Times | None, now: int) -> Times:
    """What to remember of directories that were read between two looks at their times; see `reliable`. Pure."""
    if before is None or after is None:
        return UNKNOWN
    return Times(reliable(before.cur, after.cur, now), reliable(before.new, after.new, now))


class Watch:
    """Tells, of an open folder, under which times what is read from now on is to be remembered.

    quiet: nothing is touched; the file system's clock can't be told then, and no time is relied on.
    """

    def __init__(self, maildir: MaildirFolder, *, quiet: bool) -> None:
        self._maildir = maildir
        self._now = 0 if quiet else maildir.now()
        self._before = _times(maildir)

    def times(self) -> Times:
        """The times if nothing has changed since, else UNKNOWN of what has."""
        return reliable_times(self._before, _times(self._maildir), self._now)


def read_names(maildir: MaildirFolder) -> tuple[set[str], bool]:
    """The files in `new` and `cur`, as `cur/NAME`; whether anything else is among them under a message's name."""
    names: set[str] = set()
    others: list[str] = []

    def left_out(name: str) -> bool:
        others.append(name)
        return False

    for subdirectory in ("new", "cur"):  # a file moves from new to cur, never back: it can be seen twice, not missed
        prefix = f"{subdirectory}/"
        with os.scandir(maildir.descriptors[subdirectory]) as scanned:
            names.update(  # no entry is kept: there are many
                [prefix + e.name for e in scanned if e.is_file(follow_symlinks=False) or left_out(e.name)]
            )
    return names, any(parse_name(name) is not None for name in others)


def _times(maildir: MaildirFolder) -> Times:
    return Times(*(os.fstat(maildir.descriptors[name]).st_mtime_ns for name in ("cur", "new")))


@dataclass(frozen=True, slots=True)
class Difference:
    """What names tell that the state doesn't.

    moved: known messages whose file is called otherwise than remembered, or is back. gone: known messages whose file is
    there no more. strange: there are files of this folder's messages that the state should know, and doesn't.
    messages: how many lie there, wherever they came from.
    """

    moved: Mapping[int, LocalFile] = field(default_factory=dict)
    gone: frozenset[int] = frozenset()
    strange: bool = False
    messages: int = field(default=0, compare=False)

    @property
    def places(self) -> dict[int, str | None]:
        """Where the files of these messages are, as the state keeps it."""
        return {**{uid: place_of(file) for uid, file in self.moved.items()}, **dict.fromkeys(self.gone)}


def compare(
    remembered: Mapping[int, str | None], names: Set[str], folder: str, uidvalidity: int, uidnext: int
) -> Difference:
    """The difference between the files remembered (by UID) and the names found. Pure.

    folder: its hash in the names. uidnext: all messages with a lower UID are known, or went from the server: their
    files stay. Files of other folders' messages, and other programs', tell nothing.
    """
    known = {name: uid for uid, name in remembered.items() if name}
    vanished = {known[name] for name in known.keys() - names}
    appeared = names - known.keys()
    moved, strange = {}, False
    for name in sorted(appeared):  # of two files of one message always the same
        file = local_file(name)
        if file is None or (file.name.folder, file.name.uidvalidity) != (folder, uidvalidity):
            continue
        uid = file.name.uid
        if uid not in remembered:
            strange = strange or uid >= uidnext
        elif remembered[uid] is None or uid in vanished:
            moved[uid] = file
    messages = len(known) - len(vanished) + sum(".mailctl" in name for name in appeared)
    return Difference(moved, frozenset(vanished - moved.keys()), strange, messages)


def compare_more(
    known: Set[str],
    remembered: Callable[[Sequence[int]], Mapping[int, str | None]],
    names: Set[str],
    folder: str,
    uidvalidity: int,
    uidnext: int,
) -> Difference | None:
    """As `compare`, but for less of the memory: None if a file that is remembered isn't there.

    known: all places that are remembered. remembered: those of these messages.
    """
    if not known <= names:
        return None
    appeared = names - known
    files = [file for name in appeared if (file := local_file(name))]
    those = remembered(
        sorted({f.name.uid for f in files if (f.name.folder, f.name.uidvalidity) == (folder, uidvalidity)})
    )
    there = {name for name in those.values() if name}
    found = compare(those, appeared | there, folder, uidvalidity, uidnext)
    return replace(found, messages=found.messages + len(known) - len(there))


def local_file(name: str) -> LocalFile | None:
    """The file that `cur/NAME` stands for, if the name is one of mailctl's."""
    subdirectory, _, filename = name.partition("/")
    parsed = parse_name(filename)
    return LocalFile(parsed, subdirectory, filename) if parsed else None


def place_of(file: LocalFile) -> str:
    """`cur/NAME`, as the state keeps it."""
    return f"{file.subdirectory}/{file.filename}"
