"""The sync engine against a server in memory: policies, odd servers, other programs in the Maildir."""

import fcntl
import os
import pickle
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mailctl.domain.mailbox import BodySink, MessageMeta, SinkFactory
from mailctl.domain.standing import Standing
from mailctl.errors import ExitCode, RefusedError, StorageError
from mailctl.sync.local import maildir
from mailctl.sync.local.files import storing
from mailctl.sync.local.maildir import LocalFile
from mailctl.sync.local.root import Index, Lock, Root
from mailctl.sync.run import Run, Tools
from mailctl.sync.state import State
from tests.doubles.imap import MemoryFolder, MemoryMailbox, MemoryServer, Message
from tests.doubles.syncs import Place


def mail(number: int, more: str = "") -> bytes:
    return f"Message-ID: <{number}@x>\r\nSubject: {number}\r\n\r\nbody {number} {more}\r\n".encode()


@pytest.fixture
def server() -> MemoryServer:
    made = MemoryServer({"INBOX": MemoryFolder()})
    made.folders["INBOX"].add(*(mail(n) for n in range(5)))
    return made


@pytest.fixture
def place(tmp_path: Path, server: MemoryServer) -> Place:
    return Place(tmp_path, server)


@pytest.fixture
def inbox(server: MemoryServer) -> MemoryFolder:
    return server.folders["INBOX"]


def served(folder: MemoryFolder) -> list[bytes]:
    return [message.body for _, message in sorted(folder.messages.items())]


def test_job_and_report_can_be_pickled(place: Place) -> None:
    job = pickle.loads(pickle.dumps(place.job()))
    report = place.sync(job)
    assert pickle.loads(pickle.dumps(report)) == report
    assert report.messages == 5


def test_an_unchanged_folder_costs_one_command(place: Place, server: MemoryServer) -> None:
    place.sync()
    server.commands.clear()
    assert place.sync().ok
    assert [name for name, _ in server.commands] == ["survey"]


def test_only_what_changed_is_asked_for(place: Place, server: MemoryServer, inbox: MemoryFolder) -> None:
    place.sync()
    inbox.flag(2, ["\\Seen"])
    inbox.add(mail(9))
    server.commands.clear()
    report = place.sync()
    assert (report.fetched, report.flagged) == (1, 1)
    assert ("fetch", [6]) in server.commands
    assert place.bodies() == served(inbox)


def test_H2_no_condstore_no_uidnext_no_uidvalidity(place: Place, server: MemoryServer, inbox: MemoryFolder) -> None:
    server.capabilities = frozenset({"IMAP4REV1", "UIDPLUS"})
    inbox.uidnext = inbox.uidvalidity = None
    assert place.sync(keep_on_server=False).fetched == 5
    inbox.add(mail(9), flags=["\\Seen"])
    report = place.sync(keep_on_server=False)
    assert (report.ok, report.fetched, report.removed) == (True, 1, 0), "UIDs that may change remove nothing"
    assert place.bodies() == served(inbox)
    assert len(inbox.messages) == 6


def test_H3_another_message_under_a_known_uid(place: Place, inbox: MemoryFolder) -> None:
    place.sync(propagate_deletes=True)
    inbox.messages[2] = Message(mail(99, "longer"), date=1_600_000_000.0, modseq=50)
    place.file(3).unlink()
    inbox.uidnext = 3
    report = place.sync(propagate_deletes=True, keep_on_server=False)
    assert report.error is not None
    assert (report.error.code, report.error.exit_code) == ("identity_changed", ExitCode.SAFETY)
    assert [skipped.uid for skipped in report.skipped] == [2]
    assert report.removed == 0
    assert len(inbox.messages) == 5
    assert mail(1) in place.bodies()


