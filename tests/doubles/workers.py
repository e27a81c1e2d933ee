"""Workers of sync as threads: the same words over the same pipes, on a server in memory."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from io import FileIO
from threading import Thread

from mailctl.domain.mailbox import ImapMailbox
from mailctl.sync.bulk.worker import work
from mailctl.sync.job import SyncJob
from mailctl.sync.local.files import Files


class ThreadProcess:
    """See `sync.bulk.crew.Process`. killed: called by `kill`, which otherwise can only close the pipes."""

    def __init__(
        self, connect: Callable[[SyncJob], ImapMailbox], files: Files, root: int, killed: Callable[[], None]
    ) -> None:
        requests, self_stdin = os.pipe()
        self_stdout, answers = os.pipe()
        self.stdin, self.stdout = FileIO(self_stdin, "wb"), FileIO(self_stdout, "rb")
        self._killed = killed
        self._root = os.dup(root)
        self._thread = Thread(
            target=self._work, args=(FileIO(requests, "rb"), FileIO(answers, "wb"), connect, files), daemon=True
        )
        self._thread.start()

    def _work(
        self, requests: FileIO, answers: FileIO, connect: Callable[[SyncJob], ImapMailbox], files: Files
    ) -> None:
        import io

        try:
            with io.BufferedReader(requests) as reader, io.BufferedWriter(answers) as writer:
                work(reader, writer, connect, files, lambda: None)
        except BaseException:  # noqa: BLE001 - it died, as it was meant to, without a word
            return

    def kill(self) -> None:
        """It hears nothing more."""
        self._killed()
        self.stdin.close()

    def wait(self) -> int:
        """Until it noticed."""
        self._thread.join(20)
        assert not self._thread.is_alive()
        os.close(self._root)
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
        return ThreadProcess(self.connect, self.files.pop(0) if self.files else Files(), descriptor, self.killed)

    def allowed(self, job: SyncJob) -> int | None:
        """As said."""
        return self.limit
