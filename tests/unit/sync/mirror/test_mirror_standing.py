"""Folders that stand still here are neither listed nor loaded, and are when anything has to do with them."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from mailctl.domain.gateway import Mode
from mailctl.sync.mirror import here
from mailctl.sync.report import SyncReport
from mailctl.sync.state import AT_WORK, Agreed, State
from tests.doubles.imap import MemoryFolder, MemoryServer
from tests.doubles.syncs import Place

NAMES = ("INBOX", "Work", "Play")


def mail(number: int) -> bytes:
    """A message."""
    return f"Message-ID: <{number}@x>\r\nSubject: {number}\r\n\r\n{'x' * number}\r\n".encode()


def age(place: Place) -> None:
    """What changed just now changed a while ago."""
    for path in place.mail.rglob("[cn][ue][rw]"):
        changed = path.stat().st_mtime_ns
        if changed > time.time_ns() - 800_000_000:
            os.utime(path, ns=(changed, changed - 1_000_000_000))


@pytest.fixture
def server() -> MemoryServer:
    """Three folders of three messages."""
    capabilities = frozenset({"IMAP4REV1", "UIDPLUS", "MOVE", "CONDSTORE", "ENABLE", "QRESYNC"})
    made = MemoryServer({name: MemoryFolder(uidvalidity=50 + n) for n, name in enumerate(NAMES)}, capabilities)
    for number, name in enumerate(NAMES):
        made.folders[name].add(*(mail(10 * number + n) for n in range(1, 4)))
    return made


@pytest.fixture
def place(tmp_path: Path, server: MemoryServer) -> Place:
    """Synced, and standing."""
    made = Place(tmp_path, server, clock=lambda: 4_000_000_000.0)  # nothing is touched after that
    for _ in range(2):
        sync(made)
    return made


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders that are listed."""
    names: list[str] = []
    real = here._folder

    def folder(*args: object) -> here.LocalFolder:
        names.append(str(args[3]))
        return real(*args)  # type: ignore[arg-type]  # handed on

    monkeypatch.setattr(here, "_folder", folder)
    return names


def sync(place: Place, **inbound: object) -> SyncReport:
    """A sync that goes well."""
    age(place)
    report = place.sync(place.job(**{"mode": Mode.MIRROR, **inbound}))
    assert report.ok, report.error
    return report


