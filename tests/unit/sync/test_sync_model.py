"""Random histories of a server and a Maildir, with syncs, some of them killed: nothing is lost, nothing is twice."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mailctl.sync.local.files import Files
from mailctl.sync.local.lineends import decode
from mailctl.sync.local.names import parse_name
from tests.crash.test_sync_faults import Killed, StrikingFiles
from tests.doubles.imap import MemoryFolder, MemoryServer
from tests.doubles.syncs import Place

FOLDERS = ("INBOX", "Work")
FLAGS = st.frozensets(st.sampled_from(["\\Seen", "\\Flagged", "Work"]))


class Histories(RuleBasedStateMachine):
    """The model: every message by its body; which the user deleted here; which may have come back since."""

    @initialize(more=st.sampled_from(["", "CONDSTORE", "CONDSTORE ENABLE QRESYNC"]), propagate=st.booleans())
    def begin(self, more: str, propagate: bool) -> None:
        """An empty account."""
        self.folder = Path(tempfile.mkdtemp())
        self.server = MemoryServer({name: MemoryFolder() for name in FOLDERS}, frozenset({"UIDPLUS", *more.split()}))
        self.place = Place(self.folder, self.server)
        self.propagate = propagate
        self.number = 0
        self.here: set[bytes] = set()  # was in the Maildir after a sync, and was not deleted by the user
        self.deleted: set[bytes] = set()
        self.doubtful: set[bytes] = set()  # deleted here, but the memory of it may be gone
        self.known: set[bytes] = set()  # the state must remember
        self.own_flags: set[bytes] = set()  # flags changed here, or what was agreed on them is forgotten
        self.fresh = False  # the last thing that happened was a sync

    def teardown(self) -> None:
        """Leave nothing."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @rule(folder=st.sampled_from(FOLDERS), flags=FLAGS, count=st.integers(1, 3))
    def deliver(self, folder: str, flags: frozenset[str], count: int) -> None:
        """Messages arrive."""
        for _ in range(count):
            self.number += 1
            body = f"Message-ID: <{self.number}@x>\r\n\r\n{self.number}\r\n".encode()
            self.server.folders[folder].add(body, flags=flags, date=1_700_000_000.0 + self.number)
        self.fresh = False

    @rule(folder=st.sampled_from(FOLDERS), flags=FLAGS, data=st.data())
    def flag(self, folder: str, flags: frozenset[str], data: st.DataObject) -> None:
        """Flags change on the server."""
        messages = self.server.folders[folder].messages
        if messages:
            self.server.folders[folder].flag(data.draw(st.sampled_from(sorted(messages))), flags)
        self.fresh = False

    @rule(folder=st.sampled_from(FOLDERS), data=st.data())
    def expunge(self, folder: str, data: st.DataObject) -> None:
        """A message goes from the server."""
        messages = self.server.folders[folder].messages
        if messages:
            del messages[data.draw(st.sampled_from(sorted(messages)))]
        self.fresh = False

    @rule(folder=st.sampled_from(FOLDERS))
    def renumber(self, folder: str) -> None:
        """The server gives new UIDs under a new UIDVALIDITY."""
        found = self.server.folders[folder]
        found.uidvalidity = (found.uidvalidity or 0) + 1
        found.messages = {n + 100: m for n, m in enumerate(found.messages.values())}
        found.uidnext = max(found.messages, default=0) + 1
        self.doubtful |= self.deleted
        self.known.clear()
        self.own_flags |= self.here
        self.fresh = False

    @rule()
    def lose_state(self) -> None:
        """The state is gone."""
        self.place.state.unlink(missing_ok=True)
        self.doubtful |= self.deleted
        self.known.clear()
        self.own_flags |= self.here
        self.fresh = False

    @rule(data=st.data())
    def delete_here(self, data: st.DataObject) -> None:
        """The user deletes a message in the Maildir."""
        files = self.files()
        if files:
            path = data.draw(st.sampled_from(files))
            body = self.body(path)
            path.unlink()
            self.here.discard(body)
            self.deleted.add(body)
            if body not in self.known:
                self.doubtful.add(body)
        self.fresh = False

    @rule(data=st.data(), letters=st.sampled_from(["", "S", "FS", "P"]), to=st.sampled_from(FOLDERS))
    def move_here(self, data: st.DataObject, letters: str, to: str) -> None:
        """A mail client renames a file, or moves it to another folder."""
        files = self.files()
        if files and (self.place.mail / to / "cur").is_dir():
            path = data.draw(st.sampled_from(files))
            self.own_flags.add(self.body(path))
            path.rename(self.place.mail / to / "cur" / f"{path.name.partition(':2,')[0]}:2,{letters}")
        self.fresh = False

    @rule()
    def sync(self) -> None:
        """A sync that nothing disturbs."""
        self.place.files = Files()
        report = self.place.sync(propagate_deletes=self.propagate)
        assert report.ok, report.error
        self.here |= {self.body(path) for path in self.files()}
        self.known |= self.here
        self.fresh = True

    @rule(at=st.integers(1, 40), how=st.sampled_from(["before", "after", "torn"]))
    def killed_sync(self, at: int, how: str) -> None:
        """A sync that is killed somewhere."""
        self.place.files = StrikingFiles(at, how)
        with suppress(Killed):
            self.place.sync(propagate_deletes=self.propagate)
        self.own_flags |= {self.body(path) for path in self.files()}
        self.fresh = False

    @rule()
    def time_passes(self) -> None:
        """Directories changed long ago: their times can be relied on."""
        for path in self.place.mail.glob("*/[cn][ue][rw]"):
            changed = path.stat().st_mtime_ns
            os.utime(path, ns=(changed, changed - 5_000_000_000))

    @precondition(lambda self: self.fresh)
    @invariant()
    def all_is_here_once(self) -> None:
        """After a sync."""
        bodies = [self.body(path) for path in self.files()]
        assert len(bodies) == len(set(bodies)), "twice"
        assert self.here <= set(bodies), "lost"
        served = {m.body for folder in self.server.folders.values() for m in folder.messages.values()}
        assert served - self.deleted <= set(bodies), "not fetched"
        assert set(bodies) & self.deleted <= self.doubtful, "fetched again though it was deleted here"
        if self.propagate:
            assert not (self.deleted - self.doubtful) & served, "not deleted there"
        assert self.place.litter() == []

    @precondition(lambda self: self.fresh)
    @invariant()
    def flags_came_down(self) -> None:
        """After a sync."""
        for name in FOLDERS:
            served = {m.body: m.flags for m in self.server.folders[name].messages.values()}
            if not (self.place.mail / name).is_dir():
                continue
            for body, flags in zip(self.place.bodies(name), self.place.flags(name), strict=True):
                if body in served and body not in self.own_flags:
                    assert flags == served[body], "flags"

    @precondition(lambda self: self.fresh)
    @invariant()
    def a_second_sync_does_nothing(self) -> None:
        """After a sync."""
        before = {path: path.stat().st_mtime_ns for path in self.files()}
        report = self.place.sync(propagate_deletes=self.propagate)
        assert (report.ok, report.fetched, report.flagged, report.removed) == (True, 0, 0, 0)
        assert {path: path.stat().st_mtime_ns for path in self.files()} == before

    def files(self) -> list[Path]:
        """Every message file."""
        return sorted(path for name in FOLDERS for path in (self.place.mail / name).glob("[cn][ue][rw]/*"))

    @staticmethod
    def body(path: Path) -> bytes:
        """A message as on the wire."""
        name = parse_name(path.name)
        assert name is not None
        return decode(path.read_bytes(), verbatim=name.verbatim)


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
