"""Many folders read in flight: what a view holds, what is no view, and that it costs few commands."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.domain.gateway import Mode
from mailctl.domain.mailbox import Folder, FolderStatus, MessageMeta
from mailctl.domain.visits import Opened, Visit
from mailctl.sync.mirror.flight import changed, within
from mailctl.sync.report import SyncReport
from mailctl.sync.state import Agreed
from tests.doubles.imap import MemoryFolder, MemoryServer, Message
from tests.doubles.syncs import Place

ALL = frozenset({"IMAP4REV1", "UIDPLUS", "MOVE", "CONDSTORE", "ENABLE", "QRESYNC"})
RANGES = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 9)).map(lambda pair: (pair[0], sum(pair))))


def mail(number: int) -> bytes:
    """A message."""
    return f"Message-ID: <{number}@x>\r\nSubject: {number}\r\n\r\n{number}\r\n".encode()


def go(place: Place) -> SyncReport:
    """A sync that goes well."""
    report = place.sync(place.job(mode=Mode.MIRROR))
    assert report.ok, report.error
    return report


def folders(count: int, each: int) -> dict[str, MemoryFolder]:
    """Folders with messages."""
    made = {"INBOX": MemoryFolder(), **{f"f{n}": MemoryFolder(uidvalidity=2000 + n) for n in range(count)}}
    for number, folder in enumerate(made.values()):
        folder.add(*(mail(100 * number + n) for n in range(each)))
    return made


def alike(server: MemoryServer, place: Place) -> bool:
    """Whether both sides have the same messages."""
    return all(
        sorted(m.body for m in folder.messages.values()) == sorted(place.bodies(name))
        for name, folder in server.folders.items()
    )


@given(st.sets(st.integers(1, 40)).map(sorted), RANGES)
def test_within_tells_the_uids_that_lie_in_ranges(uids: list[int], ranges: list[tuple[int, int]]) -> None:
    assert within(uids, ranges) == {uid for uid in uids if any(low <= uid <= high for low, high in ranges)}


def test_a_view_is_what_was_agreed_and_what_changed_since() -> None:
    visit = Visit(Folder("a", b"a"), (7, 3), rows_from=4)
    old = {uid: Agreed(frozenset(), 10 * uid, 5) for uid in (1, 2, 3)}
    told = (MessageMeta(2, frozenset({"\\Seen"})), MessageMeta(4, frozenset()), MessageMeta(9, frozenset()))
    opened = Opened(visit, FolderStatus(3, 7, 5, 9), told, ((3, 3),))
    new = {4: MessageMeta(4, frozenset(), 44, 6.0)}
    found = changed(old, opened, new)
    assert found is not None
    assert {uid: (meta.flags, meta.size) for uid, meta in found.items()} == {
        1: (frozenset(), 10),
        2: ({"\\Seen"}, 20),
        4: (frozenset(), 44),
    }
    assert changed(old, opened, {}) is None  # message 4 is neither known nor shown


@pytest.mark.parametrize("capabilities", [ALL, ALL - {"QRESYNC"}, frozenset({"IMAP4REV1", "UIDPLUS"})])
def test_many_folders_come_down_without_a_command_for_each(tmp_path: Path, capabilities: frozenset[str]) -> None:
    server = MemoryServer(folders(40, 3), capabilities)
    place = Place(tmp_path, server)
    assert go(place).fetched == 41 * 3
    assert {name for name, _ in server.commands} <= {"survey", "visit", "subscribed"}
    assert alike(server, place)
    server.commands.clear()
    done = go(place)
    assert (done.fetched, done.flagged, done.removed, done.uploaded) == (0, 0, 0, 0)


def test_small_changes_of_many_folders_come_down_in_flight(tmp_path: Path) -> None:
    server = MemoryServer(folders(10, 5), ALL)
    place = Place(tmp_path, server)
    go(place)
    for folder in server.folders.values():
        folder.add(mail(10**9 + (folder.uidvalidity or 0)))
        folder.flag(2, ["\\Flagged"])
        folder.messages.pop(3)
        folder.modseq()
    server.commands.clear()
    done = go(place)
    assert (done.fetched, done.flagged, done.removed) == (11, 11, 11)
    assert {name for name, _ in server.commands} <= {"survey", "visit", "subscribed"}
    assert alike(server, place)


def test_a_delta_that_does_not_add_up_is_no_view(tmp_path: Path) -> None:
    server = MemoryServer(folders(2, 5), ALL)
    place = Place(tmp_path, server)
    go(place)
    folder = server.folders["f1"]
    folder.messages[2] = Message(mail(77))  # the server forgot to tell: its mod-sequence stayed behind
    folder.messages.pop(3)
    folder.messages[4] = Message(mail(78), modseq=folder.modseq() + 1)
    folder.messages[8], folder.uidnext = Message(mail(79)), 9
    server.commands.clear()
    place.sync(place.job(mode=Mode.MIRROR))
    assert mail(79) in place.bodies("f1")


def test_what_a_visit_does_not_bring_is_fetched_by_itself(tmp_path: Path) -> None:
    server = MemoryServer(folders(2, 3), ALL)
    count = [0]

    def before(name: str) -> None:
        count[0] += name == "visit"
        if name == "visit" and count[0] == 5:  # of the second round, the second folder
            made = MemoryFolder(uidvalidity=7000)
            made.add(mail(900))
            server.folders["f0"] = made

    server.before = before
    place = Place(tmp_path, server)
    place.sync(place.job(mode=Mode.MIRROR))
    server.before = lambda name: None
    go(place)
    assert place.bodies("f0") == [mail(900)]
    assert alike(server, place)
