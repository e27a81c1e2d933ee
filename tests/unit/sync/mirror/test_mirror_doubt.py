"""Messages that have one Message-ID and one size, and are not the same: none is taken for another."""

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from mailctl.domain.gateway import Mode
from mailctl.sync.mirror.doubt import doubtful
from mailctl.sync.mirror.intents import Intent, Intents
from mailctl.sync.mirror.strays import Likeness, Origin
from mailctl.sync.report import SyncReport
from mailctl.sync.state import State
from tests.crash.test_sync_faults import Killed
from tests.doubles.imap import MemoryFolder, MemoryServer
from tests.doubles.syncs import Place

ALL = frozenset({"IMAP4REV1", "UIDPLUS", "MOVE", "CONDSTORE", "ENABLE"})
DATE = 1_700_000_000


def version(letter: str, octets: int = 5) -> bytes:
    """A message; all have one Message-ID."""
    return f"Message-ID: <draft@x>\r\n\r\n{letter * octets}\r\n".encode()


@pytest.fixture(params=[ALL, ALL - {"MOVE", "CONDSTORE"}, ALL - {"UIDPLUS"}])
def server(request: pytest.FixtureRequest) -> MemoryServer:
    return MemoryServer({"INBOX": MemoryFolder(), "Work": MemoryFolder(uidvalidity=7)}, request.param)


@pytest.fixture
def place(tmp_path: Path, server: MemoryServer) -> Place:
    """INBOX has the message a."""
    server.folders["INBOX"].add(version("a"), date=DATE)
    made = Place(tmp_path, server)
    assert go(made).ok
    return made


def go(place: Place) -> SyncReport:
    return place.sync(place.job(mode=Mode.MIRROR))


def write(place: Place, name: str, body: bytes, date: float = DATE, folder: str = "INBOX") -> Path:
    """What a mail client stores here."""
    path = place.mail / folder / "cur" / name
    path.write_bytes(body.replace(b"\r\n", b"\n"))
    os.utime(path, (date, date))
    return path


def held(place: Place, server: MemoryServer, folder: str = "INBOX") -> Counter[bytes]:
    """The messages of a folder, the same on both sides, and by the same UIDs."""
    there = {uid: m.body for uid, m in server.folders[folder].messages.items() if "\\Deleted" not in m.flags}
    for uid, body in there.items():
        assert place.file(uid, folder).read_bytes() == body.replace(b"\r\n", b"\n")
    here = Counter(place.bodies(folder))
    assert here == Counter(there.values()) or "UIDPLUS" not in server.capabilities
    return Counter(there.values())


def test_a_draft_that_was_edited_here_goes_up(place: Place, server: MemoryServer) -> None:
    place.file(1).unlink()
    write(place, "1.host:2,", version("b"), DATE + 60)
    for _ in range(3):
        assert go(place).ok
    assert held(place, server) == Counter([version("b")])


def test_a_draft_that_was_edited_on_the_server_and_put_elsewhere_comes_down(place: Place, server: MemoryServer) -> None:
    del server.folders["INBOX"].messages[1]
    server.folders["Work"].add(version("b"), date=DATE + 60)
    assert go(place).fetched == 1
    assert (held(place, server), held(place, server, "Work")) == (Counter(), Counter([version("b")]))


def test_both_sides_have_got_a_version(place: Place, server: MemoryServer) -> None:
    server.folders["INBOX"].add(version("b"), date=DATE + 60)
    write(place, "1.host:2,S", version("c"), DATE + 120)
    for _ in range(2):
        assert go(place).ok
    assert held(place, server) == Counter(map(version, "abc"))


@pytest.mark.parametrize("kept", ["a", "b"])
def test_one_of_two_is_moved_here_under_a_new_name_and_the_other_deleted(
    place: Place, server: MemoryServer, kept: str
) -> None:
    server.folders["INBOX"].add(version("b"), date=DATE)
    assert go(place).ok
    for uid, letter in ((1, "a"), (2, "b")):
        if letter == kept:
            place.file(uid).rename(place.mail / "Work" / "cur" / "1.host:2,S")
        else:
            place.file(uid).unlink()
    for _ in range(2):
        assert go(place).ok
    assert (held(place, server), held(place, server, "Work")) == (Counter(), Counter([version(kept)]))


@pytest.mark.parametrize("kept", ["a", "b"])
def test_one_of_two_is_moved_on_the_server_and_the_other_expunged(
    place: Place, server: MemoryServer, kept: str
) -> None:
    inbox = server.folders["INBOX"]
    inbox.add(version("b"), date=DATE)
    assert go(place).ok
    inbox.messages.clear()
    server.folders["Work"].add(version(kept), date=DATE)
    for _ in range(2):
        assert go(place).ok
    assert (held(place, server), held(place, server, "Work")) == (Counter(), Counter([version(kept)]))


def test_two_are_moved_on_the_server_and_come_in_another_order(place: Place, server: MemoryServer) -> None:
    inbox = server.folders["INBOX"]
    inbox.add(version("b"), date=DATE)
    assert go(place).ok
    inbox.messages.clear()
    server.folders["Work"].add(version("b"), version("a"), date=DATE)
    report = go(place)
    assert (report.ok, report.moved, report.removed) == (True, 2, 0)
    assert held(place, server, "Work") == Counter(map(version, "ab"))


def test_copies_that_are_the_same_need_no_uploading(place: Place, server: MemoryServer) -> None:
    inbox = server.folders["INBOX"]
    inbox.add(version("a"), version("a"), date=DATE)
    assert go(place).ok
    for uid in (1, 2):
        place.file(uid).rename(place.mail / "INBOX" / "cur" / f"{uid}.host:2,")
    report = go(place)
    assert (report.ok, report.uploaded, report.removed, report.fetched) == (True, 0, 0, 0)
    assert held(place, server) == Counter([version("a")] * 3)


