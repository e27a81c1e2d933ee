"""`sync --verify` against servers in memory: every difference is found, and nothing is changed by looking."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from mailctl.domain.gateway import Mode
from mailctl.domain.server import Protocol
from mailctl.errors import ExitCode, NetworkError
from mailctl.sync.job import Task
from mailctl.sync.local.lock import Lock
from mailctl.sync.verify.differences import Kind, Outlook, Verified
from tests.doubles.imap import MemoryFolder, MemoryServer
from tests.doubles.pop3 import MemoryDrop
from tests.doubles.syncs import Place

WANTED, NEXT, STAYS = Outlook.WANTED, Outlook.NEXT_SYNC, Outlook.STAYS


def mail(number: int, more: str = "x" * 100) -> bytes:
    return f"Message-ID: <{number}@x>\r\nSubject: {number}\r\n\r\n{more}\r\n".encode()


@pytest.fixture
def inbox() -> MemoryFolder:
    made = MemoryFolder()
    made.add(*(mail(n) for n in range(1, 6)), flags=["\\Seen"])
    return made


@pytest.fixture
def place(tmp_path: Path, inbox: MemoryFolder) -> Place:
    return Place(tmp_path, MemoryServer({"INBOX": inbox, "Sent": MemoryFolder()}))


def verify(place: Place, *, content: bool = False, **inbound: object) -> Verified:
    before = snapshot(place.folder)
    report = place.sync(replace(place.job(**inbound), dry_run=True, task=Task.VERIFY, content=content))
    assert report.verified is not None
    assert report.ok is not bool(report.verified.staying), report.error
    assert snapshot(place.folder) == before, "verifying changes nothing"
    return report.verified


def told(found: Verified) -> list[tuple[Kind, Outlook, int]]:
    return [(each.kind, each.outlook, each.uid) for each in found.differences]


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".lock"]
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_mode, path.read_bytes()) for path in files}


def test_nothing_differs_after_a_sync(place: Place) -> None:
    place.sync()
    found = verify(place, content=True)
    assert told(found) == []
    assert [(f.name, f.there, f.here, f.same) for f in found.folders] == [("INBOX", 5, 5, 5), ("Sent", 0, 0, 0)]


def test_before_the_first_sync_all_is_missing(place: Place) -> None:
    found = verify(place)
    assert told(found) == [(Kind.MISSING_HERE, NEXT, uid) for uid in range(1, 6)]
    assert not place.mail.exists()
    assert not place.state.exists()


def test_what_the_settings_leave_out_is_wanted(place: Place, inbox: MemoryFolder) -> None:
    place.sync()
    inbox.add(mail(9, "x" * 5000))
    inbox.add(mail(10), date=1_000_000_000.0)
    job = replace(place.job(max_size=1000), dry_run=True, task=Task.VERIFY, since="2020-01-01")
    found = place.sync(job).verified
    assert found is not None
    assert told(found) == [(Kind.MISSING_HERE, WANTED, 6), (Kind.MISSING_HERE, WANTED, 7)]
    assert [each.detail for each in found.differences] == ["too large: 5.0 kB (max_size)", "too old (since)"]


def test_what_was_deleted_or_moved_here_and_there(place: Place, inbox: MemoryFolder) -> None:
    place.sync()
    place.file(1).unlink()
    place.file(2).rename(place.mail / "Sent/cur" / place.file(2).name)
    del inbox.messages[3]
    found = verify(place)
    assert sorted(told(found)) == [
        (Kind.MISSING_HERE, WANTED, 1),
        (Kind.MISSING_THERE, WANTED, 3),
        (Kind.MOVED, WANTED, 2),
    ]
    assert (Kind.MISSING_HERE, NEXT, 1) in told(verify(place, propagate_deletes=True))


def test_flags_changed_there_are_mended_and_those_changed_here_wanted(place: Place, inbox: MemoryFolder) -> None:
    place.sync()
    inbox.flag(1, ["\\Seen", "\\Flagged"])
    file = place.file(2)
    file.rename(file.with_name(file.name + "T"))
    assert told(verify(place)) == [(Kind.FLAGS, NEXT, 1), (Kind.FLAGS, WANTED, 2)]


def rewritten(file: Path, data: bytes) -> None:
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    file.write_bytes(data)
    os.utime(file, ns=times)


def test_what_no_sync_mends_stays(place: Place) -> None:
    place.sync()
    rewritten(place.file(1), place.file(1).read_bytes()[:-20])
    rewritten(place.file(2), place.file(2).read_bytes().replace(b"<2@x>", b"<7@x>"))
    os.utime(place.file(3), (1_700_000_005, 1_700_000_005))
    rewritten(place.file(4), place.file(4).read_bytes().replace(b"xx", b"yy"))
    assert sorted(told(verify(place))) == [(Kind.DATE, STAYS, 3), (Kind.HEADER, STAYS, 2), (Kind.SIZE, STAYS, 1)]
    found = verify(place, content=True)
    assert (Kind.CONTENT, STAYS, 4) in told(found)
    assert found.staying == 4
    assert found.folders[0].same == 1


def test_a_server_that_counts_wrongly_is_told_from_a_damaged_file(place: Place, inbox: MemoryFolder) -> None:
    inbox.messages[1] = replace(inbox.messages[1], lies_size=99)
    place.sync()
    assert told(verify(place)) == [(Kind.SIZE, WANTED, 1)]


def test_doubled_files_litter_and_what_is_no_mail(place: Place) -> None:
    place.sync()
    first = place.file(1)
    (place.mail / "INBOX/new" / first.name.partition(":")[0]).write_bytes(first.read_bytes())
    (place.mail / "Sent/cur" / place.file(3).name).write_bytes(b"other")
    (place.mail / "INBOX/tmp" / f"part.1_{'0' * 12}.mailctl").write_bytes(b"half")
    (place.mail / "INBOX/cur/1700000000.M1P1.host:2,S").write_bytes(b"foreign")
    place.file(5).unlink()
    (place.mail / "INBOX/cur" / f"1000.0000000005_{first.name[16:28]}.mailctl:2,").symlink_to("/etc/passwd")
    kinds = sorted((each.kind, each.outlook) for each in verify(place).differences)
    assert kinds == [
        (Kind.DOUBLED, STAYS),
        (Kind.DOUBLED, WANTED),
        (Kind.FOREIGN, WANTED),
        (Kind.LITTER, NEXT),
        (Kind.MISSING_HERE, WANTED),
        (Kind.UNREADABLE, STAYS),
    ]


def test_in_mirror_mode_what_is_no_message_is_not_said_to_be_sent(place: Place) -> None:
    place.sync()
    cur = place.mail / "INBOX/cur"
    (cur / "1700000000.M1P1.host:2,S").write_bytes(b"Subject: x\n\n")
    (cur / "1700000000.M2P1.host:2,S").write_bytes(b"")
    (cur / "link").symlink_to("/etc/passwd")
    os.mkfifo(cur / "fifo:2,S")
    (cur / "1700000000.M3P1.host:2,S").write_bytes(b"Subject: x\n\nnul\0here\n")
    (cur / "1700000000.M4P1.host:2,S").write_bytes(b"Subject: x\n\n" + b"x" * 5000)
    server = place.connector
    assert isinstance(server, MemoryServer)
    server.capabilities |= {"APPENDLIMIT=4000"}
    found = verify(place, mode=Mode.MIRROR).differences
    assert [(each.file, each.outlook) for each in found] == [
        ("INBOX/cur/1700000000.M1P1.host:2,S", NEXT),
        ("INBOX/cur/1700000000.M2P1.host:2,S", STAYS),
        ("INBOX/cur/1700000000.M3P1.host:2,S", STAYS),
        ("INBOX/cur/1700000000.M4P1.host:2,S", STAYS),
        ("INBOX/cur/fifo:2,S", STAYS),
        ("INBOX/cur/link", STAYS),
    ]
    assert ["NUL" in each.detail for each in found].index(True) == 2
    report = place.sync(mode=Mode.MIRROR)
    assert (report.ok, report.uploaded) == (True, 1)


def test_a_folder_in_tmp_is_no_litter_that_the_next_sync_removes(place: Place) -> None:
    place.sync()
    (place.mail / "INBOX/tmp" / f"part.1_{'0' * 12}.mailctl").mkdir()
    os.utime(place.mail / "INBOX/tmp" / f"part.1_{'0' * 12}.mailctl", (0, 0))
    assert verify(place).differences == ()
    place.sync()


def test_a_folder_that_was_misspelt_is_not_all_well(place: Place) -> None:
    place.sync()
    report = place.sync(replace(place.job(), dry_run=True, task=Task.VERIFY, folders=("Inbx",)))
    assert report.error is not None
    assert (report.error.message, report.error.hint) == ("box has no folder like Inbx", "It has INBOX, Sent.")


def test_a_folder_that_is_gone_there_is_told(place: Place, inbox: MemoryFolder) -> None:
    server = place.connector
    assert isinstance(server, MemoryServer)
    server.folders["Old"] = MemoryFolder()
    server.folders["Old"].add(mail(1))
    place.sync()
    del server.folders["Old"]
    assert told(verify(place)) == [(Kind.FOLDER_MISSING_THERE, WANTED, 0)]


def test_a_uid_that_the_server_has_not_given_yet(place: Place, inbox: MemoryFolder) -> None:
    place.sync()
    del inbox.messages[5]
    inbox.uidnext = 5
    assert told(verify(place)) == [(Kind.MISSING_THERE, STAYS, 5)]


def test_pop3_as_far_as_it_goes(tmp_path: Path) -> None:
    drop = MemoryDrop([(f"{n}", mail(n)) for n in range(6)])
    place = Place(tmp_path, drop, Protocol.POP3)
    place.sync()
    assert told(verify(place, content=True)) == []

    def file(key: str) -> Path:
        return next(place.mail.glob(f"INBOX/*/pop3.{key}_*"))

    file("1").unlink()
    drop.messages.pop(0)
    drop.messages.append(("9", mail(9, "x" * 9000)))
    rewritten(file("2"), file("2").read_bytes()[:-9])
    rewritten(file("3"), file("3").read_bytes().replace(b"Subject: 3", b"Subject: 8"))
    rewritten(file("4"), file("4").read_bytes().replace(b"xx", b"yy"))
    assert sorted(told(verify(place, max_size=1000))) == [
        (Kind.CONTENT, STAYS, 2),
        (Kind.HEADER, STAYS, 3),
        (Kind.MISSING_HERE, WANTED, 1),
        (Kind.MISSING_HERE, WANTED, 6),
        (Kind.MISSING_THERE, WANTED, 0),
    ]
    assert (Kind.CONTENT, STAYS, 4) in told(verify(place, content=True))


def test_a_sync_at_work_is_waited_for_and_not_for_ever(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.sync()
    waited: list[float | None] = []
    monkeypatch.setattr(place.stop, "wait", waited.append)
    job = replace(place.job(), dry_run=True, task=Task.VERIFY)
    held = Lock(place.state.with_suffix(".lock"), "box", lambda: "process 9 on test")
    with held:
        report = place.sync(job)
        assert report.error is not None
        assert (report.error.code, len(waited)) == ("locked", 60)
        assert "process 9 on test" in report.error.message
    monkeypatch.setattr(place.stop, "wait", lambda seconds: held.__exit__())
    held.__enter__()
    report = place.sync(job)
    assert report.ok
    assert "process 9 on test" in report.notes[0]


def test_a_lost_connection_is_made_anew_while_verifying(place: Place) -> None:
    place.sync()
    server, count = place.connector, [0]
    assert isinstance(server, MemoryServer)

    def cut(command: str) -> None:
        count[0] += 1
        if count[0] == 4:
            raise NetworkError("the connection was lost", cause="connection_lost")

    server.before = cut
    assert told(verify(place)) == []
    assert server.connections >= 3


def test_a_folder_that_the_server_refuses_is_told_and_the_others_compared(place: Place) -> None:
    place.sync()
    server = place.connector
    assert isinstance(server, MemoryServer)
    server.folders["Odd"] = MemoryFolder()
    opened = server.folders["Odd"]

    def refuse(command: str) -> None:
        opened.gone = command == "select"

    server.before = refuse
    report = place.sync(replace(place.job(), dry_run=True, task=Task.VERIFY))
    assert report.error is not None
    assert report.error.exit_code is ExitCode.REFUSED
    assert report.verified is not None
    assert [folder.same for folder in report.verified.folders if folder.name == "INBOX"] == [5]
