"""What one run of one gateway's sync shares: the job, its tools, what may still be done, how far it is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event

from mailctl.domain.event import Level, Recorder
from mailctl.errors import StoppedError
from mailctl.sync.job import Connector, FolderTally, SyncJob
from mailctl.sync.local.files import Files

ProgressCallback = Callable[[str, int, int, int, int], None]
"""Takes gateway, messages done, messages in all, octets done, octets in all."""


def no_progress(gateway: str, messages: int, of_messages: int, octets: int, of_octets: int) -> None:
    """Tells nobody."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a sync is handed.

    stop: set when the user wants an end; the step in hand is finished. clock: seconds since the epoch. who: names this
    process for the lock.
    """

    connector: Connector
    recorder: Recorder
    clock: Callable[[], float]
    who: Callable[[], str]
    progress: ProgressCallback = no_progress
    stop: Event = field(default_factory=Event)
    files: Files = field(default_factory=Files)


@dataclass
class Run:
    """One run. budget: messages that may still be fetched, None without a bound."""

    job: SyncJob
    tools: Tools
    budget: int | None = None
    tallies: list[FolderTally] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _done: list[int] = field(default_factory=lambda: [0, 0, 0, 0])

    def folder(self, name: str, path: str) -> FolderTally:
        """Counts for one folder, kept in the report."""
        tally = FolderTally(name, path)
        self.tallies.append(tally)
        return tally

    def check_stop(self) -> None:
        """StoppedError if the user wants an end."""
        if self.tools.stop.is_set():
            raise StoppedError("interrupted; what had come is kept, and the next run goes on from there")

    def expect(self, messages: int, octets: int) -> None:
        """So many more messages and octets are to be fetched."""
        self._done[1] = self._done[0] + messages  # what an earlier try of the same folder expected is in it
        self._done[3] = self._done[2] + octets
        self._show()

    def beat(self, octets: int) -> None:
        """Octets came; StoppedError if the user wants an end."""
        self._done[2] += octets
        self.check_stop()
        self._show()

    def arrived(self, messages: int) -> None:
        """Messages are durable."""
        self._done[0] += messages
        if self.budget is not None:
            self.budget -= messages
        self._show()

    def _show(self) -> None:
        self.tools.progress(self.job.name, *self._done)

    def record(self, event: str, message: str, *, level: Level = Level.INFO, **fields: object) -> None:
        """An event of this gateway."""
        self.tools.recorder.record(
            event, message, level=level, gateway=self.job.name, protocol=self.job.protocol.value, **fields
        )

    def warn(self, text: str) -> None:
        """A sentence for the user and the log, once a run."""
        if text not in self.warnings:
            self.warnings.append(text)
            self.record("sync.warning", text, level=Level.WARNING)

    def finish_folder(self, tally: FolderTally) -> None:
        """Tell the log what was done in a folder, if anything was."""
        if self.job.dry_run:
            return
        for skipped in tally.skipped:
            self.record(
                "sync.message.skipped",
                f"{tally.name}: {skipped.reason}",
                folder=tally.name,
                uid=skipped.uid,
                reason=skipped.code,
                count=skipped.count,
            )
        if tally.error is not None:
            self.record(
                "sync.folder.failed",
                f"{tally.name}: {tally.error.message}",
                level=Level.ERROR,
                folder=tally.name,
                code=tally.error.code,
                cause=tally.error.cause,
                server_text=tally.error.server_text,
            )
        if tally.eventful:
            self.record(
                "sync.folder.done",
                f"{tally.name}: {tally.fetched} fetched, {tally.flagged} flagged, {tally.removed} removed",
                folder=tally.name,
                fetched=tally.fetched,
                flagged=tally.flagged,
                removed=tally.removed,
                bytes=tally.bytes,
                skipped=sum(skipped.count for skipped in tally.skipped),
            )
