"""The bulk path under a disk that fails and processes that die: every call of a worker, of its parent, of each way of
making files durable, × {killed before, killed after, torn, ENOSPC, EIO, EDQUOT}. A plain run makes everything good.

MAILCTL_CRASH_KILLS says how thoroughly: from 1,000 on, at every call; by default, at a sample of them.
"""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock
from typing import ParamSpec, TypeVar

import pytest

from mailctl.domain.gateway import Mode
from mailctl.errors import AuthError, ExitCode, MailctlError, NetworkError, ProtocolError, RefusedError
from mailctl.sync.archive import fast, folder, fresh, imap
from mailctl.sync.bulk import crew, load, pace, worker
from mailctl.sync.local import durable, writer
from mailctl.sync.local.files import Files
from tests.crash.test_sync_faults import REGULAR, VERBATIM, Killed, StrikingFiles
from tests.doubles.imap import MemoryFolder, MemoryServer
from tests.doubles.syncs import Place
from tests.doubles.workers import ThreadWorkers

P = ParamSpec("P")
T = TypeVar("T")

MESSAGES = 40
STEP = 1 if int(os.environ.get("MAILCTL_CRASH_KILLS", "15")) >= 1000 else 4
ERRORS = [errno.ENOSPC, errno.EIO, errno.EDQUOT]