@pytest.mark.parametrize("octets", [5, 9])
@pytest.mark.parametrize("gone", ["1", "2"])
def test_one_of_two_went_up_when_the_run_died(place: Place, server: MemoryServer, gone: str, octets: int) -> None:
    """And then a mail client deletes one of them here."""
    write(place, "1.host:2,", version("b"), DATE + 60)
    write(place, "2.host:2,", version("c", octets), DATE + 120)

    def killed(command: str) -> None:
        raise Killed

    server.after = killed
    with pytest.raises(Killed):
        go(place)
    server.after = lambda command: None
    assert Counter(m.body for m in server.folders["INBOX"].messages.values()) == Counter(map(version, "ab"))
    (place.mail / "INBOX" / "cur" / f"{gone}.host:2,").unlink()
    for _ in range(2):
        assert go(place).ok
    assert held(place, server) == Counter(
        [version("a"), version("b"), *([version("c", octets)] if gone == "1" else [])]
    )


def test_a_Maildir_that_another_program_filled_is_adopted_without_the_times(
    tmp_path: Path, server: MemoryServer
) -> None:
    server.folders["INBOX"].add(version("a"), b"Message-ID: <2@x>\r\n\r\nb\r\n", date=DATE)
    place = Place(tmp_path, server)
    (place.mail / "INBOX").mkdir(parents=True)
    for name in ("cur", "new", "tmp"):
        (place.mail / "INBOX" / name).mkdir()
    write(place, "1.host:2,S", version("a"), DATE + 9)
    write(place, "2.host:2,S", b"Message-ID: <2@x>\r\n\r\nb\r\n", DATE + 9)
    report = go(place)
    assert (report.ok, report.fetched, report.uploaded) == (True, 0, 0)
    assert "fetch" not in {name for name, _ in server.commands}


@pytest.mark.parametrize("date", [DATE, DATE + 7])
@pytest.mark.parametrize("first", [True, False])
def test_what_was_sent_to_oneself_is_not_the_upload_that_was_cut_short(
    place: Place, server: MemoryServer, first: bool, date: float
) -> None:
    """The file that was on its way up is gone; another one has its Message-ID, and more header fields."""
    if first:
        place.state.unlink()
        (place.mail / "Work" / "cur").mkdir(parents=True, exist_ok=True)
    with State(place.state) as state:
        Intents(state).add(Intent("INBOX", server.folders["INBOX"].uidvalidity or 0, 2, ("1.gone.host",)))
    server.folders["INBOX"].add(version("s"), date=DATE)
    write(place, "2.host:2,", version("r", 9), date, "Work")
    for _ in range(2):
        assert go(place).ok
    assert held(place, server) == Counter([version("a"), version("s")])
    assert held(place, server, "Work") == Counter([version("r", 9)])


@pytest.mark.parametrize(("refused", "moved"), [("INBOX", False), ("INBOX", True), ("Work", True)])
def test_what_a_run_was_about_to_do_is_not_forgotten_by_one_that_was_refused(
    place: Place, server: MemoryServer, refused: str, moved: bool
) -> None:
    """The server tells another size than the file's, so that nothing but the note says that the message is the file."""
    write(place, "1.host:2,", version("b"), DATE + 60)
    with State(place.state) as state:
        Intents(state).add(Intent("INBOX", server.folders["INBOX"].uidvalidity or 0, 2, ("1.host",)))
    (uid,) = server.folders["INBOX"].add(version("b"), date=DATE + 90)
    server.folders["INBOX"].messages[uid] = replace(server.folders["INBOX"].messages[uid], lies_size=99)
    if moved:
        (place.mail / "INBOX/cur/1.host:2,").rename(place.mail / "Work/cur/1.host:2,")

    def refuse(command: str) -> None:
        server.folders[refused].gone = command in ("visit", "select")

    server.before = refuse
    assert not go(place).ok
    server.before = lambda command: None
    for _ in range(2):
        assert go(place).ok
    assert held(place, server) + held(place, server, "Work") == Counter(map(version, "ab"))
    with State(place.state) as state:
        assert Intents(state).old == (), "it is forgotten once all was done"


ONE = Likeness("<1@x>", 10, 5)


@pytest.mark.parametrize(
    ("files", "messages", "doubted"),
    [
        ([ONE], [ONE], False),
        ([ONE], [Likeness("<1@x>", 10, 6)], True),
        ([Likeness("<1@x>", 10)], [Likeness("<1@x>", 10)], True),
        ([ONE, ONE], [ONE], True),
        ([ONE], [ONE, ONE], True),
        ([ONE, Likeness("<1@x>", 11, 5)], [Likeness("<1@x>", 12, 5)], False),
        ([Likeness("", 10, 5)], [Likeness("", 10, 6)], False),
        ([Likeness(" sha256:0", 10, 5)], [Likeness(" sha256:0", 10, 6)], False),
    ],
)
def test_what_is_doubtful(files: list[Likeness], messages: list[Likeness], doubted: bool) -> None:
    here, there = dict(enumerate(files)), {Origin("INBOX", uid): like for uid, like in enumerate(messages, 1)}
    assert doubtful(here, there) == ((list(here), list(there)) if doubted else ([], []))
    assert doubtful(here, there, attempts=here)[0] == (list(here) if doubted or len(files) > 1 else [])
    if len(files) == len(messages) == 1:
        assert doubtful(here, there, fresh={"INBOX"}) == ([], []), "the first time"
