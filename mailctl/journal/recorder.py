"""Writes one run's events into the mailer log."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mailctl.domain.event import Event, Level
from mailctl.domain.secret import mask, mask_own, mask_within
from mailctl.errors import StorageError

if TYPE_CHECKING:
    from mailctl.journal.store import Journal

LONGEST_MESSAGE = 2000


class JournalRecorder:
    """A `Recorder` on a Journal. A log that can't be written is said once by `complain` and doesn't stop the work.

    journal: gives it when it is written; not before.
    """

    def __init__(
        self,
        journal: "Callable[[], Journal]",
        run: str,
        now: Callable[[], datetime],
        keep_days: int | None,
        complain: Callable[[str], None],
    ) -> None:
        self.run = run
        self._journal, self._now, self._keep_days, self._complain = journal, now, keep_days, complain
        self._number = 0
        self._failed = self._pruned = False
        self._held: list[tuple[int, Event]] | None = None
        self._lock = threading.Lock()

    def record(
        self,
        event: str,
        message: str,
        *,
        level: Level = Level.INFO,
        gateway: str = "",
        protocol: str = "",
        **fields: object,
    ) -> None:
        """Keep one event; what it quotes is masked and bounded."""
        with self._lock:
            self._number += 1
            number = self._number
        safe = mask_within(fields, mask_own)
        if isinstance(said := fields.get("server_text"), str):
            safe["server_text"] = mask(said)
        kept = Event(self._now(), self.run, event, mask_own(message)[:LONGEST_MESSAGE], level, gateway, protocol, safe)
        with self._lock:
            if self._held == []:
                self._held.append((number, kept))
                return
            held, self._held = self._held or [], None
        self._write([*held, (number, kept)])

    def hold(self) -> None:
        """Keep in memory the one event that comes first, until the next one, or `release`."""
        with self._lock:
            self._held = []

    def release(self) -> None:
        """Write what is held; what comes from now on is written at once."""
        with self._lock:
            held, self._held = self._held, None
        if held:
            self._write(held)

    def _write(self, numbered: list[tuple[int, Event]]) -> None:
        try:
            journal = self._journal()
            journal.write(numbered)
            if not self._pruned and self._keep_days is not None:
                self._pruned = True
                journal.prune(self._now() - timedelta(days=self._keep_days))
        except StorageError as error:
            if not self._failed:
                self._failed = True
                self._complain(error.message)
