"""Two small C programs, compiled when they are first needed: a delaying proxy (`Line`), and a stopwatch (`measure`)."""

import select
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_HERE = Path(__file__).parent


class NoCompilerError(Exception):
    """There is no C compiler here."""


class ToolFailedError(Exception):
    """A measured command failed; the message has the end of what it printed."""


@dataclass(frozen=True)
class Sample:
    """One run. wall, cpu: seconds (cpu: user and system, children too); peak: KiB of the largest process."""

    wall: float
    cpu: float
    peak: int


@dataclass(frozen=True)
class Traffic:
    """What went over a line: connections, octets from the client and to it, and ping-pong turns."""

    connections: int = 0
    up: int = 0
    down: int = 0
    turns: int = 0


def compiled(folder: Path, name: str) -> Path:
    """The program `name`, compiled in `folder`.

    Raises:
        NoCompilerError: there is no `cc`.
    """
    program = folder / name
    if not program.exists():
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise NoCompilerError("the benchmark needs a C compiler: package gcc")
        subprocess.run([compiler, "-O2", "-o", program, _HERE / f"{name}.c"], check=True)
    return program


def measure(folder: Path, argv: Sequence[str], env: Mapping[str, str], *, seconds: int = 3600) -> Sample:
    """Run a command and say what it took.

    Raises:
        ToolFailedError: it ended with another code than 0, or not within `seconds`.
    """
    output = folder / "output"
    program = compiled(folder, "measure")
    done = subprocess.run(
        [program, str(seconds), output, *argv], env=dict(env), cwd=folder, capture_output=True, text=True, check=True
    )
    wall, user, system, peak, status = done.stdout.split()
    if status != "0":
        raise ToolFailedError(f"{' '.join(argv)}: ended with {status}: {output.read_text(errors='replace')[-2000:]}")
    return Sample(float(wall), float(user) + float(system), int(peak))


class Line:
    """A delaying proxy in front of a port of 127.0.0.1; a context manager. port: where it listens.

    Args:
        rtt: milliseconds there and back.
        rate: Mbit/s in each direction, shared by all connections; 0: no limit.
        window: KiB in flight in each direction of a connection. 3 MiB is what Linux's largest receive buffer of 6 MB
            (tcp_rmem) lets be, so a connection at 40 ms reaches 600 Mbit/s, and several together more.
    """

    port: int

    def __init__(self, folder: Path, target: int, rtt: float, rate: float = 0, window: int = 3072) -> None:
        self._argv = [str(compiled(folder, "delay")), str(target), str(rtt), str(rate), str(window)]
        self.rtt = rtt

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        assert self._process.stdout is not None
        self._unread = b""
        self.port = int(self._lines(5)[0])
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def traffic(self) -> Traffic:
        """All that went over it since this was last asked, by connections that ended since; waits for the first."""
        rows = [[float(word) for word in line.split()] for line in self._lines(2 + 3 * self.rtt / 1000)]
        return Traffic(len(rows), *(int(sum(row[column] for row in rows)) for column in range(3)))

    def _lines(self, seconds: float) -> list[bytes]:
        """The lines it printed, once there are some and 0.1 s (and two round trips) brought no more."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + seconds
        lines: list[bytes] = []
        while select.select([self._process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
            data = self._process.stdout.read(1 << 16)
            *more, self._unread = (self._unread + data).split(b"\n")
            lines += more
            if not data:
                break
            if lines:
                deadline = time.monotonic() + (0.1 + 2 * self.rtt / 1000 if hasattr(self, "port") else 0)
        return lines


def round_trip(port: int, authority: Path, user: str, password: str) -> float:
    """Milliseconds that one NOOP takes through a port that leads to an IMAP server with TLS; the best of seven."""
    context = ssl.create_default_context(cafile=authority)
    taken = []
    with (
        socket.create_connection(("127.0.0.1", port), 30) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as server,
        server.makefile("rb") as answers,
    ):
        server.sendall(b"a LOGIN %b %b\r\n" % (user.encode(), password.encode()))
        while not answers.readline().startswith(b"a OK"):
            pass
        for _ in range(7):
            begun = time.perf_counter()
            server.sendall(b"b NOOP\r\n")
            while not answers.readline().startswith(b"b OK"):
                pass
            taken.append(time.perf_counter() - begun)
    return min(taken) * 1000
