"""Folders that were renamed here: the server renames them too, and nothing else is done to their messages."""

import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from mailctl.domain.gateway import Mode
from mailctl.domain.mailbox import Folder
from mailctl.errors import RefusedError
from mailctl.sync.local.files import Files
from mailctl.sync.report import SyncReport
from tests.crash.test_sync_faults import Killed, StrikingFiles
from tests.doubles.imap import MemoryFolder, MemoryServer
from tests.doubles.imap_changes import MemoryChanges
from tests.doubles.syncs import Place
from tests.unit.sync.mirror.test_mirror_model import calm, strike

ALL = frozenset({"IMAP4REV1", "UIDPLUS", "MOVE", "CONDSTORE", "ENABLE"})
MOVING = {"append", "move", "copy", "expunge", "make", "remove", "change_flags", "fetch"}


def mail(number: int) -> bytes:
    return f"Message-ID: <{number}@x>\r\nSubject: {number}\r\n\r\n{'x' * number}\r\n".encode()


@pytest.fixture
def server() -> MemoryServer:
    names = ("INBOX", "Work", "Work/Old", "Work/Empty", "Play")
    made = MemoryServer({name: MemoryFolder(uidvalidity=7 + n) for n, name in enumerate(names)}, ALL)
    made.folders["INBOX"].add(mail(1))
    made.folders["Work"].add(*(mail(n) for n in range(2, 12)), flags=["\\Seen"])
    made.folders["Work/Old"].add(b"no header at all\r\n", mail(20))
    made.folders["Play"].subscribed = False
    return made


@pytest.fixture
def place(tmp_path: Path, server: MemoryServer) -> Place:
    made = Place(tmp_path, server)
    assert go(made).fetched == 13
    server.commands.clear()
    return made


def go(place: Place, **changes: object) -> SyncReport:
    return place.sync(place.job(mode=Mode.MIRROR, **changes))


def said(server: MemoryServer) -> set[str]:
    return {name for name, _ in server.commands}


def renamed(place: Place, old: str, new: str) -> None:
    (place.mail / new).parent.mkdir(parents=True, exist_ok=True)
    (place.mail / old).rename(place.mail / new)


def there(server: MemoryServer) -> dict[str, list[int]]:
    return {name: sorted(folder.messages) for name, folder in server.folders.items()}


def settled(place: Place) -> None:
    """Nothing is left to do."""
    server: MemoryServer = place.connector  # type: ignore[assignment]  # it is
    server.commands.clear()
    report = go(place)
    assert (report.ok, report.warnings) == (True, ())
    assert said(server) == {"survey", "subscribed"}
    for name, folder in server.folders.items():
        assert place.bodies(*name.split("/")) == [m.body for _, m in sorted(folder.messages.items())]


def test_a_folder_and_what_is_below_it(place: Place, server: MemoryServer) -> None:
    before = {path.stat().st_ino for path in place.mail.glob("Work/**/cur/*")}
    renamed(place, "Work", "Labour")
    report = go(place)
    assert (report.ok, report.moved, report.uploaded, report.removed, report.fetched) == (True, 0, 0, 0, 0)
    assert report.notes[0] == "Labour: renamed here: was Work; renamed on the server too"
    assert there(server) == {
        "INBOX": [1], "Play": [], "Labour": list(range(1, 11)), "Labour/Old": [1, 2], "Labour/Empty": []
    }  # fmt: skip
    assert not said(server) & MOVING
    assert [word for word, _ in server.commands].count("rename") == 1
    assert {path.stat().st_ino for path in place.mail.glob("Labour/**/cur/*")} == before
    assert "Work" not in {tally.name for tally in report.folders}
    settled(place)
    subscriptions = (place.mail / "subscriptions").read_text() if (place.mail / "subscriptions").exists() else ""
    assert "Work" not in subscriptions


