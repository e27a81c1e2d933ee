"""A Maildir, or a state, that was brought back from a backup: what is missing in it was not deleted."""

import os
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from mailctl.domain.gateway import Mode
from tests.doubles.imap import MemoryFolder, MemoryServer
from tests.doubles.syncs import Place
from tests.unit.sync.mirror.test_mirror_moved import CAPABILITIES, go, held, mail, quiet


@pytest.fixture(params=CAPABILITIES, ids=["quick", "plain", "blind"])
def server(request: pytest.FixtureRequest) -> MemoryServer:
    made = MemoryServer({"INBOX": MemoryFolder(), "Lists": MemoryFolder(uidvalidity=2)}, frozenset(request.param))
    made.folders["INBOX"].add(mail(1), mail(2))
    return made


def bodies(place: Place, folder: str) -> list[bytes]:
    """What lies here."""
    files = (path for path in (place.mail / folder).rglob("*.mailctl*") if path.parent.name in ("cur", "new"))
    return sorted(path.read_bytes().replace(b"\n", b"\r\n") for path in files)


def there(server: MemoryServer, folder: str) -> list[bytes]:
    return sorted(body for body, _ in held(server)[folder])


def copy(source: Path, target: Path) -> None:
    """With all times, as a backup keeps them."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


def test_an_older_maildir_loses_nothing_there_and_keeps_what_it_has(tmp_path: Path, server: MemoryServer) -> None:
    place = Place(tmp_path / "place", server)
    go(place)
    assert quiet(place)
    copy(place.mail, tmp_path / "backup")
    server.folders["INBOX"].add(mail(4))
    server.folders["Lists"].add(mail(5))
    go(place)
    del server.folders["INBOX"].messages[1]
    go(place)
    assert bodies(place, "INBOX") == [mail(2), mail(4)]
    copy(tmp_path / "backup", place.mail)
    report = go(place)
    assert any("backup" in warning for warning in report.warnings)
    assert report.removed == 0
    assert there(server, "INBOX") == bodies(place, "INBOX") == [mail(1), mail(2), mail(4)]
    assert there(server, "Lists") == bodies(place, "Lists") == [mail(5)]
    assert quiet(place)
    assert not go(place).warnings


def test_what_a_killed_run_left_of_the_count_goes_though_nothing_changed_since(
    tmp_path: Path, server: MemoryServer
) -> None:
    place = Place(tmp_path / "place", server)
    go(place)
    part = place.mail / ".mailctl.part"
    part.write_bytes(b"me@ma")
    assert go(place).ok
    assert place.litter() == []
    part.mkdir()
    assert go(place).ok, "a folder of that name is somebody's, and in nobody's way until the next change"
    assert part.is_dir()


EVERYTHING = sorted(mail(number) for number in (1, 2, 10, 11, 12, 30, 31))
"""All that the INBOX of `restored` ever had."""


def back_up(place: Place, folder: Path) -> None:
    """As it was an hour ago."""
    copy(place.mail, folder)
    for path in folder.rglob("[cn][ue][rw]"):
        put_back(path, path.stat().st_mtime_ns - 3600 * 10**9)


def put_back(directory: Path, changed: int) -> None:
    os.utime(directory, ns=(changed, changed))


def restore(backup: Path, place: Place, what: str) -> None:
    """The INBOX as it was; what: all of it, its `cur` alone, or what it has put into the directories that are there."""
    mine = place.mail / "INBOX"
    if what == "inside":
        for name in ("cur", "new"):
            for path in (mine / name).iterdir():
                path.unlink()
            for path in (backup / "INBOX" / name).iterdir():
                shutil.copy2(path, mine / name)
            put_back(mine / name, (backup / "INBOX" / name).stat().st_mtime_ns)
    else:
        inner = "cur" if what == "cur" else "."
        copy(backup / "INBOX" / inner, mine / inner)


@pytest.fixture
def restored(tmp_path: Path, server: MemoryServer) -> Place:
    """A place, and beside it a backup of what was there before two messages came and one went on each side."""
    place = Place(tmp_path / "place", server)
    inbox = server.folders["INBOX"]
    inbox.add(*(mail(n) for n in range(10, 13)), flags=["\\Seen"])
    server.folders["Lists"].add(mail(20), mail(21), flags=["\\Seen"])
    go(place)
    assert quiet(place)
    back_up(place, tmp_path / "backup")
    inbox.add(mail(30), mail(31), flags=["\\Seen"])
    del inbox.messages[3]
    place.file(4).unlink()
    go(place)
    assert quiet(place)
    return place


@pytest.mark.parametrize("what", ["folder", "cur", "inside"])
def test_a_folder_brought_back_loses_nothing_there_and_keeps_what_it_has(
    tmp_path: Path, restored: Place, server: MemoryServer, what: str
) -> None:
    restore(tmp_path / "backup", restored, what)
    restored.file(1, "Lists").unlink()
    job = restored.job(mode=Mode.MIRROR)
    steps = restored.sync(replace(job, dry_run=True)).steps
    assert not [step for step in steps if step.folder == "INBOX" and "delete" in step.action]
    report = go(restored)
    assert [warning for warning in report.warnings if "backup" in warning and warning.startswith("INBOX:")]
    assert report.removed == 1, "in another folder all is as ever"
    assert there(server, "Lists") == bodies(restored, "Lists") == [mail(21)]
    assert there(server, "INBOX") == bodies(restored, "INBOX") == EVERYTHING
    assert quiet(restored)
    assert not any("backup" in warning for warning in go(restored).warnings)
    restored.file(2).unlink()
    assert go(restored).removed == 1, "it is a mirror again"
    assert mail(2) not in there(server, "INBOX")


def test_a_run_that_dies_over_a_folder_brought_back_still_deletes_nothing(
    tmp_path: Path, restored: Place, server: MemoryServer
) -> None:
    restore(tmp_path / "backup", restored, "folder")

    def die(command: str) -> None:
        if command in ("fetch", "visit") and len(server.commands) > started + 3:
            raise Died

    started, server.before = len(server.commands), die
    with suppress(Died):
        restored.sync(restored.job(mode=Mode.MIRROR))
    server.before = lambda command: None
    for name in ("cur", "new"):
        os.utime(restored.mail / "INBOX" / name)
    assert go(restored).removed == 0
    assert there(server, "INBOX") == bodies(restored, "INBOX") == EVERYTHING


@pytest.mark.parametrize("what", ["folder", "cur", "inside"])
def test_files_that_are_back_tell_it_where_a_mail_client_was_faster(
    tmp_path: Path, restored: Place, server: MemoryServer, what: str
) -> None:
    """What it renames gives the directories new times."""
    restore(tmp_path / "backup", restored, what)
    opened = restored.file(1)
    opened.rename(restored.mail / "INBOX/cur" / f"{opened.name.partition(':2,')[0]}:2,S")
    for name in ("cur", "new"):
        os.utime(restored.mail / "INBOX" / name)
    del server.folders["INBOX"].messages[5]
    report = go(restored)
    assert [warning for warning in report.warnings if "backup" in warning and warning.startswith("INBOX:")]
    left = sorted(body for body in EVERYTHING if body != mail(12))
    assert there(server, "INBOX") == bodies(restored, "INBOX") == left, "what was deleted there since is deleted here"
    assert quiet(restored)
    assert not any("backup" in warning for warning in go(restored).warnings)


def test_a_single_message_that_is_brought_back_is_sent_again(
    tmp_path: Path, restored: Place, server: MemoryServer
) -> None:
    (back,) = [path for path in (tmp_path / "backup/INBOX").glob("*/*") if ".0000000004_" in path.name]
    shutil.copy2(back, restored.mail / "INBOX" / back.parent.name / back.name)
    report = go(restored)
    assert report.uploaded == ("UIDPLUS" in server.capabilities), "else it is there still, marked as deleted"
    assert report.removed == 0
    assert there(server, "INBOX") == bodies(restored, "INBOX")
    assert mail(11) in there(server, "INBOX") or not report.uploaded
    assert quiet(restored)


def test_a_clock_that_is_set_a_little_right_brings_nothing_back(restored: Place, server: MemoryServer) -> None:
    restored.file(1).unlink()
    for name in ("cur", "new"):
        path = restored.mail / "INBOX" / name
        put_back(path, path.stat().st_mtime_ns - 10**9)
    report = go(restored)
    assert report.removed == 1
    assert not any("backup" in warning for warning in report.warnings)
    assert mail(1) not in there(server, "INBOX")


class Died(BaseException):
    """As if the process was killed."""


def test_an_older_state_deletes_nothing(tmp_path: Path, server: MemoryServer) -> None:
    place = Place(tmp_path / "place", server)
    go(place)
    copy(place.state.parent, tmp_path / "backup")
    for number in (4, 5):
        server.folders["INBOX"].add(mail(number))
        go(place)
    copy(tmp_path / "backup", place.state.parent)
    report = go(place)
    assert (report.removed, report.fetched, report.uploaded) == (0, 0, 0)
    assert there(server, "INBOX") == bodies(place, "INBOX") == [mail(1), mail(2), mail(4), mail(5)]
    assert quiet(place)


def test_a_maildir_whose_marker_says_nonsense_is_united(tmp_path: Path, server: MemoryServer) -> None:
    place = Place(tmp_path / "place", server)
    go(place)
    marker = place.mail / ".mailctl"
    account = marker.read_text().split("\n")[0]
    for said in ("-1", "99999999999999999999", "x", ""):
        marker.write_text(f"{account}\n{said}\n")
        server.folders["INBOX"].add(mail(10 + len(said)))
        assert go(place).removed == 0
        assert quiet(place)
