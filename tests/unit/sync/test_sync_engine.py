"""The sync engine against a server in memory: what is asked, policies, limits, stops, dry runs, the log."""

import pickle
from dataclasses import replace

import pytest

from mailctl.domain.event import Level
from mailctl.domain.gateway import Mode
from mailctl.domain.standing import Standing
from mailctl.errors import ExitCode, NetworkError
from mailctl.sync.local.lock import Lock
from mailctl.sync.run import Run, Tools
from tests.doubles.imap import MemoryFolder, MemoryServer
from tests.doubles.syncs import Place
from tests.unit.sync.mails import mail, served

DAY = 86400


def test_job_and_report_can_be_pickled(place: Place) -> None:
    job = pickle.loads(pickle.dumps(place.job()))
    report = place.sync(job)
    assert pickle.loads(pickle.dumps(report)) == report
    assert report.messages == 5


def test_an_unchanged_folder_costs_one_command(place: Place, server: MemoryServer) -> None:
    place.sync()
    server.commands.clear()
    assert place.sync().ok
    assert [name for name, _ in server.commands] == ["survey"]


def test_only_what_changed_is_asked_for(place: Place, server: MemoryServer, inbox: MemoryFolder) -> None:
    place.sync()
    inbox.flag(2, ["\\Seen"])
    inbox.add(mail(9))
    server.commands.clear()
    report = place.sync()
    assert (report.fetched, report.flagged) == (1, 1)
    assert ("fetch", [6]) in server.commands
    assert place.bodies() == served(inbox)


def test_since_asks_nothing_of_what_is_too_old(place: Place, server: MemoryServer, inbox: MemoryFolder) -> None:
    job = replace(place.job(), since="2024-01-01")
    recent = inbox.add(mail(20), date=1_720_000_000.0)
    report = place.sync(job)
    assert report.fetched == 1
    assert [(skipped.code, skipped.count) for skipped in report.skipped] == [("too_old", 5)]
    server.commands.clear()
    assert place.sync(job).skipped == report.skipped
    assert [name for name, _ in server.commands] == ["survey"]
    assert recent == [6]
    assert place.sync().fetched == 5


def test_a_dry_run_after_a_sync(place: Place, inbox: MemoryFolder) -> None:
    place.sync()
    before = {path: path.stat().st_mtime_ns for path in place.folder.rglob("*")}
    inbox.add(mail(9))
    place.recorder.events.clear()
    report = place.sync(replace(place.job(max_size=10), dry_run=True))
    assert report.ok
    assert [skipped.uid for skipped in report.skipped] == [6]
    report = place.sync(replace(place.job(), dry_run=True))
    assert [(step.action, step.uids) for step in report.steps] == [("fetch", (6,))]
    assert {path: path.stat().st_mtime_ns for path in place.folder.rglob("*")} == before
    assert place.recorder.events == []


def test_a_dry_run_shows_what_the_brake_would_stop(place: Place, inbox: MemoryFolder) -> None:
    inbox.add(*(mail(n) for n in range(10, 60)))
    place.sync(propagate_deletes=True)
    for uid in range(1, 41):
        place.file(uid).unlink()
    report = place.sync(replace(place.job(propagate_deletes=True), dry_run=True))
    assert [(step.action, len(step.uids)) for step in report.steps] == [("delete_on_server", 40)]
    assert any("--confirm-deletes" in warning for warning in report.warnings)
    assert not place.sync(propagate_deletes=True).ok
    assert len(inbox.messages) == 55


def test_the_newest_come_first_over_all_folders(place: Place, server: MemoryServer) -> None:
    server.folders["B"] = MemoryFolder()
    server.folders["B"].add(*(mail(n) for n in range(5)))
    report = place.sync(max_per_run=7)
    assert {folder.name: folder.fetched for folder in report.folders} == {"INBOX": 5, "B": 2}
    assert place.bodies("B") == [mail(3), mail(4)]
    assert place.sync(max_per_run=7).fetched == 3