def test_H3_a_server_restored_from_a_backup(place: Place, inbox: MemoryFolder) -> None:
    """Its UIDs and mod-sequences went backwards, and were given again."""
    inbox.flag(5, ["\\Seen"])
    inbox.add(mail(6), mail(7))
    place.sync()
    for uid in (6, 7):
        del inbox.messages[uid]
    inbox.flag(5, [])
    inbox.messages = {uid: replace(message, modseq=1) for uid, message in inbox.messages.items()}
    inbox.messages[6] = Message(mail(600, "another"), date=1_710_000_000.0, modseq=2)
    inbox.uidnext = 7
    report = place.sync()
    assert report.error is not None
    assert report.error.code == "identity_changed"
    assert [skipped.uid for skipped in report.skipped] == [6]
    assert mail(6) in place.bodies()
    assert len(place.bodies()) == 7


def test_since_asks_nothing_of_what_is_too_old(place: Place, server: MemoryServer, inbox: MemoryFolder) -> None:
    job = replace(place.job(), since="2024-01-01")
    recent = inbox.add(mail(20), date=1_720_000_000.0)
    report = place.sync(job)
    assert report.fetched == 1
    assert [(skipped.code, skipped.count) for skipped in report.skipped] == [("too_old", 5)]
    server.commands.clear()
    assert place.sync(job).skipped == report.skipped
    assert [name for name, _ in server.commands] == ["survey"]
    assert recent == [6]
    assert place.sync().fetched == 5


def test_a_dry_run_after_a_sync(place: Place, inbox: MemoryFolder) -> None:
    place.sync()
    before = {path: path.stat().st_mtime_ns for path in place.folder.rglob("*")}
    inbox.add(mail(9))
    place.recorder.events.clear()
    report = place.sync(replace(place.job(max_size=10), dry_run=True))
    assert report.ok
    assert [skipped.uid for skipped in report.skipped] == [6]
    report = place.sync(replace(place.job(), dry_run=True))
    assert [(step.action, step.uids) for step in report.steps] == [("fetch", (6,))]
    assert {path: path.stat().st_mtime_ns for path in place.folder.rglob("*")} == before
    assert place.recorder.events == []


def test_a_dry_run_shows_what_the_brake_would_stop(place: Place, inbox: MemoryFolder) -> None:
    inbox.add(*(mail(n) for n in range(10, 60)))
    place.sync(propagate_deletes=True)
    for uid in range(1, 41):
        place.file(uid).unlink()
    report = place.sync(replace(place.job(propagate_deletes=True), dry_run=True))
    assert [(step.action, len(step.uids)) for step in report.steps] == [("delete_on_server", 40)]
    assert any("--confirm-deletes" in warning for warning in report.warnings)
    assert not place.sync(propagate_deletes=True).ok
    assert len(inbox.messages) == 55


def test_H4_expunged_during_fetch(place: Place, server: MemoryServer, inbox: MemoryFolder) -> None:
    def expunge(command: str) -> None:
        if command == "fetch":
            inbox.messages.pop(3, None)

    server.before = expunge
    report = place.sync(max_size=10_000)
    assert (report.ok, report.fetched) == (True, 4)
    assert [(skipped.uid, skipped.code) for skipped in report.skipped] == [(3, "no_body")]
    server.before = lambda command: None
    assert place.sync().skipped == ()


def test_H4_expunged_while_many_are_on_their_way(place: Place, server: MemoryServer, inbox: MemoryFolder) -> None:
    def expunge(octets: int) -> None:
        inbox.messages.pop(3, None)

    server.cut = expunge
    report = place.sync()
    assert (report.ok, report.fetched, report.skipped) == (True, 4, ())
    assert place.bodies() == served(inbox)


def test_B16_a_nil_body_is_no_message(place: Place, inbox: MemoryFolder) -> None:
    inbox.messages[2] = replace(inbox.messages[2], no_body=True)
    for _ in range(2):
        report = place.sync()
        assert [(skipped.uid, skipped.code) for skipped in report.skipped] == [(2, "no_body")]
    inbox.messages[2] = replace(inbox.messages[2], no_body=False)
    assert place.sync().fetched == 1


