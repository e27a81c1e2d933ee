"""A server on loopback that does what a script says, once for each connection, and remembers what it was sent."""

import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Lock, Thread
from types import TracebackType

PATIENCE = 20.0
"""Seconds after which a script gives up waiting for its client, so that no test hangs."""


class GoneError(Exception):
    """The client is gone; ends a script, which is no failure."""


class Peer:
    """One connection, as the script sees it. Text is sent as UTF-8, a line end is added by `line` and `lines`."""

    def __init__(self, server: "ScriptedServer", connection: socket.socket, number: int) -> None:
        self.server, self.connection, self.number = server, connection, number
        """number: 0 for the first connection; a client may open a second one to look at a certificate."""
        self._buffer = b""

    def send(self, data: str | bytes) -> None:
        """Send exactly `data`."""
        try:
            self.connection.sendall(data.encode() if isinstance(data, str) else data)
        except (OSError, ValueError) as error:
            raise GoneError from error

    def line(self, *lines: str | bytes) -> None:
        """Send each line with CRLF, all in one segment."""
        self.send(b"".join((each.encode() if isinstance(each, str) else each) + b"\r\n" for each in lines))

    def read_line(self) -> bytes:
        """The next line of the client, without its line end."""
        while b"\n" not in self._buffer:
            self._receive()
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.rstrip(b"\r")

    def read(self, octets: int) -> bytes:
        """The next `octets` octets of the client."""
        while len(self._buffer) < octets:
            self._receive()
        data, self._buffer = self._buffer[:octets], self._buffer[octets:]
        return data

    def expect(self, beginning: str) -> str:
        """The next line, which must begin like that (in any case of letters); who says QUIT instead is gone."""
        line = self.read_line().decode("utf-8", "backslashreplace")
        if line == "QUIT" != beginning:
            raise GoneError
        assert line.upper().startswith(beginning.upper()), f"the client sent {line!r} instead of {beginning!r}"
        return line

    def command(self, name: str) -> str:
        """The tag of the next IMAP command, which must be `name`."""
        line = self.read_line().decode("utf-8", "backslashreplace")
        tag, _, rest = line.partition(" ")
        assert rest.upper().startswith(name.upper()), f"the client sent {line!r} instead of {name!r}"
        return tag

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Speak TLS from here on; a client that doesn't like it is gone."""
        try:
            self.connection = context.wrap_socket(self.connection, server_side=True)
        except (OSError, ssl.SSLError) as error:
            raise GoneError from error
        self.server.note_connection(self.connection)

    def wait_for_end(self) -> None:
        """Read what the client sends until it ends the connection or takes its leave by QUIT."""
        with suppress(GoneError):
            while not self._buffer.endswith(b"QUIT\r\n"):
                self._receive()

    def reset(self) -> None:
        """Cut the connection by RST."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        raise GoneError

    def _receive(self) -> None:
        try:
            data = self.connection.recv(65536)
        except (OSError, ValueError) as error:
            raise GoneError from error
        if not data:
            raise GoneError
        self._buffer += data
        self.server.note_received(data, inside=isinstance(self.connection, ssl.SSLSocket))


Script = Callable[[Peer], object]


def says(*lines: str | bytes) -> Script:
    """A script that says `lines` at once and then nothing more."""

    def script(peer: Peer) -> None:
        peer.line(*lines)
        peer.wait_for_end()

    return script


class ScriptedServer:
    """Runs `script` for each connection, inside TLS from the start if `tls` is given. A context manager.

    port: where it listens on 127.0.0.1. clear, inside: all that clients sent outside and inside TLS. connections: how
    many came. An assertion that failed in a script is raised when the context ends.
    """

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None, *, listen_on: str = "127.0.0.1") -> None:
        self.script, self.tls = script, tls
        self.clear = b""
        self.inside = b""
        self.connections = 0
        self.failures: list[Exception] = []
        self._open: list[socket.socket] = []
        self._lock = Lock()
        self._over = Event()
        family = socket.AF_INET6 if ":" in listen_on else socket.AF_INET
        self._listener = socket.create_server((listen_on, 0), family=family)
        self.port: int = self._listener.getsockname()[1]
        self._threads = [Thread(target=self._accept, name="scripted server", daemon=True)]

    def __enter__(self) -> "ScriptedServer":
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            opened, threads = list(self._open), list(self._threads)
        for connection in opened:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        for thread in threads:
            thread.join(5)
        if self.failures and error is None:
            raise self.failures[0]

    def pause(self, seconds: float) -> None:
        """Wait, unless the test is over."""
        self._over.wait(seconds)

    def note_received(self, data: bytes, *, inside: bool) -> None:
        """Remember what a client sent."""
        with self._lock:
            if inside:
                self.inside += data
            else:
                self.clear += data

    def note_connection(self, connection: socket.socket) -> None:
        """Remember a socket that has to be closed in the end."""
        with self._lock:
            self._open.append(connection)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE)
            self.note_connection(connection)
            peer = Peer(self, connection, self.connections)
            self.connections += 1
            thread = Thread(target=self._serve, args=(peer,), name="scripted connection", daemon=True)
            with self._lock:
                self._threads.append(thread)
            thread.start()

    def _serve(self, peer: Peer) -> None:
        try:
            if self.tls is not None:
                peer.start_tls(self.tls)
            self.script(peer)
        except GoneError:
            pass
        except Exception as error:  # noqa: BLE001  # whatever went wrong in a script must fail its test
            self.failures.append(error)
        finally:
            with suppress(OSError):
                peer.connection.close()
