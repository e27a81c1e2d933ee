"""Mirror mode against servers that lie: runs come to rest, nothing is lost or doubled, and nothing goes up twice."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mailctl.domain.changes import Placed, Upload
from mailctl.domain.gateway import Mode
from mailctl.domain.mailbox import Folder, FolderListing
from mailctl.domain.visits import Shown
from mailctl.errors import NetworkError
from mailctl.sync.report import SyncReport
from tests.doubles.imap import MemoryFolder, MemoryMailbox, MemoryServer
from tests.doubles.syncs import Place

ALL = frozenset({"IMAP4REV1", "UIDPLUS", "MOVE", "CONDSTORE", "ENABLE"})
BARE = frozenset({"IMAP4REV1"})
NEW = b"Message-ID: <new@x>\n\nnew\n"


def mail(number: int) -> bytes:
    return b"Message-ID: <%d@x>\r\nSubject: %d\r\n\r\n%d\r\n" % (number, number, number)


def go(place: Place, **changes: object) -> SyncReport:
    return place.sync(place.job(mode=Mode.MIRROR, **changes))


def bodies(server: MemoryServer, folder: str) -> list[bytes]:
    return sorted(m.body for m in server.folders[folder].messages.values())


def made(tmp_path: Path, capabilities: frozenset[str] = ALL) -> tuple[MemoryServer, Place]:
    server = MemoryServer({"INBOX": MemoryFolder(), "Work": MemoryFolder(uidvalidity=7)}, capabilities)
    server.folders["INBOX"].add(*(mail(n) for n in range(1, 6)))
    place = Place(tmp_path, server)
    assert go(place).ok
    return server, place


CHANGING = {"append", "copy", "move", "change_flags", "add_flags", "expunge", "make", "remove", "rename"}


def rests(server: MemoryServer, place: Place) -> SyncReport:
    """After a few runs nothing is changed any more."""
    for _ in range(4):
        go(place)
    server.commands.clear()
    report = go(place)
    assert not {name for name, _ in server.commands} & CHANGING
    assert not report.fetched
    return report


@pytest.mark.parametrize("capabilities", [ALL, BARE])
def test_a_server_that_changes_no_flags_though_it_says_OK(
    tmp_path: Path, capabilities: frozenset[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, place = made(tmp_path, capabilities)
    monkeypatch.setattr(MemoryMailbox, "_change", lambda self, change: None)
    file = place.file(1)
    file.rename(file.parent.parent / "cur" / f"{file.name}:2,F")
    place.file(2).unlink()
    rests(server, place)
    assert len(server.folders["INBOX"].messages) == (4 if "UIDPLUS" in capabilities else 5)


def test_a_server_that_expunges_nothing_though_it_says_OK(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, place = made(tmp_path)
    monkeypatch.setattr(MemoryMailbox, "expunge", lambda self, uids, **_: [])
    place.file(2).unlink()
    rests(server, place)
    assert bodies(server, "INBOX") == sorted(place.bodies())


def test_a_server_that_moves_nothing_though_it_says_OK(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, place = made(tmp_path)
    monkeypatch.setattr(MemoryMailbox, "move", lambda self, uids, folder: Placed())
    file = place.file(2)
    file.rename(place.mail / "Work" / "cur" / f"{file.name}:2,")
    for _ in range(4):
        go(place)
    assert bodies(server, "INBOX") == [mail(n) for n in range(1, 6)]
    assert mail(2) in [*place.bodies(), *place.bodies("Work")]


@pytest.mark.parametrize("uids", [{2: 1}, {2: 999}, {2: 0}, {77: 5}, {2: 5, 3: 5, 77: 5}])
def test_B14_a_copyuid_that_names_another_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uids: dict[int, int]
) -> None:
    server, place = made(tmp_path)
    server.folders["Work"].add(mail(50))
    assert go(place).ok
    true_move = MemoryMailbox.move

    def move(self: MemoryMailbox, wanted: Sequence[int], folder: Folder) -> Placed:
        return Placed(true_move(self, wanted, folder).uidvalidity, uids)

    monkeypatch.setattr(MemoryMailbox, "move", move)
    file = place.file(2)
    file.rename(place.mail / "Work" / "cur" / f"{file.name}:2,")
    go(place)
    monkeypatch.setattr(MemoryMailbox, "move", true_move)
    rests(server, place)
    assert {mail(n) for n in (1, 3, 4, 5)} == set(place.bodies()) == set(bodies(server, "INBOX"))
    assert {mail(2), mail(50)} == set(place.bodies("Work")) == set(bodies(server, "Work"))


@pytest.mark.parametrize("uid", [1, 999, 3])
def test_B14_an_appenduid_that_names_another_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int) -> None:
    server, place = made(tmp_path)
    true_append = MemoryMailbox.append

    def append(self: MemoryMailbox, folder: Folder, uploads: Sequence[Upload]) -> Placed:
        return Placed(true_append(self, folder, uploads).uidvalidity, {0: uid})

    monkeypatch.setattr(MemoryMailbox, "append", append)
    (place.mail / "INBOX" / "cur" / "1.h:2,S").write_bytes(NEW)
    go(place)
    monkeypatch.setattr(MemoryMailbox, "append", true_append)
    rests(server, place)
    wanted = {*(mail(n) for n in range(1, 6)), NEW.replace(b"\n", b"\r\n")}
    assert set(place.bodies()) == set(bodies(server, "INBOX")) == wanted


@pytest.mark.parametrize("capabilities", [ALL, ALL - {"UIDPLUS", "MOVE"}, BARE])
@pytest.mark.parametrize("command", ["append", "move", "copy", "change_flags", "expunge"])
def test_an_answer_that_is_lost_doubles_nothing(tmp_path: Path, capabilities: frozenset[str], command: str) -> None:
    server, place = made(tmp_path, capabilities)
    (place.mail / "INBOX" / "cur" / "1.h:2,S").write_bytes(NEW)
    file = place.file(2)
    file.rename(place.mail / "Work" / "cur" / f"{file.name}:2,")
    place.file(3).unlink()
    file = place.file(4)
    file.rename(file.parent.parent / "cur" / f"{file.name}:2,F")
    left = [3]

    def after(name: str) -> None:
        if name == command and left[0]:
            left[0] -= 1
            raise NetworkError("cut", cause="connection_lost")

    server.after = after
    go(place)
    rests(server, place)
    gone = [] if "UIDPLUS" in capabilities else [mail(2), mail(3)]
    held = sorted([*(mail(n) for n in (1, 4, 5)), NEW.replace(b"\n", b"\r\n"), *gone])
    assert bodies(server, "INBOX") == held
    assert bodies(server, "Work") == place.bodies("Work") == [mail(2)]


@pytest.mark.parametrize("lie", [0, 5, 10_000])
def test_wrong_sizes_come_to_rest(tmp_path: Path, lie: int) -> None:
    server, place = made(tmp_path, ALL)
    inbox = server.folders["INBOX"]
    inbox.add(mail(8))
    inbox.messages[6] = replace(inbox.messages[6], lies_size=lie)
    assert go(place).fetched == 1
    rests(server, place)
    assert bodies(server, "INBOX") == sorted(place.bodies())
    file = place.file(6)
    file.rename(place.mail / "Work" / "cur" / f"{file.name}:2,")
    rests(server, place)
    assert bodies(server, "Work") == place.bodies("Work") == [mail(8)]
    assert mail(8) not in bodies(server, "INBOX")


def test_B16_a_nil_body_in_mirror_mode_deletes_nothing(tmp_path: Path) -> None:
    server, place = made(tmp_path)
    inbox = server.folders["INBOX"]
    inbox.add(mail(8))
    inbox.messages[6] = replace(inbox.messages[6], no_body=True)
    report = go(place)
    assert [skipped.code for skipped in report.skipped] == ["no_body"]
    for _ in range(2):
        go(place)
    assert 6 in inbox.messages
    inbox.messages[6] = replace(inbox.messages[6], no_body=False)
    assert go(place).fetched == 1


@pytest.mark.parametrize("capabilities", [ALL, BARE])
def test_H2_without_UIDNEXT_mirror_mode_loses_nothing(tmp_path: Path, capabilities: frozenset[str]) -> None:
    server = MemoryServer({"INBOX": MemoryFolder(uidnext=None), "Work": MemoryFolder(uidnext=None)}, capabilities)
    server.folders["INBOX"].add(*(mail(n) for n in range(1, 6)))
    place = Place(tmp_path, server)
    assert go(place).ok
    (place.mail / "INBOX" / "cur" / "1.h:2,S").write_bytes(NEW)
    file = place.file(2)
    file.rename(place.mail / "Work" / "cur" / f"{file.name}:2,")
    place.file(3).unlink()
    del server.folders["INBOX"].messages[4]
    rests(server, place)
    held = bodies(server, "INBOX")
    assert {mail(1), mail(5), NEW.replace(b"\n", b"\r\n")} <= set(held)
    assert set(held) <= set(place.bodies()) | ({mail(2), mail(3)} if capabilities is BARE else set())
    assert bodies(server, "Work") == place.bodies("Work") == [mail(2)]


def test_H2_without_UIDVALIDITY_nothing_goes_up_or_is_deleted(tmp_path: Path) -> None:
    server = MemoryServer({"INBOX": MemoryFolder(uidvalidity=None)}, ALL)
    server.folders["INBOX"].add(*(mail(n) for n in range(1, 6)))
    place = Place(tmp_path, server)
    assert go(place).ok
    place.file(3).unlink()
    (place.mail / "INBOX" / "cur" / "1.h:2,S").write_bytes(NEW)
    before = bodies(server, "INBOX")
    for _ in range(3):
        go(place)
    assert bodies(server, "INBOX") == before


@pytest.mark.parametrize("capabilities", [ALL, BARE])
@pytest.mark.parametrize("shown", [0, 2])
def test_H9_a_server_that_does_not_show_all_that_it_has_takes_nothing_away(
    tmp_path: Path, capabilities: frozenset[str], shown: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, place = made(tmp_path, capabilities)
    server.folders["INBOX"].flag(5, ["\\Seen"])
    place.file(5).unlink()
    uids, scan, visit = MemoryMailbox.uids, MemoryMailbox.scan, MemoryMailbox.visit
    monkeypatch.setattr(
        MemoryMailbox,
        "visit",
        lambda self, *which: (e for e in visit(self, *which) if not isinstance(e, Shown) or e.meta.uid <= shown),
    )
    monkeypatch.setattr(MemoryMailbox, "uids", lambda self, **which: uids(self, **which)[:shown])
    monkeypatch.setattr(
        MemoryMailbox,
        "scan",
        lambda self, *which, **since: iter([m for m in scan(self, *which, **since) if m.uid <= shown]),
    )
    for _ in range(2):
        report = go(place)
        assert report.removed == 0
        assert len(report.warnings) == 1
        assert len(place.bodies()) == 4
    monkeypatch.undo()
    rests(server, place)
    assert len(place.bodies()) == len(server.folders["INBOX"].messages) == 5


@pytest.mark.parametrize("aside", [(), (b"W&ork",)])
@pytest.mark.parametrize("gone", [True, False])
def test_H9_a_folder_that_is_left_out_of_the_listing_was_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aside: tuple[bytes, ...], gone: bool
) -> None:
    server, place = made(tmp_path)
    server.folders["Work"].add(mail(50))
    assert go(place).ok
    survey = MemoryMailbox.survey

    def without(self: MemoryMailbox) -> FolderListing:
        listing = survey(self)
        return replace(listing, folders=tuple(f for f in listing.folders if f.name != "Work"), set_aside=aside)

    monkeypatch.setattr(MemoryMailbox, "survey", without)
    server.folders["Work"].gone = gone
    report = go(place)
    assert report.removed == (1 if gone and not aside else 0)
    if report.removed == 0:
        assert any("left alone" in text for text in report.warnings)
        assert place.bodies("Work") == bodies(server, "Work") == [mail(50)]
        monkeypatch.undo()
        server.folders["Work"].gone = False
        assert go(place).ok
        assert place.bodies("Work") == bodies(server, "Work") == [mail(50)]
