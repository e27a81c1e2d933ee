"""What the last sync of one gateway saw, in SQLite: makes the next run fast and remembers the flags last agreed.

It can be thrown away at any time: a new one is filled from the Maildir and the server. So a file that is damaged, or of
an unknown version, is set aside (`NAME.db.bad`) and begun anew; nothing is ever decided from a state that can't be read
whole. It is written only after the mail it tells of is durable.

Which files a folder holds is remembered too, so that a directory that stands still needs no look. That memory is only
as good as the run that wrote it: a folder is marked as being at work, durably, before anything in it changes, and the
mark goes when it was done. `complete` says that no other folder holds files of which nothing is known.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mailctl.domain.record import dataclass
from mailctl.sync.store import Steps, Store

_COLUMNS = "uidvalidity, uidnext, highestmodseq, messages, settled, path, cur, new, files, mailbox_id, left_out"
_SAVE_FOLDER = f"""
INSERT INTO folder(name, {_COLUMNS}) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(name) DO UPDATE SET
    {", ".join(f"{column} = excluded.{column}" for column in _COLUMNS.split(", "))}
"""
_AT_WORK = f"""
INSERT INTO folder(name, {_COLUMNS}) VALUES(?, 0, NULL, NULL, 0, '', x'', -1, -1, 0, '', '')
    ON CONFLICT(name) DO UPDATE SET cur = -1, new = -1
"""
_SAVE_MESSAGE = """
INSERT INTO message(folder, uid, flags, size, internaldate) VALUES(?, ?, ?, ?, ?) ON CONFLICT(folder, uid) DO UPDATE SET
    flags = excluded.flags, size = excluded.size, internaldate = excluded.internaldate