def test_H5_a_folder_that_goes_in_the_middle_ends_alone(place: Place, server: MemoryServer) -> None:
    server.folders |= {"A": MemoryFolder(), "B": MemoryFolder(), "C": MemoryFolder()}
    for name in "ABC":
        server.folders[name].add(mail(1))
    selected = []

    def go(command: str) -> None:
        selected.append(command)
        if selected.count("select") + selected.count("visit") == 2:
            server.folders["B"].gone = True

    server.before = go
    report = place.sync()
    assert report.error is not None
    assert report.error.exit_code is ExitCode.REFUSED
    assert {folder.name: folder.ok for folder in report.folders} == {"INBOX": True, "A": True, "B": False, "C": True}
    assert report.fetched == 7


def test_H5_refused_while_fetching(place: Place, server: MemoryServer) -> None:
    server.folders["Z"] = MemoryFolder()
    server.folders["Z"].add(mail(1))

    def refuse(command: str) -> None:
        if command == "fetch" and server.commands[-1] == ("fetch", [1, 2, 3, 4, 5]):
            raise RefusedError("UID FETCH: no such mailbox", cause="no_such_mailbox")

    server.before = refuse
    report = place.sync(max_size=10_000)
    assert (report.ok, report.fetched) == (False, 1)


def test_H6_read_only(place: Place, inbox: MemoryFolder) -> None:
    inbox.read_only = True
    report = place.sync(mark_seen=True, keep_on_server=False)
    assert (report.ok, report.fetched, report.removed) == (True, 5, 0)
    assert any("read-only" in warning for warning in report.warnings)


def test_H7_gmail_gives_each_message_once(place: Place, server: MemoryServer) -> None:
    server.capabilities |= {"X-GM-EXT-1"}
    server.folders |= {
        "[Gmail]": MemoryFolder(attributes=frozenset({"\\noselect"})),
        "[Gmail]/All Mail": MemoryFolder(attributes=frozenset({"\\all"})),
        "[Gmail]/Important": MemoryFolder(attributes=frozenset({"\\important"})),
        "[Gmail]/Spam": MemoryFolder(attributes=frozenset({"\\junk"})),
        "Label": MemoryFolder(),
    }
    for name in ("[Gmail]/All Mail", "[Gmail]/Important", "Label"):
        server.folders[name].add(*(mail(n) for n in range(5)))
    server.folders["[Gmail]/Spam"].add(mail(77))
    report = place.sync()
    assert {folder.name for folder in report.folders} == {"[Gmail]/All Mail", "[Gmail]/Spam"}
    assert report.fetched == 6
    assert any("All Mail" in note for note in report.notes)
    named = place.sync(folders=("INBOX", "[Gmail]/*"))
    assert {"INBOX", "[Gmail]/Important"} <= {folder.name for folder in named.folders}


def test_H8_without_uidplus_nothing_is_removed(place: Place, server: MemoryServer, inbox: MemoryFolder) -> None:
    server.capabilities = frozenset({"IMAP4REV1"})
    report = place.sync(keep_on_server=False)
    assert (report.ok, report.fetched, report.removed) == (True, 5, 0)
    assert any("UIDPLUS" in warning for warning in report.warnings)
    assert all("\\Deleted" not in message.flags for message in inbox.messages.values())


@pytest.mark.parametrize("condstore", [True, False])
def test_H9_an_empty_listing_takes_nothing_away(
    place: Place, server: MemoryServer, inbox: MemoryFolder, condstore: bool
) -> None:
    if not condstore:
        server.capabilities = frozenset({"IMAP4REV1", "UIDPLUS"})
    inbox.add(*(mail(n) for n in range(10, 60)))
    place.sync(propagate_deletes=True)
    place.file(7).unlink()
    kept = dict(inbox.messages)
    inbox.messages.clear()
    report = place.sync()
    assert report.ok
    assert any("fewer" in warning for warning in report.warnings)
    assert len(place.bodies()) == 54
    inbox.messages.update(kept)
    report = place.sync(propagate_deletes=True)
    assert (report.fetched, report.removed) == (0, 1), "what was deleted here is still known"
    assert len(place.bodies()) == 54


def test_H11_message_ids_missing_or_repeated(place: Place, inbox: MemoryFolder) -> None:
    inbox.add(mail(1), mail(1), b"no header", b"no header", b"")
    assert place.sync().fetched == 10
    assert place.bodies() == served(inbox)
    inbox.uidvalidity = 2
    place.sync()
    assert sorted(set(place.bodies())) == sorted(set(served(inbox)))
    for body in served(inbox):
        assert place.bodies().count(body) >= served(inbox).count(body)