def test_what_changed_besides_goes_both_ways(place: Place, server: MemoryServer) -> None:
    renamed(place, "Work/Old", "Past")
    renamed(place, "Work", "Labour")
    place.file(3, "Labour").unlink()
    flagged = place.file(4, "Labour")
    flagged.rename(flagged.with_name(flagged.name + "F"))
    moved = place.file(5, "Labour")
    moved.rename(place.mail / "INBOX" / "cur" / moved.name)
    (place.mail / "Labour" / "cur" / "1.host:2,").write_bytes(mail(30).replace(b"\r\n", b"\n"))
    server.folders["Work"].flag(6, ["\\Answered"])
    server.folders["Work"].add(mail(40))
    report = go(place)
    assert (report.ok, report.removed, report.moved, report.uploaded, report.fetched) == (True, 1, 1, 1, 1)
    assert there(server) == {
        "INBOX": [1, 2], "Play": [], "Past": [1, 2], "Labour": [1, 2, 4, 6, 7, 8, 9, 10, 11, 12], "Labour/Empty": []
    }  # fmt: skip
    assert go(place).ok
    settled(place)


def test_the_subscription_follows(place: Place, server: MemoryServer) -> None:
    renamed(place, "Work", "Labour")
    renamed(place, "Play", "Fun")  # nothing tells that an empty one was renamed
    subscribed = {"INBOX", "Labour", "Labour/Old", "Labour/Empty"}
    assert go(place).ok
    assert {name for name, folder in server.folders.items() if folder.subscribed} >= subscribed
    assert ("subscribe", ("Work", False)) in server.commands


