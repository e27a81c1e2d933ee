"""A first sync: workers begin with the largest folder while the first connection is about the small ones, and whatever
happens to either meanwhile is made good, in the same run or by the next.

MAILCTL_CRASH_KILLS says how thoroughly it is killed: from 1,000 on, at every file call; by default, at a sample.
"""

import errno
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from mailctl.errors import MailctlError, NetworkError, ProtocolError, RefusedError
from mailctl.sync.archive import ahead, fast, folder, fresh, imap
from mailctl.sync.bulk import load
from mailctl.sync.local import writer
from mailctl.sync.local.files import Files
from tests.crash.test_bulk_faults import STEP, Striking
from tests.crash.test_sync_faults import REGULAR, VERBATIM, Killed
from tests.doubles.imap import MemoryFolder, MemoryMailbox, MemoryServer
from tests.doubles.syncs import Place
from tests.doubles.workers import ThreadWorkers

SIZES = {"INBOX": 40, "Archive": 30, "Sent": 4, "Notes": 3, "Empty": 0}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few messages are a bulk."""
    for module in (fast, folder, fresh, imap, load):
        monkeypatch.setattr(module, "WORTH_UNSIZED", 10)
    monkeypatch.setattr(load, "WORTH_OCTETS", 1)
    monkeypatch.setattr(load, "LEAST", 3)
    monkeypatch.setattr(writer, "MOST_MESSAGES", 4)


def server() -> MemoryServer:
    made = MemoryServer({name: MemoryFolder() for name in SIZES})
    for name, messages in SIZES.items():
        for n in range(messages):
            made.folders[name].add(VERBATIM % n if n % 7 == 3 else REGULAR % (n, n), flags=[["\\Seen"], []][n % 2])
    return made


def assert_here(place: Place, made: MemoryServer) -> None:
    for name, held in made.folders.items():
        assert place.bodies(name) == [message.body for _, message in sorted(held.messages.items())], name
        assert place.flags(name) == [message.flags for _, message in sorted(held.messages.items())], name
    assert place.litter() == []


def assert_whole(place: Place, made: MemoryServer) -> None:
    """After a plain run: everything is here once, and nothing else; another finds nothing to do."""
    place.files, place.workers = Files(), None
    place.stop.clear()
    report = place.sync()
    assert report.ok, report.error
    assert_here(place, made)
    again = place.sync()
    assert (again.ok, again.fetched, again.flagged) == (True, 0, 0)


def asked(made: MemoryServer) -> list[str]:
    return [command for command, _ in made.commands]


def once(made: MemoryServer, name: str, then: Callable[[], None]) -> None:
    """Do something when the server is first asked for `name`."""
    done: list[str] = []

    def before(command: str) -> None:
        if command == name and not done:
            done.append(command)
            then()

    made.before = before


def test_workers_are_at_work_while_small_folders_come(tmp_path: Path) -> None:
    made = server()
    fetched = Event()
    waited: list[bool] = []

    def before(command: str) -> None:
        if command == "fetch":
            fetched.set()
        elif command == "visit":
            waited.append(fetched.wait(30))

    made.before = before
    place = Place(tmp_path, made, workers=ThreadWorkers(made.open_imap))
    report = place.sync()
    assert (report.ok, report.fetched, report.error) == (True, sum(SIZES.values()), None)
    assert waited
    assert all(waited)
    assert_here(place, made)
    assert [each.name for each in report.folders] == ["INBOX", "Archive", "Empty", "Notes", "Sent"]
    assert ("look_ahead", ["INBOX", "Archive"]) in made.commands
    assert "uids" not in asked(made)
    assert "scan" not in asked(made)
    assert place.sync().fetched == 0


def test_nothing_is_looked_at_ahead_where_nobody_helps(tmp_path: Path) -> None:
    made = server()
    place = Place(tmp_path, made)
    assert place.sync().ok
    assert "look_ahead" not in asked(made)
    assert_here(place, made)


def test_not_too_many_uids_are_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "MOST_MESSAGES", 50)
    made = server()
    place = Place(tmp_path, made, workers=ThreadWorkers(made.open_imap))
    assert place.sync().ok
    assert ("look_ahead", ["INBOX"]) in made.commands
    assert_here(place, made)


@pytest.mark.parametrize("error", [NetworkError, RefusedError, ProtocolError])
@pytest.mark.parametrize("name", ["look_ahead", "visit", "enter"])
def test_what_goes_wrong_once_is_made_good(name: str, error: type[MailctlError], tmp_path: Path) -> None:
    made = server()

    def wrong() -> None:
        raise error("no")

    once(made, name, wrong)
    place = Place(tmp_path, made, workers=ThreadWorkers(made.open_imap))
    report = place.sync()
    if error is NetworkError or name == "look_ahead":
        assert (report.ok, report.fetched) == (True, sum(SIZES.values())), report.error
        assert_here(place, made)
    assert_whole(place, made)


@pytest.mark.parametrize("name", ["visit", "enter"])
def test_who_wants_an_end_gets_it(name: str, tmp_path: Path) -> None:
    made = server()
    place = Place(tmp_path, made, workers=ThreadWorkers(made.open_imap))
    once(made, name, place.stop.set)
    report = place.sync()
    assert not report.ok
    assert place.litter() == []
    assert_whole(place, made)


def test_a_folder_that_is_another_by_its_turn_is_left_for_the_next_run(tmp_path: Path) -> None:
    made = server()

    def anew() -> None:
        for name in ("INBOX", "Archive"):
            old = made.folders[name]
            made.folders[name] = MemoryFolder(uidvalidity=2000)
            made.folders[name].add(*(message.body for message in reversed(old.messages.values())))

    once(made, "visit", anew)
    place = Place(tmp_path, made, workers=ThreadWorkers(made.open_imap))
    report = place.sync()
    wrong = {each.name: each.error.code for each in report.folders if each.error}
    assert wrong == {"INBOX": "uidvalidity_changed", "Archive": "uidvalidity_changed"}
    assert place.litter() == []
    assert_whole(place, made)


def test_a_folder_that_is_gone_by_its_turn_is_one_folders_fault(tmp_path: Path) -> None:
    made = server()
    held = made.folders["INBOX"]

    def gone() -> None:
        held.gone = True

    once(made, "visit", gone)
    place = Place(tmp_path, made, workers=ThreadWorkers(made.open_imap))
    report = place.sync()
    assert [each.name for each in report.folders if each.error] == ["INBOX"]
    assert place.litter() == []
    held.gone = False
    assert_whole(place, made)


def test_messages_that_come_and_go_meanwhile(tmp_path: Path) -> None:
    made = server()

    def change() -> None:
        for name in ("INBOX", "Archive"):
            held = made.folders[name]
            held.add(REGULAR % (99, 99))
            del held.messages[max(held.messages) - 1]
            held.flag(min(held.messages), ["\\Flagged"])

    once(made, "visit", change)
    place = Place(tmp_path, made, workers=ThreadWorkers(made.open_imap))
    assert place.sync().ok
    place.workers = None
    report = place.sync()
    assert report.ok
    for name in ("INBOX", "Archive"):
        held = made.folders[name]
        assert set(place.bodies(name)) >= {message.body for message in held.messages.values()}
        assert place.flags(name)[0] == {"\\Flagged"}
        assert len(place.bodies(name)) <= len(held.messages) + 1
    assert place.sync().fetched == 0


def test_what_another_program_puts_into_a_folder_meanwhile_stays(tmp_path: Path) -> None:
    made = server()

    def put() -> None:
        other = place.mail / "Archive" / "new"
        other.mkdir(parents=True)
        (other / "1.other").write_bytes(b"Subject: other\n\nbody\n")

    once(made, "visit", put)
    place = Place(tmp_path, made, workers=ThreadWorkers(made.open_imap))
    report = place.sync()
    assert report.ok, report.error
    (place.mail / "Archive" / "new" / "1.other").unlink()
    assert_here(place, made)


@pytest.mark.parametrize("how", ["before", "after", "torn", errno.ENOSPC, errno.EIO])
def test_G1_to_G5_the_parent_struck_at_every_file_call(how: str | int, tmp_path: Path) -> None:
    struck = 0
    for at in range(1, 1000, 9 * STEP if STEP > 1 else 1):
        made = server()
        files = Striking(at, how)
        place = Place(tmp_path / str(at), made, workers=ThreadWorkers(made.open_imap), files=files)
        try:
            report = place.sync()
        except Killed:
            pass
        else:
            if report.ok:  # what it failed of was not needed
                assert_here(place, made)
        if not files.struck:
            break
        struck += 1
        assert_whole(place, made)
    assert struck > 5


def test_a_worker_that_dies_at_once_is_done_without(tmp_path: Path) -> None:
    made = server()

    def connect(job: object) -> MemoryMailbox:
        mailbox = made.open_imap()
        mailbox.enter = dead  # type: ignore[method-assign]  # that is the fault
        return mailbox

    def dead(*_: object, **__: object) -> None:
        raise Killed

    place = Place(tmp_path, made, workers=ThreadWorkers(connect))
    report = place.sync()
    assert (report.ok, report.fetched) == (True, sum(SIZES.values()))
    assert_here(place, made)