"""
_MIRRORED = "mirrored"
AT_WORK = -1
_AT_ONCE = 500
"""UIDs in one query."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """A message that is, or was, in the Maildir, as the server showed it last. internaldate: epoch seconds."""

    flags: frozenset[str]
    size: int | None = None
    internaldate: int | None = None


@dataclass(frozen=True, slots=True)
class FolderState:
    """What was seen of a folder. settled: the policy under which nothing was left to do, "" if something was.

    path: below the Maildir root, directories joined by `/`. cur, new: times of these directories (st_mtime_ns) in which
    lay exactly the files that are remembered; 0: not to be relied on; AT_WORK: a run that changed it has not ended;
    less: a run left that time on them, or saw it (mirror mode), and can't tell whether somebody else changed a name in
    the moments in which it did.
    files: how many messages lay in it, wherever they came from, those that went from the server too.
    mailbox_id: RFC 8474, or "". left_out: what the policy leaves out, as `still` writes it.
    """

    uidvalidity: int
    uidnext: int | None = None
    highestmodseq: int | None = None
    messages: int = 0
    settled: str = ""
    path: str = ""
    cur: int = 0
    new: int = 0
    files: int = 0
    mailbox_id: str = ""
    left_out: str = ""

    @property
    def at_work(self) -> bool:
        """Whether a run died in this folder, so that it may hold files of which nothing is known."""
        return self.cur == AT_WORK

    @property
    def reached(self) -> tuple[int, int]:
        """The times that `cur` and `new` were seen to have; 0: not known."""
        return (0, 0) if self.at_work else (abs(self.cur), abs(self.new))


class State(Store):
    """The state of one gateway. Methods that write commit before they return; StorageError if they can't."""

    def __init__(self, path: Path | None, *, read_only: bool = False) -> None:
        super().__init__(path, read_only=read_only)
        self._ids: dict[str, int] = {}
        self._folders: dict[str, FolderState] | None = None
        self._begun: set[str] = set()

    def meta(self, key: str) -> str:
        """A value kept with `set_meta`, "" if none."""
        row = self._all("SELECT value FROM meta WHERE key = ?", key)
        return str(row[0][0]) if row else ""

    def set_meta(self, key: str, value: str, *, durable: bool = False) -> None:
        """Keep one value. durable: it outlives a power cut from here on."""
        if durable:
            self._execute("PRAGMA synchronous = FULL")
        self._write([("INSERT OR REPLACE INTO meta VALUES(?, ?)", [(key, value)])])
        if durable:
            self._execute("PRAGMA synchronous = NORMAL")

    @property
    def mirrored(self) -> set[str]:
        """The folders that mirror mode has had on both sides; none if that can't be read: then both are united."""
        text = self.meta(_MIRRORED)
        if not text:
            return set()
        import json

        try:
            return set(map(str, json.loads(text)))
        except (ValueError, TypeError):
            return set()

    def set_mirrored(self, names: Iterable[str], *, durable: bool = False) -> None:
        """Keep which folders those are. durable: see `set_meta`."""
        import json

        self.set_meta(_MIRRORED, json.dumps(sorted(names)), durable=durable)

    @property
    def complete(self) -> bool:
        """Whether all files that mailctl put below the root are known, but for those of folders at work.

        Not if somebody else wrote to the state, or a run died, since it was closed.
        """
        return self.untouched and self.meta("complete") == "1"

    def begin(self, folders: Iterable[str]) -> None:
        """Files of these folders are about to change: durably, they are at work."""
        known = self.folders()
        fresh = {name for name in folders if name not in self._begun and not (name in known and known[name].at_work)}
        self._begun |= fresh
        rows = [(name.encode("utf-8", "surrogatepass"),) for name in sorted(fresh)]
        if not rows:
            return
        self._folders = None
        self._execute("PRAGMA synchronous = FULL")
        self._write([(_AT_WORK, rows)])
        self._execute("PRAGMA synchronous = NORMAL")

    def end(self) -> None:
        """What was begun and not saved since was left in good order."""
        left = [name for name, seen in self.folders().items() if seen.at_work and name in self._begun]
        if left:
            self._folders = None
            rows = [(name.encode("utf-8", "surrogatepass"),) for name in left]
            self._write([("UPDATE folder SET cur = 0, new = 0 WHERE name = ?", rows)])

    def distrust_times(self) -> None:
        """No directory's time is to be relied on."""
        self._folders = None
        self._write([("UPDATE folder SET cur = 0, new = 0 WHERE cur <> ?", [(AT_WORK,)])])

    def count(self) -> int:
        """Messages that are, or were, in the Maildir, in all folders."""
        return int(self._all("SELECT (SELECT count(*) FROM message) + (SELECT count(*) FROM unique_id)")[0][0])

    def any_missing(self, folder: str | None = None) -> bool:
        """IMAP: whether the file of a known message, of `folder` or of any, was moved away, or deleted here."""
        if folder is None:
            return bool(self._all("SELECT 1 FROM message WHERE file IS NULL LIMIT 1"))
        return bool(self._all("SELECT 1 FROM message WHERE folder = ? AND file IS NULL LIMIT 1", self._id(folder)))

    def folders(self) -> dict[str, FolderState]:
        """Every folder by name."""
        return dict(self._known())

    def _known(self) -> dict[str, FolderState]:
        if self._folders is None:
            self._folders = {}
            for number, name, *rest in self._all(f"SELECT id, name, {_COLUMNS} FROM folder"):  # noqa: S608 - our own
                text = bytes(name).decode("utf-8", "surrogatepass")
                rest[5] = bytes(rest[5]).decode("utf-8", "surrogatepass")
                self._ids[text] = number
                self._folders[text] = FolderState(*rest)
        return self._folders

    def agreed(self, folder: str, uids: Sequence[int] | None = None) -> dict[int, Agreed]:
        """The messages of a folder by UID; only those of `uids` if given."""
        rows = self._of("uid, flags, size, internaldate", folder, uids)
        flags = {row[1]: frozenset(row[1].split()) for row in rows}
        return {uid: Agreed(flags[text], size, date) for uid, text, size, date in rows}

    def files(self, folder: str, uids: Sequence[int] | None = None) -> dict[int, str | None]:
        """By UID, where a message's file is in the folder (`cur/NAME`); None: it was moved away, or deleted here."""
        return dict(self._of("uid, file", folder, uids))

    def places(self, folder: str) -> set[str]:
        """Where the files of all known messages of a folder are, as far as that is known."""
        # one text is read in half the time of as many rows; no name has a line end in it
        query = "SELECT group_concat(file, char(10)) FROM message WHERE folder = ?"
        ((text,),) = self._all(query, self._id(folder))
        return set(text.split("\n")) if text else set()

    def letters(self, folder: str) -> str:
        """All Maildir letters that names of known files end in, those of a folder."""
        query = (
            "SELECT DISTINCT substr(file, instr(file, ':2,') + 3) FROM message WHERE folder = ? AND file GLOB '*:2,?*'"
        )
        return "".join(letters for (letters,) in self._all(query, self._id(folder)))

    def within(self, folder: str, ranges: Iterable[tuple[int, int]]) -> list[int]:
        """The UIDs of known messages in these inclusive ranges."""
        query, number = "SELECT uid FROM message WHERE folder = ? AND uid BETWEEN ? AND ?", self._id(folder)
        return [uid for first, last in ranges for (uid,) in self._all(query, number, first, last)]

    def known(self, folder: str, *, below: int | None = None) -> int:
        """How many messages of a folder are known; below: with a lower UID than this."""
        query = "SELECT count(*) FROM message WHERE folder = ? AND uid < ?"
        return int(self._all(query, self._id(folder), 1 << 32 if below is None else below)[0][0])

    def save_folder(self, folder: str, seen: FolderState) -> None:
        """Keep what was seen of a folder; a new UIDVALIDITY forgets its messages."""
        name, path = (text.encode("utf-8", "surrogatepass") for text in (folder, seen.path))
        known = self._known()
        old = known.get(folder)
        if old == seen:
            return
        steps: Steps = []
        if old is not None and old.uidvalidity != seen.uidvalidity:
            steps.append(("DELETE FROM message WHERE folder = ?", [(self._id(folder),)]))
        row = (name, seen.uidvalidity, seen.uidnext, seen.highestmodseq, seen.messages, seen.settled)
        steps.append((_SAVE_FOLDER, [(*row, path, seen.cur, seen.new, seen.files, seen.mailbox_id, seen.left_out)]))
        self._write(steps)
        known[folder] = seen
        for (number,) in () if folder in self._ids else self._all("SELECT id FROM folder WHERE name = ?", name):
            self._ids[folder] = number

    def forget_folder(self, folder: str) -> None:
        """A folder that needs no memory any more."""
        number = self._id(folder)
        self._folders = None
        tables = ("message", "unique_id", "moment")
        self._write([(f"DELETE FROM {table} WHERE folder = ?", [(number,)]) for table in tables])  # noqa: S608 - our own
        self._write([("DELETE FROM folder WHERE id = ?", [(number,)])])
        self._ids.pop(folder, None)

    def save_messages(
        self, folder: str, messages: Mapping[int, Agreed], files: Mapping[int, str | None] | None = None
    ) -> None:
        """Keep messages of a folder that `save_folder` knows, and where their files are (see `save_files`)."""
        number = self._id(folder)
        rows = [(number, uid, " ".join(sorted(m.flags)), m.size, m.internaldate) for uid, m in messages.items()]
        self._write([(_SAVE_MESSAGE, rows), *self._placed(number, files or {})])

    def save_files(self, folder: str, files: Mapping[int, str | None]) -> None:
        """Keep where the files of known messages are: `cur/NAME`, or None."""
        self._write(self._placed(self._id(folder), files))

    def forget_messages(self, folder: str, uids: Iterable[int]) -> None:
        """Messages that need no memory any more."""
        number = self._id(folder)
        self._write([("DELETE FROM message WHERE folder = ? AND uid = ?", [(number, uid) for uid in uids])])

    def unique_ids(self, folder: str) -> dict[str, int]:
        """POP3: octets by UIDL of the messages that are, or were, in the Maildir."""
        return dict(self._all("SELECT uidl, size FROM unique_id WHERE folder = ?", self._id(folder)))

    def save_unique_ids(self, folder: str, ids: Mapping[str, int]) -> None:
        """POP3: keep messages by UIDL."""
        number = self._id(folder)
        rows = [(number, uidl, size) for uidl, size in ids.items()]
        self._write([("INSERT OR REPLACE INTO unique_id VALUES(?,?,?)", rows)])

    def forget_unique_ids(self, folder: str, ids: Iterable[str]) -> None:
        """POP3: messages that need no memory any more."""
        number = self._id(folder)
        self._write([("DELETE FROM unique_id WHERE folder = ? AND uidl = ?", [(number, uidl) for uidl in ids])])

    def moments(self, folder: str, kind: str) -> dict[str, int]:
        """Epoch seconds by UID or POP3 key. kind: `here`, since when it is here; `date`, of one left out as too old."""
        return dict(self._all("SELECT message, at FROM moment WHERE folder = ? AND kind = ?", self._id(folder), kind))

    def save_moments(self, folder: str, kind: str, moments: Mapping[str, int]) -> None:
        """Keep moments."""
        rows = [(self._id(folder), kind, message, at) for message, at in moments.items()]
        self._write([("INSERT OR REPLACE INTO moment VALUES(?,?,?,?)", rows)])

    def forget_moments(self, folder: str, kind: str, messages: Iterable[str]) -> None:
        """Moments that need no memory any more."""
        rows = [(self._id(folder), kind, message) for message in messages]
        self._write([("DELETE FROM moment WHERE folder = ? AND kind = ? AND message = ?", rows)])

    def forget_all(self) -> None:
        """Begin afresh."""
        self._write([(f"DELETE FROM {table}", [()]) for table in ("message", "unique_id", "moment", "folder", "meta")])  # noqa: S608
        self._ids.clear()
        self._folders = None

    def _rolled_back(self) -> None:
        self._folders = None
        self._ids.clear()

    def _id(self, folder: str) -> int:
        if folder not in self._ids:
            self._known()
        return self._ids.get(folder, 0)  # no folder has the number 0

    def _placed(self, number: int, files: Mapping[int, str | None]) -> Steps:
        """A name that isn't plain ASCII is not kept; the file is then found by looking."""
        names = ((uid, name if name and name.isascii() and name.isprintable() else None) for uid, name in files.items())
        rows = [(name, number, uid) for uid, name in names]
        return [("UPDATE message SET file = ? WHERE folder = ? AND uid = ?", rows)]

    def _of(self, columns: str, folder: str, uids: Sequence[int] | None) -> list[Any]:
        query, number = f"SELECT {columns} FROM message WHERE folder = ?", self._id(folder)  # noqa: S608 - our own
        if uids is None:
            return self._all(query, number)
        found = []
        for start in range(0, len(uids), _AT_ONCE):
            some = uids[start : start + _AT_ONCE]
            found += self._all(f"{query} AND uid IN ({','.join('?' * len(some))})", number, *some)
        return found
