"""Folders that were renamed on the server: recognised, moved file by file, never fetched again."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from mailctl.errors import MailctlError, ProtocolError, RefusedError
from mailctl.sync.archive import same
from mailctl.sync.local.files import Files
from tests.crash.test_sync_faults import Killed, StrikingFiles
from tests.doubles.imap import MemoryFolder, MemoryServer
from tests.doubles.syncs import Place

QUICK = frozenset({"IMAP4REV1", "UIDPLUS", "CONDSTORE", "ENABLE", "QRESYNC"})


def mail(number: int) -> bytes:
    return f"Message-ID: <{number}@x>\r\nSubject: {number}\r\n\r\nbody {number}\r\n".encode()


def served(folder: MemoryFolder) -> list[bytes]:
    return [message.body for _, message in sorted(folder.messages.items())]


def made() -> MemoryServer:
    server = MemoryServer({"INBOX": MemoryFolder(), "Work": MemoryFolder(uidvalidity=77)}, QUICK)
    server.folders["INBOX"].add(mail(100))
    for number in range(5):
        server.folders["Work"].add(mail(number), flags=[["\\Seen"], ["Label"], []][number % 3], date=1.7e9 + number)
    return server


def rename(server: MemoryServer, old: str = "Work", new: str = "Archive/2026") -> MemoryFolder:
    server.folders[new] = server.folders.pop(old)
    return server.folders[new]


@pytest.fixture
def server() -> MemoryServer:
    return made()


@pytest.fixture
def place(tmp_path: Path, server: MemoryServer) -> Place:
    return Place(tmp_path, server)


@pytest.mark.parametrize("mailbox_id", ["", "F1"])
def test_a_renamed_folder_is_renamed_here(place: Place, server: MemoryServer, mailbox_id: str) -> None:
    server.folders["Work"].mailbox_id = mailbox_id
    place.sync()
    moved = place.file(5, "Work")
    moved.rename(place.mail / "INBOX/cur" / moved.name)
    (place.mail / "Work/cur/of-another-program:2,S").write_bytes(b"x")
    folder = rename(server)
    folder.flag(1, ["\\Flagged"])
    folder.add(mail(50))
    report = place.sync()
    assert (report.ok, report.fetched, report.flagged) == (True, 1, 1)
    assert any("renamed" in note for note in report.notes)
    (place.mail / "Archive/2026/cur/of-another-program:2,S").unlink()
    assert place.bodies("Archive", "2026") == [mail(n) for n in (0, 1, 2, 3, 50)]
    assert place.flags("Archive", "2026")[:2] == [{"\\Flagged"}, {"Label"}]
    assert not (place.mail / "Work").exists()
    assert place.sync().fetched == 0
    place.state.unlink()
    assert place.sync().fetched == 0, "what lies elsewhere has the new name too"
    assert place.flags("Archive", "2026")[1:2] == [{"Label"}]


def test_its_subfolders_stay(place: Place, server: MemoryServer) -> None:
    server.folders["Work/Sub"] = MemoryFolder(uidvalidity=78)
    server.folders["Work/Sub"].add(mail(9))
    place.sync()
    rename(server)
    assert place.sync().fetched == 0
    assert place.bodies("Work", "Sub") == [mail(9)]
    assert not (place.mail / "Work/cur").exists()


def test_what_is_in_doubt_is_a_new_folder(place: Place, server: MemoryServer) -> None:
    place.sync()
    folder = rename(server)
    folder.messages[2] = replace(folder.messages[2], date=1.6e9)
    assert place.sync().fetched == 5
    assert len(place.bodies("Work")) == 5


def untrue(folder: MemoryFolder, by: int = 7) -> None:
    """Have the server tell other sizes than the messages have."""
    for uid, message in folder.messages.items():
        folder.messages[uid] = replace(message, lies_size=len(message.body) + by)


@pytest.mark.parametrize("lies", ["before", "since"])
@pytest.mark.parametrize("quick", [True, False])
def test_a_renamed_folder_is_known_on_a_server_whose_sizes_are_untrue(
    place: Place, server: MemoryServer, lies: str, *, quick: bool
) -> None:
    if not quick:
        server.capabilities -= {"QRESYNC"}
    if lies == "before":
        untrue(server.folders["Work"])
    place.sync()
    moved = place.file(5, "Work")
    moved.rename(place.mail / "INBOX/cur" / moved.name)
    folder = rename(server)
    untrue(folder)
    folder.add(mail(50))
    report = place.sync()
    assert (report.ok, report.fetched) == (True, 1)
    assert place.bodies("Archive", "2026") == [mail(n) for n in (0, 1, 2, 3, 50)]
    assert not (place.mail / "Work").exists()
    assert place.sync().fetched == 0


@pytest.mark.parametrize("other", [b"Message-ID: <other@x>\r\n", b"", b"Message-ID: <1@x>\r\nMessage-ID: <1@x>\r\n"])
def test_another_folder_with_the_same_dates_is_not_taken_for_it(
    place: Place, server: MemoryServer, other: bytes
) -> None:
    for uid, message in server.folders["Work"].messages.items():
        server.folders["Work"].messages[uid] = replace(message, date=1.7e9)
    place.sync()
    folder = rename(server)
    folder.messages[2] = replace(folder.messages[2], body=other + b"Subject: of another folder\r\n\r\n.\r\n")
    report = place.sync()
    assert (report.ok, report.fetched) == (True, 5)
    assert place.bodies("Archive", "2026") == served(folder)
    assert place.bodies("Work") == [mail(number) for number in range(5)]


def test_nothing_but_dates_tells_of_no_renaming(place: Place, server: MemoryServer) -> None:
    work = server.folders["Work"]
    for uid, message in work.messages.items():
        work.messages[uid] = replace(message, body=b"Subject: no Message-ID\r\n\r\n%d\r\n" % uid)
    place.sync()
    untrue(rename(server))
    assert place.sync().fetched == 5


def test_a_mailbox_id_tells_what_dates_alone_do_not(place: Place, server: MemoryServer) -> None:
    work = server.folders["Work"]
    work.mailbox_id = "F1"
    for uid, message in work.messages.items():
        work.messages[uid] = replace(message, body=b"Subject: no Message-ID\r\n\r\n%d\r\n" % uid)
    place.sync()
    untrue(rename(server))
    assert place.sync().fetched == 0


@pytest.mark.parametrize("propagate_deletes", [False, True])
@pytest.mark.parametrize("mailbox_id", ["", "F1"])
def test_one_that_gets_new_uids_with_its_name_is_matched_again(
    place: Place, server: MemoryServer, mailbox_id: str, *, propagate_deletes: bool
) -> None:
    server.folders["Work"].mailbox_id = mailbox_id
    job = place.job(propagate_deletes=propagate_deletes)
    place.sync(job)
    moved = place.file(5, "Work")
    moved.rename(place.mail / "INBOX/cur" / moved.name)
    folder = rename(server)
    folder.uidvalidity, folder.uidnext = 78, 105
    folder.messages = {uid + 99: message for uid, message in folder.messages.items()}
    folder.add(mail(50))
    report = place.sync(job)
    assert (report.ok, report.fetched, report.removed) == (True, 1, 0)
    assert place.bodies("Archive", "2026") == [mail(n) for n in (0, 1, 2, 3, 50)]
    assert place.flags("Archive", "2026")[:3] == [{"\\Seen"}, {"Label"}, set()]
    assert not (place.mail / "Work").exists()
    assert place.sync(job).fetched == 0
    place.state.unlink()
    assert place.sync(job).fetched == 0, "what lies elsewhere has its new name, too"


@pytest.mark.parametrize(("kept", "fetched"), [(5, 1), (4, 1), (3, 4)])
def test_most_of_its_messages_tell_one_that_gets_new_uids(
    place: Place, server: MemoryServer, kept: int, fetched: int
) -> None:
    place.sync()
    folder = rename(server)
    folder.uidvalidity = 78
    folder.messages = {uid - 5 + kept: folder.messages[uid] for uid in range(6 - kept, 6)}
    untrue(folder)
    folder.add(mail(50))
    folder.uidnext = 10
    report = place.sync()
    assert (report.ok, report.fetched) == (True, fetched)
    assert set(place.bodies("Archive", "2026")) >= set(served(folder))


def test_other_messages_under_the_same_dates_are_another_folder(place: Place, server: MemoryServer) -> None:
    place.sync()
    folder = rename(server)
    folder.uidvalidity = 78
    for uid, message in folder.messages.items():
        folder.messages[uid] = replace(message, body=mail(50 + uid))
    assert place.sync().fetched == 5
    assert place.bodies("Archive", "2026") == served(folder)
    assert len(place.bodies("Work")) == 5


@pytest.mark.parametrize(("old", "new"), [("F1", "F2")])
def test_another_mailbox_id_is_another_folder(place: Place, server: MemoryServer, old: str, new: str) -> None:
    server.folders["Work"].mailbox_id = old
    place.sync()
    rename(server).mailbox_id = new
    assert place.sync().fetched == 5


def test_a_copy_beside_it_is_no_renaming(place: Place, server: MemoryServer) -> None:
    place.sync()
    folder = rename(server)
    server.folders["Twin"] = MemoryFolder(77, dict(folder.messages), folder.uidnext)
    assert place.sync().fetched == 10


def test_a_dry_run_shows_it(place: Place, server: MemoryServer) -> None:
    place.sync()
    rename(server)
    before = sorted(place.folder.rglob("*"))
    report = place.sync(replace(place.job(), dry_run=True))
    assert [(step.folder, step.action, step.uids) for step in report.steps] == [
        ("Archive/2026", "rename_folder", (1, 2, 3, 4, 5))
    ]
    assert sorted(place.folder.rglob("*")) == before


@pytest.mark.parametrize("error", [RefusedError("NO not now", code="refused"), ProtocolError("what is this")])
@pytest.mark.parametrize("at", ["select", "scan"])
def test_one_that_can_not_be_looked_into_concerns_itself_alone(
    place: Place, server: MemoryServer, error: MailctlError, at: str
) -> None:
    place.sync()
    folder = rename(server)
    folder.add(mail(50))
    server.folders["Other"] = MemoryFolder(uidvalidity=5)
    server.folders["Other"].add(mail(7))
    server.folders["INBOX"].add(mail(101))
    looked: list[str] = []

    def refuse(command: str) -> None:
        looked.append(command)
        if command == at and server.commands[-1][1] in ("Archive/2026", [1, 2, 3, 4, 5]):
            raise error

    server.before = refuse
    report = place.sync()
    assert at in looked
    assert not report.ok
    assert {folder.name: folder.ok for folder in report.folders} == {
        "INBOX": True,
        "Other": True,
        "Archive/2026": False,
    }
    assert report.fetched == 2
    assert len(place.bodies("Work")) == 5, "nothing was moved"
    server.before = lambda command: None
    report = place.sync()
    assert (report.ok, report.fetched) == (True, 1), "found again, and not fetched again"
    assert place.bodies("Archive", "2026") == served(folder)


@pytest.mark.parametrize("how", ["before", "after"])
def test_G2_killed_at_every_file_call(how: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    for at in range(1, 100):
        server = made()
        place = Place(tmp_path_factory.mktemp("killed"), server)
        place.sync()
        folder = rename(server)
        files = StrikingFiles(at, how)
        place.files = files
        with suppress(Killed):
            place.sync()
        if not files.struck:
            break
        place.files = Files()
        report = place.sync()
        assert (report.ok, report.fetched) == (True, 0), files.struck
        assert place.bodies("Archive", "2026") == served(folder)
        assert [*place.mail.glob("Work/*/*"), *place.litter()] == []
        assert place.flags("Archive", "2026")[1] == {"Label"}
        assert place.sync().fetched == 0
    assert at > 10


def test_one_message_that_went_elsewhere_does_not_take_an_archive_along(tmp_path: Path) -> None:
    server = MemoryServer({"INBOX": MemoryFolder(), "Old": MemoryFolder(uidvalidity=10)}, QUICK)
    for number in range(10):
        server.folders["Old"].add(mail(number), date=1_600_000_000.0 + number)
    place = Place(tmp_path, server)
    place.sync()
    for uid in range(1, 10):
        del server.folders["Old"].messages[uid]
    place.sync()
    del server.folders["Old"]
    server.folders["Fresh"] = MemoryFolder(uidvalidity=99)
    server.folders["Fresh"].add(mail(9), date=1_600_000_009.0)
    report = place.sync()
    assert (report.ok, report.fetched, report.notes) == (True, 1, ())
    assert (len(place.bodies("Old")), len(place.bodies("Fresh"))) == (10, 1)


def test_too_many_folders_to_compare_are_new_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = MemoryServer({"INBOX": MemoryFolder()}, QUICK)
    for number in range(4):
        folder = server.folders[f"F{number}"] = MemoryFolder(uidvalidity=10 + number)
        folder.add(*(mail(10 * number + each) for each in range(3)), date=1_600_000_000.0 + number)
    place = Place(tmp_path, server)
    place.sync()
    for number in range(4):
        folder = server.folders.pop(f"F{number}")
        folder.uidvalidity = 50 + number
        server.folders[f"Moved/F{number}"] = folder
    monkeypatch.setattr(same, "MOST_PAIRS", 15)
    server.commands.clear()
    report = place.sync()
    assert (report.ok, report.fetched) == (True, 12)
    assert "headers" not in {command for command, _ in server.commands}
