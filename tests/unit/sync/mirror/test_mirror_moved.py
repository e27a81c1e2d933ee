"""Messages and folders that moved on one side: what they are marked with goes with them, and nothing is there twice."""

from pathlib import Path

import pytest

from mailctl.domain.gateway import Mode
from mailctl.sync.report import SyncReport
from tests.doubles.imap import MemoryFolder, MemoryServer
from tests.doubles.syncs import Place

CAPABILITIES = [
    {"IMAP4REV1", "UIDPLUS", "MOVE", "CONDSTORE", "ENABLE", "QRESYNC"},
    {"IMAP4REV1", "UIDPLUS"},
    {"IMAP4REV1", "MOVE"},
]


@pytest.fixture(params=CAPABILITIES, ids=["quick", "plain", "blind"])
def server(request: pytest.FixtureRequest) -> MemoryServer:
    return MemoryServer({"INBOX": MemoryFolder(), "Lists": MemoryFolder(uidvalidity=2)}, frozenset(request.param))


def mail(number: int) -> bytes:
    """Every third has no Message-ID."""
    named = f"Message-ID: <{number}@x>\r\n" if number % 3 else ""
    return f"{named}Subject: {number}\r\n\r\nbody {number}\r\n".encode()


def go(place: Place) -> SyncReport:
    report = place.sync(place.job(mode=Mode.MIRROR))
    assert report.ok, report.error
    return report


def quiet(place: Place) -> bool:
    """Whether one more sync does nothing."""
    again = go(place)
    return (again.fetched, again.flagged, again.removed, again.uploaded, again.moved) == (0,) * 5


def held(server: MemoryServer) -> dict[str, list[tuple[bytes, frozenset[str]]]]:
    return {
        name: [(m.body, m.flags) for m in folder.messages.values() if "\\Deleted" not in m.flags]
        for name, folder in server.folders.items()
    }


def files(place: Place, folder: str) -> list[Path]:
    return sorted(path for path in (place.mail / folder).rglob("*.mailctl*") if path.parent.name in ("cur", "new"))


@pytest.fixture
def copying(tmp_path: Path) -> tuple[Place, MemoryServer]:
    """A server with CONDSTORE and without MOVE, and a message that was moved here; another that was deleted."""
    capabilities = frozenset({"IMAP4REV1", "UIDPLUS", "CONDSTORE", "ENABLE"})
    server = MemoryServer({"INBOX": MemoryFolder(), "Lists": MemoryFolder(uidvalidity=2)}, capabilities)
    server.folders["INBOX"].add(mail(1), mail(2), mail(3), flags=["\\Seen"])
    place = Place(tmp_path, server)
    go(place)
    file = place.file(1)
    file.rename(place.mail / "Lists" / "cur" / file.name)
    place.file(2).unlink()
    return place, server


@pytest.mark.parametrize(
    ("when", "command", "more"),
    [("before", "copy", ()), ("after", "copy", ()), ("after", "copy", ("\\Deleted",)), ("before", "expunge", ())],
)
def test_a_message_that_is_flagged_while_it_is_moved_is_in_one_folder(
    copying: tuple[Place, MemoryServer], when: str, command: str, more: tuple[str, ...]
) -> None:
    place, server = copying
    inbox, struck = server.folders["INBOX"], list[str]()

    def flag(told: str) -> None:
        if told == command and not struck:
            struck.append(told)
            inbox.flag(1, ["\\Flagged", "Later", *more])
            inbox.flag(3, ["\\Flagged"])

    setattr(server, when, flag)
    go(place)
    assert struck
    for _ in range(2):
        go(place)
    assert sorted(m.body for m in inbox.messages.values()) == sorted([mail(3)])
    assert [(m.body, m.flags) for m in server.folders["Lists"].messages.values()] == [
        (mail(1), frozenset({"\\Flagged", "Later"}))
    ]
    assert place.flags("Lists") == [{"\\Flagged", "Later"}]
    assert place.flags() == [{"\\Flagged"}]
    assert quiet(place)


def test_one_that_is_flagged_again_and_again_is_lost_in_neither(copying: tuple[Place, MemoryServer]) -> None:
    place, server = copying
    inbox, times = server.folders["INBOX"], list[str]()

    def flag(command: str) -> None:
        if command == "expunge":
            times.append(command)
            inbox.flag(1, ["\\Seen", f"At{len(times)}"])

    server.before = flag
    report = go(place)
    assert 2 < len(times) < 10
    assert [skipped.code for skipped in report.skipped] == ["changed_meanwhile"]
    assert (sorted(inbox.messages), len(server.folders["Lists"].messages)) == ([1, 3], 1)


def test_one_that_another_client_removes_meanwhile_is_gone_there(copying: tuple[Place, MemoryServer]) -> None:
    place, server = copying
    inbox = server.folders["INBOX"]

    def strike(command: str) -> None:
        if command == "expunge":
            inbox.flag(1, ["\\Flagged"])
        elif command == "scan" and len(server.folders["Lists"].messages) == 1:
            inbox.messages.pop(1, None)

    server.before = strike
    assert not go(place).skipped
    server.before = lambda command: None
    assert sorted(inbox.messages) == [3]
    assert quiet(place)


@pytest.mark.parametrize("keyword", ["Work", "$Forwarded"])
def test_a_keyword_goes_with_a_message_that_is_moved_here_under_a_new_name(
    tmp_path: Path, server: MemoryServer, keyword: str
) -> None:
    """No letter stands for it yet where the file comes to lie: the file's silence means nothing."""
    server.folders["Lists"].add(mail(1), flags=[keyword, "\\Seen"])
    place = Place(tmp_path, server)
    go(place)
    (file,) = files(place, "Lists")
    file.rename(place.mail / "INBOX" / "cur" / "1.client.host:2,F")
    assert go(place).moved == 1
    assert held(server) == {"INBOX": [(mail(1), frozenset({keyword, "\\Flagged"}))], "Lists": []}
    (file,) = files(place, "INBOX")
    table = (place.mail / "INBOX" / "dovecot-keywords").read_text().split()
    letter = "abcdefghijklmnopqrstuvwxyz"[int(table[table.index(keyword) - 1])]
    assert file.name.endswith(f":2,F{letter}")
    assert quiet(place)


def test_a_folder_was_renamed_on_the_server_and_another_has_its_name(tmp_path: Path, server: MemoryServer) -> None:
    server.folders["Lists"].add(mail(1), mail(2), mail(3), flags=["\\Seen"])
    place = Place(tmp_path, server)
    go(place)
    server.folders["Other"] = server.folders.pop("Lists")
    server.folders["Other"].flag(2, ["\\Seen", "\\Flagged"])
    server.folders["Lists"] = MemoryFolder(uidvalidity=9)
    server.folders["Lists"].add(mail(7))
    report = go(place)
    assert (report.fetched, report.uploaded, report.moved) == (1, 0, 3)
    seen, flagged = frozenset({"\\Seen"}), frozenset({"\\Seen", "\\Flagged"})
    assert held(server)["Other"] == [(mail(1), seen), (mail(2), flagged), (mail(3), seen)]
    assert held(server)["Lists"] == [(mail(7), frozenset())]
    assert [path.name.partition(":2,")[2] for path in files(place, "Other")] == ["S", "FS", "S"]
    assert len(files(place, "Lists")) == 1
    assert quiet(place)