@pytest.mark.parametrize("clock", [0.0, 4_000_000_000.0])
def test_G12_a_clock_that_jumps(place: Place, inbox: MemoryFolder, clock: float) -> None:
    place.sync()
    place.clock = lambda: clock
    inbox.add(mail(8))
    assert place.sync().fetched == 1
    assert place.bodies() == served(inbox)


def test_G9_a_second_run_ends_at_once_and_says_who_holds_the_lock(place: Place) -> None:
    place.state.parent.mkdir()
    with Lock(place.state.with_suffix(".lock"), "box", lambda: "process 77 on host h, since 12:00"):
        report = place.sync()
    assert report.error is not None
    assert (report.error.exit_code, report.error.code) == (ExitCode.STORAGE, "locked")
    assert "process 77 on host h" in report.error.message
    assert place.sync().ok


def test_G14_a_stop_ends_after_the_step_in_hand(place: Place, server: MemoryServer, inbox: MemoryFolder) -> None:
    sent = []

    def cut(octets: int) -> None:
        sent.append(octets)
        if len(sent) == 8:
            place.stop.set()

    server.cut = cut
    report = place.sync()
    assert report.error is not None
    assert report.error.exit_code is ExitCode.INTERRUPTED
    assert 0 < report.fetched < 5
    assert place.litter() == []
    told = [(event, fields["level"]) for event, fields in place.recorder.events if fields["level"] is not Level.INFO]
    assert told[-1] == ("sync.interrupted", Level.WARNING)
    assert {(event.rpartition(".")[2], level) for event, level in told} == {("interrupted", Level.WARNING)}
    place.stop.clear()
    assert place.sync().fetched == 5 - report.fetched
    assert place.bodies() == served(inbox)


def test_G14_after_a_stop_nothing_is_begun(place: Place, server: MemoryServer) -> None:
    place.stop.set()
    report = place.sync()
    assert report.error is not None
    assert report.error.exit_code is ExitCode.INTERRUPTED
    assert (server.connections, place.recorder.events) == (0, [])


@pytest.mark.parametrize("mode", Mode)
def test_G14_after_a_stop_a_lost_connection_is_not_made_anew(place: Place, server: MemoryServer, mode: Mode) -> None:
    def cut(octets: int) -> None:
        place.stop.set()
        raise NetworkError("the connection was lost", cause="connection_lost")

    server.cut = cut
    report = place.sync(mode=mode)
    assert report.error is not None
    assert report.error.exit_code is ExitCode.INTERRUPTED
    assert server.connections == 1


def test_what_happened_is_in_the_log(place: Place, inbox: MemoryFolder) -> None:
    place.sync(max_size=10, keep_on_server=False)
    events = [event for event, _ in place.recorder.events]
    assert events == ["sync.started", *["sync.message.skipped"] * 5, "sync.folder.done", "sync.finished"]
    place.recorder.events.clear()
    place.sync(keep_on_server=False)
    events = [event for event, _ in place.recorder.events]
    assert events == ["sync.started", "sync.messages.removed", "sync.folder.done", "sync.finished"]
    assert place.recorder.events[-1][1]["fetched"] == 5
    assert place.recorder.events[-1][1]["messages"] == 5


def test_a_dry_run_afresh_shows_what_would_come_again(place: Place) -> None:
    place.sync()
    place.file(1).unlink()
    job = replace(place.job(), start_afresh=True)
    (step,) = place.sync(replace(job, dry_run=True)).steps
    assert (step.action, step.uids) == ("fetch", (1,))
    assert place.sync(job).fetched == 1


def test_folders_that_are_not_there_are_told(place: Place) -> None:
    report = place.sync(folders=("INBOX", "Typo"))
    assert report.warnings == ("no folder is like Typo",)
    report = place.sync(replace(place.job(), folders=("Typo",)))
    assert report.error is not None
    assert report.error.hint == "It has INBOX."


