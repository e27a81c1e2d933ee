"""Mirror mode killed before and after every file call and every server command: nothing is lost, nothing is doubled.

One busy run (new here, new there, flags both ways, moved with and without its name, copied, deleted on both sides,
folders made and removed on both sides) is struck at each of its calls in turn; after each strike a plain run must end
with the same on both sides, and what the undisturbed run ends with.
"""

import errno
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from mailctl.domain.gateway import Mode
from mailctl.sync.local.files import Files
from mailctl.sync.local.flags import Keywords, from_letters
from mailctl.sync.local.lineends import decode
from mailctl.sync.local.names import parse_name
from mailctl.sync.report import SyncReport
from mailctl.sync.state import Agreed, State
from tests.crash.test_sync_faults import Killed, StrikingFiles
from tests.doubles.imap import MemoryFolder, MemoryServer
from tests.doubles.syncs import Place
from tests.unit.sync.mirror.test_mirror_model import calm, strike

P = ParamSpec("P")
T = TypeVar("T")

ALL = frozenset({"IMAP4REV1", "UIDPLUS", "MOVE", "CONDSTORE", "ENABLE"})
PLAIN = frozenset({"IMAP4REV1", "UIDPLUS"})
BLIND = frozenset({"IMAP4REV1", "MOVE"})
"""No UIDPLUS: it doesn't say where messages came to lie, and removes no single ones."""

FULL = "MAILCTL_CRASH_KILLS" in os.environ

Held = Counter[tuple[str, bytes, frozenset[str]]]


def mail(number: int) -> bytes:
    """A message; every third has no Message-ID."""
    named = f"Message-ID: <{number}@x>\r\n" if number % 3 else ""
    return f"{named}Subject: {number}\r\n\r\n{'y' * 200}\r\n{number}\r\n".encode()


def prepared(folder: Path, capabilities: frozenset[str]) -> tuple[Place, MemoryServer]:
    """Both sides alike, and then changed."""
    server = MemoryServer({name: MemoryFolder() for name in ("INBOX", "Work", "Old")}, capabilities)
    server.folders["INBOX"].add(*(mail(n) for n in range(1, 11)))
    server.folders["Work"].add(mail(11), mail(12), flags=["\\Seen", "Job"])
    server.folders["Old"].add(mail(13), mail(14))
    server.folders["Gone"] = MemoryFolder(uidvalidity=9)
    server.folders["Gone"].add(mail(15))
    place = Place(folder, server)
    assert go(place).ok
    change_there(server)
    change_here(place)
    return place, server


def change_there(server: MemoryServer) -> None:
    """What other clients do."""
    inbox = server.folders["INBOX"]
    inbox.add(mail(20), mail(21), flags=["New"])
    inbox.flag(1, ["\\Flagged"])
    del inbox.messages[2]
    del server.folders["Gone"]
    server.folders["Made/There"] = MemoryFolder(uidvalidity=30)
    server.folders["Made/There"].add(mail(22))


def change_here(place: Place) -> None:
    """What mail clients here do."""
    inbox, work = place.mail / "INBOX", place.mail / "Work"
    flagged = place.file(3)
    flagged.rename(inbox / "cur" / f"{flagged.name.partition(':2,')[0]}:2,S")
    place.file(4).unlink()
    moved = place.file(5)
    moved.rename(work / "cur" / f"{moved.name.partition(':2,')[0]}:2,S")
    place.file(7).rename(work / "cur" / "700.client.host:2,F")
    copied = place.file(8)
    (work / "cur" / copied.name).write_bytes(copied.read_bytes())
    place.file(10).rename(inbox / "cur" / "701.client.host:2,R")
    (inbox / "new" / "800.client.host").write_bytes(mail(30).replace(b"\r\n", b"\n"))
    (inbox / "cur" / "801.client.host:2,S").write_bytes(mail(31))
    (inbox / "cur" / "802.client.host:2,S").write_bytes(mail(32).replace(b"\r\n", b"\n", 1))
    for name in ("cur", "new", "tmp"):
        for path in (place.mail / "Old" / name).iterdir():
            path.unlink()
        (place.mail / "Old" / name).rmdir()
        (place.mail / "Made" / "Here" / name).mkdir(parents=True)
    (place.mail / "Made" / "Here" / "cur" / "900.client.host:2,").write_bytes(mail(33).replace(b"\r\n", b"\n"))


