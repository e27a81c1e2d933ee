"""The SQLite file of a gateway's sync state: made, checked, brought up to this version, set aside if it is unusable.

Reading all of a large database on every run would cost more than the run. So a run that ends well seals the file: the
record `NAME.db.seal` holds its size, inode and times as they were then. While they stand, nobody has written to it, and
it isn't read through again; what rots on the disk beneath is met when it is read, and the seal goes (`unseal`).
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mailctl.errors import StorageError
from mailctl.sync.local.files import private_directory

if TYPE_CHECKING:
    import sqlite3

VERSION = 2
_APPLICATION = 0x6D6C6374  # "mlct"
_SCHEMA = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE folder(id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, uidvalidity INTEGER NOT NULL, uidnext INTEGER,
    highestmodseq INTEGER, messages INTEGER NOT NULL, settled TEXT NOT NULL, path BLOB NOT NULL, cur INTEGER NOT NULL,
    new INTEGER NOT NULL, files INTEGER NOT NULL, mailbox_id TEXT NOT NULL, left_out TEXT NOT NULL);
CREATE TABLE message(folder INTEGER NOT NULL, uid INTEGER NOT NULL, flags TEXT NOT NULL, size INTEGER,
    internaldate INTEGER, file TEXT, PRIMARY KEY(folder, uid)) WITHOUT ROWID;
CREATE TABLE unique_id(folder INTEGER NOT NULL, uidl TEXT NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY(folder, uidl)) WITHOUT ROWID;
CREATE TABLE moment(folder INTEGER NOT NULL, kind TEXT NOT NULL, message TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY(folder, kind, message)) WITHOUT ROWID;
"""
_FROM_1 = """
ALTER TABLE folder RENAME TO folder_1;
ALTER TABLE message RENAME TO message_1;
{folder};
{message};
{moment};
INSERT INTO folder SELECT id, name, uidvalidity, uidnext, highestmodseq, messages, settled, x'', 0, 0, 0, '', '' FROM folder_1;
INSERT INTO message SELECT folder, uid, flags, size, internaldate, NULL FROM message_1;
DROP TABLE folder_1;
DROP TABLE message_1;
"""  # noqa: E501 - SQL
_WRONG = {  # any column can hold any type, and damage makes one of another; what is text of ours is ASCII
    "meta": "typeof(key) <> 'text' OR typeof(value) <> 'text'",
    "folder": "typeof(name) <> 'blob' OR typeof(uidvalidity) <> 'integer' OR typeof(messages) <> 'integer'"
    " OR typeof(uidnext) NOT IN ('integer', 'null') OR typeof(highestmodseq) NOT IN ('integer', 'null')"
    " OR typeof(settled) <> 'text' OR settled GLOB '*[^ -~]*'",
    "message": "typeof(uid) <> 'integer' OR typeof(size) NOT IN ('integer', 'null')"
    " OR typeof(internaldate) NOT IN ('integer', 'null') OR typeof(flags) <> 'text' OR flags GLOB '*[^ -~]*'",
    "unique_id": "typeof(uidl) <> 'text' OR uidl GLOB '*[^ -~]*' OR typeof(size) <> 'integer'",
}
_WRONG_2 = {
    "folder": "typeof(path) <> 'blob' OR typeof(cur) <> 'integer' OR typeof(new) <> 'integer'"
    " OR typeof(files) <> 'integer'"
    " OR typeof(mailbox_id) <> 'text' OR mailbox_id GLOB '*[^ -~]*'"
    " OR typeof(left_out) <> 'text' OR left_out GLOB '*[^ -~]*'",
    "message": "typeof(file) NOT IN ('text', 'null') OR file GLOB '*[^ -~]*'",
}
_SCHEMA_1 = {  # of the tables that version 2 changed
    "CREATE TABLE folder(id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, uidvalidity INTEGER NOT NULL,"
    " uidnext INTEGER,\n    highestmodseq INTEGER, messages INTEGER NOT NULL, settled TEXT NOT NULL)",
    "CREATE TABLE message(folder INTEGER NOT NULL, uid INTEGER NOT NULL, flags TEXT NOT NULL, size INTEGER,\n"
    "    internaldate INTEGER, PRIMARY KEY(folder, uid)) WITHOUT ROWID",
}
_CHANGED = ("CREATE TABLE folder(", "CREATE TABLE message(", "CREATE TABLE moment(")
_OPTIONS: dict[str, Any] = {"isolation_level": None, "timeout": 5.0, "check_same_thread": False}
_OF_THE_DISK = (
    *("SQLITE_BUSY", "SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_LOCKED", "SQLITE_NOMEM"),
    *("SQLITE_PERM", "SQLITE_PROTOCOL", "SQLITE_READONLY"),
)
"""Errors that tell of the disk or of other programs, rather than of the file's contents."""


def open_database(path: Path | None, *, read_only: bool) -> "tuple[sqlite3.Connection, bool]":
    """(the database, whether an unusable file was set aside). StorageError if the disk or another program is at fault.

    path: None for one that lives in memory. read_only: nothing is written; a file that is missing, unusable or of an
    older version then counts as none.
    """
    import sqlite3

    if path is None or (read_only and not path.exists()):
        return _create(":memory:"), False
    try:
        if read_only:
            return _checked(path, sqlite3.connect(_to_read(path), uri=True, **_OPTIONS), read_only=True), False
        if not path.exists():
            return _create(path), False
        return _checked(path, sqlite3.connect(path, **_OPTIONS), read_only=False), False
    except sqlite3.DatabaseError as error:
        if not spoilt(error):
            raise failed(path, error) from error
        if read_only:
            return _create(":memory:"), True
        _set_aside(path)
        return _create(path), True


