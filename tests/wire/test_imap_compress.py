"""COMPRESS DEFLATE (RFC 4978) on servers that do it wrong or with ill will."""

import tracemalloc
import zlib
from collections.abc import Callable
from threading import Event

import pytest

from mailctl.domain.mailbox import Folder
from mailctl.domain.secret import Secret
from mailctl.domain.server import Endpoint, Security
from mailctl.domain.visits import Visit
from mailctl.errors import ProtocolError
from mailctl.protocols.imap.mailbox import Mailbox
from mailctl.protocols.imap.session import open_imap
from mailctl.protocols.transcript import Transcript
from tests.wire.support.imap import INBOX, PASSWORD, USER, Sinks, answer, sign_in, signed_in
from tests.wire.support.scripted import Peer, ScriptedServer

OFFERED = "IMAP4rev1 COMPRESS=DEFLATE"


class Deflating:
    """The server's side of a deflated connection."""

    def __init__(self, peer: Peer) -> None:
        tag = peer.command("COMPRESS DEFLATE")
        peer.line(f"{tag} OK")
        self.peer = peer
        self.out = zlib.compressobj(wbits=-15)
        self.back = zlib.decompressobj(-15)

    def take(self, name: bytes) -> bytes:
        """The tag of the next command, which must be `name`."""
        got = b""
        while not got.endswith(b"\r\n"):
            if not self.peer._buffer:
                self.peer._receive()
            got += self.back.decompress(self.peer._buffer)
            self.peer._buffer = b""
        tag, _, rest = got.partition(b" ")
        assert rest.startswith(name), got
        return tag

    def send(self, data: bytes) -> None:
        """Send it so that it can be read at once."""
        self.peer.send(self.out.compress(data) + self.out.flush(zlib.Z_SYNC_FLUSH))


def compressed(then: Callable[[Deflating], object]) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        then(Deflating(peer))

    return script


def test_commands_and_answers_are_deflated() -> None:
    def then(server: Deflating) -> None:
        tag = server.take(b"NOOP")
        server.send(tag + b" OK\r\n")

    with signed_in(compressed(then), capabilities=OFFERED) as mailbox:
        assert isinstance(mailbox, Mailbox)
        assert mailbox.compress()
        mailbox.noop()


@pytest.mark.parametrize("end", ["NO [COMPRESSIONACTIVE] x", "BAD what"])
def test_where_it_is_refused_or_not_offered_all_goes_on_as_before(end: str) -> None:
    def script(peer: Peer) -> None:
        answer(peer, "COMPRESS", end=end)
        answer(peer, "NOOP")

    with signed_in(script, capabilities=OFFERED) as mailbox:
        assert isinstance(mailbox, Mailbox)
        assert not mailbox.compress()
        mailbox.noop()
    with signed_in(lambda peer: answer(peer, "NOOP")) as mailbox:
        assert isinstance(mailbox, Mailbox)
        assert not mailbox.compress()
        mailbox.noop()


def test_what_follows_in_clear_ends_the_connection() -> None:
    def script(peer: Peer) -> None:
        tag = peer.command("COMPRESS")
        peer.line(f"{tag} OK", "* LIST () NIL in-clear")

    with signed_in(script, capabilities=OFFERED) as mailbox:
        assert isinstance(mailbox, Mailbox)
        assert mailbox.compress()
        with pytest.raises(ProtocolError) as caught:
            mailbox.folders()
    assert caught.value.code == "not_deflated"


def test_B21_a_bomb_is_stopped_before_it_fills_memory_or_disk() -> None:
    size = 1_000_000_000

    def then(server: Deflating) -> None:
        first = server.take(b"EXAMINE")
        server.send(b"* 1 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n%s OK\r\n" % first)
        server.send(b'* 1 FETCH (UID 1 FLAGS () INTERNALDATE "x" BODY[] {%d}\r\n' % size)
        for _ in range(size // 10_000_000):
            server.send(bytes(10_000_000))

    sinks = Sinks()

    class Counting:
        """Counts and forgets."""

        octets = 0

        def write(self, chunk: bytes | memoryview) -> None:
            Counting.octets += len(chunk)

        def finish(self, meta: object) -> None:
            raise AssertionError

        def abandon(self) -> None:
            sinks.abandoned += 1

    tracemalloc.start()
    try:
        with signed_in(compressed(then), capabilities=OFFERED, messages=None, largest=1 << 31) as mailbox:
            assert isinstance(mailbox, Mailbox)
            assert mailbox.compress()
            with pytest.raises(ProtocolError) as caught:
                list(mailbox.visit([Visit(Folder("A", b"A"), bodies_from=1)], lambda visit, octets: Counting()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.code == "inflated_too_much"
    assert Counting.octets < 600_000_000
    assert sinks.abandoned == 1
    assert peak < 40_000_000, "the script's own blocks are in it"


def test_the_transcript_stays_readable() -> None:
    def script(peer: Peer) -> None:
        sign_in(peer, OFFERED)
        server = Deflating(peer)
        server.send(server.take(b"NOOP") + b" OK well\r\n")
        peer.wait_for_end()

    transcript = Transcript()
    with ScriptedServer(script) as server:
        endpoint = Endpoint("127.0.0.1", server.port, Security.NONE)
        mailbox = open_imap(endpoint, USER, Secret(PASSWORD), transcript=transcript)
        assert mailbox.compress()
        mailbox.noop()
        mailbox.close()
    lines = "\n".join(transcript.lines())
    assert "deflated from here on" in lines
    assert " NOOP" in lines
    assert "OK well" in lines


def test_news_is_heard_through_deflate_and_junk_ends_the_connection() -> None:
    heard = Event()

    def then(server: Deflating) -> None:
        answered = server.take(b"EXAMINE")
        server.send(b"* 3 EXISTS\r\n" + answered + b" OK [READ-ONLY] x\r\n")
        server.take(b"IDLE")
        server.send(b"+ idling\r\n* OK still")
        server.peer.server.pause(0.1)
        server.send(b" here\r\n* 4 EXISTS\r\n")
        heard.wait(10)
        server.peer.send(b"\xff" * 100)

    with signed_in(compressed(then), capabilities=f"{OFFERED} IDLE", messages=None) as mailbox:
        assert isinstance(mailbox, Mailbox)
        assert mailbox.compress()
        mailbox.select(INBOX, read_only=True)
        mailbox.begin_waiting()
        assert mailbox.news(5)
        heard.set()
        with pytest.raises(ProtocolError):
            mailbox.news(5)
        assert not mailbox.alive