def go(place: Place) -> SyncReport:
    """A sync in mirror mode."""
    return place.sync(place.job(mode=Mode.MIRROR))


def here(place: Place) -> Held:
    """What the Maildir holds."""
    found: Held = Counter()
    for path in place.mail.rglob("*"):
        if path.parent.name in ("cur", "new") and path.is_file():
            name = parse_name(path.name)
            assert name is not None, path
            folder = path.parents[1]
            table = folder / "dovecot-keywords"
            keywords = Keywords.parse(table.read_text() if table.exists() else "")
            body = decode(path.read_bytes(), verbatim=name.verbatim)
            found[str(folder.relative_to(place.mail)), body, from_letters(name.letters, keywords)] += 1
    return found


def there(server: MemoryServer) -> Held:
    """What the server holds, without what is only marked as deleted for want of UIDPLUS."""
    held = ((name, m.body, m.flags) for name, folder in server.folders.items() for m in folder.messages.values())
    return Counter(each for each in held if "\\Deleted" not in each[2])


def whole(place: Place, server: MemoryServer) -> Held:
    """After plain runs: both sides alike, no litter, and a further run does nothing."""
    calm(place, server)
    report = go(place)
    assert report.ok, report.error
    assert here(place) == there(server)
    assert place.litter() == []
    if "UIDPLUS" in server.capabilities:
        again = go(place)
        done = (again.fetched, again.flagged, again.removed, again.uploaded, again.moved)
        assert (again.ok, done) == (True, (0,) * 5)
    return here(place)


def bodies(held: Held) -> "Counter[tuple[str, bytes]]":
    """Without the flags."""
    found: Counter[tuple[str, bytes]] = Counter()
    for (folder, body, _), times in held.items():
        found[folder, body] += times
    return found