def test_a_dry_run_names_messages_that_get_the_same_flags_in_one_step(place: Place, inbox: MemoryFolder) -> None:
    place.sync()
    for uid in (1, 2, 4):
        inbox.flag(uid, ["\\Flagged"])
    (step,) = place.sync(replace(place.job(), dry_run=True)).steps
    assert (step.action, step.uids, step.detail) == ("flag", (1, 2, 4), "\\Flagged")


def test_after_a_lost_connection_nothing_is_expected_twice(place: Place) -> None:
    shown: list[tuple[str, Standing, str, Standing]] = []
    tools = Tools(
        place.connector,
        place.recorder,
        place.clock,
        lambda: "",
        progress=lambda gateway, total, folder, part: shown.append((gateway, replace(total), folder, replace(part))),
    )
    run = Run(place.job(), tools)
    run.folder("INBOX", "INBOX")
    run.expect(10, 1000)
    run.beat(400)
    run.arrived(4)
    run.expect(6, 600)
    assert shown[-1] == ("box", Standing(4, 10, 400, 1000), "INBOX", Standing(4, 10, 400, 1000))
    run.expect(5, 50, "Sent")
    run.beat(100, "INBOX")
    run.beat(50, "Sent")
    assert shown[-1] == ("box", Standing(4, 15, 550, 1050), "Sent", Standing(0, 5, 50, 50))
    for _ in range(3):
        run.came("Sent")
    run.arrived(2, "Sent")
    assert shown[-1][1:] == (Standing(7, 15, 550, 1050), "Sent", Standing(3, 5, 50, 50))
    run.expect(3, 30, "Sent")
    assert shown[-1][3] == Standing(2, 5, 50, 80), "what came and was not made durable comes again"


def test_messages_go_from_the_server_some_days_after_they_came(place: Place, inbox: MemoryFolder) -> None:
    now = 1_800_000_000.0
    place.clock = lambda: now
    there = len(inbox.messages)
    assert place.sync(delete_after=14 * DAY).removed == 0
    now += 10 * DAY
    (new,) = inbox.add(b"Subject: new\r\n\r\n")
    assert place.sync(delete_after=14 * DAY).removed == 0
    now += 4 * DAY - 1
    assert place.sync(delete_after=14 * DAY).removed == 0
    now += 1
    place.file(2).unlink()
    (step,) = place.sync(replace(place.job(delete_after=14 * DAY), dry_run=True)).steps
    assert (step.action, len(step.uids)) == ("remove_from_server", there - 1)
    assert place.sync().removed == 0, "without the setting, nothing goes"
    assert place.sync(delete_after=14 * DAY).removed == there - 1
    assert sorted(inbox.messages) == [2, new], "what was deleted here stays there"
    now += 9 * DAY
    place.state.unlink()
    assert place.sync(delete_after=14 * DAY).removed == 0, "the state was lost: the days are counted anew"
    now += 14 * DAY
    inbox.uidvalidity = 2000
    assert place.sync(delete_after=14 * DAY).removed == 0, "so they are under another UIDVALIDITY"
    now += 14 * DAY
    assert place.sync(delete_after=14 * DAY).removed == 2


def test_what_came_is_counted_once_however_late_the_maildir_is_walked(
    place: Place, server: MemoryServer, inbox: MemoryFolder
) -> None:
    server.folders["Sent"] = MemoryFolder()
    inbox.add(mail(90, "x" * 5000))
    sent = []

    def cut(octets: int) -> None:
        sent.append(octets)
        if len(sent) == 8:
            place.stop.set()

    server.cut = cut
    assert not place.sync(max_size=1000).ok
    place.stop.clear()
    report = place.sync(max_size=1000)
    assert 0 < report.fetched < 5
    assert (report.ok, report.messages) == (True, 5)
