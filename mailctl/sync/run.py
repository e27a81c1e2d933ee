"""What one run of one gateway's sync shares: the job, its tools, what may still be done, how far it is."""

from collections.abc import Callable, Iterable
from dataclasses import field
from threading import Event
from typing import TYPE_CHECKING

from mailctl.domain.event import Level, Recorder
from mailctl.domain.record import dataclass
from mailctl.domain.standing import Standing
from mailctl.errors import StoppedError
from mailctl.sync.job import Connector, FolderTally, SyncJob
from mailctl.sync.local.files import Files

if TYPE_CHECKING:
    from mailctl.sync.bulk.crew import Crew, Workers
    from mailctl.sync.bulk.pace import Pace
    from mailctl.sync.verify.differences import Repaired, Verified

ProgressCallback = Callable[[str, Standing, str, Standing], None]
"""Takes gateway, how far it is in all, the folder in hand ("" if none), how far that is. It must not keep them."""


def no_progress(gateway: str, total: Standing, folder: str, part: Standing) -> None:
    """Tells nobody."""


def nothing() -> None:
    """Does nothing."""


_NOTHING = Standing()


@dataclass(frozen=True, slots=True)
class Tools:
    """What a sync is handed.

    stop: set when the user wants an end; the step in hand is finished. clock: seconds since the epoch. who: names this
    process for the lock. workers: starts processes that fetch too; None: there are none. meanwhile: called when a
    server has something to do, so that this process can do what it will need later.
    """

    connector: Connector
    recorder: Recorder
    clock: Callable[[], float]
    who: Callable[[], str]
    progress: ProgressCallback = no_progress
    stop: Event = field(default_factory=Event)
    files: Files = field(default_factory=Files)
    workers: "Workers | None" = None
    meanwhile: Callable[[], None] = nothing


@dataclass
class Run:
    """One run. budget: messages that may still be fetched, None without a bound. alone: workers failed before.

    crew: the workers that help it, if any; `close` ends them. pace: of the connection in use.
    """

    job: SyncJob
    tools: Tools
    budget: int | None = None
    alone: bool = False
    crew: "Crew | None" = None
    pace: "Pace | None" = None
    tallies: list[FolderTally] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    verified: "Verified | None" = None
    repaired: "Repaired | None" = None
    _total: Standing = field(default_factory=Standing)
    _tallies: dict[str, FolderTally] = field(default_factory=dict)
    _parts: dict[str, Standing] = field(default_factory=dict)
    _ahead: dict[str, int] = field(default_factory=dict)
    _folder: str = ""

    def folder(self, name: str, path: str) -> FolderTally:
        """Counts for one folder, kept in the report; the same when it is asked for again."""
        tally = self._tallies.get(name)
        if tally is None:
            tally = self._tallies[name] = FolderTally(name, path)
            self.tallies.append(tally)
        self._folder = name
        self._show()
        return tally

    def forget_folder(self, name: str) -> None:
        """No counts for a folder that has another name now."""
        gone = self._tallies.pop(name, None)
        self.tallies[:] = [tally for tally in self.tallies if tally is not gone]

    def close(self) -> None:
        """Let go of what helped."""
        crew, self.crew = self.crew, None
        if crew is not None:
            crew.end()

    def check_stop(self) -> None:
        """StoppedError if the user wants an end."""
        if self.tools.stop.is_set():
            raise StoppedError("interrupted; what had come is kept, and the next run goes on from there")

    def expect(self, messages: int, octets: int, folder: str = "") -> None:
        """So many more messages and octets are to be fetched in a folder; what an earlier try expected is in it.

        folder: by default, here and below, the one begun last.
        """
        part, total = self._part(folder), self._total
        lost = self._ahead.pop(self._folder, 0)  # what came and was not made durable will come again
        part.messages -= lost
        total.messages -= lost
        total.of_messages += part.messages + messages - part.of_messages
        total.of_octets += part.octets + octets - part.of_octets
        part.of_messages, part.of_octets = part.messages + messages, part.octets + octets
        self._show()

    def beat(self, octets: int, folder: str = "") -> None:
        """Octets came; StoppedError if the user wants an end."""
        self._part(folder).octets += octets
        self._total.octets += octets
        self.check_stop()
        self._show()

    def came(self, folder: str = "") -> None:
        """A message came whole; `arrived` tells when it is durable."""
        self._part(folder).messages += 1
        self._total.messages += 1
        self._ahead[self._folder] = self._ahead.get(self._folder, 0) + 1

    def arrived(self, messages: int, folder: str = "") -> None:
        """Messages are durable."""
        part = self._part(folder)
        known = min(messages, self._ahead.get(self._folder, 0))
        if known:
            self._ahead[self._folder] -= known
        part.messages += messages - known
        self._total.messages += messages - known
        if self.budget is not None:
            self.budget -= messages
        self._show()

    def _part(self, folder: str) -> Standing:
        self._folder = folder or self._folder
        if self._folder not in self._parts:
            self._parts[self._folder] = Standing()
        return self._parts[self._folder]

    def _show(self) -> None:
        self.tools.progress(self.job.name, self._total, self._folder, self._parts.get(self._folder, _NOTHING))

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

    def homeless(self, folder: str, keywords: Iterable[str]) -> None:
        """Keywords for which a Maildir folder has no letter left."""
        missing = sorted(keywords)
        if missing:
            self.warn(f"{folder}: a Maildir folder has letters for 26 keywords; not shown here: {', '.join(missing)}")

    def doubled(self, folder: str, filename: str) -> None:
        """Two files that are one message by their names; one stands for it."""
        text = f"{folder}: there is a second file of the message {filename}, under other flags"
        self.warn(f"{text}; `mailctl sync {self.job.name} --repair` makes one of files that are alike")

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
            stopped = isinstance(tally.error, StoppedError)
            self.record(
                "sync.folder.interrupted" if stopped else "sync.folder.failed",
                f"{tally.name}: {tally.error.message}",
                level=Level.WARNING if stopped else Level.ERROR,
                folder=tally.name,
                code=tally.error.code,
                cause=tally.error.cause,
                server_text=tally.error.server_text,
            )
        if tally.eventful:
            from mailctl.sync.report import done

            self.record(
                "sync.folder.done",
                f"{tally.name}: {done(tally)}",
                folder=tally.name,
                fetched=tally.fetched,
                flagged=tally.flagged,
                removed=tally.removed,
                uploaded=tally.uploaded,
                moved=tally.moved,
                bytes=tally.bytes,
                skipped=sum(skipped.count for skipped in tally.skipped),
            )