@pytest.fixture(scope="module", params=[ALL, PLAIN, BLIND], ids=["all", "plain", "blind"])
def expected(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[frozenset[str], Held]:
    """(what the server can do, what an undisturbed run ends with)."""
    place, server = prepared(tmp_path_factory.mktemp("whole"), request.param)
    return request.param, whole(place, server)


def test_an_undisturbed_run_ends_as_both_sides_meant(expected: tuple[frozenset[str], Held]) -> None:
    found = bodies(expected[1])
    assert sum(found.values()) == len(found)
    inbox = {body for folder, body in found if folder == "INBOX"}
    assert inbox == {mail(n) for n in (1, 3, 6, 8, 9, 10, 20, 21, 30, 31, 32)}
    assert {body for folder, body in found if folder == "Work"} == {mail(n) for n in (5, 7, 8, 11, 12)}
    assert ("Made/Here", mail(33)) in found
    assert ("Made/There", mail(22)) in found
    assert not {folder for folder, _ in found} & {"Old", "Gone"}


def strikes(tmp_path_factory: pytest.TempPathFactory, step: int) -> Iterator[tuple[int, Path]]:
    """Each call's number, and a folder; only some of them where the tests aren't run at full length."""
    for at in range(1 if FULL else random.randint(1, step), 1000, 1 if FULL else step):
        yield at, tmp_path_factory.mktemp("strike")


@pytest.mark.parametrize("kill", [True, False], ids=["killed", "cut"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_struck_at_every_server_command(
    after: bool, kill: bool, expected: tuple[frozenset[str], Held], tmp_path_factory: pytest.TempPathFactory
) -> None:
    capabilities, wanted = expected
    for at, folder in strikes(tmp_path_factory, 5):
        place, server = prepared(folder, capabilities)
        files = strike(place, server, at, after=after, kill=kill)
        try:
            report = go(place)
        except Killed:
            assert kill
        else:
            assert report.ok, report.error
        if not files.struck:
            break
        found = whole(place, server)
        assert bodies(found) == bodies(wanted), files.struck
        assert found == wanted, files.struck
    assert at > (10 if after else 20)


@pytest.mark.parametrize("how", ["before", "after", "torn", errno.ENOSPC, errno.EIO], ids=str)
def test_struck_at_every_file_call(
    how: str | int, expected: tuple[frozenset[str], Held], tmp_path_factory: pytest.TempPathFactory
) -> None:
    capabilities, wanted = expected
    for at, folder in strikes(tmp_path_factory, 19):
        place, server = prepared(folder, capabilities)
        place.files = files = StrikingFiles(at, how)
        try:
            report = go(place)
        except Killed:
            assert not isinstance(how, int)
        else:
            assert report.ok == (not files.struck), files.struck
        if not files.struck:
            break
        assert isinstance(place.files, Files)
        found = whole(place, server)
        assert bodies(found) == bodies(wanted), files.struck
    assert at > 60


@pytest.mark.parametrize("number", [30, 31], ids=["nameless", "named"])
@pytest.mark.parametrize("capabilities", [ALL, PLAIN], ids=["all", "plain"])
def test_an_upload_that_was_cut_short_is_found_though_its_file_was_renamed_and_moved(
    capabilities: frozenset[str], number: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for at in range(1, 100):
        server = MemoryServer({"INBOX": MemoryFolder(), "Work": MemoryFolder(uidvalidity=2)}, capabilities)
        place = Place(tmp_path_factory.mktemp("strike"), server)
        server.folders["INBOX"].add(mail(1))
        assert go(place).ok
        written = place.mail / "INBOX" / "new" / "800.client.host"
        written.write_bytes(mail(number).replace(b"\r\n", b"\n"))
        place.files = files = StrikingFiles(at, "before")
        with suppress(Killed):
            assert go(place).ok
        if not files.struck:
            break
        place.files = Files()
        if written.exists():
            written.rename(place.mail / "Work" / "cur" / "900.client.host:2,S")
        found = whole(place, server)
        assert sum(times for (_, body, _), times in found.items() if body == mail(number)) == 1, files.struck
    assert at > 5


def test_G10_noted_before_told_and_named_before_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upload: the note is durable, then the server is told, the file is named, durably, and it is remembered."""
    order: list[str] = []

    class Recording(Files):
        def perform(self, kind: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
            order.append(kind)
            return function(*args, **kwargs)

    real_meta, real_messages = State.set_meta, State.save_messages

    def set_meta(self: State, key: str, value: str, *, durable: bool = False) -> None:
        if key == "intents":
            assert durable
            order.append("note" if value != "[]" else "note done")
        real_meta(self, key, value, durable=durable)

    def save_messages(self: State, folder: str, messages: dict[int, Agreed], *more: object) -> None:
        if messages:
            order.append("remember")
        real_messages(self, folder, messages, *more)  # type: ignore[arg-type]  # handed on as it is

    server = MemoryServer({"INBOX": MemoryFolder()}, ALL)
    place = Place(tmp_path, server, files=Recording())
    assert go(place).ok
    (place.mail / "INBOX" / "cur" / "1.client.host:2,S").write_bytes(mail(2).replace(b"\r\n", b"\n", 1))
    monkeypatch.setattr(State, "set_meta", set_meta)
    monkeypatch.setattr(State, "save_messages", save_messages)
    server.after = lambda command: order.append(command) if command == "append" else None
    order.clear()
    assert go(place).uploaded == 1
    turn = ["create", "write", "fsync", "rename", "fsync_directory"]
    regular = ["create", "write", "utime", "fsync", "rename", "fsync_directory"]
    named = ["rename", "fsync_directory", "fsync_directory"]
    got = [kind for kind in order if kind not in ("unlink", "mkdir")]
    assert got == [*turn, *regular, "note", "append", *named, "remember", "note done", "remember"]
