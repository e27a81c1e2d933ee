"""Sync with servers that lie, break off, offer little or change their mind."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mailctl.domain.mailbox import BodySink, MessageMeta, SinkFactory
from mailctl.errors import ExitCode, RefusedError
from tests.doubles.imap import MemoryFolder, MemoryMailbox, MemoryServer, Message
from tests.doubles.syncs import Place
from tests.unit.sync.mails import mail, served


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
    assert server.connections == 4, "bounded"


def test_no_other_message_is_blamed_for_one_that_breaks_the_protocol(
    place: Place, server: MemoryServer, inbox: MemoryFolder
) -> None:
    """Those before it have no body, and do not come either."""
    inbox.add(*(mail(n) for n in range(10, 20)))
    for uid in (2, 3, 4, 7):
        inbox.messages[uid] = replace(inbox.messages[uid], no_body=True)
    for uid in (6, 9):
        inbox.messages[uid] = replace(inbox.messages[uid], poison=True)
    report = place.sync()
    assert report.fetched == 9
    codes = {skipped.uid: skipped.code for skipped in report.skipped}
    assert codes == {**dict.fromkeys((2, 3, 4, 7), "no_body"), **dict.fromkeys((6, 9), "bad_response")}
    assert place.litter() == []


@pytest.mark.parametrize("capabilities", [frozenset({"IMAP4REV1"}), frozenset({"IMAP4REV1", "CONDSTORE"})])
def test_messages_that_the_server_counts_and_does_not_show_are_told_and_looked_for_again(
    place: Place, server: MemoryServer, inbox: MemoryFolder, capabilities: frozenset[str]
) -> None:
    server.capabilities = capabilities
    real, hidden = MemoryMailbox.scan, {2, 4}
    with pytest.MonkeyPatch.context() as monkeypatch:

        def some(self: MemoryMailbox, *asked: object, **more: object) -> Iterator[MessageMeta]:
            return (meta for meta in real(self, *asked, **more) if meta.uid not in hidden)  # type: ignore[arg-type]

        monkeypatch.setattr(MemoryMailbox, "scan", some)
        report = place.sync(mark_seen=True)
    assert (report.ok, report.fetched) == (True, len(inbox.messages) - 2)
    (warning,) = report.warnings
    assert f"has {len(inbox.messages)} messages and showed {len(inbox.messages) - 2}" in warning
    again = place.sync(mark_seen=True)
    assert (again.ok, again.fetched, again.warnings) == (True, 2, ())


def test_folders_with_a_bad_message_each_do_not_keep_the_last_one_from_its_turn(tmp_path: Path) -> None:
    names = [f"F{number}" for number in range(4)]
    server = MemoryServer({name: MemoryFolder() for name in ("INBOX", *names, "Z")})
    for number, name in enumerate((*names, "Z")):
        server.folders[name].add(*(mail(10 * number + each) for each in range(4)))
    for name in names:
        messages = server.folders[name].messages
        messages[2] = replace(messages[2], poison=True)
    place = Place(tmp_path, server)
    for _ in range(2):
        server.connections = 0
        place.sync()
        assert server.connections <= 8
    assert len(place.bodies("Z")) == 4


def test_what_comes_after_all_is_no_failure(place: Place, server: MemoryServer, inbox: MemoryFolder) -> None:
    inbox.messages[3] = replace(inbox.messages[3], poison=True)

    def heal(command: str) -> None:
        if command == "fetch" and server.connections > 1:
            inbox.messages[3] = replace(inbox.messages[3], poison=False)

    server.before = heal
    report = place.sync(mark_seen=True)
    assert (report.ok, report.fetched, report.skipped) == (True, len(inbox.messages), ())
    assert place.bodies() == served(inbox)


def test_one_that_is_sent_before_its_turn_is_the_one_to_blame(
    place: Place, server: MemoryServer, inbox: MemoryFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = MemoryMailbox.fetch

    def last_first(self: MemoryMailbox, uids: Sequence[int], *more: object) -> Iterator[MessageMeta]:
        return real(self, sorted(uids, reverse=True), *more)  # type: ignore[arg-type]  # handed on

    monkeypatch.setattr(MemoryMailbox, "fetch", last_first)
    inbox.messages[4] = replace(inbox.messages[4], poison=True)
    report = place.sync(mark_seen=True)
    assert (report.fetched, [(skipped.uid, skipped.code) for skipped in report.skipped]) == (4, [(4, "bad_response")])


def test_bytes_that_would_not_survive_are_kept_verbatim(place: Place, inbox: MemoryFolder) -> None:
    odd = [b"a\nb", b"a\rb\r\n", b"\r", b"\n", b"a\r\nb\n" * 2000, b"ok\r\n" * 3000 + b"\rx", b"x" * 3000 + b"\r"]
    inbox.add(*odd)
    place.sync()
    assert place.bodies() == served(inbox)
