"""The watch on a server in memory: what wakes it, what it gives up, what it lets go on."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Thread

import pytest

from mailctl.domain.event import Level
from mailctl.domain.gateway import Mode
from mailctl.domain.heartbeat import WatchState
from mailctl.sync.engine import sync_gateway
from mailctl.sync.job import SyncJob
from mailctl.sync.local.lock import Lock
from mailctl.sync.report import SyncReport
from mailctl.sync.run import Tools
from mailctl.sync.watch import plan
from mailctl.sync.watch.local import directory_times
from mailctl.sync.watch.plan import Standing
from mailctl.sync.watch.watcher import Watcher, WatchTools
from tests.doubles.imap import MemoryFolder
from tests.doubles.syncs import Events, Place
from tests.doubles.waiting import WaitingServer


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


@dataclass
class Watched:
    """A watch in a thread, and what it told."""

    place: Place
    server: WaitingServer
    told: list[tuple[str, str, str]] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    standings: Mapping[str, Standing] = field(default_factory=dict)
    clock: Callable[[], float] = time.time
    watcher: Watcher = field(init=False)

    def __post_init__(self) -> None:
        given = WatchTools(
            lambda: Tools(self.server, Events(), time.time, lambda: "process 1 on test"),
            lambda job: job,
            time.monotonic,
            lambda: self.clock(),
            lambda: 0.0,
            lambda job, failure: "simultaneous" in failure.server_text,
            self.tell,
            self.changed.append,
            self.beat,
        )
        self.watcher = Watcher(given, 4)

    def tell(self, event: str, message: str, level: Level, gateway: str, fields: Mapping[str, object]) -> None:
        self.told.append((event, gateway, message))

    def beat(self, standings: Mapping[str, Standing]) -> float:
        self.standings = standings
        return 60.0

    def job(self, name: str = "box", **inbound: object) -> SyncJob:
        place = replace(self.place, folder=self.place.folder / name)
        job = place.job(**inbound)
        return replace(job, gateway=replace(job.gateway, name=name))

    def state(self, name: str = "box") -> WatchState | None:
        return self.standings[name].state if name in self.standings else None

    def events(self, name: str = "box") -> list[str]:
        return [event for event, gateway, _ in self.told if gateway == name]

    def here(self, name: str = "box") -> int:
        return len(list((self.place.folder / name / "mail").glob("INBOX/*/*.*")))

    @contextmanager
    def running(self, *jobs: SyncJob) -> Iterator[None]:
        thread = Thread(target=self.watcher.run)
        self.watcher.replace_jobs(jobs)
        thread.start()
        try:
            yield
        finally:
            self.watcher.stop()
            thread.join(30)
            assert not thread.is_alive()
            for mailbox in self.server.mailboxes:
                assert mailbox.closed, "a connection was left open"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long news are gathered, and how soon a lost connection is tried again, is `test_watch_plan`'s."""
    monkeypatch.setattr(plan, "COALESCE", 0.1)
    monkeypatch.setattr(plan, "FIRST_BACKOFF", 0.1)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    server = WaitingServer({"INBOX": MemoryFolder(), "Sent": MemoryFolder()})
    server.folders["INBOX"].add(b"Subject: 1\r\n\r\nx\r\n")
    return Watched(Place(tmp_path, server), server)


@pytest.mark.parametrize("how", ["idle", "notify"])
def test_news_bring_mail_over_the_same_connection(watched: Watched, how: str) -> None:
    watched.server.how = how
    with watched.running(watched.job()):
        until(lambda: watched.state() == how)
        assert watched.here() == 1
        for number in (2, 3):
            watched.server.folders["INBOX"].add(b"Subject: more\r\n\r\nx\r\n")
            watched.server.ring()
            until(lambda number=number: watched.here() == number and watched.server.waiting)  # type: ignore[misc]  # mypy knows no defaults of lambdas
    assert watched.server.connections == 1
    assert watched.changed == ["box"] * 3
    assert watched.events() == ["watch.synced", "watch.waiting", "watch.synced", "watch.synced"]


