"""DEFLATE over a connection (RFC 1951, as RFC 4978 uses it for IMAP): both ways, each message flushed, bounded."""

import socket

from mailctl.protocols.tls_stream import TlsStream

RATIO = 256
"""Octets that each received one may become on average; mail rarely makes 10 of one, zeros make 1,000."""
GRACE = 1 << 28
"""Octets that may come beyond that."""
_AT_ONCE = 1 << 16
_RAW = -15
"""Deflated data without a header, of the largest window, in zlib's words."""


class DeflateError(Exception):
    """What came is not deflated data, or becomes more than it may. code: `not_deflated` or `inflated_too_much`."""

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self.code = code


class Deflated:
    """What `connection` carries, inflated and deflated; its methods are those of a socket that `Wire` uses.

    received: octets that came over it already. An octet received may become at most `ratio`, and `grace` more in all.
    """

    def __init__(
        self, connection: socket.socket | TlsStream, received: bytes = b"", *, ratio: int = RATIO, grace: int = GRACE
    ) -> None:
        import zlib  # few connections need it

        self._connection = connection
        self._flush, self._wrong = zlib.Z_SYNC_FLUSH, zlib.error
        self._inflate = zlib.decompressobj(_RAW)
        self._deflate = zlib.compressobj(wbits=_RAW)
        self._waiting = received
        self._more = False
        """Whether the last output filled the room there was: zlib may hold more."""
        self._ready = b""
        self._room = memoryview(bytearray(_AT_ONCE))
        self._ratio, self._left = ratio, grace + ratio * len(received)

    def recv_into(self, view: memoryview) -> int:
        """Fill `view`, at least one octet → how many; 0 at the end. Raises OSError, and DeflateError."""
        while not (octets := self._next(len(view))):
            count = self._connection.recv_into(self._room)
            if not count:
                return 0
            self._left += self._ratio * count
            self._waiting = bytes(self._room[:count])
        view[: len(octets)] = octets
        return len(octets)

    def sendall(self, octets: bytes) -> None:
        """Send all of `octets` so that the other side can read them at once. Raises OSError."""
        self._connection.sendall(self._deflate.compress(octets) + self._deflate.flush(self._flush))

    def pending(self) -> bool:
        """Whether something is there to be read that the socket doesn't tell of."""
        if not self._ready:
            self._ready = self._next(_AT_ONCE)
        return bool(self._ready) or (isinstance(self._connection, TlsStream) and self._connection.pending())

    def _next(self, most: int) -> bytes:
        """At most `most` octets out of what has been received; b"" if more has to come first."""
        if self._ready:
            octets, self._ready = self._ready[:most], self._ready[most:]
            return octets
        if not self._waiting and not self._more:
            return b""
        try:
            octets = self._inflate.decompress(self._waiting, most)
        except self._wrong as error:
            raise DeflateError(f"sent what is not deflated data ({error})", "not_deflated") from error
        if self._inflate.eof:
            raise DeflateError("ended the deflated data, which has no end", "not_deflated")
        self._waiting, self._more = self._inflate.unconsumed_tail, len(octets) == most
        self._left -= len(octets)
        if self._left < 0:
            raise DeflateError("sent deflated data that becomes more than mail does", "inflated_too_much")
        return octets