class Striking(StrikingFiles):
    """One that several threads may use."""

    def __init__(self, at: int, how: str | int) -> None:
        super().__init__(at, how)
        self._lock = Lock()

    def perform(self, kind: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self._lock:
            return super().perform(kind, function, *args, **kwargs)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few messages are a bulk."""
    for module in (fast, folder, fresh, imap, load):
        monkeypatch.setattr(module, "WORTH_UNSIZED", 1)
    monkeypatch.setattr(load, "WORTH_OCTETS", 1)
    monkeypatch.setattr(load, "LEAST", 3)
    monkeypatch.setattr(writer, "MOST_MESSAGES", 4)


def server(messages: int = MESSAGES) -> MemoryServer:
    made = MemoryServer({"INBOX": MemoryFolder()})
    inbox = made.folders["INBOX"]
    for n in range(messages):
        body = VERBATIM % n if n % 7 == 3 else REGULAR % (n, n)
        inbox.add(body, flags=[["\\Seen"], [], ["\\Seen", "Work"], ["Home"]][n % 4])
    return made


def assert_whole(place: Place, made: MemoryServer) -> None:
    """After a plain run: everything is here once, and nothing else."""
    place.files, place.workers = Files(), None
    report = place.sync()
    assert report.ok, report.error
    assert_here(place, made)
    again = place.sync()
    assert (again.ok, again.fetched, again.flagged) == (True, 0, 0)


def assert_here(place: Place, made: MemoryServer) -> None:
    inbox = made.folders["INBOX"].messages
    assert place.bodies() == [message.body for _, message in sorted(inbox.items())]
    assert place.flags() == [message.flags for _, message in sorted(inbox.items())]
    assert place.litter() == []


def together(made: MemoryServer) -> None:
    """Let nobody fetch alone: the first fetch waits for the second."""
    fetches: list[str] = []
    both = Event()

    def before(command: str) -> None:
        if command == "fetch":
            fetches.append(command)
            if len(fetches) > 1:
                both.set()
            assert both.wait(30)

    made.before = before


def test_workers_take_part(tmp_path: Path) -> None:
    made = server(400)
    together(made)
    workers = ThreadWorkers(made.open_imap)
    place = Place(tmp_path, made, workers=workers)
    report = place.sync()
    assert (report.ok, report.fetched, report.notes) == (True, 400, ())
    assert workers.started in (1, 2)
    assert report.bytes == sum(len(message.body) for message in made.folders["INBOX"].messages.values())
    fetched = [uids for command, uids in made.commands if command == "fetch"]
    assert len(fetched) > 3
    assert_here(place, made)


@pytest.mark.parametrize("waits", [True, False])
def test_one_more_connection_where_the_line_is_slow(
    waits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "LONG_TURN", -1.0)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(pace, "LONG", 0.0)
    monkeypatch.setattr(pace, "IDLE_ALL_ALONG", 1e9 if waits else -1.0)
    made = server(400)
    together(made)
    workers = ThreadWorkers(made.open_imap)
    place = Place(tmp_path, made, workers=workers)
    report = place.sync()
    assert (report.ok, report.fetched, report.notes) == (True, 400, ())
    assert workers.started == (2 if waits else 1)
    assert_here(place, made)


def test_one_connection_where_no_second_is_let_in(tmp_path: Path) -> None:
    made = server()

    def refuse(job: object) -> object:
        raise AuthError("too many connections", server_text="[LIMIT] Maximum number of connections exceeded")

    workers = ThreadWorkers(refuse)  # type: ignore[arg-type]  # it never comes to a mailbox
    place = Place(tmp_path, made, workers=workers)
    report = place.sync()
    assert (report.ok, report.fetched) == (True, MESSAGES)
    assert_here(place, made)


@pytest.mark.parametrize("error", [NetworkError, RefusedError, ProtocolError])
def test_what_goes_wrong_while_folders_are_looked_at_ahead_is_made_good(
    error: type[MailctlError], tmp_path: Path
) -> None:
    made = server()

    def before(command: str) -> None:
        if command == "look_ahead":
            raise error("no")

    made.before = before
    place = Place(tmp_path, made, workers=ThreadWorkers(made.open_imap))
    report = place.sync()
    assert (report.ok, report.fetched) == (True, MESSAGES)
    assert_whole(place, made)
    assert ("look_ahead", ["INBOX"]) in made.commands


def test_no_more_connections_than_are_allowed(tmp_path: Path) -> None:
    made = server()
    workers = ThreadWorkers(made.open_imap, limit=1)
    place = Place(tmp_path, made, workers=workers)
    assert place.sync().ok
    assert workers.started == 0


def test_a_worker_that_loses_its_connection_is_done_without(tmp_path: Path) -> None:
    made = server(200)
    opened = []

    def connect(job: object) -> object:
        mailbox = made.open_imap()
        opened.append(mailbox)
        fetch = mailbox.fetch

        def lost(uids: list[int], sink: object, more: object = None) -> object:
            for number, meta in enumerate(fetch(uids, sink, more)):  # type: ignore[arg-type]  # handed on as it is
                if number == 2:
                    raise NetworkError("the connection was lost", cause="connection_lost")
                yield meta

        mailbox.fetch = lost  # type: ignore[method-assign, assignment]  # that is the fault
        return mailbox

    place = Place(tmp_path, made, workers=ThreadWorkers(connect))  # type: ignore[arg-type]  # one in memory
    report = place.sync()
    assert (report.ok, report.fetched) == (True, 200)
    assert_here(place, made)


def test_a_worker_that_says_nothing_is_given_up_and_others_do_its_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "SILENCE", 0.2)
    made = server(200)
    asleep, killed = Event(), Event()

    def connect(job: object) -> object:
        mailbox = made.open_imap()

        def sleep(*asked: object) -> object:
            asleep.set()
            killed.wait(60)
            raise Killed

        mailbox.fetch = sleep  # type: ignore[method-assign, assignment]  # that is the fault
        return mailbox

    def before(command: str) -> None:
        if command == "fetch":
            assert asleep.wait(30)  # it has work in hand

    workers = ThreadWorkers(connect, killed=killed.set)  # type: ignore[arg-type]  # one in memory
    place = Place(tmp_path, made, workers=workers)
    report = place.sync()
    assert (report.ok, report.fetched) == (True, 200)
    assert killed.is_set()
    assert any("said nothing" in note for note in report.notes)
    assert_here(place, made)


@pytest.mark.parametrize("longest", [1800.0, 0.5])
def test_a_worker_whose_disk_is_slow_is_not_taken_for_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, longest: float
) -> None:
    """It takes longer than a worker may be silent; one that takes for ever is given up all the same."""
    monkeypatch.setattr(crew, "SILENCE", 1.0)
    monkeypatch.setattr(worker, "LIFE_SIGN", 0.05)
    monkeypatch.setattr(worker, "LONGEST", longest)
    made = server(200)
    killed, slow = Event(), list[str]()

    class Slow(Files):
        def perform(self, kind: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
            if kind in ("fsync", "syncfs") and not slow:
                slow.append(kind)
                if killed.wait(3.0):
                    raise Killed
            return function(*args, **kwargs)

    together(made)
    workers = ThreadWorkers(made.open_imap, [Slow()], killed=killed.set)
    place = Place(tmp_path, made, workers=workers)
    report = place.sync()
    assert slow
    assert (report.ok, report.fetched) == (True, 200)
    assert any("said nothing" in note for note in report.notes) == (longest < 1)
    assert_here(place, made)


@pytest.mark.parametrize("how", ["before", "after", "torn"])
def test_G1_G2_a_worker_killed_at_every_file_call(how: str, tmp_path: Path) -> None:
    """Its messages come by the others, in the same run."""
    struck = 0
    for at in range(1, 400, STEP):
        made = server()
        files = Striking(at, how)
        place = Place(tmp_path / str(at), made, workers=ThreadWorkers(made.open_imap, [files]))
        report = place.sync()
        assert report.ok, report.error
        assert report.fetched == MESSAGES
        assert_here(place, made)
        struck += bool(files.struck)
        if not files.struck and at > 60:
            break
    assert struck > 30 // STEP


@pytest.mark.parametrize("number", ERRORS, ids=errno.errorcode.get)
def test_G4_G5_a_disk_that_fails_a_worker_fails_the_run(number: int, tmp_path: Path) -> None:
    struck = 0
    for at in range(1, 400, STEP):
        made = server()
        files = Striking(at, number)
        place = Place(tmp_path / str(at), made, workers=ThreadWorkers(made.open_imap, [files]))
        report = place.sync()
        if files.struck not in ("", "unlink"):
            struck += 1
            assert not report.ok, f"{files.struck} failed, and nobody was told"
            assert report.error is not None
            assert report.error.exit_code is ExitCode.STORAGE
            assert place.litter() == []
        assert_whole(place, made)
        if not files.struck and at > 60:
            break
    assert struck > 30 // STEP


class Full(Files):
    """A disk without room for more than so many files."""

    def __init__(self, room: int) -> None:
        self._room = room

    def perform(self, kind: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if kind == "create":
            self._room -= 1
        if kind in ("create", "write") and self._room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return function(*args, **kwargs)


@pytest.mark.parametrize("most", [1, 1000], ids=["bulk", "fast"])
@pytest.mark.parametrize("room", [1, 2, 7, 12])
def test_G4_what_came_whole_before_the_disk_was_full_is_kept(
    most: int, room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MOST_MESSAGES", 1000)
    monkeypatch.setattr(fast, "WORTH_UNSIZED", most)
    made = MemoryServer({"INBOX": MemoryFolder()})
    made.folders["INBOX"].add(*(REGULAR % (n, n) for n in range(20)))
    place = Place(tmp_path, made, files=Full(room))
    report = place.sync()
    assert report.error is not None
    assert report.error.code == "disk_full"
    assert str(place.mail / "INBOX") in report.error.message
    assert (report.fetched, place.litter()) == (room - 1, [])  # one is the root's own
    assert [folder.error for folder in report.folders] == [report.error]
    assert len(place.bodies()) == report.fetched
    assert_whole(place, made)


@pytest.mark.parametrize("room", [4, 7, 12])
def test_G4_what_came_whole_for_a_mirror_before_the_disk_was_full_is_kept(
    room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MOST_MESSAGES", 1000)
    monkeypatch.setattr(load, "WORTH_OCTETS", 1 << 30)
    made = MemoryServer({"INBOX": MemoryFolder()})
    made.folders["INBOX"].add(*(REGULAR % (n, n) for n in range(20)))
    place = Place(tmp_path, made, files=Full(room))
    report = place.sync(place.job(mode=Mode.MIRROR))
    assert report.error is not None
    assert report.error.code == "disk_full"
    assert (report.fetched, place.litter()) == (room - 2, [])  # two are the root's own
    assert len(place.bodies()) == report.fetched
    place.files = Files()
    again = place.sync(place.job(mode=Mode.MIRROR))
    assert (again.ok, again.fetched, len(place.bodies())) == (True, 20 - report.fetched, 20)


def test_G4_what_workers_had_when_the_disk_was_full_is_kept(tmp_path: Path) -> None:
    made = server(200)
    together(made)
    workers = ThreadWorkers(made.open_imap, [Full(9), Full(9)])
    place = Place(tmp_path, made, workers=workers)
    report = place.sync()
    assert report.error is not None
    assert report.error.code == "disk_full"
    assert report.fetched > 0
    assert place.litter() == []
    assert_whole(place, made)


@pytest.mark.parametrize("how", ["before", "after", "torn", *ERRORS], ids=str)
def test_G2_G4_the_parent_struck_at_every_file_call(how: str | int, tmp_path: Path) -> None:
    for at in range(1, 600, 2 * STEP):
        made = server()
        files = Striking(at, how)
        place = Place(tmp_path / str(at), made, files=files, workers=ThreadWorkers(made.open_imap))
        try:
            report = place.sync()
        except Killed:
            assert isinstance(how, str)
        else:
            assert report.ok == (not files.struck)
            assert report.ok or place.litter() == [] or files.struck == "unlink"
        assert_whole(place, made)
        if not files.struck:
            break
    assert at > 30


@pytest.mark.parametrize("whole", [True, False], ids=["syncfs", "threads"])
@pytest.mark.parametrize("how", ["before", "after", "torn", *ERRORS], ids=str)
def test_G2_G4_G5_every_way_of_making_durable(
    how: str | int, whole: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable, "FEW", 0)
    monkeypatch.setattr(durable, "reliable_syncfs", lambda directory: whole)
    kinds = set()
    for at in range(1, 400, STEP):
        made = server(10)
        files = Striking(at, how)
        place = Place(tmp_path / str(at), made, files=files)
        try:
            report = place.sync()
        except Killed:
            assert isinstance(how, str)
        else:
            assert report.ok == (not files.struck), files.struck
            assert report.ok or report.error is not None
            assert report.ok or report.error.exit_code is ExitCode.STORAGE  # type: ignore[union-attr]  # as just said
            assert report.ok or place.litter() == [] or files.struck == "unlink"
        kinds.add(files.struck)
        assert_whole(place, made)
        if not files.struck:
            break
    assert at > 50
    assert STEP > 1 or ("syncfs" in kinds) == whole


@pytest.mark.parametrize("whole", [True, False], ids=["syncfs", "threads"])
def test_G10_many_files_are_durable_before_they_are_named(
    whole: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    lock = Lock()

    class Recording(Files):
        def perform(self, kind: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
            result = function(*args, **kwargs)
            with lock:
                order.append(kind)  # when it is done
            return result

    monkeypatch.setattr(durable, "reliable_syncfs", lambda directory: whole)
    monkeypatch.setattr(writer, "MOST_MESSAGES", 30)
    made = MemoryServer({"INBOX": MemoryFolder()})
    place = Place(tmp_path, made, files=Recording())
    place.sync()
    made.folders["INBOX"].add(*(REGULAR % (n, n) for n in range(60)))
    order.clear()
    assert place.sync().ok
    batches, batch = [], []
    for kind in order:
        batch.append(kind)
        if kind == "fsync_directory" and batch[-2] == "fsync_directory":
            batches.append(batch)
            batch = []
    batches = [batch for batch in batches if "create" in batch]
    assert len(batches) == 2
    for batch in batches:
        first = batch.index("rename")
        assert batch.count("create") == batch.count("rename") == batch.count("close") == 30
        assert batch[first:] == ["rename"] * 30 + ["fsync_directory"] * 2
        assert batch.count("syncfs") == whole
        assert batch.count("fsync") == (0 if whole else 30)
        if whole:
            assert batch.index("syncfs") == first - 1
        assert "write" not in batch[first:]


def test_G10_what_workers_bring_is_durable_before_it_is_named(tmp_path: Path) -> None:
    written: dict[int, str] = {}
    lasting: set[str] = set()
    named: list[tuple[str, bool]] = []
    lock = Lock()

    class Recording(Files):
        def perform(self, kind: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
            with lock:
                if kind == "rename":
                    named.append((str(args[0]), args[0] in lasting))
                result = function(*args, **kwargs)
                if kind == "create":
                    written[result] = str(args[0])  # type: ignore[index]  # os.open's descriptor
                elif kind == "fsync":
                    lasting.add(written[args[0]])  # type: ignore[index]  # as above
                return result

    made = server(200)
    together(made)
    place = Place(tmp_path, made, files=Recording(), workers=ThreadWorkers(made.open_imap, [Recording(), Recording()]))
    assert place.sync().ok
    assert_here(place, made)
    assert all(durable for _, durable in named)
    parts = [name for name, _ in named if name.startswith("part.")]
    assert len(parts) == 200
    assert any(len(name) > 40 for name in parts), "a worker's have long numbers"