def seal(path: Path) -> None:
    """Note that the file, closed a moment ago, is whole. Without the note, it is only read through again."""
    if sealed(path):
        return
    with suppress(OSError):
        fd = os.open(_seal_of(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.write(fd, _mark(path).encode())
        finally:
            os.close(fd)


def sealed(path: Path) -> bool:
    """Whether the file is as it was when it was sealed."""
    try:
        mark = _mark(path).encode()
        return bool(mark) and _seal_of(path).read_bytes() == mark
    except OSError:
        return False


def unseal(path: Path | None) -> None:
    """Have the next run read the whole file."""
    if path is not None:
        with suppress(OSError):
            _seal_of(path).unlink(missing_ok=True)


def spoilt(error: "sqlite3.Error") -> bool:
    """Whether an error can be due to the contents of the file."""
    import sqlite3

    of_the_disk = getattr(error, "sqlite_errorname", "").startswith(_OF_THE_DISK)
    return isinstance(error, sqlite3.DatabaseError) and not of_the_disk


def failed(path: object, error: "sqlite3.Error") -> StorageError:
    """The StorageError for an error of SQLite's."""
    full = "full" in str(error) or getattr(error, "sqlite_errorname", "") == "SQLITE_IOERR_SHMSIZE"
    hint = "Free some space and run it again; nothing is lost." if full else ""
    text = "the disk is full" if full else str(error)
    return StorageError(f"can't use the sync state {path}: {text}", hint=hint, code="disk_full" if full else "storage")


def _seal_of(path: Path) -> Path:
    return path.with_name(path.name + ".seal")


def _mark(path: Path) -> str:
    """What tells one state of the file from another; "" if it has a journal, so isn't closed."""
    try:
        if path.with_name(path.name + "-wal").exists():
            return ""
        s = path.stat()
    except OSError:
        return ""
    return f"{s.st_size} {s.st_ino} {s.st_mtime_ns} {s.st_ctime_ns}\n"


def _create(where: Path | str) -> "sqlite3.Connection":
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
        raise failed(where, error) from error
    return db


def _checked(path: Path, db: "sqlite3.Connection", *, read_only: bool) -> "sqlite3.Connection":
    """`db` if it is a state of this version, whole; sqlite3.DatabaseError otherwise."""
    import sqlite3

    try:
        whole = sealed(path)
        if not read_only:
            _prepare(db)
        version = db.execute("PRAGMA user_version").fetchone()[0]
        application = db.execute("PRAGMA application_id").fetchone()[0]
        if application != _APPLICATION or version not in ((VERSION,) if read_only else (1, VERSION)):
            raise sqlite3.DatabaseError("not a state of this version")
        if not whole or version != VERSION:
            _read_through(db, version)
        if version == 1:
            made = {sql.partition("(")[0].split()[-1]: sql for sql in _statements()}
            steps = _FROM_1.format(**made)
            db.executescript(f"BEGIN; {steps} PRAGMA user_version = {VERSION}; COMMIT;")
    except UnicodeDecodeError as error:
        db.close()
        raise sqlite3.DatabaseError("damaged") from error
    except sqlite3.Error:
        db.close()
        raise
    return db


def _read_through(db: "sqlite3.Connection", version: int) -> None:
    """sqlite3.DatabaseError or UnicodeDecodeError if anything in it is not as it is made."""
    import sqlite3

    if db.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok":
        raise sqlite3.DatabaseError("damaged")
    expected = set(_statements())
    if version == 1:
        expected = {sql for sql in expected if not sql.startswith(_CHANGED)}
        expected |= _SCHEMA_1
    if {sql for (sql,) in db.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")} != expected:
        raise sqlite3.DatabaseError("damaged")
    for wrongs in (_WRONG, _WRONG_2 if version == VERSION else {}):
        for table, wrong in wrongs.items():
            if db.execute(f"SELECT 1 FROM {table} WHERE {wrong} LIMIT 1").fetchone():  # noqa: S608 - our own
                raise sqlite3.DatabaseError("damaged")
    db.execute("SELECT * FROM meta").fetchall()
    for _, name, *_ in db.execute("SELECT * FROM folder"):  # name alone would be read from its index
        name.decode("utf-8", "surrogatepass")
    if version == VERSION:
        for (path,) in db.execute("SELECT path FROM folder"):
            path.decode("utf-8", "surrogatepass")


def _statements() -> list[str]:
    return [statement.strip() for statement in _SCHEMA.split(";") if statement.strip()]


def _set_aside(path: Path) -> None:
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.replace(path.with_name(path.name + ".bad"))


def _prepare(db: "sqlite3.Connection") -> None:
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")


def _to_read(path: Path) -> str:
    """The URI that opens a database and leaves no files beside it; a run that is at work has its own there."""
    from urllib.parse import quote

    at_work = path.with_name(path.name + "-wal").exists()
    return f"file:{quote(str(path.absolute()))}?mode=ro{'' if at_work else '&immutable=1'}"
