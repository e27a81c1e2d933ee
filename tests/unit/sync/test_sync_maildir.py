"""Sync and what lies in the Maildir: other programs, links, litter, lost and damaged states."""

import errno
import fcntl
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from mailctl.domain.gateway import Mode
from mailctl.errors import ExitCode, StorageError
from mailctl.sync.job import Task
from mailctl.sync.local import maildir
from mailctl.sync.local.files import storing
from mailctl.sync.local.maildir import LocalFile
from mailctl.sync.local.root import Index, Root
from mailctl.sync.state import State
from tests.doubles.imap import MemoryFolder, MemoryServer
from tests.doubles.syncs import Place
from tests.unit.sync.mails import mail, served


def test_a_file_moved_by_a_mail_client_is_that_message_moved(
    place: Place, server: MemoryServer, inbox: MemoryFolder
) -> None:
    server.folders["Archive"] = MemoryFolder(uidvalidity=1000)
    place.sync()
    moved = place.file(2)
    moved.rename(place.mail / "Archive/cur" / f"{moved.name}:2,S")
    server.folders["Archive"].add(mail(50), mail(51))
    report = place.sync(propagate_deletes=True)
    assert (report.fetched, report.removed) == (2, 0), "the Archive's own UID 2 is another message"
    assert len(inbox.messages) == 5
    assert len(place.bodies("Archive")) == 3


def test_what_was_deleted_here_is_not_fetched_again(place: Place, inbox: MemoryFolder) -> None:
    place.sync()
    place.file(2).unlink()
    inbox.flag(2, ["\\Flagged"])
    assert place.sync().fetched == 0
    assert len(inbox.messages) == 5


