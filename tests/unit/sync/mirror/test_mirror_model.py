"""Random histories of both sides, with syncs, some killed at a file call or a server command: nothing lost or doubled.

The messages are known by their bodies. What both sides did something to between two whole syncs may be there twice, or
be kept though one side deleted it: a conflict keeps data.
"""

import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mailctl.domain.gateway import Mode
from mailctl.errors import NetworkError
from mailctl.sync.local.files import Files
from mailctl.sync.local.flags import Keywords, from_letters
from mailctl.sync.local.lineends import decode
from mailctl.sync.local.names import parse_name
from tests.crash.test_sync_faults import Killed, StrikingFiles
from tests.doubles.imap import MemoryFolder, MemoryServer
from tests.doubles.syncs import Place

FOLDERS = ("INBOX", "Work", "Play")
FLAGS = st.frozensets(st.sampled_from(["\\Seen", "\\Flagged"]))
FOLDER = st.sampled_from(FOLDERS)
KIND = st.sampled_from(["named", "nameless", "twin"])
EXTENSIONS = ({"UIDPLUS", "MOVE"}, {"UIDPLUS"}, {"UIDPLUS", "MOVE", "CONDSTORE", "ENABLE", "QRESYNC"})


class MirrorHistories(RuleBasedStateMachine):
    """The model: bodies that must be somewhere, those that were deleted, those that both sides touched."""

    @initialize(extensions=st.sampled_from(EXTENSIONS))
    def begin(self, extensions: set[str]) -> None:
        """An empty account."""
        self.folder = Path(tempfile.mkdtemp())
        self.server = MemoryServer({name: MemoryFolder() for name in FOLDERS}, frozenset({"IMAP4REV1"} | extensions))
        self.place = Place(self.folder, self.server)
        self.number = 0
        self.alive: set[bytes] = set()
        self.deleted: set[bytes] = set()
        self.there: set[bytes] = set()  # touched on the server since the last whole sync
        self.here: set[bytes] = set()  # touched here since then
        self.doubled: set[bytes] = set()  # may be twice for good
        self.underway: set[bytes] = set()  # went up or came down when a run died: nobody knows that both sides had it
        self.returned: set[bytes] = set()
        self.fresh = False
        self.synced()

    def teardown(self) -> None:
        """Leave nothing."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def body(self, kind: str) -> bytes:
        """A new message; all twins have one Message-ID and one size."""
        self.number += 1
        identity = {"named": f"Message-ID: <{self.number}@x>\r\n", "twin": "Message-ID: <twin@x>\r\n", "nameless": ""}
        padding = "" if kind == "twin" else "x" * (self.number % 3)
        made = f"{identity[kind]}Subject: {self.number:04}\r\n\r\n{padding}\r\n".encode()
        self.alive.add(made)
        self.fresh = False
        return made

    @rule(folder=FOLDER, flags=FLAGS, kind=KIND)
    def deliver_there(self, folder: str, flags: frozenset[str], kind: str) -> None:
        """A message arrives on the server."""
        self.server.folders[folder].add(self.body(kind), flags=flags, date=1_700_000_000.0 + self.number)

    @rule(folder=FOLDER, letters=st.sampled_from(["", "S", "FS"]), kind=KIND)
    def deliver_here(self, folder: str, letters: str, kind: str) -> None:
        """A mail client stores one here."""
        body = self.body(kind)
        path = self.place.mail / folder / "cur" / f"{self.number}.M1P2.host:2,{letters}"
        path.write_bytes(body.replace(b"\r\n", b"\n"))
        os.utime(path, (1_600_000_000 + self.number, 1_600_000_000 + self.number))

    @rule(folder=FOLDER, flags=FLAGS, data=st.data())
    def flag_there(self, folder: str, flags: frozenset[str], data: st.DataObject) -> None:
        """Flags change on the server."""
        self.on_server(folder, data, lambda found, uid: found.flag(uid, flags))

    @rule(folder=FOLDER, data=st.data())
    def delete_there(self, folder: str, data: st.DataObject) -> None:
        """A message is expunged."""
        self.on_server(folder, data, self.gone_there)

    @rule(folder=FOLDER, to=FOLDER, data=st.data())
    def move_there(self, folder: str, to: str, data: st.DataObject) -> None:
        """Another client moves a message."""

        def moved(found: MemoryFolder, uid: int) -> None:
            message = found.messages.pop(uid)
            self.server.folders[to].add(message.body, flags=message.flags, date=message.date)

        if folder != to:
            self.on_server(folder, data, moved)

    def gone_there(self, found: MemoryFolder, uid: int) -> None:
        """A message goes from the server."""
        self.deleted.add(found.messages.pop(uid).body)

    def on_server(self, folder: str, data: st.DataObject, act: Callable[[MemoryFolder, int], None]) -> None:
        """Do something to one message there."""
        found = self.server.folders[folder]
        if found.messages:
            uid = data.draw(st.sampled_from(sorted(found.messages)))
            self.there.add(found.messages[uid].body)
            act(found, uid)
            self.fresh = False

    @rule(data=st.data(), letters=st.sampled_from(["", "S", "FS"]))
    def flag_here(self, data: st.DataObject, letters: str) -> None:
        """A mail client renames a file."""
        self.on_file(data, lambda path: path.rename(path.parents[1] / "cur" / f"{base(path)}:2,{letters}"))

    @rule(data=st.data())
    def delete_here(self, data: st.DataObject) -> None:
        """A mail client removes one."""

        def removed(path: Path) -> None:
            self.deleted.add(octets(path))
            path.unlink()

        self.on_file(data, removed)

    @rule(data=st.data(), to=FOLDER, renamed=st.booleans())
    def move_here(self, data: st.DataObject, to: str, renamed: bool) -> None:
        """A mail client moves one, and may give it a name of its own."""

        def moved(path: Path) -> None:
            self.number += 1
            name = f"{self.number}.moved.host:2,{path.name.partition(':2,')[2]}" if renamed else path.name
            path.rename(self.place.mail / to / "cur" / name)

        self.on_file(data, moved)

    def on_file(self, data: st.DataObject, act: Callable[[Path], object]) -> None:
        """Do something to one file."""
        files = self.files()
        if files:
            path = data.draw(st.sampled_from(files))
            self.here.add(octets(path))
            act(path)
            self.fresh = False

    @rule()
    def sync(self) -> None:
        """A sync that nothing disturbs."""
        self.synced()

    @rule(at=st.integers(1, 60), how=st.sampled_from(["before", "after", "torn"]))
    def killed_at_a_file_call(self, at: int, how: str) -> None:
        """Killed somewhere."""
        self.place.files = StrikingFiles(at, how)
        self.died()

    @rule(at=st.integers(1, 25), after=st.booleans(), kill=st.booleans())
    def cut_at_a_command(self, at: int, after: bool, kill: bool) -> None:
        """Killed, or the connection lost, at a command: before it took effect, or after, its answer unheard."""
        strike(self.place, self.server, at, after=after, kill=kill)
        self.died()
        calm(self.place, self.server)

    def died(self) -> None:
        """A sync that ends somewhere."""
        there = {message.body for folder in self.server.folders.values() for message in folder.messages.values()}
        named = {octets(path) for path in self.files() if parse_name(path.name) is not None}
        self.underway |= (there | {octets(path) for path in self.files()}) - named
        with suppress(Killed):
            self.run()
        self.fresh = False

    @rule()
    def time_passes(self) -> None:
        """Directories changed long ago: their times can be relied on."""
        self.age()

    def age(self) -> None:
        """Make what changed just now have changed a while ago, each time of its own."""
        for path in self.place.mail.glob("*/[cn][ue][rw]"):
            changed = path.stat().st_mtime_ns
            if changed > time.time_ns() - 800_000_000:
                os.utime(path, ns=(changed, changed - 1_000_000_000))

    def run(self) -> None:
        """A sync."""
        self.age()
        report = self.place.sync(self.place.job(mode=Mode.MIRROR))
        assert report.ok or report.error.exit_code in (5, 8), report.error  # type: ignore[union-attr]  # it failed

    def synced(self) -> None:
        """A whole sync, and what it means."""
        self.place.files = Files()
        self.age()
        report = self.place.sync(self.place.job(mode=Mode.MIRROR))
        assert report.ok, report.error
        both = self.here & self.there
        self.doubled |= both
        self.returned, self.underway = self.underway, set()
        self.here, self.there = set(), set()
        self.fresh = True

    @precondition(lambda self: self.fresh)
    @invariant()
    def both_sides_are_alike(self) -> None:
        """After a sync."""
        here: Counter[tuple[str, bytes, frozenset[str]]] = Counter()
        for path in self.files():
            folder = path.relative_to(self.place.mail).parts[0]
            keywords = self.place.mail / folder / "dovecot-keywords"
            table = Keywords.parse(keywords.read_text() if keywords.exists() else "")
            here[folder, octets(path), from_letters(path.name.partition(":2,")[2], table)] += 1
            assert parse_name(path.name) is not None, "a file without its name"
        there = Counter((n, m.body, m.flags) for n, f in self.server.folders.items() for m in f.messages.values())
        assert here == there
        bodies = Counter(body for _, body, _ in here.elements())
        assert self.alive - self.deleted <= bodies.keys(), "lost"
        assert bodies.keys() <= self.alive
        assert {body for body, times in bodies.items() if times > 1} <= self.doubled, "doubled"
        assert bodies.keys() & self.deleted <= self.doubled | self.returned, "deleted, and there again"
        assert self.place.litter() == []
        self.deleted -= bodies.keys()  # a conflict kept it

    @precondition(lambda self: self.fresh)
    @invariant()
    def a_second_sync_does_nothing(self) -> None:
        """After a sync."""
        self.age()
        before = {path: path.stat().st_mtime_ns for path in self.files()}
        report = self.place.sync(self.place.job(mode=Mode.MIRROR))
        done = (report.fetched, report.flagged, report.removed, report.uploaded, report.moved)
        assert (report.ok, done) == (True, (0,) * 5)
        assert {path: path.stat().st_mtime_ns for path in self.files()} == before

    def files(self) -> list[Path]:
        """Every message file."""
        return sorted(path for name in FOLDERS for path in (self.place.mail / name).glob("[cn][ue][rw]/*"))


def base(path: Path) -> str:
    """A file's name up to the flags."""
    return path.name.partition(":2,")[0]


def octets(path: Path) -> bytes:
    """A message as on the wire."""
    name = parse_name(path.name)
    return decode(path.read_bytes(), verbatim=name is not None and name.verbatim)


def strike(place: Place, server: MemoryServer, at: int, *, after: bool, kill: bool) -> StrikingFiles:
    """Have the `at`th command of the next run kill it, or cut its connection."""
    count, files = 0, StrikingFiles(0, "")
    place.files = files

    def strikes(command: str) -> None:
        nonlocal count
        if files.dead:
            raise Killed
        count += 1
        if count == at:
            files.struck = command
            files.dead = kill
            raise Killed if kill else NetworkError("the connection was lost", cause="connection_lost")

    if after:
        server.after = strikes
    else:
        server.before = strikes
    return files


def calm(place: Place, server: MemoryServer) -> None:
    """Nothing strikes any more."""
    server.after = server.before = lambda command: None
    place.files = Files()


TestMirrorHistories = MirrorHistories.TestCase
TestMirrorHistories.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
