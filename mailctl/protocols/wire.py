"""One TCP connection to a mail server: its receive buffer, its bounds in time and size, and TLS when it begins.

The three protocols read and write through here only; what lines and octets mean is theirs.
"""

import ipaddress
import selectors
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import TYPE_CHECKING

from mailctl.domain.deadline import Deadline
from mailctl.domain.server import Endpoint, Security
from mailctl.errors import MailctlError, NetworkError, ProtocolError, StoppedError, TlsError
from mailctl.protocols import dial, tcp, tls
from mailctl.protocols.buffer import Buffer
from mailctl.protocols.deflate import Deflated, DeflateError
from mailctl.protocols.resolve import Address
from mailctl.protocols.tls_stream import TlsStream
from mailctl.protocols.waits import Waits

if TYPE_CHECKING:
    from mailctl.protocols.transcript import Transcript

LINE = 8192
"""Octets that one line may have where the caller names no other bound."""
STALL = 60.0
"""Seconds that the other side may be silent in the middle of work, however long the deadline."""
BRIEF = 4096
"""Octets below which what came may be the beginning of an answer whose rest waits to be asked for; see `tcp`."""
SOON = 0.1
"""Seconds for which one `fill` goes on receiving, beyond its first wait."""


class Wire(Buffer):
    """The connection. Every wait obeys `deadline` (replaceable) and `STALL`; what comes in counts against `allowance`.

    waits: whose `stop` may be set to what tells that the user wants an end.

    view[lo:hi] is what was received and not yet consumed; a streaming reader may consume from there by itself, moving
    `lo`, and call `fill` for more. `view` is replaced and its contents move when `fill` is called.
    """

    def __init__(
        self,
        connection: socket.socket,
        address: Address,
        endpoint: Endpoint,
        deadline: Deadline,
        transcript: "Transcript | None" = None,
        *,
        room: int = 1 << 18,
    ) -> None:
        super().__init__(room, transcript)
        self.endpoint, self.address, self.deadline = endpoint, address, deadline
        self.allowance: int | None = None
        """Octets that may still be received before ProtocolError; None: no bound. Set before a command."""
        self.waits = Waits(connection)
        self.secured: tls.Secured | None = None
        self.failed: dict[str, str] = {}
        """Addresses that did not answer before this one did, with causes."""
        self.closed = False
        self.connection = connection
        """The socket; for this class and closer looks only."""
        self.through: socket.socket | TlsStream | Deflated = connection
        """What octets go through, on their way to the socket; replaceable."""
        self._received = False
        self._brief = True

    @classmethod
    def connect(
        cls,
        endpoint: Endpoint,
        addresses: Sequence[Address],
        deadline: Deadline,
        transcript: "Transcript | None" = None,
        *,
        room: int = 1 << 18,
    ) -> "Wire":
        """Connect to the first of `addresses` that answers. Raises NetworkError with a cause of TCP."""
        connection, address, failed = dial.dial(str(endpoint), addresses, deadline)
        wire = cls(connection, address, endpoint, deadline, transcript, room=room)
        wire.failed = failed
        return wire

    # -- who is at the other end

    @property
    def encrypted(self) -> bool:
        """Whether TLS has begun."""
        return self.secured is not None

    @property
    def verified(self) -> bool:
        """Whether TLS has begun, with a peer known to be the right one."""
        return self.secured is not None and self.secured.verified

    @property
    def loopback(self) -> bool:
        """Whether the peer's address, not its name, is on this machine."""
        ip = ipaddress.ip_address(self.address.ip.partition("%")[0])
        mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
        return (mapped or ip).is_loopback

    @property
    def ehlo_name(self) -> str:
        """Our address as an address literal (RFC 5321 section 4.1.3); a name would have to be looked up first."""
        ip = str(self.connection.getsockname()[0]).partition("%")[0]
        return f"[IPv6:{ip}]" if ":" in ip else f"[{ip}]"

    def secret_allowed(self, *, allow_plaintext: bool) -> bool:
        """Whether a password may be sent: inside TLS, to loopback, or where endpoint and gateway both say so."""
        plain = self.endpoint.security is Security.NONE and allow_plaintext
        return self.encrypted or self.loopback or plain

    def start_tls(self, prelude: "Callable[[Wire], object] | None" = None) -> tls.Secured:
        """Handshake now. Nothing received before may be left: what is, was said without TLS (CVE-2011-0411).

        prelude: how a fresh connection gets to this point (STARTTLS), so that a certificate that is not accepted can be
        looked at once more and named. Raises TlsError, or ProtocolError if octets are left.
        """
        if self.lo != self.hi:
            what = "sent more than its answer before TLS began, which an attacker could have put there"
            raise self._beyond(what, "injected_before_tls")
        try:
            self.secured = tls.handshake(
                self.connection, self.endpoint.host, self.endpoint.certificate, self.deadline.remaining()
            )
        except TlsError as error:
            from mailctl.protocols.second_look import tls_refused

            raise tls_refused(self, prelude, error) from error.__cause__
        self.through = self.secured.stream
        self.through.push = self.waits.sendall
        self.waits.forget(self.connection)
        if self.transcript is not None:
            self.transcript.note(f"{self.secured.version} with {self.secured.cipher} from here on")
        return self.secured

    def compress(self) -> None:
        """DEFLATE both ways from here on; what was received and not consumed is deflated already (RFC 4978)."""
        assert not isinstance(self.through, Deflated)  # it would be once too often  # noqa: S101
        self.through = Deflated(self.through, bytes(self.view[self.lo : self.hi]))
        self.lo = self.hi = 0
        if self.transcript is not None:
            self.transcript.note("deflated from here on")

    def again(self, seconds: float) -> "Wire":
        """A second connection to the same address, within `seconds` in all, not recorded. Raises NetworkError."""
        return Wire.connect(self.endpoint, [self.address], Deadline(self.deadline.remaining(seconds)))

    # -- receiving

    def fill(self, patience: float | None = None, *, least: int = 1) -> int:
        """Receive more, at least one octet → how many. May move what is in the buffer, and replace `view`.

        patience: seconds after which it is 0 that came, and no error. least: octets that are worth waiting for here, as
        long as they come at once; TLS brings a few thousand at a time. No more than the buffer has room for.

        Raises NetworkError (eof_no_greeting, connection_lost, tcp_reset, tcp_timeout), TlsError, ProtocolError.
        """
        self.make_room()
        try:
            if self._brief:
                tcp.acknowledge(self.connection)
            receive, view, hi = self.through.recv_into, self.view, self.hi
            limit = self.deadline.remaining(STALL if patience is None else patience)
            last = count = self.waits.receive(receive, view[hi:], limit)
            if count < least:
                soon, least = monotonic() + SOON, min(least, len(view) - hi)
                while last and count < least and monotonic() < soon:
                    last = self.waits.receive(receive, view[hi + count :], limit)
                    count += last
        except DeflateError as error:
            raise self._beyond(str(error), error.code) from error
        except OSError as error:
            if patience is not None and isinstance(error, TimeoutError):
                return 0
            raise self._failure(error) from error
        except NetworkError as error:  # the deadline is over
            raise self._failure(TimeoutError()) from error
        return self._take(count, last)

    def arrived(self, seconds: float) -> bool:
        """Receive what is there, waiting at most `seconds` for it, never for the rest of it → whether octets came.

        Raises what `fill` raises.
        """
        if not self._readable(seconds):
            return False
        self.make_room()
        try:
            self.waits.set(0)
            return bool(self._take(self.through.recv_into(self.view[self.hi :])))
        except DeflateError as error:
            raise self._beyond(str(error), error.code) from error
        except (BlockingIOError, ssl.SSLWantReadError):  # there is not yet a whole record of TLS
            return False
        except OSError as error:
            raise self._failure(error) from error

    def _take(self, count: int, last: int | None = None) -> int:
        """Count what was received into the buffer's end. last: how much of it came last, if not all at once."""
        if not count:
            raise self._ended()
        self._received, self._brief = True, (count if last is None else last) < BRIEF
        self.hi += count
        if self.allowance is not None:
            self.allowance -= count
            if self.allowance < 0:
                ended = self.find(b"\n", self.lo) >= 0
                raise self._beyond("sent more than an answer may have", "too_much" if ended else "line_too_long")
        return count

    def readline(self, limit: int = LINE, *, recorded: bool = True) -> bytes:
        """The next line, with its line end, at most `limit` octets; ProtocolError (code line_too_long) beyond."""
        searched = 0
        while True:
            end = self.find(b"\n", self.lo + searched)
            if end >= 0 and end < self.lo + limit:
                line = bytes(self.view[self.lo : end + 1])
                self.lo = end + 1
                if recorded and self.transcript is not None:
                    self.transcript.received(line)
                return line
            searched = self.hi - self.lo
            if end >= 0 or searched >= limit:
                raise self._beyond(f"sent a line of more than {limit} octets", "line_too_long")
            self.fill()

    def stream(self, octets: int, sink: Callable[[memoryview], object]) -> None:
        """Hand the next `octets` octets to `sink`, in chunks that are valid only during the call."""
        left = octets
        while left > 0:
            if self.lo == self.hi:
                self.fill()
            count = min(left, self.hi - self.lo)
            chunk = self.view[self.lo : self.lo + count]
            self.lo += count
            left -= count
            sink(chunk)
        if self.transcript is not None:
            self.transcript.left_out(octets)

    def read(self, octets: int, *, most: int) -> bytes:
        """The next `octets` octets as one value; ProtocolError (code literal_too_long) for more than `most`."""
        if not 0 <= octets <= most:
            raise self._beyond(f"announced a string of {octets} octets", "literal_too_long")
        parts = bytearray()
        self.stream(octets, parts.extend)
        return bytes(parts)

    def fileno(self) -> int:
        """The socket, for a selector."""
        return self.connection.fileno()

    def pending(self, seconds: float = 0.0) -> bool:
        """Whether something is there to be read, waiting at most `seconds` for it; the connection's end counts."""
        if self.lo != self.hi or self.closed:
            return True
        return self._readable(seconds)

    def _readable(self, seconds: float) -> bool:
        try:
            if not isinstance(self.through, socket.socket) and self.through.pending():
                return True
        except DeflateError as error:
            raise self._beyond(str(error), error.code) from error
        with selectors.DefaultSelector() as selector:
            selector.register(self.connection, selectors.EVENT_READ)
            return bool(selector.select(self.deadline.remaining(seconds) if seconds else 0))

    # -- sending

    def send(self, data: bytes | Iterable[bytes], *, secret: bool = False, recorded: bool = True) -> None:
        """Send `data`, already checked by `arguments`. secret: never show it in a transcript.

        Raises NetworkError; StoppedError if the user wants an end, and the other side takes nothing more.
        """
        octets = data if isinstance(data, bytes) else b"".join(data)
        if self.transcript is not None and recorded:
            self.transcript.sent(octets, secret=secret)
        try:
            self.waits.set(self.deadline.remaining(STALL))
            if self.through is self.connection:
                self.waits.sendall(octets)
            else:
                self.through.sendall(octets)
        except StoppedError:
            self.close()  # half a command is on its way
            raise
        except OSError as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """End the connection at once, without a word; never raises, twice does nothing."""
        self.closed = True
        try:
            self.connection.close()
        except OSError:
            return  # closed is closed

    # -- failing

    def _failure(self, error: OSError) -> MailctlError:
        self.close()
        from mailctl.protocols import broken

        return broken.failure(self.endpoint, error, received=self._received, begun=self.lo != self.hi)

    def _beyond(self, what: str, code: str) -> ProtocolError:
        """The peer went beyond a bound; there is no way back into step with it."""
        if self.transcript is not None and self.lo != self.hi:
            self.transcript.received(bytes(self.view[self.lo : min(self.hi, self.lo + LINE)]))
            self.transcript.note(f"not read any further: {what}")
        self.close()
        return ProtocolError(f"{self.endpoint} {what}", code=code)

    def _ended(self) -> NetworkError:
        self.close()
        from mailctl.protocols import broken

        return broken.ended(self.endpoint, received=self._received)