@pytest.mark.parametrize("looks", [1, 2])
def test_a_file_missed_while_a_directory_is_read_is_not_taken_for_deleted(
    place: Place, inbox: MemoryFolder, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.sync()
    real, seen = maildir.scan_directory, 0

    def missing(descriptor: int, subdirectory: str, shown: str, odd: list[str] | None = None) -> Iterator[LocalFile]:
        nonlocal seen
        seen += subdirectory == "new"
        for file in real(descriptor, subdirectory, shown, odd):
            if seen > looks or file.name.uid != 2:
                yield file

    monkeypatch.setattr(maildir, "scan_directory", missing)
    report = place.sync(propagate_deletes=True)
    assert (report.ok, report.fetched, report.removed) == (True, 0, 0)
    assert len(inbox.messages) == 5


def test_a_message_is_verified_before_it_leaves_the_server(place: Place, inbox: MemoryFolder) -> None:
    place.sync()
    place.state.unlink()
    file = place.file(2)
    file.write_bytes(b"cut")
    report = place.sync(keep_on_server=False)
    assert report.removed == 4
    assert [(skipped.uid, skipped.code) for skipped in report.skipped] == [(2, "not_verified")]
    assert list(inbox.messages) == [2]


def test_more_keywords_than_letters(place: Place, inbox: MemoryFolder) -> None:
    inbox.flag(1, [f"k{n:02}" for n in range(28)])
    report = place.sync()
    assert report.ok
    assert any("k26, k27" in warning for warning in report.warnings)
    assert len(place.flags()[0]) == 26
    assert place.sync().flagged == 0


def test_G7_litter_goes_and_what_others_write_stays(place: Place) -> None:
    place.sync()
    tmp = place.mail / "INBOX/tmp"
    old = place.clock() - 37 * 3600
    names = ["part.5_0123456789ab.mailctl", "young.of.others", "old.of.others"]
    for name in names:
        (tmp / name).write_bytes(b"x")
        os.utime(tmp / name, (old if "old" in name else place.clock(),) * 2)
    assert place.sync().ok
    assert [path.name for path in tmp.iterdir()] == ["young.of.others"]


@pytest.mark.parametrize("mode", [Mode.ARCHIVE, Mode.MIRROR])
def test_folders_in_the_place_of_litter_are_left_alone(place: Place, inbox: MemoryFolder, mode: Mode) -> None:
    place.sync(mode=mode)
    there = ["tmp/part.5_0123456789ab.mailctl", "dovecot-keywords.part", ".mailctl-name.part", "more.part"]
    for name in there:
        (place.mail / "INBOX" / name).mkdir()
        (place.mail / "INBOX" / name / "kept").touch()
    (uid,) = inbox.add(mail(50))
    report = place.sync(mode=mode)
    assert (report.ok, report.fetched) == (True, 1)
    for task in (Task.VERIFY, Task.REPAIR):
        job = replace(place.job(mode=mode), task=task, dry_run=task is Task.VERIFY)
        assert place.sync(job).ok
    inbox.flag(uid, ["Label"])
    report = place.sync(mode=mode)
    assert report.error is not None
    assert "dovecot-keywords.part is in the way" in report.error.message
    assert all((place.mail / "INBOX" / name / "kept").exists() for name in there)
    (place.mail / "INBOX/dovecot-keywords.part/kept").unlink()
    (place.mail / "INBOX/dovecot-keywords.part").rmdir()
    assert place.sync(mode=mode).ok
    assert {"Label"} in place.flags()


@pytest.mark.parametrize("mode", [Mode.ARCHIVE, Mode.MIRROR])
@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("place_of", ["cur", "new"])
def test_two_files_of_one_message_lose_and_double_nothing(
    place: Place, inbox: MemoryFolder, mode: Mode, alike: bool, place_of: str
) -> None:
    place.sync(mode=mode)
    inbox.flag(1, ["\\Seen"])
    place.sync(mode=mode)
    file = place.file(1)
    stem = file.name.partition(":2,")[0]
    body = file.read_bytes() if alike else b"edited\n"
    second = place.mail / "INBOX" / place_of / (f"{stem}:2,FS" if place_of == "cur" else stem)
    second.write_bytes(body)
    place.state.unlink()  # all is looked at
    report = place.sync(mode=mode)
    assert (report.ok, report.fetched, report.removed) == (True, 0, 0)
    assert place_of == "new" or any("second file of the message" in text for text in report.warnings)
    assert {"\\Seen"} <= set(inbox.messages[1].flags), "no flag is taken back"
    for flags in (["\\Flagged", "\\Seen"], ["\\Seen"], ["\\Answered", "\\Seen"]):
        inbox.flag(1, flags)
        assert place.sync(mode=mode).ok
        assert len(inbox.messages) == 5
        assert body in [path.read_bytes() for path in place.mail.glob("INBOX/*/*") if stem in path.name]
        assert mail(0).replace(b"\r\n", b"\n") in [
            path.read_bytes() for path in place.mail.glob("INBOX/*/*") if stem in path.name
        ]


@pytest.mark.parametrize("where", ["INBOX", "INBOX/cur", "INBOX/tmp"])
def test_D5_a_folder_that_is_a_symbolic_link_is_refused(place: Place, tmp_path: Path, where: str) -> None:
    place.sync()
    away = tmp_path / "away"
    (place.mail / where).rename(away)
    (place.mail / where).symlink_to(away)
    place.state.unlink()
    report = place.sync()
    assert report.error is not None
    assert report.error.exit_code is ExitCode.STORAGE
    assert "INBOX" in report.error.message
    assert report.fetched == 0


def test_D5_a_folder_that_is_a_symbolic_link_stops_no_other(place: Place, server: MemoryServer, tmp_path: Path) -> None:
    place.sync()
    (place.mail / "INBOX").rename(tmp_path / "away")
    (place.mail / "INBOX").symlink_to(tmp_path / "away")
    server.folders["Later"] = MemoryFolder()
    server.folders["Later"].add(mail(9))
    report = place.sync()
    assert (report.ok, report.fetched) == (False, 1)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_no_message(place: Place, inbox: MemoryFolder, make: Callable[[Path], None]) -> None:
    place.sync()
    file = place.file(1)
    file.unlink()
    make(file)
    report = place.sync(keep_on_server=False)
    assert (report.ok, report.removed, list(inbox.messages)) == (True, 4, [1])


def test_D5_a_message_that_is_a_symbolic_link_is_refused(place: Place, tmp_path: Path) -> None:
    place.sync()
    file = place.file(1)
    file.unlink()
    file.symlink_to("/etc/passwd")
    report = place.sync()
    assert report.error is not None
    assert report.error.code == "symbolic_link"


def test_D6_all_is_private(place: Place) -> None:
    old = os.umask(0)
    try:
        place.sync()
    finally:
        os.umask(old)
    for path in [place.mail, *place.mail.rglob("*"), *place.state.parent.iterdir()]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_another_accounts_maildir_is_left_alone(place: Place) -> None:
    place.sync()
    place.state.unlink()
    job = place.job()
    report = place.sync(replace(job, gateway=replace(job.gateway, email="other@mail.test")))
    assert report.error is not None
    assert report.error.code == "maildir_of_another"


def test_an_address_that_changes_refetches_nothing(place: Place) -> None:
    place.sync()
    job = place.job()
    assert place.sync(replace(job, gateway=replace(job.gateway, email="new@mail.test"))).fetched == 0


def test_a_vanished_folder_is_not_made_good_in_silence(place: Place, server: MemoryServer) -> None:
    server.folders["B"] = MemoryFolder()
    server.folders["B"].add(mail(1), mail(2))
    place.sync()
    place.file(1, "B").rename(place.mail / "INBOX/cur" / f"{place.file(1, 'B').name}:2,S")
    (place.mail / "B").rename(place.mail.parent / "away")
    report = place.sync()
    assert report.error is not None
    assert report.error.code == "maildir_vanished"
    assert place.sync(replace(place.job(), start_afresh=True)).fetched == 1


def test_G11_an_older_state_doubles_nothing(place: Place, inbox: MemoryFolder) -> None:
    place.sync()
    old = place.state.read_bytes()
    inbox.add(mail(8))
    inbox.flag(1, ["\\Seen"])
    place.sync()
    place.state.write_bytes(old)
    assert place.sync().fetched == 0
    assert place.bodies() == served(inbox)
    assert place.flags() == [message.flags for _, message in sorted(inbox.messages.items())]


@pytest.mark.parametrize("version", [0, 999])
def test_G11_a_state_of_another_version_is_set_aside(place: Place, version: int) -> None:
    place.sync()
    with State(place.state) as state:
        state._db.execute(f"PRAGMA user_version = {version}")
    report = place.sync()
    assert (report.ok, report.fetched) == (True, 0)
    assert place.state.with_name("box.db.bad").exists()
    assert any("made anew" in warning for warning in report.warnings)


@pytest.mark.parametrize("seed", range(4))
def test_G11_a_damaged_octet_of_the_state_never_stops_a_sync(place: Place, inbox: MemoryFolder, seed: int) -> None:
    inbox.flag(1, ["\\Seen", "$Label"])
    place.sync()
    good, bodies, chance = place.state.read_bytes(), place.bodies(), random.Random(seed)
    held = [offset for offset, octet in enumerate(good) if octet]
    for _ in range(20):
        damaged = bytearray(good)
        damaged[chance.choice(held)] = chance.randrange(256)
        place.state.with_name("box.db-wal").unlink(missing_ok=True)
        place.state.write_bytes(damaged)
        report = place.sync(propagate_deletes=True)
        assert (report.ok, report.fetched, report.removed, place.bodies()) == (True, 0, 0, bodies), report


def test_a_file_moved_while_the_maildir_is_read_is_not_taken_for_deleted(
    place: Place, server: MemoryServer, inbox: MemoryFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a mail client may move it: from a folder that was not read yet to one that was; seen in neither."""
    server.folders["A"] = MemoryFolder()
    place.sync()
    file = place.file(2)
    file.rename(place.mail / "A/cur" / f"{file.name}:2,")
    real, looks = Root.index, 0

    def missing(root: Root) -> Index:
        nonlocal looks
        looks += 1
        found = real(root)
        if looks == 1:
            for entries in found.by_folder.values():
                entries[:] = [(path, message) for path, message in entries if message.name.uid != 2]
        return found

    monkeypatch.setattr(Root, "index", missing)
    report = place.sync(propagate_deletes=True)
    assert (report.ok, report.removed, looks) == (True, 0, 2)
    assert len(inbox.messages) == 5


def test_G9_two_gateways_with_one_maildir_are_synced_one_after_the_other(place: Place) -> None:
    place.sync()
    other = replace(place.job(), state=str(place.state.with_name("other.db")))
    held = os.open(place.mail, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        report = place.sync(other)
        assert report.error is not None
        assert (report.error.code, report.error.exit_code) == ("locked", ExitCode.STORAGE)
        assert place.sync(replace(other, dry_run=True)).ok
    finally:
        os.close(held)
    assert place.sync(other).ok


def test_a_name_that_the_locale_can_not_spell_is_told() -> None:
    with pytest.raises(StorageError, match="locale") as caught, storing("sync box"):
        "été".encode("ascii")
    assert "LC_ALL" in caught.value.hint


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_D5_what_stands_where_a_message_was_is_no_deletion(
    place: Place, server: MemoryServer, make: Callable[[Path], None]
) -> None:
    assert place.sync(propagate_deletes=True).ok
    before = set(server.folders["INBOX"].messages)
    file = place.file(1)
    file.unlink()
    make(file)
    place.file(2).unlink()
    assert place.sync(propagate_deletes=True).removed == 1
    assert set(server.folders["INBOX"].messages) == before - {2}


@pytest.mark.parametrize("mode", list(Mode))
def test_a_directory_in_tmp_holds_nothing_up(place: Place, server: MemoryServer, mode: Mode) -> None:
    place.sync(mode=mode)
    odd = place.mail / "INBOX" / "tmp" / "odd"
    odd.mkdir()
    os.utime(odd, (1, 1))
    server.folders["INBOX"].add(mail(9))
    report = place.sync(mode=mode)
    assert (report.ok, report.fetched) == (True, 1)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("how", ["link", "directory", "pipe"])
def test_D5_keywords_that_are_no_file_concern_their_folder_alone(
    place: Place, server: MemoryServer, mode: Mode, how: str
) -> None:
    place.sync(mode=mode)
    file = place.mail / "INBOX" / "dovecot-keywords"
    file.unlink(missing_ok=True)
    if how == "link":
        file.symlink_to("/etc/passwd")
    else:
        (file.mkdir if how == "directory" else partial(os.mkfifo, file))()
    held = dict(server.folders["INBOX"].messages)
    server.folders["INBOX"].add(mail(9), flags=["keyword"])
    server.folders["Later"] = MemoryFolder()
    server.folders["Later"].add(mail(10))
    report = place.sync(mode=mode)
    assert (report.ok, report.fetched) == (False, 1)
    assert report.error is not None
    assert "dovecot-keywords" in report.error.message
    assert held.keys() <= server.folders["INBOX"].messages.keys()


def test_a_read_only_file_system_is_called_so() -> None:
    with pytest.raises(StorageError, match="Read-only file system") as caught, storing("write a file"):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    assert "mounted read-only" in caught.value.hint
