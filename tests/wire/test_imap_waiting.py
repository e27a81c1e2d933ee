"""IMAP servers that misbehave while they are waited on: what is no news wakes nobody, nothing stalls."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

import pytest

from mailctl.errors import NetworkError, ProtocolError, RefusedError
from mailctl.protocols.imap.mailbox import Mailbox
from tests.wire.support.imap import INBOX, answer, examine, signed_in
from tests.wire.support.scripted import Peer

IDLE = "IMAP4rev1 IDLE"
NOTIFY = f"{IDLE} NOTIFY"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailctl.protocols.imap.waiting.PATIENCE", 1.0)


@contextmanager
def waiting(then: Callable[[Peer], object], capabilities: str = IDLE) -> Iterator[Mailbox]:
    """A mailbox on a server that goes on with `then`; INBOX is open, with three messages."""
    with signed_in(then, capabilities=capabilities) as mailbox:
        assert isinstance(mailbox, Mailbox)
        yield mailbox


def idle(peer: Peer, *news: str | bytes) -> str:
    """Take IDLE, say `news` → its tag."""
    tag = peer.command("IDLE")
    peer.line("+ idling", *news)
    return tag


def done(peer: Peer, tag: str, *before: str) -> None:
    """Take DONE and end the IDLE of `tag`."""
    assert peer.read_line() == b"DONE"
    peer.line(*before, f"{tag} OK done")


@pytest.mark.parametrize(
    "line",
    [
        "* 4 EXISTS",
        "* 2 EXISTS",
        "* 1 EXPUNGE",
        "* 2 FETCH (FLAGS (\\Seen))",
        "* VANISHED 1:3",
        '* STATUS "a" (MESSAGES 1)',
        '* LIST () "/" a',
        "* 4 exists",
    ],
)
def test_news(line: str) -> None:
    def script(peer: Peer) -> None:
        done(peer, idle(peer, "* OK Still here", line))
        answer(peer, "NOOP")

    with waiting(script) as mailbox:
        mailbox.begin_waiting()
        assert mailbox.news(5)
        assert not mailbox.news(0)
        mailbox.end_waiting()
        mailbox.noop()


@pytest.mark.parametrize(
    "line", ["* OK Still here", "* 3 EXISTS", "* 0 RECENT", "* FLAGS (\\Seen)", "* NO [ALERT] soon", "* CAPABILITY X"]
)
def test_what_is_no_news_wakes_nobody(line: str) -> None:
    def script(peer: Peer) -> None:
        tag = idle(peer, *[line] * 100)
        peer.server.pause(0.1)
        done(peer, tag)

    with waiting(script) as mailbox:
        mailbox.begin_waiting()
        assert not mailbox.news(0.3)
        mailbox.end_waiting()


@pytest.mark.parametrize(
    ("half", "rest"),
    [
        (b"* 4 EXIS", b"TS\r\n"),
        (b"* STATUS {9}\r\nhalf", b"\r\nab (MESSAGES 1)\r\n"),
        (b'* LIST () "/" {3}\r\nabc', b"\r\n"),
        (b"* 4 EXISTS\r", b"\n"),
        (b"*", b" 4 EXISTS\r\n"),
    ],
)
def test_half_a_response_keeps_nobody_waiting(half: bytes, rest: bytes) -> None:
    def script(peer: Peer) -> None:
        tag = idle(peer)
        peer.send(half)
        peer.server.pause(0.5)
        peer.send(rest)
        done(peer, tag)

    with waiting(script) as mailbox:
        mailbox.begin_waiting()
        began = monotonic()
        while monotonic() - began < 0.3:
            before = monotonic()
            assert not mailbox.news(0)
            assert monotonic() - before < 0.2
        assert mailbox.news(5)
        mailbox.end_waiting()


def test_a_plus_that_never_comes_ends_the_connection() -> None:
    with waiting(lambda peer: peer.wait_for_end()) as mailbox:
        with pytest.raises(NetworkError):
            mailbox.begin_waiting()
        assert not mailbox.alive


def test_a_done_that_is_not_answered_ends_the_connection() -> None:
    def script(peer: Peer) -> None:
        idle(peer)
        peer.wait_for_end()

    with waiting(script) as mailbox:
        mailbox.begin_waiting()
        with pytest.raises(NetworkError):
            mailbox.end_waiting()
        assert not mailbox.alive


@pytest.mark.parametrize("said", ["NO not now", "BAD what?"])
def test_an_idle_that_is_refused_is_not_offered_again(said: str) -> None:
    def script(peer: Peer) -> None:
        answer(peer, "IDLE", end=said)
        answer(peer, "NOOP")

    with waiting(script) as mailbox:
        with pytest.raises(RefusedError) as caught:
            mailbox.begin_waiting()
        assert (caught.value.code, caught.value.server_text) == ("no_idle", said)
        assert mailbox.waits == ""
        mailbox.noop()


@pytest.mark.parametrize("said", ["NO [BADEVENT (MessageNew)] no", "BAD what?", "NO [NOTIFICATIONOVERFLOW] too much"])
def test_a_notify_that_is_refused_leaves_idle(said: str) -> None:
    def script(peer: Peer) -> None:
        tag = peer.command("NOTIFY SET (selected (MessageNew MessageExpunge FlagChange)) (personal (MessageNew")
        idling = peer.command("IDLE")
        peer.line(f"{tag} {said}", "+ idling", "* 4 EXISTS")
        done(peer, idling)
        done(peer, idle(peer))

    with waiting(script, NOTIFY) as mailbox:
        assert mailbox.waits == "notify"
        mailbox.begin_waiting()
        assert mailbox.waits == "idle"
        assert mailbox.news(5)
        mailbox.end_waiting()
        mailbox.begin_waiting()
        mailbox.end_waiting()


def test_notify_tells_of_all_folders_and_is_turned_off_afterwards() -> None:
    def script(peer: Peer) -> None:
        notify, idling = peer.command("NOTIFY SET"), peer.command("IDLE")
        peer.line(f"{notify} OK", "+ idling", '* STATUS "other" (MESSAGES 1 UIDNEXT 2)')
        assert peer.read_line() == b"DONE"
        off = peer.command("NOTIFY NONE")
        peer.line(f"{idling} OK", f"{off} OK")
        examine(peer)

    with waiting(script, NOTIFY) as mailbox:
        mailbox.begin_waiting()
        assert mailbox.waits == "notify"
        assert mailbox.news(5)
        mailbox.end_waiting()
        mailbox.select(INBOX, read_only=True)


def test_an_overflow_is_news_and_leaves_idle() -> None:
    def script(peer: Peer) -> None:
        notify, idling = peer.command("NOTIFY SET"), peer.command("IDLE")
        peer.line(f"{notify} OK", "+ idling", "* OK [NOTIFICATIONOVERFLOW] too much")
        done(peer, idling)
        done(peer, idle(peer))

    with waiting(script, NOTIFY) as mailbox:
        mailbox.begin_waiting()
        assert mailbox.news(5)
        mailbox.end_waiting()
        assert mailbox.waits == "idle"
        mailbox.begin_waiting()
        mailbox.end_waiting()


def test_a_bye_is_told_in_the_servers_words() -> None:
    def script(peer: Peer) -> None:
        idle(peer, "* BYE Autologout; idle for too long")
        peer.connection.close()

    with waiting(script) as mailbox:
        mailbox.begin_waiting()
        with pytest.raises(NetworkError) as caught:
            mailbox.news(5)
        assert caught.value.server_text == "BYE Autologout; idle for too long"
        assert not mailbox.alive


@pytest.mark.parametrize("ending", ["close", "reset"])
def test_a_connection_that_ends_is_told(ending: str) -> None:
    def script(peer: Peer) -> None:
        idle(peer)
        if ending == "reset":
            peer.reset()
        peer.connection.close()

    with waiting(script) as mailbox:
        mailbox.begin_waiting()
        for _ in range(2):
            with pytest.raises(NetworkError):
                mailbox.news(5)


def test_a_server_that_ends_the_idle_by_itself() -> None:
    def script(peer: Peer) -> None:
        tag = idle(peer)
        peer.line(f"{tag} OK that was enough")

    with waiting(script) as mailbox:
        mailbox.begin_waiting()
        with pytest.raises(NetworkError):
            mailbox.news(5)


@pytest.mark.parametrize(
    "flood", [b"* OK Still here\r\n" * 10_000, b"x" * 100_000, b"* STATUS {99999999999}\r\n", b"+ \r\n", b"A1 OK\r\n"]
)
def test_B12_endless_or_unasked_lines_while_waiting_are_bounded(flood: bytes) -> None:
    def script(peer: Peer) -> None:
        idle(peer)
        while True:
            peer.send(flood)

    with waiting(script) as mailbox:
        mailbox.begin_waiting()
        with pytest.raises(ProtocolError):
            any(mailbox.news(1) for _ in range(1000))
        assert not mailbox.alive
        assert len(mailbox._channel.wire.view) < 1 << 21


@pytest.mark.parametrize("flood", [b"* OK Still here\r\n" * 10_000, b"* 5 EXISTS\r\n" * 10_000])
def test_B12_endless_lines_instead_of_plus_are_bounded(flood: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.command("IDLE")
        while True:
            peer.send(flood)

    with waiting(script) as mailbox, pytest.raises(ProtocolError):
        mailbox.begin_waiting()


def test_news_at_the_end_of_a_waiting_is_told_by_the_next() -> None:
    def script(peer: Peer) -> None:
        done(peer, idle(peer), "* 4 EXISTS")
        examine(peer, 4)
        tag = idle(peer)
        done(peer, tag, "* 1 FETCH (FLAGS ())")
        tag = idle(peer, "* 5 EXISTS")
        done(peer, tag, "* 6 EXISTS")
        done(peer, idle(peer))

    with waiting(script) as mailbox:
        mailbox.begin_waiting()
        assert not mailbox.news(0)
        mailbox.end_waiting()
        mailbox.select(INBOX, read_only=True)
        mailbox.begin_waiting()
        assert mailbox.news(0)
        mailbox.end_waiting()  # there was news already: whatever comes now is part of it
        mailbox.begin_waiting()
        assert mailbox.news(5)
        mailbox.end_waiting()
        mailbox.begin_waiting()
        assert not mailbox.news(0)
        mailbox.end_waiting()


def test_a_connection_that_waits_takes_its_leave_in_order() -> None:
    def script(peer: Peer) -> None:
        idle(peer)
        assert peer.read_line() == b"DONE"
        peer.command("LOGOUT")

    with waiting(script) as mailbox:
        mailbox.begin_waiting()
        mailbox.close()
        mailbox.close()
        assert not mailbox.alive


def test_waiting_needs_a_folder_and_a_server_that_can() -> None:
    with waiting(lambda peer: answer(peer, "NOOP"), "IMAP4rev1") as mailbox:
        assert mailbox.waits == ""
        with pytest.raises(RefusedError):
            mailbox.begin_waiting()
        mailbox.end_waiting()
        mailbox.noop()
    with signed_in(lambda peer: None, capabilities=IDLE, messages=None) as other:
        assert isinstance(other, Mailbox)
        with pytest.raises(RefusedError):
            other.begin_waiting()
