"""Workers of sync as threads: the same words over the same pipes, on a server in memory."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Thread

from mailctl.domain.mailbox import ImapMailbox
from mailctl.sync.bulk.worker import work
from mailctl.sync.job import SyncJob
from mailctl.sync.local.files import Files


class ThreadProcess:
    """See `sync.bulk.crew.Process`. killed: called by `kill`, which otherwise can only close the pipes."""

    def __init__(self, connect: Callable[[SyncJob], ImapMailbox], files: Files, killed: Callable[[], None]) -> None:
        requests, self_stdin = os.pipe()
        self_stdout, answers = os.pipe()
        self.stdin, self.stdout = os.fdopen(self_stdin, "wb"), os.fdopen(self_stdout, "rb")
        self._killed = killed
        self._thread = Thread(target=self._work, args=(requests, answers, connect, files), daemon=True)
        self._thread.start()

    def _work(self, requests: int, answers: int, connect: Callable[[SyncJob], ImapMailbox], files: Files) -> None:
        try:
            with os.fdopen(requests, "rb") as reader, os.fdopen(answers, "wb") as writer:
                work(reader, writer, lambda job, stop: connect(job), files, lambda: None)
        except BaseException:  # noqa: BLE001 - it died, as it was meant to, without a word
            return

    def kill(self) -> None:
        """It hears nothing more."""
        self._killed()
        with suppress(OSError):  # what it was still to be told
            self.stdin.close()

    def wait(self) -> int:
        """Until it noticed."""
        self._thread.join(20)
        assert not self._thread.is_alive()
        return 0


@dataclass
class ThreadWorkers:
    """See `sync.bulk.crew.Workers`. files: what each worker writes with, in turn; then plain ones."""

    connect: Callable[[SyncJob], ImapMailbox]
    files: list[Files] = field(default_factory=list)
    killed: Callable[[], None] = lambda: None
    limit: int | None = None
    started: int = 0

    def start(self, job: SyncJob, descriptor: int) -> ThreadProcess:
        """One more."""
        self.started += 1
        return ThreadProcess(self.connect, self.files.pop(0) if self.files else Files(), self.killed)

    def allowed(self, job: SyncJob) -> int | None:
        """As said."""
        return self.limit
