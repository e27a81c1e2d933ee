"""Conversations with octets changed, dropped, doubled: errors are typed, no sink is left open, no UID is made up."""

import socket
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from mailctl.domain.deadline import Deadline
from mailctl.domain.mailbox import FolderStatus
from mailctl.domain.server import Endpoint, Security
from mailctl.errors import MailctlError
from mailctl.protocols.imap import Mailbox
from mailctl.protocols.imap.channel import Channel
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
        theirs.sendall(data.replace(b"TAG", channel.in_flight.prefix + b"1"))
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
@given(CHANGES, st.integers(0, 4))
def test_everything_else(changes: list[tuple[int, int, int]], which: int) -> None:
    acts: list[Callable[[Mailbox], object]] = [
        lambda mailbox: mailbox.folders(),
        lambda mailbox: mailbox.select(INBOX, read_only=True),
        lambda mailbox: all(0 < uid < 2**32 for uid in mailbox.uids()) or 1 / 0,
        lambda mailbox: all(0 < meta.uid < 2**32 for meta in mailbox.scan()) or 1 / 0,
        lambda mailbox: list(mailbox.headers([1, 2, 3, 4], ["Subject"])),
    ]
    converse(changed(LISTED if which < 3 else FETCHED, changes), acts[which])
