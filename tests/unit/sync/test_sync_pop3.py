"""POP3 on the sync engine, against a maildrop in memory."""

from dataclasses import replace
from pathlib import Path

import pytest

from mailctl.domain.server import Protocol
from mailctl.errors import ExitCode, NetworkError
from tests.doubles.pop3 import MemoryDrop
from tests.doubles.syncs import Place


def mail(number: int, size: int = 10) -> tuple[str, bytes]:
    return f"UID{number:04}-x", f"Subject: {number}\r\n\r\n{'x' * size}\r\n".encode()


@pytest.fixture
def drop() -> MemoryDrop:
    return MemoryDrop([mail(n) for n in range(5)])


@pytest.fixture
def place(tmp_path: Path, drop: MemoryDrop) -> Place:
    return Place(tmp_path, drop, Protocol.POP3)


def bodies(place: Place) -> list[bytes]:
    return sorted(place.bodies())


def test_messages_come_once(place: Place, drop: MemoryDrop) -> None:
    assert place.sync().fetched == 5
    drop.messages.append(mail(7))
    assert place.sync().fetched == 1
    assert bodies(place) == sorted(body for _, body in drop.messages)
    place.state.unlink()
    report = place.sync()
    assert (report.ok, report.fetched, report.messages) == (True, 0, 6)


def test_what_was_deleted_here_stays_away(place: Place, drop: MemoryDrop) -> None:
    place.sync()
    next((place.mail / "INBOX/new").iterdir()).unlink()
    assert place.sync().fetched == 0
    assert len(drop.messages) == 5
    assert place.sync(propagate_deletes=True).removed == 1
    assert len(drop.messages) == 4


def test_messages_leave_once_they_are_durable_and_quit_is_confirmed(place: Place, drop: MemoryDrop) -> None:
    def fail(command: str) -> None:
        if command == "QUIT":
            raise NetworkError("the connection was lost", cause="connection_lost")

    drop.before = fail
    report = place.sync(keep_on_server=False)
    assert report.error is not None
    assert (report.error.exit_code, report.fetched, report.removed) == (ExitCode.NETWORK, 5, 0)
    assert len(drop.messages) == 5
    drop.before = lambda command: None
    report = place.sync(keep_on_server=False)
    assert (report.ok, report.fetched, report.removed) == (True, 0, 5)
    assert drop.messages == []
    assert len(bodies(place)) == 5


def test_limits(place: Place, drop: MemoryDrop) -> None:
    drop.messages.insert(0, mail(50, size=5000))
    report = place.sync(max_size=1000, max_per_run=2)
    assert report.fetched == 2
    assert [(s.code, s.uid, s.count) for s in report.skipped] == [("too_large", 1, 1), ("over_limit", 0, 3)]
    assert bodies(place) == [mail(3)[1], mail(4)[1]], "the newest come first"


def test_identical_copies_may_share_a_unique_id(place: Place, drop: MemoryDrop) -> None:
    drop.messages.append(drop.messages[0])
    report = place.sync(keep_on_server=False)
    assert (report.fetched, report.removed) == (5, 5)
    assert [(s.code, s.uid) for s in report.skipped] == [("same_unique_id", 6)]


def test_another_message_under_a_known_unique_id(place: Place, drop: MemoryDrop) -> None:
    place.sync()
    drop.messages[1] = (drop.messages[1][0], b"something else\r\n")
    report = place.sync(keep_on_server=False)
    assert report.error is not None
    assert report.error.exit_code is ExitCode.SAFETY
    assert (report.removed, len(drop.messages)) == (0, 5)


def test_many_deletions_are_braked(place: Place, drop: MemoryDrop) -> None:
    drop.messages = [mail(n) for n in range(60)]
    place.sync(propagate_deletes=True)
    for path in sorted((place.mail / "INBOX/new").iterdir())[:40]:
        path.unlink()
    report = place.sync(propagate_deletes=True)
    assert report.error is not None
    assert report.error.code == "many_deletions"
    assert len(drop.messages) == 60


def test_G6_a_cut_leaves_what_came_whole(place: Place, drop: MemoryDrop) -> None:
    drop.messages = [mail(n, size=3000) for n in range(5)]
    count = 0

    def cut(command: str) -> None:
        nonlocal count
        count += command == "octets"
        if count == 10:
            raise NetworkError("the connection was lost", cause="connection_lost")

    drop.before = cut
    report = place.sync(keep_on_server=False)
    assert (report.ok, report.fetched, report.removed) == (False, 2, 0)
    assert place.litter() == []
    drop.before = lambda command: None
    report = place.sync(keep_on_server=False)
    assert (report.fetched, report.removed) == (3, 5)


def test_a_stop_keeps_what_came_whole(place: Place, drop: MemoryDrop) -> None:
    drop.before = lambda command: place.stop.set() if len(drop.commands) == 4 else None
    report = place.sync(keep_on_server=False)
    assert report.error is not None
    assert report.error.exit_code is ExitCode.INTERRUPTED
    assert 0 < report.fetched < 5
    assert len(drop.messages) == 5
    place.stop.clear()
    assert place.sync(keep_on_server=False).removed == 5
    assert len(bodies(place)) == 5


def test_a_vanished_folder_is_not_taken_for_deletions(place: Place, drop: MemoryDrop) -> None:
    place.sync()
    (place.mail / "INBOX").rename(place.mail.parent / "away")
    report = place.sync(propagate_deletes=True)
    assert report.error is not None
    assert (report.error.code, report.error.exit_code) == ("maildir_vanished", ExitCode.SAFETY)
    assert len(drop.messages) == 5
    assert place.sync(replace(place.job(), start_afresh=True)).fetched == 5


def test_only_inbox_can_be_asked_for(place: Place) -> None:
    report = place.sync(replace(place.job(), folders=("Sent",)))
    assert report.error is not None
    assert report.error.exit_code is ExitCode.CONFIG
    assert place.sync(replace(place.job(), folders=("IN*",))).fetched == 5
