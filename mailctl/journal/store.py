"""The mailer log as a file: one SQLite database in WAL mode, shared by every mailctl process of a user.

An event is identified by its run and its number in it, so that importing an export twice adds nothing.
"""

import errno
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from mailctl.domain.event import Event, Level
from mailctl.domain.record import dataclass
from mailctl.errors import StorageError

SCHEMA_VERSION = 1
LEVELS = tuple(Level)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
    run TEXT NOT NULL, number INTEGER NOT NULL, time TEXT NOT NULL, gateway TEXT NOT NULL, protocol TEXT NOT NULL,
    level INTEGER NOT NULL, event TEXT NOT NULL, message TEXT NOT NULL, fields TEXT NOT NULL,
    PRIMARY KEY (run, number)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS event_time ON event (time);
CREATE INDEX IF NOT EXISTS event_gateway ON event (gateway, event, protocol, time);
"""
_COLUMNS = "run, number, time, gateway, protocol, level, event, message, fields"


@dataclass(frozen=True, slots=True)
class Query:
    """Which events: empty strings and None don't restrict.

    run: its id, or the token at the end of it. level: this one and above. limit: the newest so many.
    """

    gateway: str = ""
    run: str = ""
    level: Level = Level.DEBUG
    since: datetime | None = None
    until: datetime | None = None
    limit: int | None = None


class Journal:
    """The mailer log at `path`. Safe to use from several threads; methods raise StorageError if the file fails."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def write(self, numbered: Iterable[tuple[int, Event]]) -> int:
        """Keep events, each with its number in its run; returns how many were not there yet."""
        rows = [_row(number, event) for number, event in numbered]
        with self._transaction() as connection:
            before = connection.total_changes
            connection.executemany("INSERT OR IGNORE INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            return connection.total_changes - before

    def read(self, query: Query = Query()) -> Iterator[tuple[int, Event]]:  # noqa: B008 - it is frozen
        """Events with their numbers, oldest first."""
        if not self._holds_any():
            return
        where, values = _where(query)
        text = (
            f"SELECT * FROM (SELECT {_COLUMNS} FROM event WHERE {where} "  # noqa: S608 - clauses are constants
            "ORDER BY time DESC, run DESC, number DESC LIMIT ?) ORDER BY time, run, number"
        )
        with self._reading() as connection:
            rows = connection.execute(text, [*values, -1 if query.limit is None else query.limit]).fetchall()
        for row in rows:
            yield _event(row)

    def latest(self, events: tuple[str, ...]) -> list[Event]:
        """For each gateway and protocol, the newest event among the names `events`."""
        if not self._holds_any():
            return []
        marks = ",".join("?" * len(events))
        text = (
            f"SELECT {_COLUMNS}, max(time) FROM event "  # noqa: S608 - only marks are put in
            f"WHERE gateway <> '' AND event IN ({marks}) GROUP BY gateway, protocol"
        )
        with self._reading() as connection:
            return [_event(row[:9])[1] for row in connection.execute(text, events)]

    def count_errors(self, since: dict[str, datetime]) -> dict[str, int]:
        """Number of errors of each gateway, from the moment given for it on (all of them where none is given)."""
        if not self._holds_any():
            return {}
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT gateway, time FROM event WHERE level >= ? AND gateway <> ''", (LEVELS.index(Level.ERROR),)
            ).fetchall()
        counts: dict[str, int] = {}
        for gateway, time in rows:
            if gateway not in since or time > _stamp(since[gateway]):
                counts[gateway] = counts.get(gateway, 0) + 1
        return counts

    def rename_gateway(self, old: str, new: str) -> None:
        """Let the events of gateway `old` be those of `new`."""
        if self._path.exists():
            with self._transaction() as connection:
                connection.execute("UPDATE event SET gateway = ? WHERE gateway = ?", (new, old))

    def prune(self, before: datetime) -> int:
        """Drop events older than `before`; returns how many."""
        with self._transaction() as connection:
            return connection.execute("DELETE FROM event WHERE time < ?", (_stamp(before),)).rowcount

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _holds_any(self) -> bool:
        """Whether there is a log: an empty file is what a full disk left of the try to begin one."""
        return self._path.exists() and self._path.stat().st_size > 0

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """For reading: on a full disk, where its shared index can't be made, the file is read as it stands."""
        with self._lock, self._faults():
            try:
                connection = self._connection = self._connection or self._open()
            except (sqlite3.Error, OSError) as error:
                wal = self._path.with_name(f"{self._path.name}-wal")  # what only it holds would be left out
                if not _is_full(error) or (wal.exists() and wal.stat().st_size):
                    raise
                connection = sqlite3.connect(f"{self._path.absolute().as_uri()}?immutable=1", uri=True)
                with closing(connection):
                    yield connection
            else:
                yield connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._faults():
            if self._connection is None:
                self._connection = self._open()
            with self._connection:
                yield self._connection

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            full = _is_full(error)
            damaged = "If the file is damaged, move it away; mailctl begins a new one."
            raise StorageError(
                f"the mailer log {self._path} can't be used: {'the disk is full' if full else error}",
                hint="Free some space." if full else damaged,
                code="journal_unusable",
            ) from error

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        connection = sqlite3.connect(self._path, timeout=10, check_same_thread=False)
        try:
            _prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def _prepare(connection: sqlite3.Connection) -> None:
    """Set it up, and make the tables where there are none."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise sqlite3.DatabaseError(f"it was written by a newer mailctl (format {version})")
    if version < SCHEMA_VERSION:
        connection.executescript(_SCHEMA + f"PRAGMA user_version = {SCHEMA_VERSION};")


def _is_full(error: sqlite3.Error | OSError) -> bool:
    """Whether the disk has no room; SQLite calls it an I/O error where its shared index (-shm) can't be made."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "disk is full" in str(error) or getattr(error, "sqlite_errorname", "") == "SQLITE_IOERR_SHMSIZE"


def _where(query: Query) -> tuple[str, list[object]]:
    clauses: list[str] = ["level >= ?"]
    found: list[object] = [LEVELS.index(query.level)]
    for clause, value in (
        ("gateway = ?", query.gateway),
        ("? IN (run, substr(run, -6))", query.run),
        ("time >= ?", query.since and _stamp(query.since)),
        ("time <= ?", query.until and _stamp(query.until)),
    ):
        if value:
            clauses.append(clause)
            found.append(value)
    return " AND ".join(clauses), found


def _stamp(moment: datetime) -> str:
    """UTC with microseconds, so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _row(number: int, event: Event) -> tuple[object, ...]:
    def safe(text: str) -> str:  # a lone surrogate can't be stored as UTF-8
        return text.encode("utf-8", "backslashreplace").decode()

    fields = json.dumps(dict(event.fields), default=str)
    level = LEVELS.index(event.level)
    texts = (safe(event.gateway), event.protocol, level, event.event, safe(event.message), fields)
    return (event.run, number, _stamp(event.time), *texts)


def _event(row: tuple[str, int, str, str, str, int, str, str, str]) -> tuple[int, Event]:
    run, number, time, gateway, protocol, level, name, message, fields = row
    moment = datetime.fromisoformat(time)
    event = Event(moment, run, name, message, LEVELS[level], gateway, protocol, json.loads(fields))
    return number, event
