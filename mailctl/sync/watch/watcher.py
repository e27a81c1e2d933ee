"""The watch of many gateways in one process: one thread decides and waits for all connections, a few do the work."""

import os
import selectors
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from math import inf
from queue import Empty, SimpleQueue

from mailctl.domain.event import Level
from mailctl.domain.gateway import Mode
from mailctl.domain.heartbeat import WatchState
from mailctl.domain.record import dataclass
from mailctl.errors import ExitCode, MailctlError
from mailctl.sync.job import SyncJob
from mailctl.sync.report import Failure, SyncReport
from mailctl.sync.run import Tools
from mailctl.sync.watch import plan, work
from mailctl.sync.watch.connection import Parked
from mailctl.sync.watch.entry import Entry
from mailctl.sync.watch.local import LocalLooks, Times
from mailctl.sync.watch.plan import Standing, Step
from mailctl.sync.watch.pool import Pool

TICK = 5.0
"""Seconds that the watch sleeps at most: so soon it notices that the machine slept, or its clock was set."""
JUMP = 15.0
"""Seconds by which the clocks may drift apart between two looks before that is what happened."""

LONG = 10 * 60.0
"""Seconds of sleep after which connections are made anew without a test: a dead one takes seconds to be found out."""


@dataclass(frozen=True, slots=True)
class WatchTools:
    """What a watch is handed.

    tools: gives what one sync is handed; its connector signs in. current: the job as it is today (`since` moves).
    monotonic, clock: seconds on a scale that stands still while the machine sleeps, and since the epoch. luck: random
    numbers in [0, 1). tell: takes event, sentence, level, gateway and fields; called in the watch's thread only.
    changed: takes a gateway whose mail or flags changed. beat: called with where every gateway stands; returns the
    seconds within which it is to be called again.
    """

    tools: Callable[[], Tools]
    current: Callable[[SyncJob], SyncJob]
    monotonic: Callable[[], float]
    clock: Callable[[], float]
    luck: Callable[[], float]
    passing: Callable[[SyncJob, Failure], bool]
    tell: "Tell"
    changed: Callable[[str], None]
    beat: Callable[[Mapping[str, Standing]], float]


Tell = Callable[[str, str, Level, str, Mapping[str, object]], None]