def test_what_comes_between_the_sync_and_the_waiting_is_not_missed(watched: Watched) -> None:
    late = [b"Subject: late\r\n\r\nx\r\n"]

    def arrives(command: str) -> None:
        if command == "select" and watched.here() == 1 and late and not watched.server.waiting:
            watched.server.folders["INBOX"].add(late.pop())

    watched.server.before = arrives
    with watched.running(watched.job()):
        until(lambda: watched.here() == 2)


def test_a_server_that_tells_nothing_is_polled(watched: Watched) -> None:
    watched.server.how = ""
    with watched.running(watched.job()):
        until(lambda: watched.state() is WatchState.POLL)
        assert watched.here() == 1
        assert all(mailbox.closed for mailbox in watched.server.mailboxes), "nobody needs the connection"


def test_a_refused_sign_in_is_tried_once(watched: Watched) -> None:
    watched.server.refuse = True
    with watched.running(watched.job()):
        until(lambda: watched.state() is WatchState.STOPPED)
        watched.watcher.wake()
        time.sleep(0.2)
        assert watched.server.attempts == 1
        watched.server.refuse = False
        watched.watcher.reload = lambda watcher: watcher.replace_jobs([watched.job()])
        watched.watcher.wake(reload=True)
        until(lambda: watched.state() is WatchState.IDLE)
    assert watched.events()[0] == "watch.stopped"


def test_a_sign_in_that_is_refused_for_another_reason_than_the_password_is_tried_again(watched: Watched) -> None:
    watched.server.refuse, watched.server.words = True, "NO [ALERT] Too many simultaneous connections. (Failure)"
    with watched.running(watched.job()):
        until(lambda: watched.state() is WatchState.BACKING_OFF)
        assert watched.standings["box"].at > time.monotonic() + 30
    assert watched.events() == ["watch.failed"]


def test_a_keyring_that_is_locked_at_the_start_is_tried_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "TEMPORARY_BACKOFF", 0.3)
    watched.server.locked = True
    with watched.running(watched.job()):
        until(lambda: watched.state() is WatchState.BACKING_OFF)
        assert watched.here() == 0
        watched.server.locked = False
        until(lambda: watched.state() is WatchState.IDLE)
        assert watched.here() == 1
    assert watched.events()[0] == "watch.failed"
    assert "watch.stopped" not in watched.events()


def test_a_lost_connection_is_made_anew(watched: Watched) -> None:
    with watched.running(watched.job()):
        until(lambda: watched.state() is WatchState.IDLE)
        watched.server.away = True
        watched.server.cut_all()
        until(lambda: watched.server.attempts >= 3)
        watched.server.away = False
        until(lambda: watched.state() is WatchState.IDLE)
    assert "watch.failed" in watched.events()
    assert watched.events()[-1] == "watch.waiting"


def test_while_another_process_syncs_it_waits(watched: Watched) -> None:
    job = watched.job()
    with Lock(Path(job.state).with_suffix(".lock"), "box", lambda: "process 12 on elsewhere"):
        with watched.running(job):
            until(lambda: watched.state() is WatchState.BUSY)
            assert watched.server.attempts == 0
        assert watched.events() == ["watch.busy"]


@pytest.mark.parametrize("seconds", [60, 3600])
def test_sleep_tests_the_connections(watched: Watched, seconds: int) -> None:
    with watched.running(watched.job()):
        until(lambda: watched.state() is WatchState.IDLE)
        for mailbox in watched.server.mailboxes:
            mailbox.broken = True  # dead, and nobody was told
        watched.clock = lambda: time.time() + seconds
        watched.watcher.wake()
        until(lambda: watched.server.connections == 2 and watched.state() is WatchState.IDLE)
    assert ("watch.woke", "") in [told[:2] for told in watched.told]