def test_wrong_sizes_do_no_harm(place: Place, inbox: MemoryFolder) -> None:
    inbox.messages[1] = replace(inbox.messages[1], lies_size=1)
    inbox.messages[2] = replace(inbox.messages[2], lies_size=99999999)
    assert place.sync().fetched == 5
    inbox.messages[1] = replace(inbox.messages[1], lies_size=7, modseq=60)
    report = place.sync()
    assert (report.ok, report.fetched) == (True, 0)
    assert place.bodies() == served(inbox)


def test_a_size_that_lies_does_not_get_round_max_size(place: Place, inbox: MemoryFolder) -> None:
    (uid,) = inbox.add(mail(9, "x" * 50_000))
    inbox.messages[uid] = replace(inbox.messages[uid], lies_size=10)
    for _ in range(2):
        report = place.sync(max_size=1000, keep_on_server=True)
        assert [(skipped.uid, skipped.code) for skipped in report.skipped] == [(uid, "too_large")]
    assert len(place.bodies()) == 5
    assert place.litter() == []


def test_B20_messages_without_header_or_contents_are_stored(place: Place, inbox: MemoryFolder) -> None:
    inbox.add(b"", b"\r\n", b"no header at all")
    assert place.sync().fetched == 8
    assert place.bodies() == served(inbox)


