"""Writes one run's events into the mailer log."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from mailctl.domain.event import Event, Level
from mailctl.domain.secret import mask, mask_own, mask_within
from mailctl.errors import StorageError
from mailctl.journal.store import Journal

LONGEST_MESSAGE = 2000


class JournalRecorder:
    """A `Recorder` on a Journal. A log that can't be written is said once by `complain` and doesn't stop the work."""

    def __init__(
        self,
        journal: Journal,
        run: str,
        now: Callable[[], datetime],
        keep_days: int | None,
        complain: Callable[[str], None],
    ) -> None:
        self.run = run
        self._journal, self._now, self._keep_days, self._complain = journal, now, keep_days, complain
        self._number = 0
        self._failed = False
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
        try:
            self._journal.write([(number, kept)])
            if number == 1 and self._keep_days is not None:
                self._journal.prune(self._now() - timedelta(days=self._keep_days))
        except StorageError as error:
            if not self._failed:
                self._failed = True
                self._complain(error.message)
