"""Conversations with octets changed, dropped, doubled: errors are typed, no sink is left open, no UID is made up."""

import socket
from collections.abc import Callable

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailctl.domain.changes import FlagChange, Placed
from mailctl.domain.deadline import Deadline
from mailctl.domain.mailbox import Folder, FolderStatus
from mailctl.domain.server import Endpoint, Security
from mailctl.domain.visits import Arrived, Closed, Opened, Shown, Visit
from mailctl.errors import MailctlError
from mailctl.protocols.imap.channel import Channel
from mailctl.protocols.imap.mailbox import Mailbox
from mailctl.protocols.resolve import Address
from mailctl.protocols.wire import Wire
from tests.wire.support.imap import INBOX, Sinks

FETCHED = (
    b'* 1 FETCH (UID 1 FLAGS (\\Seen $x) INTERNALDATE "17-Jul-1996 02:44:25 -0700" RFC822.SIZE 9 '
    b"BODY[] {9}\r\nSubject: )\r\n* 2 FETCH (BODY[] {12}\r\n* 3 FETCH (U UID 2 FLAGS () RFC822.SIZE 12)\r\n"
    b'* 3 FETCH (UID 3 RFC822.SIZE 0 BODY[] "")\r\n* 4 EXISTS\r\n* OK [ALERT] x\r\n'
    b"* 4 FETCH (UID 4 FLAGS (a) RFC822.SIZE 5 BODY[] NIL)\r\nTAG OK done\r\n"
)
LISTED = (
    b'* LIST (\\HasNoChildren \\Sent) "/" "a b"\r\n* LIST () NIL {5}\r\n&AMk-\r\n* LIST () "." INBOX\r\n'
    b'* STATUS x (MESSAGES 3)\r\n* SEARCH 1 2 3\r\n* ESEARCH (TAG "TAG") UID ALL 1:3\r\n* 3 EXISTS\r\n'
    b"* OK [UIDNEXT 5] x\r\nTAG OK [READ-WRITE] done\r\n"
)
CHANGES = st.lists(
    st.tuples(st.integers(0, 500), st.integers(0, 3), st.sampled_from([*b'\r\n (){}"\\*+0159NIL[]\x00\xff~&-'])),
    max_size=4,
)