@dataclass
class Watcher:
    """Call `run` in one thread; `wake` and `stop` may be called from any, and from signal handlers.

    reload: called in the watch's thread when `wake(reload=True)` was; it calls `replace_jobs`.
    """

    given: WatchTools
    parallel: int
    reload: Callable[["Watcher"], None] = lambda watcher: None
    _entries: dict[str, Entry] = field(default_factory=dict)
    _stopping: bool = False
    _reload: bool = False

    def __post_init__(self) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._reading, selectors.EVENT_READ, None)
        self._pool: Pool[work.Done] = Pool(self.parallel, self.wake)
        self._looks: SimpleQueue[tuple[str, Times]] = SimpleQueue()
        self._looker: LocalLooks | None = None
        self._tools = self.given.tools()
        self._offset = self.given.clock() - self.given.monotonic()

    # -- from anywhere

    def wake(self, *, reload: bool = False) -> None:
        """Let the watch look at once what is to be done."""
        if reload:
            self._reload = True
        with suppress(BlockingIOError):  # it is full of reasons to wake already
            os.write(self._writing, b".")

    def stop(self) -> None:
        """End after the work in hand, each sync after its step in hand."""
        self._stopping = True
        self._tools.stop.set()
        self.wake()

    # -- the watch

    def run(self) -> None:
        """Watch until `stop`."""
        try:
            while True:
                self._take_results()
                self._take_looks()
                self._notice_jump()
                if self._reload and not self._stopping:
                    self._reload = False
                    self.reload(self)
                self._begin_due()
                rest = self.given.beat({name: entry.standing for name, entry in self._entries.items()})
                if self._stopping and not self._pool.busy:
                    return
                self._sleep(min(rest, TICK))
        finally:
            quiet = self._looker is None or self._looker.close()
            for entry in self._entries.values():
                if not entry.busy:
                    entry.parked.close()
            self._selector.close()
            if quiet and not self._pool.busy:  # else somebody may write to it still
                os.close(self._reading)
                os.close(self._writing)

    def replace_jobs(self, jobs: Sequence[SyncJob]) -> None:
        """Watch these gateways from now on. What changed begins anew, and so does what was given up."""
        now = self.given.monotonic()
        wanted = {job.name: job for job in jobs}
        for name, entry in list(self._entries.items()):
            job = wanted.pop(name, None)
            if job is None:
                entry.gone = True
            elif replace(job, since="") != replace(entry.job, since="") or entry.standing.state is WatchState.STOPPED:
                entry.next_job = job
            elif entry.standing.state is WatchState.BACKING_OFF:
                entry.standing = plan.woke(entry.standing, now)
            if (entry.gone or entry.next_job) and not entry.busy:
                self._turn_over(name, entry)
        for name, job in wanted.items():
            self._entries[name] = self._fresh(job)
        if self._looker is None and any(job.inbound.mode is Mode.MIRROR for job in jobs):
            self._looker = LocalLooks(self._roots, self._local)
            self._looker.start()

    def _fresh(self, job: SyncJob) -> Entry:
        standing = plan.begin(self.given.monotonic())
        return Entry(job, Parked(self._tools.connector), standing, standing)

    def _turn_over(self, name: str, entry: Entry) -> None:
        """Put what was configured anew in the place of what was."""
        self._unregister(entry)
        entry.parked.close()
        if entry.gone:
            del self._entries[name]
        else:
            assert entry.next_job is not None  # else nobody asked  # noqa: S101
            self._entries[name] = self._fresh(entry.next_job)

    # -- work

    def _begin_due(self) -> None:
        if self._stopping:
            return
        now = self.given.monotonic()
        due = [(entry.standing.at, name) for name, entry in self._entries.items() if not entry.busy]
        for _, name in sorted(due):
            entry = self._entries[name]
            what = plan.step(entry.standing, now)
            if what is Step.NOTHING:
                continue
            if not self._pool.free:
                return
            self._unregister(entry)
            entry.before, entry.busy = entry.standing, True
            entry.standing = plan.started(entry.standing, now)
            self._pool.give(name, self._sync(entry) if what is Step.SYNC else self._refresh(entry))

    def _sync(self, entry: Entry) -> Callable[[], work.Done]:
        job, parked = self.given.current(entry.job), entry.parked
        tools = replace(self.given.tools(), connector=parked, stop=self._tools.stop)
        return lambda: work.sync(job, parked, tools)

    def _refresh(self, entry: Entry) -> Callable[[], work.Done]:
        job, parked = entry.job, entry.parked
        return lambda: work.refresh(job, parked)

    def _take_results(self) -> None:
        for name, done in self._pool.results():
            entry, now, luck = self._entries[name], self.given.monotonic(), self.given.luck()
            entry.busy = False
            before, report, end = entry.before, done.report, done.ended
            if end.error is not None and end.error.exit_code is ExitCode.AUTH:
                end = replace(end, passing=self.given.passing(entry.job, end.error))
            if report is None and end.error is None:
                entry.standing = plan.refreshed(before, now, end, luck)
            elif self._stopping:
                entry.standing = replace(before, at=inf)
            else:
                interval = float(entry.job.inbound.interval or 900)
                entry.standing = plan.ended(entry.standing, now, end, interval, luck)
            if done.local is not None:
                entry.seen = done.local
            if end.changed:
                self.given.changed(name)
            self._tell(name, entry, before, report)
            if self._stopping or entry.gone or entry.next_job:
                entry.parked.close()
            if entry.gone or entry.next_job:
                self._turn_over(name, entry)
            elif entry.standing.state in (WatchState.NOTIFY, WatchState.IDLE) and not self._stopping:
                self._register(name, entry)

    # -- waiting

    def _register(self, name: str, entry: Entry) -> None:
        entry.registered = entry.parked.fileno()
        self._selector.register(entry.registered, selectors.EVENT_READ, name)

    def _unregister(self, entry: Entry) -> None:
        if entry.registered is not None:
            self._selector.unregister(entry.registered)
            entry.registered = None

    def _sleep(self, most: float) -> None:
        now = self.given.monotonic()
        moments = [plan.wakes(entry.standing) for entry in self._entries.values() if not entry.busy]
        if not self._pool.free:  # what is due waits for a thread, which says when it is free
            moments = [moment for moment in moments if moment > now]
        rest = min(max(min(moments, default=inf) - now, 0.0), most)
        for key, _ in self._selector.select(rest):
            if key.data is None:
                with suppress(BlockingIOError):
                    os.read(self._reading, 4096)
            else:
                self._heard(key.data)

    def _heard(self, name: str) -> None:
        """A connection that waits has something to say."""
        entry, now = self._entries[name], self.given.monotonic()
        descriptor = entry.registered
        try:
            if not entry.parked.news():
                return
        except MailctlError as error:
            self._selector.unregister(descriptor or 0)
            entry.registered = None
            before = entry.standing
            entry.standing = plan.failed(before, now, Failure.of(error), self.given.luck())
            self._tell(name, entry, before, None)
            return
        self._unregister(entry)  # it is asked again after the sync
        entry.standing = plan.news(entry.standing, now)

    def _roots(self) -> dict[str, str]:
        """Of the mirror gateways that wait; called by the thread that looks at them."""
        return {
            name: entry.job.root
            for name, entry in list(self._entries.items())
            if entry.job.inbound.mode is Mode.MIRROR and entry.standing.state in plan.WAITING
        }

    def _local(self, gateway: str, times: Times) -> None:
        self._looks.put((gateway, times))
        self.wake()

    def _take_looks(self) -> None:
        while True:
            try:
                name, times = self._looks.get_nowait()
            except Empty:
                return
            entry = self._entries.get(name)
            if entry is not None and not entry.busy and entry.seen is not None and times != entry.seen:
                entry.seen = times
                entry.standing = plan.news(entry.standing, self.given.monotonic())

    def _notice_jump(self) -> None:
        offset = self.given.clock() - self.given.monotonic()
        drift, self._offset = offset - self._offset, offset
        if abs(drift) < JUMP:
            return
        text = "the machine slept, or its clock was set: connections are tested or made anew, and every gateway synced"
        self.given.tell("watch.woke", text, Level.INFO, "", {"seconds": round(drift, 1)})
        now = self.given.monotonic()
        for entry in self._entries.values():
            if drift > LONG and not entry.busy:
                self._unregister(entry)
                entry.parked.close()
            entry.standing = plan.woke(entry.standing, now)

    # -- telling

    def _tell(self, name: str, entry: Entry, before: Standing, report: SyncReport | None) -> None:
        from mailctl.sync.watch.words import happened

        if self._stopping and (report is None or not report.ok):
            return
        for event, text, level, fields in happened(before, entry.standing, report, self.given.monotonic()):
            self.given.tell(event, text, level, name, fields)
