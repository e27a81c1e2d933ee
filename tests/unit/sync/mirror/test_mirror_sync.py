"""Mirror mode on a server in memory: what each kind of change does to the other side, and what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from mailctl.domain.changes import Placed, PlacingError
from mailctl.domain.gateway import Mode
from mailctl.errors import ExitCode, RefusedError
from mailctl.sync.job import Task
from mailctl.sync.report import SyncReport
from tests.doubles.imap import MemoryFolder, MemoryServer
from tests.doubles.syncs import Place

ALL = frozenset({"IMAP4REV1", "UIDPLUS", "MOVE", "CONDSTORE", "ENABLE"})
BODY = b"Message-ID: <%d@x>\r\nSubject: %d\r\n\r\n%d\r\n"


def mail(number: int) -> bytes:
    return BODY % (number, number, number)


@pytest.fixture
def server() -> MemoryServer:
    made = MemoryServer({"INBOX": MemoryFolder(), "Work": MemoryFolder(uidvalidity=7)}, ALL)
    made.folders["INBOX"].add(*(mail(n) for n in range(1, 4)))
    return made


@pytest.fixture
def place(tmp_path: Path, server: MemoryServer) -> Place:
    made = Place(tmp_path, server)
    assert go(made).ok
    server.commands.clear()
    return made


def go(place: Place, **changes: object) -> SyncReport:
    return place.sync(place.job(mode=Mode.MIRROR, **changes))


def said(server: MemoryServer) -> set[str]:
    return {name for name, _ in server.commands}


def test_a_run_with_nothing_to_do_asks_for_the_listing_only(place: Place, server: MemoryServer) -> None:
    assert go(place).ok
    assert said(server) == {"survey", "subscribed"}


def test_a_message_moved_on_the_server_is_not_fetched_again(place: Place, server: MemoryServer) -> None:
    moved = server.folders["INBOX"].messages.pop(2)
    server.folders["Work"].add(moved.body, flags=["\\Flagged"], date=moved.date)
    inode = place.file(2).stat().st_ino
    report = go(place)
    assert (report.ok, report.moved, report.fetched, report.removed) == (True, 1, 0, 0)
    assert "fetch" not in said(server)
    assert place.file(1, "Work").stat().st_ino == inode
    assert place.flags("Work") == [{"\\Flagged"}]


def test_a_folder_renamed_on_the_server_is_not_fetched_again(place: Place, server: MemoryServer) -> None:
    server.folders["Work"].add(b"\r\nno header\r\n", b"\r\nno head at all\r\n")
    assert go(place).fetched == 2
    server.folders["Labour"] = server.folders.pop("Work")
    server.commands.clear()
    report = go(place)
    assert (report.ok, report.moved, report.fetched) == (True, 2, 0)
    assert "fetch" not in said(server)
    assert not (place.mail / "Work").exists()
    assert len(place.bodies("Labour")) == 2


def test_what_is_moved_here_is_moved_there(place: Place, server: MemoryServer) -> None:
    file = place.file(3)
    file.rename(place.mail / "Work" / "cur" / f"{file.name}:2,S")
    report = go(place)
    assert (report.ok, report.moved, report.uploaded, report.removed) == (True, 1, 0, 0)
    assert "append" not in said(server)
    assert [m.flags for m in server.folders["Work"].messages.values()] == [{"\\Seen"}]
    assert sorted(server.folders["INBOX"].messages) == [1, 2]


def test_a_copy_made_here_has_the_date_of_the_servers_copy(place: Place, server: MemoryServer) -> None:
    (place.mail / "Work/cur" / place.file(2).name).write_bytes(place.file(2).read_bytes())
    assert go(place).moved == 1
    ((uid, message),) = server.folders["Work"].messages.items()
    assert place.file(uid, "Work").stat().st_mtime == message.date
    assert place.file(2).stat().st_mtime == message.date, "which is that of the first"


def test_a_first_run_after_archive_mode_deletes_nothing(tmp_path: Path, server: MemoryServer) -> None:
    place = Place(tmp_path, server)
    assert place.sync().ok
    place.file(1).unlink()
    del server.folders["INBOX"].messages[2]
    assert place.sync().ok, "archive mode: what is gone there stays here, what is gone here stays there"
    report = go(place)
    assert (report.ok, report.removed) == (True, 0)
    assert sorted(place.bodies()) == sorted(m.body for m in server.folders["INBOX"].messages.values())
    assert len(place.bodies()) == 3
    place.file(1).unlink()
    assert go(place).removed == 1
    place.file(3).unlink()
    assert place.sync().ok, "back in archive mode"
    assert go(place).removed == 0, "and in mirror mode again: a first run"


def test_archive_mode_after_mirror_mode_takes_nothing_for_deleted(place: Place, server: MemoryServer) -> None:
    place.file(1).unlink()
    (place.mail / "INBOX" / "cur" / "1.h:2,S").write_bytes(b"Message-ID: <new@x>\n\n")
    server.folders["INBOX"].add(mail(9))
    assert go(place).ok
    held = dict(server.folders["INBOX"].messages)
    for _ in range(2):
        report = place.sync(propagate_deletes=True)
        assert (report.ok, report.fetched, report.removed) == (True, 0, 0)
        assert server.folders["INBOX"].messages == held
    assert len(place.bodies()) == 4
    place.file(2).unlink()
    assert place.sync(propagate_deletes=True).removed == 1


def test_a_lost_state_deletes_nothing(place: Place, server: MemoryServer) -> None:
    place.file(1).unlink()
    del server.folders["INBOX"].messages[2]
    place.state.unlink()
    report = go(place)
    assert (report.ok, report.removed) == (True, 0)
    assert len(place.bodies()) == len(server.folders["INBOX"].messages) == 3


def many(place: Place, server: MemoryServer, count: int) -> None:
    server.folders["INBOX"].add(*(mail(n) for n in range(100, 100 + count)))
    assert go(place).ok
    server.commands.clear()


def test_H9_an_empty_listing_needs_a_word_before_anything_is_deleted_here(place: Place, server: MemoryServer) -> None:
    many(place, server, 40)
    kept = dict(server.folders["INBOX"].messages)
    server.folders["INBOX"].messages.clear()
    report = go(place)
    assert report.error is not None
    assert report.error.exit_code is ExitCode.SAFETY
    assert "--confirm-deletes" in report.error.hint
    assert len(place.bodies()) == 43
    server.folders["INBOX"].messages.update(kept)
    assert go(place).ok


def test_messages_are_counted_as_they_are_after_the_run(place: Place, server: MemoryServer) -> None:
    place.file(1).unlink()
    del server.folders["INBOX"].messages[2]
    (place.mail / "Work/cur/new:2,S").write_bytes(b"Message-ID: <new@x>\n\n")
    assert go(place).messages == 2


def test_a_folder_called_like_a_part_of_a_maildir_is_synced_under_the_name_that_is_said(
    place: Place, server: MemoryServer
) -> None:
    for part in ("cur", "new", "tmp"):
        (place.mail / "Work/New" / part).mkdir(parents=True)
    (place.mail / "Work/New/cur/1.host:2,S").write_bytes(b"Message-ID: <new@x>\n\n")
    (told,) = go(place).warnings
    assert "called Work/%4Eew here, it becomes Work/New there" in told
    (place.mail / "Work/New").rename(place.mail / "Work/%4Eew")
    report = go(place)
    assert (report.ok, report.uploaded, report.warnings) == (True, 1, ())
    assert len(server.folders["Work/New"].messages) == 1


def test_many_deletions_here_need_a_word_before_anything_is_deleted_there(place: Place, server: MemoryServer) -> None:
    many(place, server, 40)
    for path in (place.mail / "INBOX" / "new").iterdir():
        path.unlink()
    report = go(place)
    assert report.error is not None
    assert report.error.exit_code is ExitCode.SAFETY
    assert report.error.message.startswith("INBOX: 43 of 43 messages were deleted here"), "the folder is named"
    assert len(server.folders["INBOX"].messages) == 43
    job = replace(place.job(mode=Mode.MIRROR), confirm_deletes=True)
    assert place.sync(job).removed == 43
    assert not server.folders["INBOX"].messages


def test_what_the_brake_stopped_is_taken_back_as_its_hint_says(place: Place, server: MemoryServer) -> None:
    server.folders["INBOX"].add(*(mail(n) for n in range(10, 70)))
    assert go(place).ok
    del server.folders["INBOX"].messages[1]
    for number in range(10, 50):
        place.file(number).unlink()
    stopped = go(place)
    assert stopped.error is not None
    assert "`mailctl sync box --repair`" in stopped.error.hint
    assert place.sync(replace(place.job(mode=Mode.MIRROR), task=Task.REPAIR)).ok
    assert (go(place).fetched, len(place.bodies())) == (40, 63)
    assert len(server.folders["INBOX"].messages) == 63


def test_H9_a_listing_without_folders_is_believed_only_twice_and_needs_a_word(
    place: Place, server: MemoryServer
) -> None:
    many(place, server, 40)
    folders, server.folders = server.folders, {}
    report = go(place)
    assert report.error is not None
    assert report.error.exit_code is ExitCode.SAFETY
    assert [name for name, _ in server.commands].count("survey") == 2
    server.folders = folders
    assert go(place).ok
    assert len(place.bodies()) == 43


def test_an_inbox_that_has_vanished_here_is_not_deleted_there(place: Place, server: MemoryServer) -> None:
    (place.mail / "INBOX").rename(place.folder / "elsewhere")
    report = go(place)
    assert report.error is not None
    assert (report.error.exit_code, report.error.code) == (ExitCode.SAFETY, "maildir_vanished")
    assert len(server.folders["INBOX"].messages) == 3


def test_H6_a_read_only_folder_only_comes_down(place: Place, server: MemoryServer) -> None:
    inbox = server.folders["INBOX"]
    inbox.read_only = True
    inbox.add(mail(9))
    place.file(1).unlink()
    (place.mail / "INBOX" / "cur" / "1.host:2,S").write_bytes(b"Message-ID: <new@x>\n\n")
    report = go(place)
    assert (report.ok, report.fetched, report.uploaded, report.removed) == (True, 1, 0, 0)
    assert len([text for text in report.warnings if "read-only" in text]) == 1
    assert [skipped.code for skipped in report.skipped] == ["read_only"]
    assert len(inbox.messages) == 4


def test_H8_without_uidplus_nothing_is_expunged_and_it_is_said_once(tmp_path: Path) -> None:
    server = MemoryServer({"INBOX": MemoryFolder(), "Work": MemoryFolder()}, frozenset({"IMAP4REV1", "CONDSTORE"}))
    for folder in server.folders.values():
        folder.add(mail(1), mail(2))
    place = Place(tmp_path, server)
    assert go(place).ok
    place.file(1).unlink()
    place.file(1, "Work").unlink()
    report = go(place)
    assert (report.ok, report.removed) == (True, 2)
    assert len([text for text in report.warnings if "UIDPLUS" in text]) == 1
    assert [sorted(m.flags) for m in server.folders["INBOX"].messages.values()] == [["\\Deleted"], []]
    again = go(place)
    assert (again.removed, again.fetched, again.warnings) == (0, 0, report.warnings)
    server.folders["INBOX"].flag(1, [])
    assert go(place).fetched == 1, "another client took the mark away: it is wanted"


def test_H8_uploads_are_found_again_by_their_message_id(tmp_path: Path) -> None:
    server = MemoryServer({"INBOX": MemoryFolder()}, frozenset({"IMAP4REV1"}))
    place = Place(tmp_path, server)
    assert go(place).ok
    for name, text in (("1.h:2,S", b"Message-ID: <1@x>\n\none\n"), ("2.h:2,", b"no id\n\ntwo\n")):
        (place.mail / "INBOX" / "cur" / name).write_bytes(text)
    assert go(place).uploaded == 2
    assert {m.body: sorted(m.flags) for m in server.folders["INBOX"].messages.values()} == {
        b"Message-ID: <1@x>\r\n\r\none\r\n": ["\\Seen"],
        b"no id\r\n\r\ntwo\r\n": [],
    }
    again = go(place)
    assert (again.uploaded, again.fetched, again.removed) == (0, 0, 0)


def test_what_cannot_go_up_is_told_and_stays(place: Place, server: MemoryServer) -> None:
    server.capabilities |= {"APPENDLIMIT=100"}
    inbox = place.mail / "INBOX" / "cur"
    (inbox / "1.large:2,").write_bytes(b"x" * 101)
    (inbox / "2.nul:2,").write_bytes(b"a\0b\n")
    (inbox / "3.empty:2,").write_bytes(b"")
    (inbox / "4.link:2,").symlink_to(place.file(1))
    report = go(place)
    assert (report.ok, report.uploaded) == (True, 0)
    assert sorted(skipped.code for skipped in report.skipped) == ["empty", "has_nul", "symbolic_link", "too_large"]
    assert len(list(inbox.iterdir())) == 4
    assert len(server.folders["INBOX"].messages) == 3


def test_a_maildir_of_another_program_is_recognised_not_doubled(tmp_path: Path, server: MemoryServer) -> None:
    place = Place(tmp_path, server)
    cur = place.mail / "INBOX" / "cur"
    for path in (cur, place.mail / "INBOX" / "new", place.mail / "INBOX" / "tmp"):
        path.mkdir(parents=True)
    for number in (1, 2, 8):
        (cur / f"{number}.M1P1Q1.host,U={number}:2,S").write_bytes(mail(number).replace(b"\r\n", b"\n"))
    report = go(place)
    assert (report.ok, report.fetched, report.uploaded) == (True, 1, 1)
    assert sorted(place.bodies()) == sorted(m.body for m in server.folders["INBOX"].messages.values())
    assert len(place.bodies()) == 4


def test_a_dry_run_tells_every_step_and_changes_nothing(place: Place, server: MemoryServer) -> None:
    file = place.file(3)
    file.rename(place.mail / "Work" / "cur" / f"{file.name}:2,S")
    place.file(1).unlink()
    (place.mail / "INBOX" / "cur" / "1.h:2,S").write_bytes(b"Message-ID: <new@x>\n\n")
    (place.mail / "Fresh" / "cur").mkdir(parents=True)
    del server.folders["INBOX"].messages[2]
    server.folders["Other"] = MemoryFolder(uidvalidity=9)
    server.folders["Other"].add(mail(20))
    before = sorted(str(path) for path in place.mail.rglob("*"))
    held = {name: dict(folder.messages) for name, folder in server.folders.items()}
    report = place.sync(replace(place.job(mode=Mode.MIRROR), dry_run=True))
    assert report.ok
    assert {(step.folder, step.action) for step in report.steps} == {
        ("Fresh", "make_folder"),
        ("Other", "make_folder"),
        ("Other", "fetch"),
        ("Work", "move"),
        ("INBOX", "upload"),
        ("INBOX", "delete_on_server"),
        ("INBOX", "delete_here"),
    }
    assert {step.messages for step in report.steps if step.action == "upload"} == {1}
    assert sorted(str(path) for path in place.mail.rglob("*")) == before
    assert {name: dict(folder.messages) for name, folder in server.folders.items()} == held
    done = go(place)
    assert (done.ok, done.moved, done.uploaded, done.removed, done.fetched) == (True, 1, 1, 2, 1)


def test_folders_are_made_and_removed_on_the_other_side(place: Place, server: MemoryServer) -> None:
    (place.mail / "Lists" / "dev" / "cur").mkdir(parents=True)
    assert go(place).ok
    assert "Lists/dev" in server.folders
    for name in ("cur", "new", "tmp"):
        if (place.mail / "Work" / name).exists():
            (place.mail / "Work" / name).rmdir()
    assert go(place).ok
    assert "Work" not in server.folders
    del server.folders["Lists/dev"]
    assert go(place).ok
    assert not (place.mail / "Lists" / "dev").exists()


def test_a_folder_that_the_server_could_not_give_its_name_is_told(place: Place, server: MemoryServer) -> None:
    (place.mail / "a%20b" / "cur").mkdir(parents=True)
    report = go(place)
    assert report.ok
    assert any("a%20b" in text for text in report.warnings)
    assert set(server.folders) == {"INBOX", "Work"}


def test_a_server_that_makes_folders_only_below_inbox_is_told_of(place: Place, server: MemoryServer) -> None:
    del server.folders["Work"]
    for name in ("cur", "new", "tmp"):
        (place.mail / "Work" / name).rmdir()
    assert go(place).ok
    for name in ("A", "B"):
        (place.mail / name / "cur").mkdir(parents=True)

    def refuse(command: str) -> None:
        if command == "make":
            raise RefusedError("the server refused CREATE", server_text="NO Invalid mailbox name.")

    server.before = refuse
    error = go(place).error
    assert error is not None
    assert (error.message.split(";")[0], error.server_text) == ("2 folders failed", "NO Invalid mailbox name.")
    assert error.hint == "A server with all folders below INBOX takes it as INBOX/A in the Maildir."


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize(("others", "joins"), [([], True), ([True], True), ([False], False), ([True, False], False)])
def test_a_folder_made_on_the_server_is_subscribed_as_the_others_are(
    tmp_path: Path, others: list[bool], *, extended: bool, joins: bool
) -> None:
    server = MemoryServer({"INBOX": MemoryFolder()}, ALL | ({"LIST-EXTENDED"} if extended else set()))
    for number, subscribed in enumerate(others):
        server.folders[str(number)] = MemoryFolder(uidvalidity=7 + number, subscribed=subscribed)
    place = Place(tmp_path, server)
    assert go(place).ok
    for name in ("cur", "new", "tmp"):
        (place.mail / "Made" / name).mkdir(parents=True)
    for _ in range(2):
        assert go(place).ok
        assert server.folders["Made"].subscribed == joins
        assert ("Made" in (place.mail / "subscriptions").read_text()) == joins
    for name in ("cur", "new", "tmp"):
        (place.mail / "Made" / name).rmdir()
    (place.mail / "Made").rmdir()
    for _ in range(2):
        assert go(place).ok
        assert "Made" not in server.folders
        assert "Made" not in (place.mail / "subscriptions").read_text()
    assert server.unfounded == set()


def test_subscriptions_go_both_ways(place: Place, server: MemoryServer) -> None:
    file = place.mail / "subscriptions"
    assert file.read_text().split("\n\n")[1].split() == ["INBOX", "Work"]
    file.write_text("V\t2\n\nINBOX\n")
    assert go(place).ok
    assert not server.folders["Work"].subscribed
    server.folders["INBOX"].subscribed = False
    assert go(place).ok
    assert file.read_text() == "V\t2\n\n"


def test_H3_a_server_whose_numbers_went_back_loses_nothing_here(place: Place, server: MemoryServer) -> None:
    inbox = server.folders["INBOX"]
    del inbox.messages[3], inbox.messages[2]
    inbox.uidnext = 2
    report = go(place)
    assert (report.ok, report.removed, len(place.bodies())) == (True, 0, 3)
    assert any("went back" in text for text in report.warnings)


def test_H1_another_uidvalidity_is_matched_again(place: Place, server: MemoryServer) -> None:
    inbox = server.folders["INBOX"]
    inbox.uidvalidity, inbox.messages = 2000, {uid + 10: m for uid, m in inbox.messages.items()}
    inbox.uidnext = 20
    report = go(place)
    assert (report.ok, report.fetched, report.uploaded, report.removed) == (True, 0, 0, 0)
    assert len(place.bodies()) == len(inbox.messages) == 3
    assert go(place).ok


def test_a_message_at_which_the_server_breaks_the_protocol_holds_up_no_other(
    place: Place, server: MemoryServer
) -> None:
    inbox = server.folders["INBOX"]
    inbox.add(*(mail(n) for n in range(10, 14)))
    inbox.messages[5] = replace(inbox.messages[5], poison=True)
    (place.mail / "INBOX" / "cur" / "1.h:2,S").write_bytes(b"Message-ID: <new@x>\n\n")
    report = go(place)
    assert (report.fetched, report.uploaded) == (3, 1)
    assert [(skipped.uid, skipped.code) for skipped in report.skipped] == [(5, "bad_response")]
    assert [(each.name, each.error.exit_code) for each in report.folders if each.error] == [("INBOX", 9)]
    assert not report.ok, "a message that is wanted is not here"


def test_a_full_mailbox_is_told_once_and_the_rest_goes_on(place: Place, server: MemoryServer) -> None:
    for number in range(60):
        body = b"Message-ID: <new%d@x>\n\n" % number
        (place.mail / "INBOX" / "cur" / f"{number:03}.h:2,S").write_bytes(body)
    server.folders["INBOX"].add(mail(50))

    def full(command: str) -> None:
        if command == "append" and len(server.folders["INBOX"].messages) >= 10:
            refused = RefusedError("the mailbox is full", cause="quota_full")
            done = len(server.folders["INBOX"].messages) - 4
            raise PlacingError(refused, Placed(1000, {n: n + 5 for n in range(done)}), range(done, 50))

    server.before = full
    report = go(place)
    assert report.error is not None
    assert (report.error.exit_code, report.error.cause) == (ExitCode.REFUSED, "quota_full")
    assert (report.uploaded, report.fetched) == (6, 1)
    assert [name for name, _ in server.commands].count("append") == 7
    server.before = lambda command: None
    assert go(place).uploaded == 54
    assert len(server.folders["INBOX"].messages) == 64


@pytest.mark.parametrize("named", [True, False])
def test_what_was_changed_while_it_was_moved_goes_only_after_its_upload(
    place: Place, server: MemoryServer, named: bool
) -> None:
    if not named:
        server.folders["INBOX"].messages[1] = replace(server.folders["INBOX"].messages[1], body=b"no id\r\n\r\nx\r\n")
        server.folders["INBOX"].flag(1, [])
        place.state.unlink()
        place.file(1).unlink()
        assert go(place).fetched == 1
    file = place.file(1)
    new = place.mail / "Work" / "cur" / "1.mutt:2,S"
    new.write_bytes(file.read_bytes() if not named else file.read_bytes().replace(b"\n\n", b"\nLines: 1\n\n", 1))
    file.unlink()

    def refuse(command: str) -> None:
        if command in ("append", "move"):
            raise PlacingError(RefusedError("no"), Placed(), [0] if command == "append" else [1])

    server.before = refuse
    report = go(place)
    assert (report.uploaded, report.removed) == (0, 0)
    assert 1 in server.folders["INBOX"].messages
    server.before = lambda command: None
    assert go(place).ok
    assert 1 not in server.folders["INBOX"].messages
    assert len(server.folders["Work"].messages) == len(place.bodies("Work")) == 1


def test_pop3_has_no_mirror_mode(place: Place) -> None:
    from mailctl.domain.server import Protocol

    for task in Task:
        dry_run = task is Task.VERIFY
        report = place.sync(replace(place.job(mode=Mode.MIRROR), protocol=Protocol.POP3, task=task, dry_run=dry_run))
        assert report.error is not None
        assert (report.error.exit_code, report.error.code) == (ExitCode.CONFIG, "mode_unsupported")


@pytest.mark.parametrize("knows", [True, False])
def test_what_is_flagged_on_the_server_while_it_is_being_deleted(tmp_path: Path, knows: bool) -> None:
    server = MemoryServer({"INBOX": MemoryFolder()}, ALL if knows else ALL - {"CONDSTORE"})
    inbox = server.folders["INBOX"]
    inbox.add(mail(1), mail(2))
    place = Place(tmp_path, server)
    assert go(place).ok
    for uid in (1, 2):
        place.file(uid).unlink()
    server.before = lambda command: inbox.flag(1, ["\\Flagged"]) if command == "expunge" else None
    report = go(place)
    server.before = lambda command: None
    assert (report.ok, report.removed, sorted(inbox.messages)) == (True, 1 if knows else 2, [1] if knows else [])
    report = go(place)
    assert (report.ok, report.fetched, report.removed) == (True, int(knows), 0)
    assert place.flags() == [{"\\Flagged"}] * knows
