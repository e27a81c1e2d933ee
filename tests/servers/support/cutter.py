"""A proxy that cuts connections where it is told: `Cutter`, and the process it runs in.

A process of its own, since its threads would not survive the forks of the tests.
    python -m tests.servers.support.cutter PORT
It says where it listens; then it takes `HOW OCTETS CONNECTIONS`, a line each, and says `ok`.
"""

import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self


class How(StrEnum):
    """Where a connection ends.

    down, up: after so many octets from the server, or from the client. unheard: those from the client arrive, and all
    that is asked with them is done, but no answer comes any more.
    """

    DOWN = "down"
    UP = "up"
    UNHEARD = "unheard"


@dataclass(frozen=True)
class Cut:
    """How, after how many octets, and how many connections from now on."""

    how: How = How.DOWN
    octets: int = 0
    connections: int = 0


class Cutter:
    """The proxy, in its process; a context manager. port: where it listens on 127.0.0.1."""

    port: int

    def __init__(self, target: int) -> None:
        self._target = target

    def __enter__(self) -> Self:
        argv = [sys.executable, "-m", __name__, str(self._target)]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]
        )
        self.port = int(self._read())
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def set(self, cut: Cut) -> None:
        """What becomes of the next connections; by default nothing."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{cut.how} {cut.octets} {cut.connections}\n")
        self._process.stdin.flush()
        assert self._read() == "ok"

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


class _Connection:
    def __init__(self, client: socket.socket, server: socket.socket, cut: Cut | None) -> None:
        self._client, self._server, self._cut = client, server, cut
        self._left = cut.octets if cut else 0
        self._unheard = False

    def serve(self) -> None:
        """Until both directions have ended."""
        with self._client, self._server:
            upward = threading.Thread(target=self._pump, args=(self._client, self._server, How.UP))
            upward.start()
            self._pump(self._server, self._client, How.DOWN)
            upward.join()

    def _pump(self, source: socket.socket, target: socket.socket, way: How) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if way is How.DOWN and self._unheard:
                    break
                if self._cut and way is (How.UP if self._cut.how is How.UNHEARD else self._cut.how):
                    self._left -= len(data)
                    if self._left <= 0 and self._cut.how is How.UNHEARD:
                        self._unheard = True
                    elif self._left <= 0:
                        target.sendall(data[: self._left or None])
                        break
                target.sendall(data)
                _acknowledge_at_once(self._server)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def _acknowledge_at_once(server: socket.socket) -> None:
    """A server that sends its answers in pieces waits for it (Nagle), which makes 40 ms of every command."""
    if hasattr(socket, "TCP_QUICKACK"):
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _main(target: int) -> None:
    lock = threading.Lock()
    cut = Cut()

    def listen(listening: socket.socket) -> None:
        nonlocal cut
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", target))
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with lock:
                mine = cut if cut.connections > 0 else None
                cut = Cut(cut.how, cut.octets, cut.connections - 1)
            threading.Thread(target=_Connection(client, server, mine).serve, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=listen, args=(listening,), daemon=True).start()
        print(listening.getsockname()[1], flush=True)
        for line in sys.stdin:
            how, octets, connections = line.split()
            with lock:
                cut = Cut(How(how), int(octets), int(connections))
            print("ok", flush=True)


if __name__ == "__main__":
    _main(int(sys.argv[1]))
