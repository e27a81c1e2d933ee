"""Waiting for news on real servers: what each can tell is told, and the connection works before and after."""

import selectors
import socket
from collections.abc import Callable, Iterator

import pytest

from mailctl.domain.mailbox import Folder
from mailctl.errors import NetworkError
from mailctl.protocols.imap.mailbox import Mailbox
from mailctl.protocols.imap.waiting import ROOM
from tests.servers.test_changes_contract import Place, body, folder, place, upload

__all__ = ["place"]

PATIENCE = 20.0


def boxes(place: Place) -> tuple[Mailbox, Mailbox]:
    """One that waits, and one that changes things."""
    made = place.connect(), place.connect()
    assert isinstance(made[0], Mailbox)
    assert isinstance(made[1], Mailbox)
    return made[0], made[1]


@pytest.fixture
def pair(place: Place) -> Iterator[tuple[Mailbox, Mailbox]]:
    made = boxes(place)
    yield made
    for each in made:
        each.close()


servers = pytest.mark.parametrize("place", ["dovecot", "cyrus"], indirect=True)


@servers
def test_all_that_happens_in_the_open_folder_is_news(pair: tuple[Mailbox, Mailbox]) -> None:
    box, other = pair
    inbox = folder(box)
    first = other.append(inbox, [upload(body(1)), upload(body(2))]).uids
    other.select(inbox, read_only=False)
    happenings: tuple[Callable[[], object], ...] = (
        lambda: other.append(inbox, [upload(body(3))]),
        lambda: other.add_flags([first[0]], ["\\Flagged"]),
        lambda: other.expunge([first[1]]),
    )
    for happening in happenings:
        box.select(inbox, read_only=True)
        box.begin_waiting()
        assert not box.news(0)
        with selectors.DefaultSelector() as selector:
            selector.register(box.fileno(), selectors.EVENT_READ)
            happening()
            assert selector.select(PATIENCE)
        assert box.news(PATIENCE)
        box.end_waiting()
        assert len(box.uids()) == len(other.uids())
    box.end_waiting()


@servers
def test_a_waiting_connection_is_small_and_kept_alive(pair: tuple[Mailbox, Mailbox]) -> None:
    box = pair[0]
    box.select(folder(box), read_only=True)
    wire = box._channel.wire
    before = len(wire.view)
    box.begin_waiting()
    assert len(wire.view) == ROOM < before
    assert wire.connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert not box.news(0.01)
    box.end_waiting()
    assert len(wire.view) == before
    box.noop()


@pytest.mark.parametrize("place", ["dovecot"], indirect=True)
def test_what_happens_in_other_folders_is_news_with_notify(pair: tuple[Mailbox, Mailbox]) -> None:
    box, other = pair
    inbox, sent = folder(box), folder(box, "Sent")
    uids = other.append(sent, [upload(body(1)), upload(body(2))]).uids
    other.select(sent, read_only=False)
    made: list[Folder] = []
    happenings: tuple[Callable[[], object], ...] = (
        lambda: other.append(sent, [upload(body(3))]),
        lambda: other.add_flags([uids[0]], ["\\Flagged"]),
        lambda: other.expunge([uids[1]]),
        lambda: made.append(other.make("New", "/")),
        lambda: other.subscribe(made[0], on=True),
    )
    assert box.waits == "notify"
    for happening in happenings:
        box.select(inbox, read_only=True)
        box.begin_waiting()
        assert box.waits == "notify"
        assert not box.news(0)
        happening()
        assert box.news(PATIENCE)
        box.end_waiting()


@pytest.mark.parametrize("place", ["dovecot"], indirect=True)
def test_idle_alone_where_there_is_no_notify(pair: tuple[Mailbox, Mailbox]) -> None:
    box, other = pair
    box.capabilities -= {"NOTIFY"}
    assert box.waits == "idle"
    inbox = folder(box)
    box.select(inbox, read_only=True)
    box.begin_waiting()
    other.append(inbox, [upload(body(1))])
    assert box.news(PATIENCE)
    box.end_waiting()


@pytest.mark.parametrize("place", ["dovecot"], indirect=True)
def test_a_server_that_stops_says_so(pair: tuple[Mailbox, Mailbox]) -> None:
    box = pair[0]
    box.select(folder(box), read_only=True)
    box.begin_waiting()
    box._channel.wire.connection.shutdown(socket.SHUT_RDWR)
    with pytest.raises(NetworkError):
        box.news(PATIENCE)
    assert not box.alive
    with pytest.raises(NetworkError):
        box.news(0)
