"""The open database of a gateway's sync state: what is written is written in transactions, what fails is told."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from mailctl.sync.database import failed, open_database, seal, sealed, spoilt, unseal

Steps = list[tuple[str, list[tuple[Any, ...]]]]
"""Statements, each with the rows for which it is carried out."""


class Store:
    """Use as a context manager.

    path: the database file, or None for one that lives in memory (`--dry-run` without a state).
    read_only: nothing is written, neither by opening nor later.
    """

    def __init__(self, path: Path | None, *, read_only: bool = False) -> None:
        self._path = path
        self._read_only = read_only
        self._together = self._spoilt = False
        self.untouched = path is None or sealed(path)
        """Whether nobody wrote to the file since it was closed."""
        self._db, self.rebuilt = open_database(path, read_only=read_only)
        """rebuilt: whether an unusable file was set aside."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database; what was committed stays."""
        import sqlite3

        with suppress(sqlite3.Error):  # all that matters has been committed
            self._db.close()
        if self._path is not None and not self._read_only and not self._spoilt:
            seal(self._path)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written within it is committed at its end, all or nothing. Nothing slow belongs there."""
        if self._together or self._read_only:
            yield
            return
        self._execute("BEGIN IMMEDIATE")
        self._together = True
        try:
            yield
            self._execute("COMMIT")
        except BaseException:
            import sqlite3

            self._rolled_back()
            with suppress(sqlite3.Error):  # the failure itself is what is told
                self._db.execute("ROLLBACK")
            raise
        finally:
            self._together = False

    def _rolled_back(self) -> None:
        """Nothing of what was written together stayed."""

    def _all(self, query: str, *values: Any) -> list[Any]:
        with self._told():
            return self._db.execute(query, values).fetchall()

    def _execute(self, statement: str) -> None:
        with self._told():
            self._db.execute(statement)

    def _write(self, steps: Steps) -> None:
        """Carry out statements, each for its rows, in one transaction."""
        if self._read_only:
            return
        with self.together(), self._told():
            for statement, rows in steps:
                self._db.executemany(statement, rows)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Within it, an error of SQLite's becomes a StorageError; contents that can't be read are read through next."""
        import sqlite3

        try:
            yield
        except sqlite3.Error as error:
            if spoilt(error):
                self._spoilt = True
                unseal(self._path)
            raise failed(self._path, error) from error
