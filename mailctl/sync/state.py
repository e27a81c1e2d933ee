"""What the last sync of one gateway saw, in SQLite: makes the next run fast and remembers the flags last agreed.

It can be thrown away at any time: a new one is filled from the Maildir and the server. So a file that is damaged, or of
another version, is set aside (`NAME.db.bad`) and begun anew; nothing is ever decided from a state that can't be read
whole. It is written only after the mail it tells of is durable.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mailctl.errors import StorageError
from mailctl.sync.local.files import private_directory

if TYPE_CHECKING:
    import sqlite3

VERSION = 1
_APPLICATION = 0x6D6C6374  # "mlct"
_SCHEMA = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE folder(id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, uidvalidity INTEGER NOT NULL, uidnext INTEGER,
    highestmodseq INTEGER, messages INTEGER NOT NULL, settled TEXT NOT NULL);
CREATE TABLE message(folder INTEGER NOT NULL, uid INTEGER NOT NULL, flags TEXT NOT NULL, size INTEGER,
    internaldate INTEGER, PRIMARY KEY(folder, uid)) WITHOUT ROWID;
CREATE TABLE unique_id(folder INTEGER NOT NULL, uidl TEXT NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY(folder, uidl)) WITHOUT ROWID;
"""

_WRONG = {  # any column can hold any type, and damage makes one of another; what is text of ours is ASCII
    "meta": "typeof(key) <> 'text' OR typeof(value) <> 'text'",
    "folder": "typeof(name) <> 'blob' OR typeof(uidvalidity) <> 'integer' OR typeof(messages) <> 'integer'"
    " OR typeof(uidnext) NOT IN ('integer', 'null') OR typeof(highestmodseq) NOT IN ('integer', 'null')"
    " OR typeof(settled) <> 'text' OR settled GLOB '*[^ -~]*'",
    "message": "typeof(uid) <> 'integer' OR typeof(size) NOT IN ('integer', 'null')"
    " OR typeof(internaldate) NOT IN ('integer', 'null') OR typeof(flags) <> 'text' OR flags GLOB '*[^ -~]*'",
    "unique_id": "typeof(uidl) <> 'text' OR uidl GLOB '*[^ -~]*' OR typeof(size) <> 'integer'",
}

_COLUMNS = "uidvalidity, uidnext, highestmodseq, messages, settled"
_SAVE_FOLDER = """
INSERT INTO folder(name, uidvalidity, uidnext, highestmodseq, messages, settled) VALUES(?, ?, ?, ?, ?, ?)
ON CONFLICT(name) DO UPDATE SET uidvalidity = excluded.uidvalidity, uidnext = excluded.uidnext,
    highestmodseq = excluded.highestmodseq, messages = excluded.messages, settled = excluded.settled
"""


@dataclass(frozen=True, slots=True)
class Agreed:
    """A message that is, or was, in the Maildir, as the server showed it last. internaldate: epoch seconds."""

    flags: frozenset[str]
    size: int | None = None
    internaldate: int | None = None


@dataclass(frozen=True, slots=True)
class FolderState:
    """What was seen of a folder. settled: the policy under which nothing was left to do, "" if something was."""

    uidvalidity: int
    uidnext: int | None = None
    highestmodseq: int | None = None
    messages: int = 0
    settled: str = ""


