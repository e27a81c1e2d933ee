"""TLS between a socket and its user, by whole gulps: what has come is received at once and opened record by record.

Servers send records of a few thousand octets; an `ssl.SSLSocket` asks the system twice for each.
"""

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from math import inf
from time import monotonic
from typing import cast

FIRST, MOST = 1 << 12, 1 << 16
"""Octets received at once: so many at first, and twice as many whenever they were all there, up to so many."""
AT_MOST = 1.0
"""Seconds for which one call that may not wait opens what comes without end and holds nothing for its user."""
_RECORD = 1 << 14
"""Octets in one record (RFC 8446 section 5.1)."""


class TlsStream:
    """The inside of TLS on `connection`, whose timeout bounds every wait; `handshake` comes first.

    Its methods are those of a socket that `Wire` uses.
    """

    def __init__(self, connection: socket.socket, trust: ssl.SSLContext, host: bytes | str) -> None:
        self._connection = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = trust.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        """Who is at the other end, in which version, with which cipher."""
        self.push: Callable[[bytes], None] = connection.sendall
        """Sends what is sealed; replaceable."""
        self.turn = inf
        """Seconds that the first answer in the handshake took: a round trip, and what the server had to do for it."""
        self._at_once = FIRST
        self._opened = b""
        """What was opened and not yet asked for."""
        self._failed: OSError | None = None
        self._ended = False

    def handshake(self, seconds: float) -> None:
        """Within `seconds` in all. Raises OSError: ssl.SSLError for what TLS refuses, TimeoutError, a broken socket."""
        end = monotonic() + seconds
        while True:
            self._connection.settimeout(max(end - monotonic(), 0.001))
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                asked = monotonic()
                self._flush()
                if not self._receive():
                    self._incoming.write_eof()  # which TLS then has an error for
                if self.turn == inf:
                    self.turn = monotonic() - asked
                if monotonic() > end:
                    raise TimeoutError("the handshake took too long") from None
            except ssl.SSLError:
                with suppress(OSError):  # the alert tells the other side, if it is still there
                    self._flush()
                raise
            else:
                self._flush()
                return

    def recv_into(self, view: memoryview) -> int:
        """Fill `view` with what is there, waiting for one octet at least → how many; 0 at the end. Raises OSError.

        The timeout is that of the whole wait, whether nothing comes or only parts of a record, or what is TLS's own.
        """
        if self._opened:
            octets, self._opened = self._opened[: len(view)], self._opened[len(view) :]
            view[: len(octets)] = octets
            return len(octets)
        end = 0.0
        while not (count := self._open(view)):
            if not end:
                seconds = self._connection.gettimeout()
                end = inf if seconds is None else monotonic() + (seconds or AT_MOST)
            elif monotonic() > end:
                raise TimeoutError if self._connection.gettimeout() else BlockingIOError
            if self._ended or not self._receive():
                return 0
        return count

    def sendall(self, octets: bytes) -> None:
        """Send all of `octets`. Raises OSError."""
        left = memoryview(octets)
        while left:
            try:
                left = left[self.tls.write(left[:MOST]) :]
            except ssl.SSLWantReadError:  # the other side negotiates anew (RFC 5246 section 7.4.1.1)
                self._flush()
                if not self._receive():
                    raise ConnectionResetError("the connection was ended") from None
            self._flush()

    def pending(self) -> bool:
        """Whether something is there to be read that the socket doesn't tell of, be it the end or an error."""
        if not (self._opened or self._ended or self._failed):
            room = memoryview(bytearray(_RECORD))
            try:
                self._opened = bytes(room[: self._open(room)])
            except OSError as error:
                self._failed = error
        return bool(self._opened or self._ended or self._failed)

    def _open(self, view: memoryview) -> int:
        """Fill `view` from the records that came whole → how many octets. Raises OSError where its turn comes."""
        if self._failed is not None:
            raise self._failed
        read = cast("Callable[[int, memoryview], int]", self.tls.read)  # what it gives for a buffer
        count, room = 0, len(view)
        try:
            while count < room:
                opened = read(room - count, view[count:])
                if not opened:
                    self._ended = True
                    break
                count += opened
        except ssl.SSLWantReadError:
            pass  # that was all
        except ssl.SSLError as error:
            if not count:
                raise
            self._failed = error
        if self._outgoing.pending:  # a change of keys is answered (RFC 8446 section 4.6.3)
            try:
                self._flush()
            except OSError as error:  # in its turn, after what was opened
                self._failed = ConnectionResetError(f"TLS could not answer: {error}")
                if not count:
                    raise self._failed from error
        return count

    def _receive(self) -> bool:
        """More from the socket; False at its end."""
        octets = self._connection.recv(self._at_once)
        if len(octets) == self._at_once < MOST:
            self._at_once *= 2
        self._incoming.write(octets)
        return bool(octets)

    def _flush(self) -> None:
        octets = self._outgoing.read()
        if octets:
            self.push(octets)
