"""A large folder that is new is brought by its UIDs alone; what that can't do well is left to the full look."""

from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from mailctl.errors import RefusedError
from mailctl.sync.archive import fast, folder, fresh, imap
from mailctl.sync.bulk import load
from mailctl.sync.state import State
from tests.doubles.imap import MemoryFolder, MemoryMailbox, MemoryServer
from tests.doubles.syncs import Place

MESSAGES = 12


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few messages are many."""
    for module in (fast, folder, fresh, imap, load):
        monkeypatch.setattr(module, "WORTH_UNSIZED", 3)


def server(messages: int = MESSAGES) -> MemoryServer:
    made = MemoryServer({"INBOX": MemoryFolder()}, capabilities=frozenset({"CONDSTORE", "QRESYNC"}))
    for number in range(messages):
        flags = [["\\Seen"], [], ["\\Flagged", "Work"]][number % 3]
        made.folders["INBOX"].add(f"Subject: {number}\r\n\r\nbody\r\n".encode(), flags=flags)
    return made


def commands(made: MemoryServer) -> list[str]:
    return [command for command, _ in made.commands]


def assert_here(place: Place, made: MemoryServer) -> None:
    inbox = [message for _, message in sorted(made.folders["INBOX"].messages.items())]
    assert place.bodies() == [message.body for message in inbox]
    assert place.flags() == [message.flags for message in inbox]
    assert place.litter() == []


def test_it_is_not_scanned_and_remembered_as_a_whole(tmp_path: Path) -> None:
    made = server()
    place = Place(tmp_path, made)
    report = place.sync()
    assert (report.ok, report.fetched, report.messages) == (True, MESSAGES, MESSAGES)
    assert "scan" not in commands(made)
    assert_here(place, made)
    with State(place.state, read_only=True) as state:
        agreed, seen = state.agreed("INBOX"), state.folders()["INBOX"]
    assert {uid: (a.flags, a.size, a.internaldate) for uid, a in agreed.items()} == {
        uid: (m.flags, len(m.body), int(m.date)) for uid, m in made.folders["INBOX"].messages.items()
    }
    assert (seen.files, seen.messages, bool(seen.settled), seen.at_work) == (MESSAGES, MESSAGES, True, False)
    made.commands.clear()
    again = place.sync()
    assert (again.ok, again.fetched, again.messages) == (True, 0, MESSAGES)
    assert not {"select", "scan", "fetch"} & {*commands(made)}


def test_what_has_no_body_is_told_and_tried_again(tmp_path: Path) -> None:
    made = server()
    inbox = made.folders["INBOX"].messages
    inbox[5] = replace(inbox[5], no_body=True)
    place = Place(tmp_path, made)
    report = place.sync()
    assert (report.ok, report.fetched) == (True, MESSAGES - 1)
    assert [(each.uid, each.code) for each in report.skipped] == [(5, "no_body")]
    inbox[5] = replace(inbox[5], no_body=False)
    assert place.sync().fetched == 1
    assert_here(place, made)


@pytest.mark.parametrize("how", ["refused", "hidden"])
def test_a_server_that_does_not_tell_its_uids_is_scanned(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def uids(mailbox: MemoryMailbox, *, since: str | None = None) -> list[int]:
        if how == "refused":
            raise RefusedError("UID SEARCH was refused")
        return [1, 2]

    monkeypatch.setattr(MemoryMailbox, "uids", uids)
    made = server()
    place = Place(tmp_path, made)
    assert place.sync().fetched == MESSAGES
    assert "scan" in commands(made)
    assert_here(place, made)


def test_a_run_that_was_stopped_is_taken_up_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = server()
    stop = Event()
    sink = MemoryMailbox._body

    def body(mailbox: MemoryMailbox, name: str, uid: int, taking: object) -> object:
        if uid == 7:
            stop.set()
        return sink(mailbox, name, uid, taking)  # type: ignore[arg-type]  # handed on as it is

    monkeypatch.setattr(MemoryMailbox, "_body", body)
    place = Place(tmp_path, made, stop=stop)
    report = place.sync()
    assert not report.ok
    assert report.fetched == 6
    assert place.litter() == []
    place.stop = Event()
    made.commands.clear()
    assert place.sync().fetched == MESSAGES - 6
    assert_here(place, made)
    told = commands(made)
    assert told.index("fetch") < told.index("scan"), "the rest is brought before all is looked at"
    assert told.count("fetch") == 1
    again = place.sync()
    assert (again.ok, again.fetched, again.flagged, again.messages) == (True, 0, 0, MESSAGES)


def test_files_that_are_there_already_are_not_fetched_again(tmp_path: Path) -> None:
    made = server()
    place = Place(tmp_path, made)
    place.sync()
    place.state.unlink()
    made.commands.clear()
    report = place.sync()
    assert (report.ok, report.fetched) == (True, 0)
    assert "scan" in commands(made)
    assert_here(place, made)


@pytest.mark.parametrize(
    "wanted", [{"max_size": 1000}, {"mark_seen": True}, {"keep_on_server": False}, {"max_per_run": 5}], ids=str
)
def test_whoever_wants_more_than_each_message_gets_a_full_look(wanted: dict[str, object], tmp_path: Path) -> None:
    made = server()
    place = Place(tmp_path, made)
    assert place.sync(place.job(**wanted)).ok
    assert "scan" in commands(made)
