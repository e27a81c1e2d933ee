"""Mirror mode against odd Maildirs and servers that change their mind: nothing is deleted, or put, on a guess."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mailctl.domain.gateway import Mode
from mailctl.errors import ExitCode
from mailctl.sync.local.files import Files
from mailctl.sync.mirror import unnamed
from mailctl.sync.mirror.octets import open_message
from mailctl.sync.report import SyncReport
from tests.doubles.imap import MemoryFolder, MemoryServer
from tests.doubles.syncs import Place

ALL = frozenset({"IMAP4REV1", "UIDPLUS", "MOVE", "CONDSTORE", "ENABLE"})
NEW = b"Message-ID: <new@x>\n\nnew\n"


def mail(number: int) -> bytes:
    return b"Message-ID: <%d@x>\r\nSubject: %d\r\n\r\n%d\r\n" % (number, number, number)


@pytest.fixture
def server() -> MemoryServer:
    made = MemoryServer({"INBOX": MemoryFolder(), "Work": MemoryFolder(uidvalidity=7)}, ALL)
    made.folders["INBOX"].add(*(mail(n) for n in range(1, 4)))
    made.folders["Work"].add(*(mail(n) for n in range(11, 14)))
    return made


@pytest.fixture
def place(tmp_path: Path, server: MemoryServer) -> Place:
    made = Place(tmp_path, server)
    assert go(made).ok
    server.commands.clear()
    return made


def go(place: Place, **changes: object) -> SyncReport:
    return place.sync(place.job(mode=Mode.MIRROR, **changes))


def bodies(server: MemoryServer, folder: str) -> list[bytes]:
    return sorted(m.body for m in server.folders[folder].messages.values())


@pytest.mark.parametrize("folder", ["INBOX", "Work"])
@pytest.mark.parametrize(
    ("part", "how"), [(p, h) for p in ("cur", "new", ".") for h in ("link", "file", "gone") if (p, h) != (".", "gone")]
)
def test_D5_what_lies_behind_a_link_was_not_deleted(
    place: Place, server: MemoryServer, folder: str, part: str, how: str
) -> None:
    before = bodies(server, folder)
    path = place.mail / folder / part if part != "." else place.mail / folder
    for file in list((place.mail / folder / "new").iterdir()):
        if part == "cur":
            file.rename(place.mail / folder / "cur" / f"{file.name}:2,S")
    assert go(place).ok
    path.rename(place.folder / "elsewhere")
    if how == "link":
        path.symlink_to(place.folder / "elsewhere")
    elif how == "file":
        path.write_bytes(b"")
    report = go(place)
    assert bodies(server, folder) == before
    assert not report.ok
    assert report.error is not None
    assert report.error.exit_code is not ExitCode.OK


@pytest.mark.parametrize("kind", ["fifo", "directory", "link"])
def test_D5_no_file_where_a_message_was(place: Place, server: MemoryServer, kind: str) -> None:
    before = bodies(server, "INBOX")
    path = place.file(2)
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to("/etc/passwd")
    report = go(place)
    assert bodies(server, "INBOX") == before
    assert not report.ok or report.warnings or report.skipped


def during(server: MemoryServer, command: str, act: Callable[[], None], nth: int = 1) -> None:
    """Act once, before the server carries out the nth such command."""
    count = [0]

    def before(name: str) -> None:
        if name == command:
            count[0] += 1
            if count[0] == nth:
                act()

    server.before = before


def anew(server: MemoryServer, folder: str) -> None:
    """Another client deletes a folder, makes it again and puts other messages into it."""
    made = MemoryFolder(uidvalidity=4000, uidnext=1)
    made.add(*(mail(n) for n in range(100, 105)))
    server.folders[folder] = made


@pytest.mark.parametrize(
    ("command", "nth", "uidplus"),
    [
        *(("visit", nth, uidplus) for nth in range(1, 3) for uidplus in (True, False)),
        *(("select", nth, uidplus) for nth in range(1, 3) for uidplus in (True, False)),
        ("select", 3, False),
        ("append", 1, True),
        ("move", 1, True),
    ],
)
def test_H1_a_folder_made_anew_in_the_middle_loses_nothing(
    place: Place, server: MemoryServer, command: str, nth: int, uidplus: bool
) -> None:
    if not uidplus:
        server.capabilities -= {"UIDPLUS"}
    work = server.folders["Work"]
    place.file(1, "Work").unlink()
    file = place.file(2, "Work")
    file.rename(file.parent.parent / "cur" / f"{file.name}:2,F")
    work.add(mail(14))
    work.flag(3, ["\\Seen"])
    (place.mail / "Work" / "cur" / "1.h:2,S").write_bytes(NEW)
    place.file(1).rename(place.mail / "Work" / "cur" / f"{place.file(1).name}:2,")
    during(server, command, lambda: anew(server, "Work"), nth)
    go(place)
    assert server.folders["Work"].uidvalidity == 4000
    server.before = lambda command: None
    for _ in range(3):
        go(place)
    held = bodies(server, "Work")
    assert [n for n in range(100, 105) if mail(n) not in held] == []
    assert held == sorted(place.bodies("Work"))
    assert NEW.replace(b"\n", b"\r\n") in held
    for uid, message in server.folders["Work"].messages.items():
        assert place.file(uid, "Work").read_bytes().replace(b"\n", b"\r\n") == message.body
        if message.body in {mail(n) for n in range(100, 105)}:
            assert not message.flags


@pytest.mark.parametrize("command", ["select", "append", "move", "expunge", "change_flags", "fetch", "scan", "uids"])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_H5_a_folder_that_goes_in_the_middle(place: Place, server: MemoryServer, command: str, nth: int) -> None:
    work = server.folders["Work"]
    place.file(1, "Work").unlink()
    file = place.file(2, "Work")
    file.rename(file.parent.parent / "cur" / f"{file.name}:2,F")
    work.add(mail(14))
    (place.mail / "Work" / "cur" / "1.h:2,S").write_bytes(NEW)
    place.file(1).rename(place.mail / "Work" / "cur" / f"{place.file(1).name}:2,")
    server.folders["INBOX"].add(mail(50))
    during(server, command, lambda: setattr(work, "gone", True), nth)
    report = go(place)
    server.before = lambda command: None
    work.gone = False
    for _ in range(2):
        report = go(place)
    assert report.ok
    everything = bodies(server, "INBOX") + bodies(server, "Work")
    assert sorted(everything) == sorted(place.bodies() + place.bodies("Work"))
    wanted = [mail(n) for n in (1, 2, 3, 12, 13, 14, 50)] + [NEW.replace(b"\n", b"\r\n")]
    assert sorted(b for b in everything if b != mail(11)) == sorted(wanted)


def test_a_file_that_grows_while_it_is_sent_holds_up_no_other(place: Place, server: MemoryServer) -> None:
    cur = place.mail / "INBOX" / "cur"
    for number in range(4):
        (cur / f"{number}.h:2,S").write_bytes(b"Message-ID: <up%d@x>\n\nnew\n" % number)
    server.folders["INBOX"].add(mail(9))

    def grow(command: str) -> None:
        if command == "append":
            with (cur / "2.h:2,S").open("ab") as file:
                file.write(b"more\n")

    server.before = grow
    report = go(place)
    assert (report.ok, report.fetched) == (True, 1)
    assert [skipped.code for skipped in report.skipped] == ["changing"]
    server.before = lambda command: None
    assert go(place).uploaded == 1
    assert len(server.folders["INBOX"].messages) == len(place.bodies()) == 8
    assert sum(b"<up2@x>" in body for body in bodies(server, "INBOX")) == 1


def test_a_file_that_goes_before_it_is_sent_holds_up_no_other(place: Place, server: MemoryServer) -> None:
    cur = place.mail / "INBOX" / "cur"
    for number in range(3):
        (cur / f"{number}.h:2,S").write_bytes(b"Message-ID: <up%d@x>\n\nnew\n" % number)
    during(server, "append", (cur / "1.h:2,S").unlink)
    report = go(place)
    assert report.ok
    server.before = lambda command: None
    for _ in range(2):
        assert go(place).ok
    assert bodies(server, "INBOX") == sorted(place.bodies())


NAMES = [
    "INBOX",
    "subscriptions",
    "INBOX/dovecot-keywords",
    "INBOX/cur",
    "..",
    "x/../../y",
    ".mailctl",
    "A",
    "a",
    "a//b",
    "x\ud800",
]


def test_D1_folders_called_like_what_mailctl_keeps(tmp_path: Path) -> None:
    server = MemoryServer({name: MemoryFolder(uidvalidity=n) for n, name in enumerate(NAMES, 1)}, ALL)
    for number, folder in enumerate(server.folders.values()):
        folder.add(mail(number), flags=["keyword"])
    place = Place(tmp_path, server)
    report = go(place)
    assert (report.ok, report.fetched, report.warnings) == (True, len(NAMES), ())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mail", "state"]
    again = go(place)
    assert (again.ok, again.fetched, again.uploaded, again.removed) == (True, 0, 0, 0)
    assert set(server.folders) == set(NAMES)


@pytest.mark.parametrize("how", ["link", "directory"])
def test_subscriptions_that_are_no_file_end_nothing(place: Place, server: MemoryServer, how: str) -> None:
    file = place.mail / "subscriptions"
    file.unlink()
    if how == "link":
        file.symlink_to("/etc/passwd")
    else:
        file.mkdir()
    report = go(place)
    assert report.ok
    assert len(report.warnings) == 1
    assert all(folder.subscribed for folder in server.folders.values())


def test_a_file_that_cannot_be_read_is_told_and_holds_up_no_other(
    place: Place, server: MemoryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    cur = place.mail / "INBOX" / "cur"
    moved = place.file(1)
    moved.rename(cur / "1.other:2,")
    (cur / "2.h:2,").write_bytes(NEW)
    server.folders["INBOX"].add(mail(9))

    def refused(files: Files, directory: int, filename: str) -> int | None:
        if filename == "1.other:2,":
            raise PermissionError(errno.EACCES, "Permission denied")
        return open_message(files, directory, filename)

    monkeypatch.setattr(unnamed, "open_message", refused)
    for _ in range(2):
        report = go(place)
        assert report.error is not None
        assert report.error.exit_code is ExitCode.STORAGE
        assert "1.other" in report.error.message
        assert mail(1) in bodies(server, "INBOX")
    assert NEW.replace(b"\n", b"\r\n") in bodies(server, "INBOX")
    assert mail(9) in [path.read_bytes().replace(b"\n", b"\r\n") for path in cur.parent.glob("*/*.mailctl*")]
    monkeypatch.undo()
    assert go(place).ok
    assert sorted(place.bodies()) == bodies(server, "INBOX")


@pytest.mark.parametrize("levels", [101, 499, 501])
def test_a_folder_that_lies_deep_was_not_removed_here(place: Place, server: MemoryServer, levels: int) -> None:
    name = "/".join("d" * levels)
    server.folders[name] = MemoryFolder(uidvalidity=9)
    server.folders[name].add(*(mail(n) for n in range(21, 24)))
    assert go(place).fetched == 3
    report = go(place)
    assert (report.ok, report.removed, report.warnings) == (True, 0, ())
    assert bodies(server, name) == [mail(n) for n in range(21, 24)]