@pytest.mark.parametrize("most", [None, 10_000], ids=["many folders", "one folder"])
@pytest.mark.parametrize("lie", [{2: 77}, {2: 3}, {1: 5, 5: 1}, {2: 1}])
def test_B15_a_body_under_a_wrong_uid_overwrites_nothing(
    place: Place, inbox: MemoryFolder, lie: dict[int, int], most: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The adapter finds this out; the engine still never keeps two bodies under one UID, or one nobody asked for."""
    real = MemoryMailbox._body

    def lying(self: MemoryMailbox, name: str, uid: int, sink: SinkFactory) -> MessageMeta | None:
        return real(self, name, uid, lambda octets: Lying(sink(octets), lie))

    monkeypatch.setattr(MemoryMailbox, "_body", lying)
    place.sync(max_size=most)
    bodies = dict(
        zip((f.name[5:15] for f in sorted((place.mail / "INBOX/new").iterdir())), place.bodies(), strict=True)
    )
    assert "0000000077" not in bodies
    assert len(bodies) == 5 - len([uid for uid in lie.values() if uid == 77 or uid not in lie])
    assert place.litter() == []


class Lying:
    """A sink that is told another message's UID."""

    def __init__(self, sink: BodySink, lie: dict[int, int]) -> None:
        self._sink, self._lie = sink, lie
        self.write, self.abandon = sink.write, sink.abandon

    def finish(self, meta: MessageMeta) -> None:
        self._sink.finish(replace(meta, uid=self._lie.get(meta.uid, meta.uid)))


def test_a_message_that_breaks_the_protocol_does_not_keep_the_others_away(
    place: Place, server: MemoryServer, inbox: MemoryFolder
) -> None:
    server.folders["Z"] = MemoryFolder()
    server.folders["Z"].add(mail(1))
    inbox.messages[2] = replace(inbox.messages[2], poison=True)
    for fetched in (5, 0):
        report = place.sync()
        assert report.error is not None
        assert (report.error.exit_code, report.fetched) == (ExitCode.PROTOCOL, fetched)
        assert [(skipped.uid, skipped.code) for skipped in report.skipped] == [(2, "bad_response")]
        assert place.litter() == []
    for uid in inbox.add(*(mail(n) for n in range(10, 15))):
        inbox.messages[uid] = replace(inbox.messages[uid], poison=True)
    server.connections = 0
    assert not place.sync().ok
    assert server.connections == 3, "bounded"


def test_bytes_that_would_not_survive_are_kept_verbatim(place: Place, inbox: MemoryFolder) -> None:
    odd = [b"a\nb", b"a\rb\r\n", b"\r", b"\n", b"a\r\nb\n" * 2000, b"ok\r\n" * 3000 + b"\rx", b"x" * 3000 + b"\r"]
    inbox.add(*odd)
    place.sync()
    assert place.bodies() == served(inbox)


def test_a_file_moved_by_a_mail_client_is_that_message_moved(
    place: Place, server: MemoryServer, inbox: MemoryFolder
) -> None:
    server.folders["Archive"] = MemoryFolder(uidvalidity=1000)
    place.sync()
    moved = place.file(2)
    moved.rename(place.mail / "Archive/cur" / f"{moved.name}:2,S")
    server.folders["Archive"].add(mail(50), mail(51))
    report = place.sync(propagate_deletes=True)
    assert (report.fetched, report.removed) == (2, 0), "the Archive's own UID 2 is another message"
    assert len(inbox.messages) == 5
    assert len(place.bodies("Archive")) == 3


def test_what_was_deleted_here_is_not_fetched_again(place: Place, inbox: MemoryFolder) -> None:
    place.sync()
    place.file(2).unlink()
    inbox.flag(2, ["\\Flagged"])
    assert place.sync().fetched == 0
    assert len(inbox.messages) == 5


@pytest.mark.parametrize("looks", [1, 2])
def test_a_file_missed_while_a_directory_is_read_is_not_taken_for_deleted(
    place: Place, inbox: MemoryFolder, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.sync()
    real, seen = maildir.scan_directory, 0

    def missing(descriptor: int, subdirectory: str, shown: str) -> Iterator[LocalFile]:
        nonlocal seen
        seen += subdirectory == "new"
        for file in real(descriptor, subdirectory, shown):
            if seen > looks or file.name.uid != 2:
                yield file

    monkeypatch.setattr(maildir, "scan_directory", missing)
    report = place.sync(propagate_deletes=True)
    assert (report.ok, report.fetched, report.removed) == (True, 0, 0)
    assert len(inbox.messages) == 5


def test_a_message_is_verified_before_it_leaves_the_server(place: Place, inbox: MemoryFolder) -> None:
    place.sync()
    place.state.unlink()
    file = place.file(2)
    file.write_bytes(b"cut")
    report = place.sync(keep_on_server=False)
    assert report.removed == 4
    assert [(skipped.uid, skipped.code) for skipped in report.skipped] == [(2, "not_verified")]
    assert list(inbox.messages) == [2]


def test_more_keywords_than_letters(place: Place, inbox: MemoryFolder) -> None:
    inbox.flag(1, [f"k{n:02}" for n in range(28)])
    report = place.sync()
    assert report.ok
    assert any("k26, k27" in warning for warning in report.warnings)
    assert len(place.flags()[0]) == 26
    assert place.sync().flagged == 0


def test_the_newest_come_first_over_all_folders(place: Place, server: MemoryServer) -> None:
    server.folders["B"] = MemoryFolder()
    server.folders["B"].add(*(mail(n) for n in range(5)))
    report = place.sync(max_per_run=7)
    assert {folder.name: folder.fetched for folder in report.folders} == {"INBOX": 5, "B": 2}
    assert place.bodies("B") == [mail(3), mail(4)]
    assert place.sync(max_per_run=7).fetched == 3


def test_G7_litter_goes_and_what_others_write_stays(place: Place) -> None:
    place.sync()
    tmp = place.mail / "INBOX/tmp"
    old = place.clock() - 37 * 3600
    names = ["part.5_0123456789ab.mailctl", "young.of.others", "old.of.others"]
    for name in names:
        (tmp / name).write_bytes(b"x")
        os.utime(tmp / name, (old if "old" in name else place.clock(),) * 2)
    assert place.sync().ok
    assert [path.name for path in tmp.iterdir()] == ["young.of.others"]


@pytest.mark.parametrize("clock", [0.0, 4_000_000_000.0])
def test_G12_a_clock_that_jumps(place: Place, inbox: MemoryFolder, clock: float) -> None:
    place.sync()
    place.clock = lambda: clock
    inbox.add(mail(8))
    assert place.sync().fetched == 1
    assert place.bodies() == served(inbox)


def test_G9_a_second_run_ends_at_once_and_says_who_holds_the_lock(place: Place) -> None:
    place.state.parent.mkdir()
    with Lock(place.state.with_suffix(".lock"), "box", lambda: "process 77 on host h, since 12:00"):
        report = place.sync()
    assert report.error is not None
    assert (report.error.exit_code, report.error.code) == (ExitCode.STORAGE, "locked")
    assert "process 77 on host h" in report.error.message
    assert place.sync().ok


def test_G14_a_stop_ends_after_the_step_in_hand(place: Place, server: MemoryServer, inbox: MemoryFolder) -> None:
    sent = []

    def cut(octets: int) -> None:
        sent.append(octets)
        if len(sent) == 8:
            place.stop.set()

    server.cut = cut
    report = place.sync()
    assert report.error is not None
    assert report.error.exit_code is ExitCode.INTERRUPTED
    assert 0 < report.fetched < 5
    assert place.litter() == []
    place.stop.clear()
    assert place.sync().fetched == 5 - report.fetched
    assert place.bodies() == served(inbox)


def test_G14_after_a_stop_nothing_is_begun(place: Place, server: MemoryServer) -> None:
    place.stop.set()
    report = place.sync()
    assert report.error is not None
    assert report.error.exit_code is ExitCode.INTERRUPTED
    assert (server.connections, place.recorder.events) == (0, [])


@pytest.mark.parametrize("where", ["INBOX", "INBOX/cur", "INBOX/tmp"])
def test_D5_a_folder_that_is_a_symbolic_link_is_refused(place: Place, tmp_path: Path, where: str) -> None:
    place.sync()
    away = tmp_path / "away"
    (place.mail / where).rename(away)
    (place.mail / where).symlink_to(away)
    place.state.unlink()
    report = place.sync()
    assert report.error is not None
    assert report.error.exit_code is ExitCode.STORAGE
    assert "INBOX" in report.error.message
    assert report.fetched == 0


def test_D5_a_folder_that_is_a_symbolic_link_stops_no_other(place: Place, server: MemoryServer, tmp_path: Path) -> None:
    place.sync()
    (place.mail / "INBOX").rename(tmp_path / "away")
    (place.mail / "INBOX").symlink_to(tmp_path / "away")
    server.folders["Later"] = MemoryFolder()
    server.folders["Later"].add(mail(9))
    report = place.sync()
    assert (report.ok, report.fetched) == (False, 1)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_no_message(place: Place, inbox: MemoryFolder, make: Callable[[Path], None]) -> None:
    place.sync()
    file = place.file(1)
    file.unlink()
    make(file)
    report = place.sync(keep_on_server=False)
    assert (report.ok, report.removed, list(inbox.messages)) == (True, 4, [1])


def test_D5_a_message_that_is_a_symbolic_link_is_refused(place: Place, tmp_path: Path) -> None:
    place.sync()
    file = place.file(1)
    file.unlink()
    file.symlink_to("/etc/passwd")
    report = place.sync()
    assert report.error is not None
    assert report.error.code == "symbolic_link"


def test_D6_all_is_private(place: Place) -> None:
    old = os.umask(0)
    try:
        place.sync()
    finally:
        os.umask(old)
    for path in [place.mail, *place.mail.rglob("*"), *place.state.parent.iterdir()]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_another_accounts_maildir_is_left_alone(place: Place) -> None:
    place.sync()
    place.state.unlink()
    job = place.job()
    report = place.sync(replace(job, gateway=replace(job.gateway, email="other@mail.test")))
    assert report.error is not None
    assert report.error.code == "maildir_of_another"


def test_an_address_that_changes_refetches_nothing(place: Place) -> None:
    place.sync()
    job = place.job()
    assert place.sync(replace(job, gateway=replace(job.gateway, email="new@mail.test"))).fetched == 0


def test_a_vanished_folder_is_not_made_good_in_silence(place: Place, server: MemoryServer) -> None:
    server.folders["B"] = MemoryFolder()
    server.folders["B"].add(mail(1), mail(2))
    place.sync()
    place.file(1, "B").rename(place.mail / "INBOX/cur" / f"{place.file(1, 'B').name}:2,S")
    (place.mail / "B").rename(place.mail.parent / "away")
    report = place.sync()
    assert report.error is not None
    assert report.error.code == "maildir_vanished"
    assert place.sync(replace(place.job(), start_afresh=True)).fetched == 1


def test_G11_an_older_state_doubles_nothing(place: Place, inbox: MemoryFolder) -> None:
    place.sync()
    old = place.state.read_bytes()
    inbox.add(mail(8))
    inbox.flag(1, ["\\Seen"])
    place.sync()
    place.state.write_bytes(old)
    assert place.sync().fetched == 0
    assert place.bodies() == served(inbox)
    assert place.flags() == [message.flags for _, message in sorted(inbox.messages.items())]


@pytest.mark.parametrize("version", [0, 999])
def test_G11_a_state_of_another_version_is_set_aside(place: Place, version: int) -> None:
    place.sync()
    with State(place.state) as state:
        state._db.execute(f"PRAGMA user_version = {version}")
    report = place.sync()
    assert (report.ok, report.fetched) == (True, 0)
    assert place.state.with_name("box.db.bad").exists()
    assert any("made anew" in warning for warning in report.warnings)


@pytest.mark.parametrize("seed", range(4))
def test_G11_a_damaged_octet_of_the_state_never_stops_a_sync(place: Place, inbox: MemoryFolder, seed: int) -> None:
    inbox.flag(1, ["\\Seen", "$Label"])
    place.sync()
    good, bodies, chance = place.state.read_bytes(), place.bodies(), random.Random(seed)
    held = [offset for offset, octet in enumerate(good) if octet]
    for _ in range(20):
        damaged = bytearray(good)
        damaged[chance.choice(held)] = chance.randrange(256)
        place.state.with_name("box.db-wal").unlink(missing_ok=True)
        place.state.write_bytes(damaged)
        report = place.sync(propagate_deletes=True)
        assert (report.ok, report.fetched, report.removed, place.bodies()) == (True, 0, 0, bodies), report


def test_what_happened_is_in_the_log(place: Place, inbox: MemoryFolder) -> None:
    place.sync(max_size=10, keep_on_server=False)
    events = [event for event, _ in place.recorder.events]
    assert events == ["sync.started", *["sync.message.skipped"] * 5, "sync.folder.done", "sync.finished"]
    place.recorder.events.clear()
    place.sync(keep_on_server=False)
    events = [event for event, _ in place.recorder.events]
    assert events == ["sync.started", "sync.messages.removed", "sync.folder.done", "sync.finished"]
    assert place.recorder.events[-1][1]["fetched"] == 5
    assert place.recorder.events[-1][1]["messages"] == 5


def test_a_file_moved_while_the_maildir_is_read_is_not_taken_for_deleted(
    place: Place, server: MemoryServer, inbox: MemoryFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a mail client may move it: from a folder that was not read yet to one that was; seen in neither."""
    server.folders["A"] = MemoryFolder()
    place.sync()
    file = place.file(2)
    file.rename(place.mail / "A/cur" / f"{file.name}:2,")
    real, looks = Root.index, 0

    def missing(root: Root) -> Index:
        nonlocal looks
        looks += 1
        found = real(root)
        if looks == 1:
            for entries in found.by_folder.values():
                entries[:] = [(path, message) for path, message in entries if message.name.uid != 2]
        return found

    monkeypatch.setattr(Root, "index", missing)
    report = place.sync(propagate_deletes=True)
    assert (report.ok, report.removed, looks) == (True, 0, 2)
    assert len(inbox.messages) == 5


def test_a_dry_run_afresh_shows_what_would_come_again(place: Place) -> None:
    place.sync()
    place.file(1).unlink()
    job = replace(place.job(), start_afresh=True)
    (step,) = place.sync(replace(job, dry_run=True)).steps
    assert (step.action, step.uids) == ("fetch", (1,))
    assert place.sync(job).fetched == 1


def test_G9_two_gateways_with_one_maildir_are_synced_one_after_the_other(place: Place) -> None:
    place.sync()
    other = replace(place.job(), state=str(place.state.with_name("other.db")))
    held = os.open(place.mail, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        report = place.sync(other)
        assert report.error is not None
        assert (report.error.code, report.error.exit_code) == ("locked", ExitCode.STORAGE)
        assert place.sync(replace(other, dry_run=True)).ok
    finally:
        os.close(held)
    assert place.sync(other).ok


def test_folders_that_are_not_there_are_told(place: Place) -> None:
    report = place.sync(folders=("INBOX", "Typo"))
    assert report.warnings == ("no folder is like Typo",)
    report = place.sync(replace(place.job(), folders=("Typo",)))
    assert report.error is not None
    assert report.error.hint == "It has INBOX."


def test_a_dry_run_names_messages_that_get_the_same_flags_in_one_step(place: Place, inbox: MemoryFolder) -> None:
    place.sync()
    for uid in (1, 2, 4):
        inbox.flag(uid, ["\\Flagged"])
    (step,) = place.sync(replace(place.job(), dry_run=True)).steps
    assert (step.action, step.uids, step.detail) == ("flag", (1, 2, 4), "\\Flagged")


def test_after_a_lost_connection_nothing_is_expected_twice(place: Place) -> None:
    shown: list[tuple[str, Standing, str, Standing]] = []
    tools = Tools(
        place.connector,
        place.recorder,
        place.clock,
        lambda: "",
        progress=lambda gateway, total, folder, part: shown.append((gateway, replace(total), folder, replace(part))),
    )
    run = Run(place.job(), tools)
    run.folder("INBOX", "INBOX")
    run.expect(10, 1000)
    run.beat(400)
    run.arrived(4)
    run.expect(6, 600)
    assert shown[-1] == ("box", Standing(4, 10, 400, 1000), "INBOX", Standing(4, 10, 400, 1000))
    run.expect(5, 50, "Sent")
    run.beat(100, "INBOX")
    run.beat(50, "Sent")
    assert shown[-1] == ("box", Standing(4, 15, 550, 1050), "Sent", Standing(0, 5, 50, 50))
    for _ in range(3):
        run.came("Sent")
    run.arrived(2, "Sent")
    assert shown[-1][1:] == (Standing(7, 15, 550, 1050), "Sent", Standing(3, 5, 50, 50))
    run.expect(3, 30, "Sent")
    assert shown[-1][3] == Standing(2, 5, 50, 80), "what came and was not made durable comes again"


def test_a_name_that_the_locale_can_not_spell_is_told() -> None:
    with pytest.raises(StorageError, match="locale") as caught, storing("sync box"):
        "été".encode("ascii")
    assert "LC_ALL" in caught.value.hint


DAY = 86400


def test_messages_go_from_the_server_some_days_after_they_came(place: Place, inbox: MemoryFolder) -> None:
    now = 1_800_000_000.0
    place.clock = lambda: now
    there = len(inbox.messages)
    assert place.sync(delete_after=14 * DAY).removed == 0
    now += 10 * DAY
    (new,) = inbox.add(b"Subject: new\r\n\r\n")
    assert place.sync(delete_after=14 * DAY).removed == 0
    now += 4 * DAY - 1
    assert place.sync(delete_after=14 * DAY).removed == 0
    now += 1
    place.file(2).unlink()
    (step,) = place.sync(replace(place.job(delete_after=14 * DAY), dry_run=True)).steps
    assert (step.action, len(step.uids)) == ("remove_from_server", there - 1)
    assert place.sync().removed == 0, "without the setting, nothing goes"
    assert place.sync(delete_after=14 * DAY).removed == there - 1
    assert sorted(inbox.messages) == [2, new], "what was deleted here stays there"
    now += 9 * DAY
    place.state.unlink()
    assert place.sync(delete_after=14 * DAY).removed == 0, "the state was lost: the days are counted anew"
    now += 14 * DAY
    inbox.uidvalidity = 2000
    assert place.sync(delete_after=14 * DAY).removed == 0, "so they are under another UIDVALIDITY"
    now += 14 * DAY
    assert place.sync(delete_after=14 * DAY).removed == 2