def test_many_gateways_and_few_threads(watched: Watched) -> None:
    names = [f"box{number}" for number in range(60)]
    with watched.running(*(watched.job(name) for name in names)):
        until(lambda: len(watched.server.waiting) == 60)
        watched.server.folders["INBOX"].add(b"Subject: 2\r\n\r\nx\r\n")
        watched.server.ring()
        until(lambda: all(watched.here(name) == 2 for name in names))
    assert watched.server.connections == 60


def test_gateways_come_go_and_change(watched: Watched) -> None:
    with watched.running(watched.job("a"), watched.job("b")):
        until(lambda: watched.state("a") is WatchState.IDLE and watched.state("b") is WatchState.IDLE)
        wanted = [watched.job("b", interval=60), watched.job("c")]
        watched.watcher.reload = lambda watcher: watcher.replace_jobs(wanted)
        watched.watcher.wake(reload=True)
        until(lambda: watched.state("c") is WatchState.IDLE and watched.state("b") is WatchState.IDLE)
        until(lambda: len(watched.server.waiting) == 2)
        assert set(watched.standings) == {"b", "c"}
    assert watched.server.connections == 4


def test_unchanged_gateways_keep_their_connection_when_reloaded(watched: Watched) -> None:
    with watched.running(watched.job()):
        until(lambda: watched.state() is WatchState.IDLE)
        reloaded: list[bool] = []

        def reload(watcher: Watcher) -> None:
            watcher.replace_jobs([replace(watched.job(), since="2026-01-02")])
            reloaded.append(True)

        watched.watcher.reload = reload
        watched.watcher.wake(reload=True)
        until(lambda: reloaded)
    assert watched.server.connections == 1


def test_a_bug_met_with_one_gateway_leaves_the_others(watched: Watched) -> None:
    def before(command: str) -> None:
        if command == "begin_waiting" and not watched.told:
            raise ZeroDivisionError("odd")

    watched.server.before = before
    with watched.running(watched.job("a"), watched.job("b")):
        until(lambda: watched.state("a") is WatchState.IDLE and watched.state("b") is WatchState.IDLE)
    assert any("bug" in message for _, _, message in watched.told)


def test_local_changes_of_a_mirror_wake_it(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailctl.sync.watch.local.LOOK", 0.05)

    def archived(job: SyncJob, tools: Tools) -> SyncReport:  # how a mirror is synced is others' to test
        return sync_gateway(replace(job, inbound=replace(job.inbound, mode=Mode.ARCHIVE)), tools)

    monkeypatch.setattr("mailctl.sync.watch.work.sync_gateway", archived)
    syncs: list[float] = []

    def before(command: str) -> None:
        if command == "begin_waiting":
            syncs.append(time.monotonic())

    watched.server.before = before
    job = watched.job(mode=Mode.MIRROR)
    with watched.running(job):
        until(lambda: watched.state() is WatchState.IDLE)
        until(lambda: len(syncs) >= 1)
        count = len(syncs)
        for path in (Path(job.root) / "INBOX").glob("new/*"):
            path.rename(path.parent.parent / "cur" / f"{path.name}:2,S")
        until(lambda: len(syncs) > count)


def test_directory_times_notice_what_a_mail_program_does(tmp_path: Path) -> None:
    for part in ("INBOX/cur", "INBOX/new", "INBOX/tmp", "A/B/cur", "A/B/new", "A/B/tmp"):
        (tmp_path / part).mkdir(parents=True)
    before = directory_times(str(tmp_path))
    (tmp_path / "INBOX/tmp/x").touch()
    (tmp_path / "INBOX/keywords").touch()
    assert directory_times(str(tmp_path)) == before
    (tmp_path / "A/B/new/x").touch()
    os.utime(tmp_path / "A/B/new", ns=(1, 1))
    assert directory_times(str(tmp_path)) != before
    before = directory_times(str(tmp_path))
    (tmp_path / "C/cur").mkdir(parents=True)
    assert directory_times(str(tmp_path)) != before
    assert directory_times(str(tmp_path / "none")) == {}
