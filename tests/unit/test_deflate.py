"""Deflated connections: what goes in comes out, in whatever pieces it travels, and never more than it may."""

import socket
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailctl.protocols.deflate import Deflated, DeflateError


class Pieces:
    """A socket that gives `data` in pieces of those sizes, and keeps what it is sent."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self.data, self.sizes, self.sent = data, sizes, b""

    def recv_into(self, view: memoryview) -> int:
        """Give the next piece."""
        size = min(self.sizes.pop(0) if self.sizes else len(self.data), len(view), len(self.data))
        view[:size] = self.data[:size]
        self.data = self.data[size:]
        return size

    def sendall(self, octets: bytes) -> None:
        """Keep it."""
        self.sent += octets


def deflated(*parts: bytes) -> bytes:
    """`parts` as a server sends them, flushed each."""
    made = zlib.compressobj(wbits=-15)
    return b"".join(made.compress(part) + made.flush(zlib.Z_SYNC_FLUSH) for part in parts)


def over(data: bytes, sizes: list[int] | None = None, **bounds: int) -> Deflated:
    """A deflated connection that gives `data`."""
    return Deflated(Pieces(data, sizes or []), **bounds)  # type: ignore[arg-type]  # as much of a socket as it takes


def read_all(connection: Deflated, room: int) -> bytes:
    """All that comes, read into `room` octets at a time."""
    view = memoryview(bytearray(room))
    got = b""
    while count := connection.recv_into(view):
        got += bytes(view[:count])
    return got


@given(
    st.lists(st.binary(max_size=300) | st.integers(0, 5000).map(bytes), max_size=6),
    st.lists(st.integers(1, 50), max_size=40),
    st.integers(1, 700),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_what_was_sent_is_received_in_whatever_pieces(
    parts: list[bytes], sizes: list[int], room: int, look: bool
) -> None:
    data = deflated(*parts)
    before = sizes.pop() if sizes else 0
    connection = Deflated(Pieces(data[before:], sizes), data[:before])  # type: ignore[arg-type]  # as above
    if look:
        connection.pending()
    assert read_all(connection, room) == b"".join(parts)
    assert not connection.pending()


def test_what_waits_inside_is_told() -> None:
    left, right = socket.socketpair()
    with left, right:
        connection = Deflated(left)
        assert not connection.pending()
        right.sendall(deflated(b"x" * 1000))
        assert connection.recv_into(memoryview(bytearray(10))) == 10
        assert connection.pending()
        assert len(read_some(connection, 990)) == 990
        assert not connection.pending()


def read_some(connection: Deflated, octets: int) -> bytes:
    """So many octets."""
    got = b""
    while len(got) < octets:
        view = memoryview(bytearray(octets - len(got)))
        got += bytes(view[: connection.recv_into(view)])
    return got


def test_what_is_sent_can_be_read_at_once() -> None:
    pieces = Pieces(b"", [])
    connection = Deflated(pieces)  # type: ignore[arg-type]  # as above
    other = zlib.decompressobj(-15)
    for line in (b"a NOOP\r\n", b"b NOOP\r\n"):
        connection.sendall(line)
        assert other.decompress(pieces.sent) == line
        pieces.sent = b""


def test_B21_zeros_without_end_are_stopped() -> None:
    bomb = deflated(bytes(3_000_000))
    with pytest.raises(DeflateError) as caught:
        read_all(over(bomb, ratio=10, grace=1_000_000), 1 << 16)
    assert caught.value.code == "inflated_too_much"
    assert len(read_all(over(bomb, ratio=10, grace=3_000_000), 1 << 16)) == 3_000_000


@pytest.mark.parametrize("data", [b"* OK plain text\r\n", zlib.compress(b"with a header"), b"\xff" * 40])
def test_what_is_not_deflated_is_refused(data: bytes) -> None:
    with pytest.raises(DeflateError) as caught:
        read_all(over(data), 100)
    assert caught.value.code == "not_deflated"


def test_data_that_ends_is_refused() -> None:
    made = zlib.compressobj(wbits=-15)
    with pytest.raises(DeflateError):
        read_all(over(made.compress(b"x") + made.flush() + b"* OK in clear\r\n"), 100)
