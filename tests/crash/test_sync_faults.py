"""Sync under a disk that fails: killed before, after and in the middle of every file call; ENOSPC, EIO, EDQUOT at each.

The file layer is replaced by one that counts the calls of a small sync and strikes at one of them. After each strike a
plain run must end with every message here once, flags right, no litter.
"""

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from mailctl.domain.server import Protocol
from mailctl.errors import ExitCode, NetworkError
from mailctl.sync.database import failed
from mailctl.sync.local.files import Files
from mailctl.sync.state import State
from tests.doubles.imap import MemoryFolder, MemoryServer
from tests.doubles.pop3 import MemoryDrop
from tests.doubles.syncs import Place

P = ParamSpec("P")
T = TypeVar("T")

REGULAR = b"Message-ID: <%d@x>\r\nSubject: %d\r\n\r\nline\r\nline\r\n" + b"x" * 2500 + b"\r\n"
VERBATIM = b"Message-ID: <v%d@x>\r\n\r\n" + b"a line\r\n" * 300 + b"bare\nand\rbare\r\n"


class Killed(BaseException):
    """The process died here: nothing of it runs any more."""


class StrikingFiles(Files):
    """Strikes at call number `at`: how = before, after, torn (killed); or an errno that the call fails with."""

    def __init__(self, at: int, how: str | int) -> None:
        self.at, self.how = at, how
        self.count = 0
        self.dead = False
        self.struck = ""

    def perform(self, kind: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self.dead:
            raise Killed
        self.count += 1
        if self.count != self.at:
            return function(*args, **kwargs)
        self.struck = kind
        if isinstance(self.how, int):
            raise OSError(self.how, os.strerror(self.how))
        self.dead = True
        if self.how == "torn" and kind == "write":
            fd, data = args
            os.write(fd, bytes(data)[: len(data) // 2])  # type: ignore[call-overload, arg-type]  # os.write's own
        elif self.how != "before":
            function(*args, **kwargs)
        raise Killed

    def unlink(self, directory: int, name: str) -> None:
        if self.dead:  # what a dead process would have cleaned up stays
            raise Killed
        super().unlink(directory, name)


def server(quick: bool = False) -> MemoryServer:
    """quick: it tells what changed (QRESYNC), so that many folders are read at once."""
    made = MemoryServer({"INBOX": MemoryFolder(), "Sent/Été": MemoryFolder(uidvalidity=7)})
    made.capabilities |= {"QRESYNC"} if quick else set()
    made.folders["INBOX"].add(*(REGULAR % (n, n) for n in range(3)), VERBATIM % 1)
    made.folders["INBOX"].add(REGULAR % (9, 9), flags=["\\Seen", "Work"])
    made.folders["Sent/Été"].add(REGULAR % (5, 5), flags=["\\Seen", "Home"])
    return made


def change(made: MemoryServer) -> None:
    """What happens on the server between two runs."""
    made.folders["INBOX"].add(REGULAR % (20, 20))
    made.folders["INBOX"].flag(1, ["\\Flagged", "New"])
    made.folders["INBOX"].uidvalidity = 1000
    made.folders["Sent/Été"].uidvalidity = 8


def calls(folder: Path, made: MemoryServer, *, prepared: bool) -> int:
    counting = StrikingFiles(0, "")
    place = Place(folder, made, files=counting)
    if prepared:
        prepare(folder, made)
    report = place.sync()
    assert report.ok, report.error
    return counting.count


def prepare(folder: Path, made: MemoryServer) -> None:
    assert Place(folder, made).sync().ok
    change(made)


def assert_whole(place: Place, made: MemoryServer) -> None:
    """After a plain run: everything is here once, and nothing else."""
    place.files = Files()
    report = place.sync()
    assert report.ok, report.error
    assert sorted(place.bodies("INBOX")) == sorted(m.body for m in made.folders["INBOX"].messages.values())
    assert sorted(place.bodies("Sent", "Été")) == sorted(m.body for m in made.folders["Sent/Été"].messages.values())
    assert place.flags("INBOX") == [m.flags for _, m in sorted(made.folders["INBOX"].messages.items())]
    assert place.flags("Sent", "Été") == [m.flags for _, m in sorted(made.folders["Sent/Été"].messages.items())]
    assert place.litter() == []
    again = place.sync()
    assert (again.ok, again.fetched, again.flagged) == (True, 0, 0)


def strikes(prepared: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    made = server(prepared == "quick")
    number = calls(tmp_path_factory.mktemp("count"), made, prepared=bool(prepared))
    assert number > 15
    for at in range(1, number + 1):
        yield at, tmp_path_factory.mktemp("strike")


@pytest.mark.parametrize("prepared", ["", "later", "quick"])
@pytest.mark.parametrize("how", ["before", "after", "torn"])
def test_G2_G3_killed_at_every_file_call(how: str, prepared: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    for at, folder in strikes(prepared, tmp_path_factory):
        made = server(prepared == "quick")
        if prepared:
            prepare(folder, made)
        files = StrikingFiles(at, how)
        place = Place(folder, made, files=files)
        with pytest.raises(Killed):
            place.sync()
        assert files.struck
        assert_whole(place, made)


@pytest.mark.parametrize("prepared", ["", "later", "quick"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT], ids=errno.errorcode.get)
def test_G4_G5_a_failing_disk_ends_in_an_error_and_is_made_good(
    number: int, prepared: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for at, folder in strikes(prepared, tmp_path_factory):
        made = server(prepared == "quick")
        if prepared:
            prepare(folder, made)
        files = StrikingFiles(at, number)
        place = Place(folder, made, files=files)
        report = place.sync()
        assert not report.ok, f"{files.struck} failed, and nobody was told"
        assert report.error is not None
        assert report.error.exit_code is ExitCode.STORAGE, files.struck
        assert files.struck == "unlink" or place.litter() == [], files.struck
        assert_whole(place, made)


def test_G4_the_state_can_fail_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = State._write
    count = 0

    def failing(at: int) -> Callable[..., None]:
        def write(self: State, steps: list[tuple[str, list[tuple[object, ...]]]]) -> None:
            nonlocal count
            count += 1
            if count == at:
                raise failed("state", sqlite3.OperationalError("database or disk is full"))
            real(self, steps)

        return write

    for at in range(1, 100):
        made, count = server(), 0
        place = Place(tmp_path / str(at), made)
        monkeypatch.setattr(State, "_write", failing(at))
        report = place.sync()
        monkeypatch.setattr(State, "_write", real)
        if count < at:
            break
        assert report.error is not None
        assert (report.error.exit_code, report.error.code) == (ExitCode.STORAGE, "disk_full")
        assert_whole(place, made)
    assert at > 5


def test_G6_a_connection_cut_at_any_octet_leaves_no_partial_file(tmp_path: Path) -> None:
    for at in range(22):
        made = server()
        seen = 0

        def cut(octets: int, at: int = at) -> None:
            nonlocal seen
            seen += 1
            if seen > at:
                raise NetworkError("the connection was lost", cause="connection_lost")

        made.cut = cut
        place = Place(tmp_path / str(at), made)
        report = place.sync()
        assert report.error is not None
        assert report.error.exit_code is ExitCode.NETWORK
        assert place.litter() == []
        assert made.connections == 2, "one new connection, no more"
        made.cut = lambda octets: None
        assert_whole(place, made)


def test_one_cut_is_mended_within_the_run(tmp_path: Path) -> None:
    made, seen = server(), 0

    def cut(octets: int) -> None:
        nonlocal seen
        seen += 1
        if seen == 5:
            raise NetworkError("the connection was lost", cause="connection_lost")

    made.cut = cut
    place = Place(tmp_path, made)
    report = place.sync()
    assert report.ok
    assert report.fetched == 6
    assert_whole(place, made)


def test_G10_durable_before_named_before_remembered_before_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    class Recording(Files):
        def perform(self, kind: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
            order.append(kind)
            return function(*args, **kwargs)

    real = State.save_messages

    def save(self: State, folder: str, messages: dict[int, object], *places: object) -> None:
        if messages:
            order.append("state")
        real(self, folder, messages, *places)  # type: ignore[arg-type]  # handed on as it is

    monkeypatch.setattr(State, "save_messages", save)
    made = MemoryServer({"INBOX": MemoryFolder()})
    made.before = lambda command: order.append(command) if command in ("add_flags", "expunge") else None
    place = Place(tmp_path, made, files=Recording())
    place.sync()
    made.folders["INBOX"].add(REGULAR % (1, 1), REGULAR % (2, 2))
    made.folders["INBOX"].add(REGULAR % (3, 3), flags=["Work"])
    order.clear()
    place.sync(mark_seen=True, keep_on_server=False)
    came = ["create", *["write"] * 3, "utime"]
    keywords = ["create", "write", "fsync", "rename", "fsync_directory"]
    durable, named = ["fsync", "close"] * 3, ["rename"] * 3 + ["fsync_directory"] * 2
    got = [kind for kind in order if kind != "unlink"]
    assert got == [*came * 3, *durable, *keywords, *named, "state", "add_flags", "state", "expunge"]


@pytest.mark.parametrize("how", ["before", "after", "torn", errno.ENOSPC], ids=str)
def test_G2_G4_pop3_struck_at_every_file_call(how: str | int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Messages that leave the server must be here whatever happened."""
    mails = [("a1", REGULAR % (1, 1)), ("B2", VERBATIM % 2), ("c3", REGULAR % (3, 3))]
    for at in range(1, 200):
        files = StrikingFiles(at, how)
        drop = MemoryDrop(list(mails))
        place = Place(tmp_path_factory.mktemp("pop3"), drop, Protocol.POP3, files=files)
        try:
            report = place.sync(keep_on_server=False)
        except Killed:
            pass
        else:
            assert report.ok == (not files.struck)
        if not files.struck:
            break
        place.files = Files()
        assert place.sync(keep_on_server=False).ok
        assert place.sync(keep_on_server=False).ok
        assert sorted(place.bodies()) == sorted(body for _, body in mails)
        assert drop.messages == []
        assert place.litter() == []
    assert at > 20
