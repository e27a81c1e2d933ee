"""TLS by whole gulps: what comes before an end or a fault is had first, and a part of a record is nothing yet."""

import socket
import ssl
from collections.abc import Iterator
from threading import Event, Thread
from time import monotonic
from typing import cast

import pytest

from mailctl.protocols.tls_stream import MOST, TlsStream
from tests.servers.support.certificates import Certificates
from tests.wire.support.contexts import server_context

RECORD = 1 << 14


class Pair:
    """A TlsStream and the server's end: its TLS, and the sockets, between which a test may put what it likes."""

    def __init__(self, certificates: Certificates, slow: float = 0.0) -> None:
        """slow: seconds before each answer of the server in the handshake."""
        self.slow = slow
        self.near, self.far = socket.socketpair()
        self.near.settimeout(5)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.server = server_context(certificates.good).wrap_bio(self.incoming, self.outgoing, server_side=True)
        trust = ssl.create_default_context(cafile=str(certificates.ca))
        self.stream = TlsStream(self.near, trust, b"localhost")
        answering = Thread(target=self._accept, daemon=True)
        answering.start()
        self.stream.handshake(5)
        answering.join(5)

    def _accept(self) -> None:
        while True:
            try:
                self.server.do_handshake()
            except ssl.SSLWantReadError:
                Event().wait(self.slow)
                self.far.sendall(self.outgoing.read())
                self.incoming.write(self.far.recv(MOST))
            else:
                self.far.sendall(self.outgoing.read())
                return

    def sealed(self, octets: bytes) -> bytes:
        """As records."""
        sent = 0
        while sent < len(octets):
            sent += self.server.write(octets[sent : sent + RECORD])
        return self.outgoing.read()

    def read(self, room: int = 1 << 18) -> bytes:
        view = memoryview(bytearray(room))
        return bytes(view[: self.stream.recv_into(view)])


class Late:
    """A socket whose other end is gone by the time that something is received."""

    def __init__(self, connection: socket.socket, ending: Thread) -> None:
        self._connection, self._ending = connection, ending
        self.settimeout, self.sendall = connection.settimeout, connection.sendall

    def recv(self, octets: int) -> bytes:
        received = self._connection.recv(octets)
        self._ending.join(5)
        return received


@pytest.fixture
def pair(certificates: Certificates) -> Iterator[Pair]:
    made = Pair(certificates)
    yield made
    made.near.close()
    made.far.close()


def test_many_records_are_had_at_once_and_no_more_than_there_is_room_for(pair: Pair) -> None:
    octets = bytes(range(256)) * 256
    feeding = Thread(target=pair.far.sendall, args=(b"".join(pair.sealed(octets) for _ in range(8)),), daemon=True)
    feeding.start()
    got = b""
    while len(got) < 8 * len(octets):
        piece = pair.read(10_000)
        assert 0 < len(piece) <= 10_000
        got += piece
    assert got == octets * 8
    assert not pair.stream.pending()
    feeding.join(5)


def test_the_round_trip_is_that_of_the_first_answer(certificates: Certificates) -> None:
    for slow in (0.0, 0.2):
        made = Pair(certificates, slow)
        assert slow < made.stream.turn < 5
        made.near.close()
        made.far.close()


def test_part_of_a_record_is_nothing_yet(pair: Pair) -> None:
    record = pair.sealed(b"* OK\r\n")
    pair.far.sendall(record[:9])
    pair.near.settimeout(0)
    with pytest.raises(BlockingIOError):
        pair.read()
    assert not pair.stream.pending()
    pair.far.sendall(record[9:] + pair.sealed(b"* BYE\r\n"))
    assert pair.read(1) == b"*"
    assert pair.stream.pending()
    assert pair.read() == b" OK\r\n* BYE\r\n"
    assert not pair.stream.pending()


def test_a_record_that_comes_in_drops_is_not_waited_for_beyond_the_timeout(pair: Pair) -> None:
    record = pair.sealed(b"* OK\r\n")
    over = Event()

    def drip() -> None:
        for octet in record[:-1]:
            if not over.wait(0.05):
                pair.far.sendall(bytes([octet]))

    pair.near.settimeout(0.2)
    dripping = Thread(target=drip, daemon=True)
    dripping.start()
    begun = monotonic()
    with pytest.raises(TimeoutError):
        pair.read()
    assert monotonic() - begun < 0.05 * len(record) / 2
    over.set()
    dripping.join(5)


def test_a_fault_is_told_again_and_again_after_what_came_before_it(pair: Pair) -> None:
    good = pair.sealed(b"* BYE the disk is full\r\n")
    bad = bytearray(pair.sealed(b"a1 OK\r\n"))
    bad[-1] ^= 1
    pair.far.sendall(good + bytes(bad))
    assert pair.read() == b"* BYE the disk is full\r\n"
    assert pair.stream.pending()
    for _ in range(2):
        with pytest.raises(ssl.SSLError):
            pair.read()


@pytest.mark.parametrize("polite", [True, False])
def test_the_end(pair: Pair, polite: bool) -> None:
    octets = pair.sealed(b"* BYE\r\n")
    if polite:
        with pytest.raises(ssl.SSLWantReadError):
            pair.server.unwrap()
        octets += pair.outgoing.read()
    pair.far.sendall(octets)
    pair.far.close()
    assert (pair.read(), pair.read(), pair.read()) == (b"* BYE\r\n", b"", b"")
    assert pair.stream.pending() is polite  # otherwise it is the socket that tells


def test_much_is_sent(pair: Pair) -> None:
    octets = b"0123456789abcdef" * (1 << 16)
    sending = Thread(target=pair.stream.sendall, args=(octets,), daemon=True)
    sending.start()
    got = b""
    while len(got) < len(octets):
        try:
            got += pair.server.read(RECORD)
        except ssl.SSLWantReadError:
            pair.incoming.write(pair.far.recv(MOST))
    assert got == octets
    sending.join(5)


def test_a_refusal_keeps_its_cause_though_nobody_is_there_to_be_told(certificates: Certificates) -> None:
    near, far = socket.socketpair()

    def refused() -> None:
        far.recv(MOST)
        far.sendall(b"\x17\x03\x03\x00\x05hello")  # data, where the handshake belongs
        far.close()

    answering = Thread(target=refused, daemon=True)
    with near:
        stream = TlsStream(near, ssl.create_default_context(cafile=str(certificates.ca)), b"localhost")
        stream._connection = cast(socket.socket, Late(near, answering))
        answering.start()
        with pytest.raises(ssl.SSLError) as refusal:
            stream.handshake(5)
    assert "UNEXPECTED_MESSAGE" in str(refusal.value)


def test_what_was_opened_is_had_though_tls_could_not_answer(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise BrokenPipeError

    pair.far.sendall(pair.sealed(b"* BYE\r\n"))
    pair.stream._receive()
    pair.stream._outgoing.write(b"x")  # as if keys were changed
    monkeypatch.setattr(pair.stream, "_flush", broken)
    assert pair.read() == b"* BYE\r\n"
    assert pair.stream.pending()
    with pytest.raises(ConnectionResetError):
        pair.read()
