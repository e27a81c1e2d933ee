"""`sync --repair` against servers in memory: the state is made anew, the Maildir mended, and nothing is lost."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mailctl.domain.gateway import Mode
from mailctl.domain.server import Protocol
from mailctl.errors import ExitCode
from mailctl.sync.job import Task
from mailctl.sync.local.files import Files
from mailctl.sync.report import SyncReport
from mailctl.sync.verify.differences import Kind, Outlook
from tests.doubles.imap import MemoryFolder, MemoryServer
from tests.doubles.pop3 import MemoryDrop
from tests.doubles.syncs import Place


def mail(number: int) -> bytes:
    return f"Message-ID: <{number}@x>\r\nSubject: {number}\r\n\r\n{'x' * 100}\r\n".encode()


@pytest.fixture
def inbox() -> MemoryFolder:
    made = MemoryFolder()
    made.add(*(mail(n) for n in range(1, 6)), flags=["\\Seen"])
    return made


@pytest.fixture
def place(tmp_path: Path, inbox: MemoryFolder) -> Place:
    made = Place(tmp_path, MemoryServer({"INBOX": inbox, "Sent": MemoryFolder()}))
    made.sync()
    return made


def repair(place: Place, *, dry_run: bool = False, ok: bool = True, **inbound: object) -> SyncReport:
    report = place.sync(replace(place.job(**inbound), task=Task.REPAIR, dry_run=dry_run))
    assert report.ok is ok, report.error
    return report


def verified(place: Place) -> list[tuple[str, int]]:
    report = place.sync(replace(place.job(), task=Task.VERIFY, dry_run=True, content=True))
    assert report.verified is not None
    return [(each.kind.value, each.uid) for each in report.verified.differences]


def actions(report: SyncReport) -> list[str]:
    assert report.repaired is not None
    return sorted(each.action for each in report.repaired.mended)


def files(place: Place) -> list[str]:
    return sorted(str(path.relative_to(place.mail)) for path in place.mail.rglob("*") if path.is_file())


def test_a_sound_maildir_gets_a_new_state_and_nothing_else(place: Place) -> None:
    before = files(place)
    done = repair(place).repaired
    assert done is not None
    assert (done.mended, done.adopted, done.flagged, done.left) == ((), 5, 0, 0)
    assert done.old_state == f"{place.state}.old"
    assert Path(done.old_state).exists()
    assert files(place) == before
    again = place.sync()
    assert (again.fetched, again.flagged) == (0, 0)


def test_a_folder_that_was_emptied_is_not_fetched_again(tmp_path: Path, inbox: MemoryFolder) -> None:
    capabilities = frozenset({"IMAP4REV1", "CONDSTORE", "ENABLE", "QRESYNC"})
    place = Place(tmp_path, MemoryServer({"INBOX": inbox, "Sent": inbox}, capabilities))
    place.sync()
    for file in (place.mail / "INBOX").rglob("*.mailctl*"):
        file.unlink()
    report = repair(place)
    assert report.repaired is not None
    assert (report.fetched, report.repaired.adopted, report.repaired.left) == (0, 5, 5)
    assert place.sync().fetched == 5


def test_flags_are_united_and_nothing_is_fetched_or_removed_there(place: Place, inbox: MemoryFolder) -> None:
    inbox.flag(1, ["\\Flagged"])
    file = place.file(2)
    file.rename(file.with_name(file.name + "T"))
    inbox.add(mail(9))
    done = repair(place, keep_on_server=False, mark_seen=True, propagate_deletes=True).repaired
    assert done is not None
    assert (done.adopted, done.flagged, done.left) == (5, 1, 1)
    assert place.flags()[:2] == [{"\\Seen", "\\Flagged"}, {"\\Seen", "\\Deleted"}]
    assert len(inbox.messages) == 6
    assert place.sync().fetched == 1


def test_damaged_state_is_kept(place: Place) -> None:
    place.state.write_bytes(b"no database at all")
    done = repair(place).repaired
    assert done is not None
    assert (done.adopted, done.old_state) == (5, f"{place.state}.bad")
    assert Path(done.old_state).read_bytes() == b"no database at all"


def test_copies_of_a_message_become_one_with_the_flags_of_all(place: Place) -> None:
    first, second = place.file(1), place.file(2)
    shutil.copy2(first, place.mail / "INBOX/new" / first.name.partition(":")[0])
    shutil.copy2(first, place.mail / "INBOX/cur" / (first.name.partition(":")[0] + ":2,FR"))
    copy = place.mail / "Sent/cur" / (second.name.partition(":")[0] + ":2,T")
    shutil.copy2(second, copy)
    report = repair(place)
    assert actions(report) == ["remove_copy"] * 2
    assert place.file(1).name.endswith(":2,FRS")
    assert place.file(1).parent.name == "cur"
    assert copy.exists(), "somebody made it"
    assert place.file(2) == second, "and what it was made of stays the message that the server has"
    assert report.repaired is not None
    assert repair(place).repaired == replace(report.repaired, mended=())
    assert place.sync().fetched == 0


@pytest.mark.parametrize("mode", [Mode.ARCHIVE, Mode.MIRROR])
def test_a_copy_in_another_folder_is_somebodys_own(place: Place, inbox: MemoryFolder, mode: Mode) -> None:
    server = place.connector
    assert isinstance(server, MemoryServer)
    place.sync(mode=mode)
    second = place.file(2)
    copy = place.mail / "Sent/cur" / (second.name.partition(":")[0] + ":2,F")
    shutil.copy2(second, copy)
    job = replace(place.job(mode=mode), task=Task.VERIFY, dry_run=True)
    found = place.sync(job).verified
    assert found is not None
    assert [(each.kind, each.outlook) for each in found.differences if each.kind is Kind.DOUBLED] == [
        (Kind.DOUBLED, Outlook.WANTED if mode is Mode.ARCHIVE else Outlook.NEXT_SYNC)
    ]
    assert [each.uid for each in found.differences if each.kind is Kind.DOUBLED] == [0], "the UID is the INBOX's"
    os.utime(second, (1, 1))
    assert actions(repair(place, mode=mode)) == ["date"]
    assert place.sync(mode=mode).ok
    assert place.file(2) == second
    assert len(inbox.messages) == 5
    assert len(place.bodies("Sent")) == 1 + len(server.folders["Sent"].messages) * (mode is Mode.ARCHIVE)
    if mode is Mode.MIRROR:
        assert len(server.folders["Sent"].messages) == 1, "copied there too"
    inbox.flag(2, ["\\Answered"])
    assert place.sync(mode=mode).flagged == 1
    assert "R" in place.file(2).name.partition(":2,")[2]


def test_files_called_alike_that_differ_are_all_kept(place: Place) -> None:
    other = place.mail / "INBOX/new" / place.file(1).name.partition(":")[0]
    other.write_bytes(b"something else")
    assert actions(repair(place)) == ["keep_copies"]
    assert other.read_bytes() == b"something else"
    assert len(files(place)) == 1 + 5 + 1


def test_litter_directories_and_modes_are_mended(place: Place) -> None:
    (place.mail / "INBOX/tmp" / f"part.1_{'0' * 12}.mailctl").write_bytes(b"half")
    (place.mail / "INBOX/tmp/1800000000.M1.host").write_bytes(b"being delivered")
    os.utime(place.mail / "INBOX/tmp/1800000000.M1.host", (1_800_000_000, 1_800_000_000))
    (place.mail / "Sent/new").rmdir()
    (place.mail / "INBOX/cur").chmod(0o577)
    report = repair(place)
    assert actions(report) == ["make_folder", "mode", "remove_litter"]
    assert (place.mail / "INBOX/cur").stat().st_mode & 0o777 == 0o775
    assert (place.mail / "Sent/new").is_dir()
    assert [path.name for path in (place.mail / "INBOX/tmp").iterdir()] == ["1800000000.M1.host"]
    assert verified(place) == []


def test_dates_are_mended(place: Place) -> None:
    os.utime(place.file(2), (1, 1))
    assert actions(repair(place, dry_run=True)) == ["date"]
    assert actions(repair(place)) == ["date"]
    assert place.file(2).stat().st_mtime == 1_700_000_000
    assert verified(place) == []


def test_a_dry_run_tells_the_same_and_does_nothing(place: Place, inbox: MemoryFolder) -> None:
    first = place.file(1)
    shutil.copy2(first, place.mail / "INBOX/new" / first.name.partition(":")[0])
    (place.mail / "INBOX/tmp" / f"part.1_{'0' * 12}.mailctl").write_bytes(b"half")
    (place.mail / "INBOX/cur").chmod(0o777)
    inbox.flag(3, ["\\Flagged"])
    before, state = files(place), place.state.read_bytes()
    planned = repair(place, dry_run=True)
    assert [step.action for step in planned.steps] == ["flag"]
    assert (files(place), place.state.read_bytes()) == (before, state)
    assert actions(planned) == actions(repair(place)) == ["mode", "remove_copy", "remove_litter"]


def test_a_vanished_maildir_is_not_taken_for_an_empty_one(place: Place) -> None:
    place.mail.rename(place.folder / "away")
    report = repair(place, ok=False)
    assert report.error is not None
    assert (report.error.code, report.error.exit_code) == ("maildir_vanished", ExitCode.SAFETY)
    (place.folder / "away").rename(place.mail)
    assert place.sync().fetched == 0


class Dies(BaseException):
    """The process is killed."""


class Mortal(Files):
    """Dies at the n-th change."""

    def __init__(self, life: int) -> None:
        self.life = life

    def perform(self, kind, function, *args, **kwargs):  # type: ignore[no-untyped-def]  # as Files
        self.life -= 1
        if self.life < 0:
            raise Dies
        return function(*args, **kwargs)


def test_G1_a_repair_that_dies_anywhere_is_simply_repeated(place: Place, inbox: MemoryFolder) -> None:
    first = place.file(1)
    shutil.copy2(first, place.mail / "INBOX/new" / first.name.partition(":")[0])
    shutil.copy2(first, place.mail / "INBOX/cur" / (first.name.partition(":")[0] + ":2,F"))
    (place.mail / "INBOX/tmp" / f"part.1_{'0' * 12}.mailctl").write_bytes(b"half")
    inbox.flag(4, ["\\Answered"])
    bodies = {mail(n) for n in range(1, 6)}
    for life in range(40):
        place.files = Mortal(life)
        try:
            report = repair(place)
        except Dies:
            assert set(place.bodies()) == bodies
            continue
        break
    else:
        pytest.fail("it never ended")
    assert life > 3
    assert report.repaired is not None
    assert sorted(place.bodies()) == sorted(bodies)
    assert place.flags()[0] == {"\\Seen", "\\Flagged"}
    assert place.flags()[3] == {"\\Seen", "\\Answered"}
    assert place.litter() == []
    place.files = Files()
    assert place.sync().fetched == 0
    assert {kind for kind, _ in verified(place)} == {"flags"}, "what was flagged here stays so"


def test_pop3(tmp_path: Path) -> None:
    drop = MemoryDrop([(f"{n}", mail(n)) for n in range(6)])
    place = Place(tmp_path, drop, Protocol.POP3)
    place.sync(max_per_run=5)
    first = next(place.mail.glob("INBOX/new/*"))
    shutil.copy2(first, place.mail / "INBOX/cur" / (first.name + ":2,S"))
    report = repair(place)
    assert report.repaired is not None
    assert (report.repaired.adopted, report.repaired.left) == (5, 1)
    assert actions(report) == ["remove_copy"]
    assert place.sync().fetched == 1
    assert len(drop.messages) == 6