def changed(data: bytes, changes: list[tuple[int, int, int]]) -> bytes:
    for place, kind, octet in changes:
        place %= len(data) or 1
        head, tail = data[:place], data[place:]
        new = bytes([octet])
        data = {
            0: head + new + tail,
            1: head + tail[1:],
            2: head + new + tail[1:],
            3: head + tail[: len(tail) // 2] + tail,
        }[kind]
    return data


def converse(data: bytes, act: Callable[[Mailbox], object]) -> None:
    """Let `act` work on a mailbox whose server has sent `data`, and nothing more."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        endpoint = Endpoint("localhost", 143, Security.NONE)
        wire = Wire(ours, Address(socket.AF_INET, "127.0.0.1", ("127.0.0.1", 143)), endpoint, Deadline(5))
        channel = Channel(wire)
        channel.capabilities = frozenset({"IMAP4REV1", "ESEARCH"})
        mailbox = Mailbox(channel)
        mailbox._selected = FolderStatus(4, 1, 9)
        theirs.sendall(data.replace(b"TAG", channel.in_flight.prefix + (b"" if b"TAG1" in data else b"1")))
        theirs.shutdown(socket.SHUT_WR)
        try:
            act(mailbox)
        except MailctlError as error:
            assert error.message  # noqa: PT017  # an error or none, both are right
        finally:
            mailbox.close()


@settings(max_examples=400, deadline=None)
@given(CHANGES)
def test_bodies(changes: list[tuple[int, int, int]]) -> None:
    sinks = Sinks()
    uids: list[int] = []
    data = changed(FETCHED, changes)
    converse(data, lambda mailbox: uids.extend(meta.uid for meta in mailbox.fetch([1, 2, 3, 4], sinks)))
    assert uids == list(sinks.kept)
    assert set(uids) <= {1, 2, 3, 4}
    assert sinks.begun == sinks.abandoned + len(sinks.kept)
    if not changes:
        assert sinks.kept == {1: b"Subject: ", 2: b"* 3 FETCH (U", 3: b""}


@settings(max_examples=400, deadline=None)
@given(CHANGES, st.integers(0, 5))
def test_everything_else(changes: list[tuple[int, int, int]], which: int) -> None:
    acts: list[Callable[[Mailbox], object]] = [
        lambda mailbox: mailbox.folders(),
        lambda mailbox: mailbox.select(INBOX, read_only=True),
        lambda mailbox: all(0 < uid < 2**32 for uid in mailbox.uids()) or 1 / 0,
        lambda mailbox: all(0 < meta.uid < 2**32 for meta in mailbox.scan()) or 1 / 0,
        lambda mailbox: list(mailbox.headers([1, 2, 3, 4], ["Subject"])),
        lambda mailbox: mailbox.survey(),
    ]
    converse(changed(FETCHED if which in (3, 4) else LISTED, changes), acts[which])


VISITED = (
    b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [HIGHESTMODSEQ 9] x\r\n* VANISHED (EARLIER) 1:2,9\r\n"
    b"* 1 FETCH (UID 3 FLAGS (\\Seen) MODSEQ (8))\r\nTAG1 OK [READ-ONLY] x\r\n"
    b'* 1 FETCH (UID 3 FLAGS () INTERNALDATE "17-Jul-1996 02:44:25 -0700" BODY[] {5}\r\nfirst)\r\n'
    b'* 2 FETCH (FLAGS () UID 4 INTERNALDATE "17-Jul-1996 02:44:25 -0700" BODY[] {5}\r\nfirst)\r\nTAG2 OK x\r\n'
    b"* OK [CLOSED] x\r\n* 1 EXISTS\r\nTAG3 NO x\r\nTAG4 BAD x\r\n"
    b"* 1 EXISTS\r\n* OK [UIDVALIDITY 8] x\r\nTAG5 OK x\r\n"
    b"* 1 FETCH (UID 5 BODY[] {5}\r\nthird FLAGS ())\r\nTAG6 OK x\r\n"
)


@settings(max_examples=600, deadline=None)
@given(CHANGES)
@example([(0, 0, 13), (6, 2, 73)])
def test_visits(changes: list[tuple[int, int, int]]) -> None:
    bodies: dict[str, Sinks] = {}
    folders = [Folder(name, name.encode(), "/") for name in ("first", "second", "third")]
    visits = [Visit(folders[0], (7, 5), 3), Visit(folders[1], bodies_from=1), Visit(folders[2], bodies_from=1)]
    events: list[Opened | Shown | Arrived | Closed] = []

    def act(mailbox: Mailbox) -> None:
        mailbox._channel.enabled = frozenset({"QRESYNC"})
        events.extend(
            mailbox.visit(visits, lambda visit, octets: bodies.setdefault(visit.folder.name, Sinks())(octets))
        )

    converse(changed(VISITED, [(place + 3 * octet, kind, octet) for place, kind, octet in changes]), act)
    for name, sinks in bodies.items():
        assert sinks.begun == sinks.abandoned + len(sinks.kept)
        others = {folder.wire for folder in folders} - {name.encode()}
        if len(changes) < 2:  # several can make an answer that is well-formed and says something else
            assert not others & set(sinks.kept.values()), "what one folder holds is never another's"
    if not changes:
        assert [type(event).__name__[0] for event in events] == list("OAACCOAC")
        assert bodies["first"].kept == {3: b"first", 4: b"first"}
        assert bodies["third"].kept == {5: b"third"}


CHANGED = (
    b"* 5 EXISTS\r\n* OK [COPYUID 7 1:2 11:12] x\r\n* 1 EXPUNGE\r\n* VANISHED 2\r\nTAG1 OK x\r\n"
    b"* OK still here\r\n* 1 FETCH (MODSEQ (9))\r\nTAG2 OK x\r\n* LIST () NIL {1}\r\na\r\nTAG3 NO x\r\n"
)


@settings(max_examples=300, deadline=None)
@given(CHANGES)
def test_changes(changes: list[tuple[int, int, int]]) -> None:
    told: list[Placed] = []

    def act(mailbox: Mailbox) -> None:
        mailbox._channel.capabilities |= {"UIDPLUS", "MOVE"}
        told.append(mailbox.move([1, 2], INBOX))
        mailbox.change_flags([FlagChange((n,), frozenset({"\\Seen"})) for n in (1, 2)])

    converse(changed(CHANGED, changes), act)
    assert all(0 < uid < 2**32 for placed in told for uid in placed.uids.values())
    if not changes:
        assert told == [Placed(7, {1: 11, 2: 12})]


WAITED = (
    b"TAG1 NO [BADEVENT] x\r\n+ idling\r\n* OK still here\r\n* 4 EXISTS\r\n* STATUS {3}\r\na b (MESSAGES 1)\r\n"
    b"* 1 FETCH (FLAGS ())\r\n* VANISHED 3\r\n* 2 EXPUNGE\r\n* OK [NOTIFICATIONOVERFLOW] x\r\nTAG2 OK done\r\n"
)


@settings(max_examples=300, deadline=None)
@given(CHANGES)
def test_news(changes: list[tuple[int, int, int]]) -> None:
    def act(mailbox: Mailbox) -> None:
        mailbox._channel.capabilities |= {"IDLE", "NOTIFY"}
        mailbox.begin_waiting()
        news = sum(mailbox.news(0) for _ in range(4))
        mailbox.end_waiting()
        assert changes or news == 4

    converse(changed(WAITED, changes), act)