class State:
    """The state of one gateway. Methods that write commit before they return; StorageError if they can't.

    path: the database file, or None for one that lives in memory (`--dry-run` without a state).
    read_only: nothing is written, neither by opening nor later.
    """

    def __init__(self, path: Path | None, *, read_only: bool = False) -> None:
        self._path = path
        self._read_only = read_only
        self.rebuilt = False
        """Whether an unusable file was set aside."""
        self._ids: dict[str, int] = {}
        self._folders: dict[str, FolderState] = {}
        self._loaded = False
        self._db = self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database; what was committed stays."""
        import sqlite3

        with suppress(sqlite3.Error):  # all that matters has been committed
            self._db.close()

    def meta(self, key: str) -> str:
        """A value kept with `set_meta`, "" if none."""
        row = self._all("SELECT value FROM meta WHERE key = ?", key)
        return str(row[0][0]) if row else ""

    def set_meta(self, key: str, value: str) -> None:
        """Keep one value."""
        self._write([("INSERT OR REPLACE INTO meta VALUES(?, ?)", [(key, value)])])

    def count(self) -> int:
        """Messages that are, or were, in the Maildir, in all folders."""
        return int(self._all("SELECT (SELECT count(*) FROM message) + (SELECT count(*) FROM unique_id)")[0][0])

    def folders(self) -> dict[str, FolderState]:
        """Every folder by name."""
        if not self._loaded:
            for number, name, *rest in self._all(f"SELECT id, name, {_COLUMNS} FROM folder"):  # noqa: S608 - our own
                text = bytes(name).decode("utf-8", "surrogatepass")
                self._ids[text] = number
                self._folders[text] = FolderState(*rest)
            self._loaded = True
        return dict(self._folders)

    def agreed(self, folder: str) -> dict[int, Agreed]:
        """The messages of a folder by UID."""
        rows = self._all("SELECT uid, flags, size, internaldate FROM message WHERE folder = ?", self._id(folder))
        flags = {row[1]: frozenset(row[1].split()) for row in rows}
        return {uid: Agreed(flags[text], size, date) for uid, text, size, date in rows}

    def save_folder(self, folder: str, seen: FolderState) -> None:
        """Keep what was seen of a folder; a new UIDVALIDITY forgets its messages."""
        name = folder.encode("utf-8", "surrogatepass")
        old = self.folders().get(folder)
        steps: list[tuple[str, list[tuple[Any, ...]]]] = []
        if old is not None and old.uidvalidity != seen.uidvalidity:
            steps.append(("DELETE FROM message WHERE folder = ?", [(self._id(folder),)]))
        row = (name, seen.uidvalidity, seen.uidnext, seen.highestmodseq, seen.messages, seen.settled)
        steps.append((_SAVE_FOLDER, [row]))
        self._loaded = False
        self._write(steps)
        self._folders[folder] = seen
        self._loaded = folder in self._ids

    def save_messages(self, folder: str, messages: Mapping[int, Agreed]) -> None:
        """Keep messages of a folder that `save_folder` knows."""
        number = self._id(folder)
        rows = [(number, uid, " ".join(sorted(m.flags)), m.size, m.internaldate) for uid, m in messages.items()]
        self._write([("INSERT OR REPLACE INTO message VALUES(?,?,?,?,?)", rows)])

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

    def forget_all(self) -> None:
        """Begin afresh."""
        self._write([(f"DELETE FROM {table}", [()]) for table in ("message", "unique_id", "folder", "meta")])  # noqa: S608
        self._ids.clear()
        self._folders.clear()

    def _id(self, folder: str) -> int:
        if folder not in self._ids:
            self.folders()
        return self._ids.get(folder, 0)  # no folder has the number 0

    def _open(self) -> "sqlite3.Connection":
        import sqlite3

        if self._path is None or (self._read_only and not self._path.exists()):
            return self._create(":memory:")
        try:
            if self._read_only:
                return self._checked(sqlite3.connect(_to_read(self._path), uri=True, **_OPTIONS))
            if not self._path.exists():
                return self._create(self._path)
            return self._checked(sqlite3.connect(self._path, **_OPTIONS))
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorname", "").startswith(_OF_THE_DISK):
                raise _failed(self._path, error) from error
            self.rebuilt = True
            if self._read_only:
                return self._create(":memory:")
            self._set_aside()
            return self._create(self._path)

    def _create(self, where: Path | str) -> "sqlite3.Connection":
        import sqlite3

        if isinstance(where, Path):
            private_directory(where.parent)
            os.close(os.open(where, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        try:
            db: sqlite3.Connection = sqlite3.connect(where, **_OPTIONS)
            _prepare(db)
            db.executescript(
                f"BEGIN; {_SCHEMA} PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
            )
        except sqlite3.Error as error:
            raise _failed(where, error) from error
        return db

    def _checked(self, db: "sqlite3.Connection") -> "sqlite3.Connection":
        """`db` if it is a state of this version, whole; sqlite3.DatabaseError otherwise."""
        import sqlite3

        try:
            if not self._read_only:
                _prepare(db)
            version = db.execute("PRAGMA user_version").fetchone()[0]
            application = db.execute("PRAGMA application_id").fetchone()[0]
            if (version, application) != (VERSION, _APPLICATION):
                raise sqlite3.DatabaseError("not a state of this version")
            if db.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("damaged")
            made = {sql for (sql,) in db.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")}
            if made != {statement.strip() for statement in _SCHEMA.split(";") if statement.strip()}:
                raise sqlite3.DatabaseError("damaged")
            for table, wrong in _WRONG.items():
                if db.execute(f"SELECT 1 FROM {table} WHERE {wrong} LIMIT 1").fetchone():  # noqa: S608 - our own
                    raise sqlite3.DatabaseError("damaged")
            db.execute("SELECT * FROM meta").fetchall()
            for _, name, *_ in db.execute("SELECT * FROM folder"):  # name alone would be read from its index
                name.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            db.close()
            raise sqlite3.DatabaseError("damaged") from error
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _set_aside(self) -> None:
        assert self._path is not None  # noqa: S101 - only a file can be damaged
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        self._path.replace(self._path.with_name(self._path.name + ".bad"))

    def _all(self, query: str, *values: Any) -> list[Any]:
        import sqlite3

        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise _failed(self._path, error) from error

    def _write(self, steps: list[tuple[str, list[tuple[Any, ...]]]]) -> None:
        """Carry out statements, each for its rows, in one transaction."""
        import sqlite3

        if self._read_only:
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for statement, rows in steps:
                self._db.executemany(statement, rows)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):  # the failure itself is what is told
                self._db.execute("ROLLBACK")
            raise _failed(self._path, error) from error


_OPTIONS: dict[str, Any] = {"isolation_level": None, "timeout": 5.0, "check_same_thread": False}


_OF_THE_DISK = (
    *("SQLITE_BUSY", "SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_LOCKED", "SQLITE_NOMEM"),
    *("SQLITE_PERM", "SQLITE_PROTOCOL", "SQLITE_READONLY"),
)
"""Errors that tell of the disk or of other programs, rather than of the file's contents."""


def _prepare(db: "sqlite3.Connection") -> None:
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")


def _failed(path: object, error: "sqlite3.Error") -> StorageError:
    full = "full" in str(error)
    hint = "Free some space and run it again; nothing is lost." if full else ""
    return StorageError(f"can't use the sync state {path}: {error}", hint=hint, code="disk_full" if full else "storage")


def _to_read(path: Path) -> str:
    """The URI that opens a database and leaves no files beside it; a run that is at work has its own there."""
    from urllib.parse import quote

    at_work = path.with_name(path.name + "-wal").exists()
    return f"file:{quote(str(path.absolute()))}?mode=ro{'' if at_work else '&immutable=1'}"