@pytest.mark.parametrize("how", ["few", "two", "below", "refused", "validity", "nested"])
def test_what_is_no_renaming_is_done_message_by_message(
    place: Place, server: MemoryServer, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "below":  # one folder stays where it is, under the old name
        (place.mail / "Labour").mkdir()
        for name in ("cur", "new", "tmp"):
            (place.mail / "Work" / name).rename(place.mail / "Labour" / name)
    else:
        renamed(place, "Work", "Labour/Deep" if how == "nested" else "Labour")
    if how == "few":
        for uid in range(1, 5):
            path = place.file(uid, "Labour")
            path.rename(place.mail / "INBOX" / "cur" / path.name)
    elif how == "two":
        shutil.copytree(place.mail / "Labour", place.mail / "Copy")
    elif how == "refused":

        def refuse(self: MemoryChanges, folder: Folder, name: str) -> None:
            self._command("rename", (folder.name, name))
            raise RefusedError("no", server_text="NO")

        monkeypatch.setattr(MemoryChanges, "rename", refuse)
    elif how == "validity":
        server.folders["Work"].uidvalidity = 99
    assert go(place).ok
    assert (("rename", ("Work", "Labour")) in server.commands) == (how == "refused")
    for _ in range(2):
        assert go(place).ok
    bodies = {m.body for folder in server.folders.values() for m in folder.messages.values()}
    assert len(bodies) == 13
    settled(place)


def test_INBOX_is_never_renamed(place: Place, server: MemoryServer) -> None:
    shutil.copytree(place.mail / "INBOX", place.mail / "In")
    for path in (place.mail / "INBOX" / "cur").iterdir():
        path.unlink()
    assert go(place).ok
    assert "rename" not in said(server)


def test_the_same_on_both_sides(place: Place, server: MemoryServer) -> None:
    renamed(place, "Work", "Labour")
    for name in [name for name in server.folders if name.startswith("Work")]:
        server.folders[name.replace("Work", "Labour")] = server.folders.pop(name)
    report = go(place)
    assert (report.ok, report.fetched, report.uploaded, report.removed) == (True, 0, 0, 0)
    assert not said(server) & MOVING
    settled(place)


def test_both_sides_rename_a_folder_each_in_its_way(place: Place, server: MemoryServer) -> None:
    """The server's name is followed, and that is said; nothing is sent or fetched, nor shown as if it would be."""
    renamed(place, "Work/Old", "Here")
    server.folders["There"] = server.folders.pop("Work/Old")
    report = place.sync(replace(place.job(mode=Mode.MIRROR), dry_run=True))
    assert [(s.folder, s.action, s.messages, s.detail) for s in report.steps] == [
        ("Here", "make_folder", 0, "on the server"),
        ("Here", "follow", 2, "from There"),
        ("There", "make_folder", 0, "here"),
    ]
    told = "There UID 1: moved from Work/Old here to Here, on the server to There: it is where the server has it"
    assert report.notes == (f"{told} (and 1 more)",)
    report = go(place)
    assert (report.ok, report.fetched, report.uploaded, report.removed, report.moved) == (True, 0, 0, 0, 2)
    assert report.notes == (f"{told} (and 1 more)",)
    assert there(server)["There"] == [1, 2]
    assert go(place).notes == ()
    settled(place)


@pytest.mark.parametrize("new_name", [False, True])
def test_both_sides_move_a_message_each_to_another_folder(place: Place, server: MemoryServer, new_name: bool) -> None:
    file = place.file(3, "Work")
    file.rename(place.mail / "INBOX" / "cur" / ("1.moved.host:2,FS" if new_name else f"{file.stem}:2,FS"))
    moved = server.folders["Work"].messages.pop(3)
    server.folders["Play"].add(moved.body, flags=[*moved.flags, "\\Answered"], date=moved.date)
    report = go(place)
    assert (report.ok, report.fetched, report.uploaded, report.removed, report.moved) == (True, 0, 0, 0, 1)
    told = "Play UID 1: moved from Work here to INBOX, on the server to Play: it is where the server has it"
    assert report.notes == (told,)
    assert server.folders["Play"].messages[1].flags == {"\\Seen", "\\Flagged", "\\Answered"}
    assert place.flags("Play") == [server.folders["Play"].messages[1].flags]
    assert go(place).notes == ()
    settled(place)


def test_a_dry_run_shows_it(place: Place, server: MemoryServer) -> None:
    renamed(place, "Work", "Labour")
    before = there(server)
    report = place.sync(replace(place.job(mode=Mode.MIRROR), dry_run=True))
    assert [(s.folder, s.action, s.messages, s.detail) for s in report.steps] == [
        ("Labour", "rename_folder", 10, "on the server: was Work"),
        ("Labour/Old", "rename_folder", 2, "on the server: was Work/Old"),
    ]
    assert there(server) == before
    assert not said(server) & {"rename", *MOVING}


def test_a_server_that_says_OK_and_renames_nothing(
    place: Place, server: MemoryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    renamed(place, "Work", "Labour")
    monkeypatch.setattr(MemoryChanges, "rename", lambda self, folder, name: folder)
    assert go(place).ok
    for _ in range(2):
        assert go(place).ok
    assert len({m.body for folder in server.folders.values() for m in folder.messages.values()}) == 13


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("kill", [False, True])
@pytest.mark.parametrize("at", range(1, 16))
def test_a_run_that_ends_anywhere_is_simply_repeated(
    place: Place, server: MemoryServer, at: int, *, after: bool, kill: bool
) -> None:
    renamed(place, "Work", "Labour")
    strike(place, server, at, after=after, kill=kill)
    with suppress(Killed):
        go(place)
    calm(place, server)
    for _ in range(2):
        report = go(place)
        assert (report.ok, report.uploaded, report.fetched, report.removed) == (True, 0, 0, 0)
    assert there(server) == {
        "INBOX": [1], "Play": [], "Labour": list(range(1, 11)), "Labour/Old": [1, 2], "Labour/Empty": []
    }  # fmt: skip
    settled(place)


@pytest.mark.parametrize("how", ["before", "after", "torn"])
@pytest.mark.parametrize("at", [*range(1, 24, 2), 30, 40])
def test_a_run_that_is_killed_at_a_file_call_is_simply_repeated(
    place: Place, server: MemoryServer, at: int, how: str
) -> None:
    renamed(place, "Work", "Labour")
    place.file(3, "Labour").rename(place.mail / "INBOX" / "cur" / "1.host:2,FS")
    place.files = StrikingFiles(at, how)
    with suppress(Killed):
        go(place)
    place.files = Files()
    for _ in range(2):
        report = go(place)
        assert (report.ok, report.uploaded, report.fetched, report.removed) == (True, 0, 0, 0)
    assert there(server) == {
        "INBOX": [1, 2],
        "Play": [],
        "Labour": [1, 2, *range(4, 11)],
        "Labour/Old": [1, 2],
        "Labour/Empty": [],
    }
    assert server.folders["INBOX"].messages[2].flags == {"\\Seen", "\\Flagged"}
    assert go(place).ok
    settled(place)
