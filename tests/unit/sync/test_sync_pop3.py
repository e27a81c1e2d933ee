"""POP3 on the sync engine, against a maildrop in memory."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from mailctl.domain.server import Protocol
from mailctl.errors import ExitCode, NetworkError, RefusedError
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
    assert report.error.message.startswith("INBOX: 40 of 60 messages were deleted here")
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


def lost() -> NetworkError:
    return NetworkError("the connection was lost", cause="connection_lost")


def dated(number: int, moment: datetime | str) -> tuple[str, bytes]:
    text = moment if isinstance(moment, str) else format_datetime(moment)
    return f"{number}", f"Date: {text}\r\nSubject: {number}\r\n\r\nx\r\n".encode()


def test_a_lost_connection_is_made_anew_and_goes_on(place: Place, drop: MemoryDrop) -> None:
    drop.messages = [mail(n, size=3000) for n in range(9)]
    octets = 0

    def cut(command: str) -> None:
        nonlocal octets
        octets += command == "octets"
        if command == "octets" and octets % 11 == 10:
            raise lost()

    drop.before = cut
    report = place.sync(keep_on_server=False)
    assert (report.ok, report.fetched, report.removed) == (True, 9, 9)
    assert len(bodies(place)) == 9
    assert drop.messages == []
    assert place.litter() == []


def test_a_connection_that_brings_nothing_is_not_made_for_ever(place: Place, drop: MemoryDrop) -> None:
    def cut(command: str) -> None:
        if command == "RETR":
            raise lost()

    drop.before = cut
    report = place.sync()
    assert report.error is not None
    assert report.error.cause == "connection_lost"
    assert drop.commands.count("UIDL") == 2


def test_a_maildrop_still_locked_by_the_lost_session_gets_time(
    place: Place, drop: MemoryDrop, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float | None] = []
    monkeypatch.setattr(place.stop, "wait", waited.append)
    connections, commands = [0], [0]

    def connecting() -> None:
        connections[0] += 1
        if connections[0] in (2, 3):
            raise RefusedError("in use", code="mailbox_in_use")

    def cut(command: str) -> None:
        commands[0] += 1
        if commands[0] == 4:
            raise lost()

    drop.connecting, drop.before = connecting, cut
    assert place.sync().fetched == 5
    assert waited == [1.0, 2.0]


def test_a_reused_unique_id_is_another_message(place: Place, drop: MemoryDrop) -> None:
    """RFC 1939 lets a server give a unique-id again once its message is gone; some give numbers."""
    drop.messages = [("1", b"Subject: first\r\n\r\nx\r\n")]
    assert place.sync(keep_on_server=False).removed == 1
    drop.messages = [("1", b"Subject: other\r\n\r\nx\r\n")]
    report = place.sync(keep_on_server=False)
    assert (report.ok, report.fetched, report.removed) == (True, 1, 1)
    assert len(bodies(place)) == 2
    drop.messages = [("1", b"Subject: third, longer\r\n\r\nx\r\n")]
    assert place.sync().fetched == 1
    place.state.unlink()
    assert place.sync().fetched == 0
    assert place.sync(keep_on_server=False).removed == 1
    assert len(bodies(place)) == 3


def test_different_messages_under_one_unique_id_all_come(place: Place, drop: MemoryDrop) -> None:
    drop.messages = [("1", b"Subject: a\r\n\r\n"), ("1", b"Subject: bb\r\n\r\n"), ("1", b"Subject: a\r\n\r\n")]
    report = place.sync()
    assert (report.fetched, [s.code for s in report.skipped]) == (2, ["same_unique_id"])
    assert place.sync().fetched == 0
    place.state.unlink()
    assert place.sync().fetched == 0
    assert len(bodies(place)) == 2


def test_a_server_that_counts_otherwise_gives_no_message_twice(place: Place, drop: MemoryDrop) -> None:
    place.sync()
    drop.miscounts = 3
    report = place.sync(keep_on_server=False)
    assert (report.ok, report.fetched, report.removed) == (True, 0, 5)


def test_servers_without_top_are_believed_by_size(place: Place, drop: MemoryDrop) -> None:
    drop.capabilities = frozenset({"UIDL"})
    place.sync()
    place.state.unlink()
    report = place.sync(keep_on_server=False)
    assert (report.ok, report.fetched, report.removed) == (True, 0, 5)


def test_a_message_too_large_is_listed_as_a_person_knows_it(place: Place, drop: MemoryDrop) -> None:
    head = b"From: =?utf-8?q?J=C3=BCrgen?= <j@x>\r\nDate: Thu, 29 Feb 2024 12:30:01 +0100\r\nSubject: \x1b[31mbig\r\n"
    drop.messages = [("1", head + b"\r\n" + b"x" * 5000)]
    (skipped,) = place.sync(max_size=1000).skipped
    assert (skipped.sender, skipped.subject, skipped.date) == ("Jürgen <j@x>", "\x1b[31mbig", "2024-02-29T11:30:01Z")
    assert "5.1 kB" in skipped.reason
    drop.capabilities = frozenset({"UIDL"})
    (skipped,) = place.sync(max_size=1000).skipped
    assert (skipped.code, skipped.subject) == ("too_large", "")


def test_since_goes_by_the_date_field(place: Place, drop: MemoryDrop) -> None:
    edge = datetime(2024, 3, 1, tzinfo=UTC)
    drop.messages = [
        dated(1, edge - timedelta(days=400)),
        dated(2, edge - timedelta(seconds=1)),
        dated(3, edge),
        dated(4, "no date at all"),
        dated(5, edge + timedelta(days=1)),
    ]
    job = replace(place.job(), since="2024-03-01")
    report = place.sync(job)
    assert (report.ok, report.fetched) == (True, 3)
    assert [(s.code, s.count) for s in report.skipped] == [("too_old", 2)]
    assert drop.commands.count("TOP") == 5
    assert place.sync(job).skipped[0].count == 2
    assert drop.commands.count("TOP") == 5, "what is known to be too old is not asked for again"
    assert place.sync(replace(place.job(), since="2024-02-01")).fetched == 1
    assert place.sync().fetched == 1


def test_since_and_max_per_run_take_the_newest_that_are_young_enough(place: Place, drop: MemoryDrop) -> None:
    edge = datetime(2024, 3, 1, tzinfo=UTC)
    drop.messages = [dated(n, edge + timedelta(days=1 if n in (1, 3, 5) else -1)) for n in range(8)]
    job = replace(place.job(max_per_run=2), since="2024-03-01")
    report = place.sync(job)
    assert (report.fetched, [(s.code, s.count) for s in report.skipped]) == (2, [("too_old", 5), ("over_limit", 1)])
    assert bodies(place) == [drop.messages[3][1], drop.messages[5][1]]
    assert place.sync(job).fetched == 1


DAY = 86400


def test_messages_go_some_days_after_they_came(place: Place, drop: MemoryDrop) -> None:
    now = 1_800_000_000.0
    place.clock = lambda: now
    assert place.sync(delete_after=14 * DAY).removed == 0
    now += 10 * DAY
    drop.messages.append(mail(9))
    assert place.sync(delete_after=14 * DAY).removed == 0
    now += 4 * DAY - 1
    assert place.sync(delete_after=14 * DAY).removed == 0
    now += 1
    next((place.mail / "INBOX/new").glob("*")).unlink()
    assert place.sync(delete_after=14 * DAY).removed in (4, 5), "what was deleted here stays there"
    now += 10 * DAY
    place.sync(delete_after=14 * DAY)
    assert len(drop.messages) == 1
    now += 100 * DAY
    place.sync(delete_after=14 * DAY)
    assert len(drop.messages) == 1


def test_the_days_are_counted_anew_when_the_state_is_lost(place: Place, drop: MemoryDrop) -> None:
    now = 1_800_000_000.0
    place.clock = lambda: now
    place.sync()
    now += 100 * DAY
    place.state.unlink()
    assert place.sync(delete_after=14 * DAY).removed == 0
    now += 14 * DAY
    assert place.sync(delete_after=14 * DAY).removed == 5


def test_refused_messages_are_told_and_the_others_come(place: Place, drop: MemoryDrop) -> None:
    drop.refused.add("UID0002-x")
    report = place.sync(keep_on_server=False)
    assert (report.ok, report.fetched, report.removed) == (True, 4, 4)
    assert [(s.code, s.uid) for s in report.skipped] == [("no_body", 3)]


def test_a_dry_run_shows_sizes_and_what_would_be_deleted(place: Place, drop: MemoryDrop) -> None:
    job = replace(place.job(), dry_run=True)
    (step,) = place.sync(job).steps
    assert (step.action, step.uids, step.octets) == ("fetch", (1, 2, 3, 4, 5), sum(len(b) for _, b in drop.messages))
    assert not place.mail.exists()
    place.sync()
    (step,) = place.sync(replace(place.job(keep_on_server=False), dry_run=True)).steps
    assert step.action == "remove_from_server"
    assert "“0”" in step.which


def test_a_server_that_numbers_its_messages_anew(place: Place, drop: MemoryDrop) -> None:
    """Numbers hold for one session; what is removed is known by its unique-id (RFC 1939 section 5)."""
    drop.messages = [mail(n, size=3000) for n in range(9)]
    octets = 0

    def cut(command: str) -> None:
        nonlocal octets
        octets += command == "octets"
        if command == "octets" and octets == 14:
            raise lost()

    drop.before = cut
    drop.connecting = lambda: drop.messages.reverse()
    report = place.sync(max_size=10_000)
    assert (report.ok, report.fetched) == (True, 9)
    assert place.sync(max_per_run=1).fetched == 0
    drop.messages.pop(4)
    drop.messages.insert(0, mail(77))
    report = place.sync(keep_on_server=False)
    assert (report.fetched, report.removed, drop.messages) == (1, 9, [])
    assert len(bodies(place)) == 10


@pytest.mark.parametrize("part", ["", "cur", "new"])
@pytest.mark.parametrize("link", [True, False])
def test_D5_what_lies_behind_a_link_or_has_vanished_was_not_deleted(
    place: Place, drop: MemoryDrop, part: str, link: bool
) -> None:
    place.sync(propagate_deletes=True)
    if part == "cur":
        for file in (place.mail / "INBOX" / "new").iterdir():
            file.rename(place.mail / "INBOX" / "cur" / f"{file.name}:2,S")
    path = place.mail / "INBOX" / part
    path.rename(place.folder / "elsewhere")
    if link:
        path.symlink_to(place.folder / "elsewhere")
    report = place.sync(propagate_deletes=True)
    assert report.error is not None
    assert report.error.code in ("maildir_vanished", "not_a_folder")
    assert len(drop.messages) == 5


def test_D5_a_folder_where_a_message_was_is_no_deletion(place: Place, drop: MemoryDrop) -> None:
    place.sync(propagate_deletes=True)
    first, second, *_ = sorted((place.mail / "INBOX" / "new").iterdir())
    first.unlink()
    first.mkdir()
    second.unlink()
    assert place.sync(propagate_deletes=True).removed == 1
    assert len(drop.messages) == 4
