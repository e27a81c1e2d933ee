"""A relay on loopback that counts turns: how often the client spoke after it had heard the server, or first."""

import selectors
import socket
from contextlib import suppress
from threading import Thread
from types import TracebackType
from typing import Self


class Turns:
    """Relays connections to a port of this machine, one at a time; a context manager.

    port: where it listens. count: turns of the client so far, over all connections. spoken: octets of each turn.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self.spoken: list[int] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = Thread(target=self._serve, name="turns", daemon=True)

    @property
    def count(self) -> int:
        """Turns of the client."""
        return len(self.spoken)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client, socket.create_connection(("127.0.0.1", self._target)) as server, suppress(OSError):
                self._relay(client, server)

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        heard = True
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in selector.select(30):
                    source: socket.socket = key.fileobj  # type: ignore[assignment]  # as registered
                    data = source.recv(1 << 16)
                    if not data:
                        return
                    key.data.sendall(data)
                    if source is server:
                        heard = True
                    elif heard:
                        heard = False
                        self.spoken.append(len(data))
                    else:
                        self.spoken[-1] += len(data)