def test_nothing_is_listed_or_loaded_where_all_stands(
    place: Place, server: MemoryServer, listed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    agreed = State.agreed

    def load(self: State, folder: str, uids: Sequence[int] | None = None) -> dict[int, Agreed]:
        loaded.append(folder)
        return agreed(self, folder, uids)

    monkeypatch.setattr(State, "agreed", load)
    report = sync(place)
    assert (listed, loaded, report.messages) == ([], [], 9)
    assert [folder.messages for folder in report.folders] == [3, 3, 3]
    server.folders["Work"].flag(1, ["\\Seen"])
    assert sync(place).flagged == 1
    assert (set(listed), set(loaded)) == ({"Work"}, {"Work"})


def test_a_dry_run_lists_nothing_either_and_changes_nothing(place: Place, listed: list[str]) -> None:
    before = place.state.read_bytes()
    times = {path: path.stat().st_mtime_ns for path in place.mail.rglob("*")}
    job = place.job(mode=Mode.MIRROR)
    report = place.sync(type(job)(**{name: getattr(job, name) for name in job.__slots__} | {"dry_run": True}))
    assert (report.ok, report.messages, listed) == (True, 9, [])
    assert place.state.read_bytes() == before
    assert {path: path.stat().st_mtime_ns for path in place.mail.rglob("*")} == times


def test_a_file_that_is_moved_wakes_both_its_folders(place: Place, server: MemoryServer, listed: list[str]) -> None:
    file = place.file(2, "Work")
    file.rename(place.mail / "Play" / "cur" / file.name)
    report = sync(place)
    assert set(listed) == {"Work", "Play"}
    assert (report.moved, report.uploaded, report.removed) == (1, 0, 0)
    assert len(server.folders["Play"].messages) == 4
    assert len(server.folders["Work"].messages) == 2


def test_a_copy_that_keeps_its_name_leaves_the_message_where_it_came_from(
    place: Place, server: MemoryServer, listed: list[str]
) -> None:
    file = place.file(2, "Work")
    (place.mail / "Play" / "cur" / file.name).write_bytes(file.read_bytes())
    sync(place)
    assert "Work" in listed, "what its name speaks of is looked at"
    sync(place)
    body = mail(12)
    for name in ("Work", "Play"):
        assert body in [message.body for message in server.folders[name].messages.values()]
        assert body in place.bodies(name)


@pytest.mark.parametrize("how", ["deleted", "renamed", "added", "link", "folder gone", "policy", "clock", "died"])
def test_whatever_happens_in_a_folder_wakes_it(place: Place, server: MemoryServer, listed: list[str], how: str) -> None:
    file = place.file(2, "Work")
    cur = place.mail / "Work" / "cur"
    inbound: dict[str, object] = {}
    match how:
        case "deleted":
            file.unlink()
        case "renamed":
            file.rename(cur / f"{file.name.partition(':2,')[0]}:2,F")
        case "added":
            (cur / "1.host:2,").write_bytes(b"Subject: new\n\nnew\n")
        case "link":
            (cur / "1.link").symlink_to("/etc/passwd")
        case "folder gone":
            for path in sorted((place.mail / "Work").rglob("*"), reverse=True):
                path.unlink() if path.is_file() else path.rmdir()
            (place.mail / "Work").rmdir()
        case "policy":
            inbound["max_size"] = 10_000_000
        case "clock":
            place.clock = lambda: 1_700_000_000.0
        case "died":
            with State(place.state) as state:
                state.begin(["Work"])
    sync(place, **inbound)
    there = (
        {message.body for message in server.folders["Work"].messages.values()} if "Work" in server.folders else set()
    )
    if how == "folder gone":
        assert there == set()
        return
    assert "Work" in listed
    assert (mail(12) in there) is (how != "deleted")
    assert sorted(there) == sorted(place.bodies("Work")) if how != "link" else True
    with State(place.state) as state:
        assert state.folders()["Work"].cur != AT_WORK


def test_with_a_link_in_it_a_folder_is_told_of_each_time(place: Place) -> None:
    (place.mail / "Work" / "cur" / "1.link").symlink_to("/etc/passwd")
    for _ in range(3):
        assert [skipped.code for skipped in sync(place).skipped] == ["symbolic_link"]


def test_archive_mode_relies_on_no_time_that_a_mirror_kept(place: Place) -> None:
    place.file(1, "Work").unlink()
    age(place)
    with State(place.state) as state:
        assert state.folders()["Play"].cur > 0
    assert place.sync().ok
    with State(place.state) as state:
        assert [name for name, seen in state.folders().items() if seen.files and not state.files(name)] == []
    place.file(2, "Play").unlink()
    report = place.sync(propagate_deletes=True)
    assert report.ok, report.error


def test_a_folder_that_stands_did_not_come_along_with_one_that_was_renamed(
    place: Place, server: MemoryServer, listed: list[str]
) -> None:
    server.folders["Work/inner"] = MemoryFolder(uidvalidity=60)
    server.folders["Work/inner"].add(mail(31), mail(32))
    for _ in range(2):
        sync(place)
    listed.clear()
    for folder in ("Gone", "Gone/inner"):
        (place.mail / folder).mkdir()
    for name in ("cur", "new", "tmp"):
        (place.mail / "Work" / name).rename(place.mail / "Gone" / name)
        (place.mail / "Gone" / "inner" / name).mkdir()
    sync(place)
    assert "Work/inner" not in listed
    assert "Work/inner" in server.folders
    assert len(server.folders["Work/inner"].messages) == 2
    assert len(place.bodies("Work", "inner")) == 2
    assert len(server.folders["Gone"].messages) == len(place.bodies("Gone")) == 3


def put_back(folder: Path, times: Sequence[int]) -> None:
    """Its directories get times that they had, as a program does that restores or tidies up."""
    for name, changed in zip(("cur", "new"), times, strict=True):
        os.utime(folder / name, ns=(changed, changed))


def times_of(folder: Path) -> list[int]:
    """When its directories changed."""
    return [(folder / name).stat().st_mtime_ns for name in ("cur", "new")]


def test_a_link_that_is_found_once_a_folder_is_woken_is_no_deletion(place: Place, server: MemoryServer) -> None:
    folder, file = place.mail / "Work", place.file(2, "Work")
    before = times_of(folder)
    file.rename(place.folder / "kept")
    file.symlink_to(place.folder / "kept")
    put_back(folder, before)
    server.folders["Work"].flag(1, ["\\Seen"])
    age(place)
    report = place.sync(place.job(mode=Mode.MIRROR))
    assert [each.error.code for each in report.folders if each.error] == ["symbolic_link"]
    assert len(server.folders["Work"].messages) == 3


@pytest.mark.parametrize("how", ["added", "moved here", "link"])
def test_a_folder_whose_times_were_set_back_does_not_stand(place: Place, server: MemoryServer, how: str) -> None:
    """As `rsync -a`, `cp -a` and `tar` leave a folder into which they put what a backup holds."""
    folder, file = place.mail / "Play", place.file(2, "Work")
    place.clock = lambda: time.time() - 10
    sync(place)
    before = times_of(folder)
    match how:
        case "added":
            (folder / "cur" / "1.host:2,").write_bytes(b"Subject: new\n\nnew\n")
        case "moved here":
            file.rename(folder / "cur" / file.name)
        case "link":
            (folder / "cur" / "1.link").symlink_to("/etc/passwd")
    put_back(folder, before)
    report = sync(place)
    assert (report.uploaded, report.moved) == (how == "added", how == "moved here")
    assert [skipped.code for skipped in report.skipped] == (["symbolic_link"] if how == "link" else [])
    assert len(server.folders["Play"].messages) == (3 if how == "link" else 4)


def test_what_can_not_be_looked_at_is_told_in_each_run(place: Place) -> None:
    folder, file = place.mail / "Work", place.file(2, "Work")
    place.clock = lambda: time.time() - 10
    sync(place)
    before = times_of(folder)
    file.rename(place.folder / "kept")
    file.symlink_to(place.folder / "kept")
    put_back(folder, before)
    for now in (time.time(), time.time() + 1000, time.time() + 2000):
        place.clock = partial(float, now)
        report = place.sync(place.job(mode=Mode.MIRROR))
        assert [each.error.code for each in report.folders if each.error] == ["symbolic_link"]


def test_a_run_of_some_folders_leaves_others_to_the_next(place: Place, server: MemoryServer) -> None:
    folder = place.mail / "Play"
    place.clock = lambda: time.time() - 10
    sync(place)
    before = times_of(folder)
    (folder / "cur" / "1.host:2,").write_bytes(b"Subject: new\n\nnew\n")
    put_back(folder, before)
    place.clock = lambda: time.time() + 10
    assert place.sync(replace(place.job(mode=Mode.MIRROR), folders=("Work",))).uploaded == 0
    assert place.sync(place.job(mode=Mode.MIRROR)).uploaded == 1
