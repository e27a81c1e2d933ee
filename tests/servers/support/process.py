"""Starting daemons on free loopback ports and ending them: `Daemon`, `start_on_free_ports`, `service_user`."""

import contextlib
import functools
import grp
import os
import pwd
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_KEEPER = Path(__file__).with_name("keeper.py")


class NotStartedError(Exception):
    """A daemon ended, or its ports did not open, within the time it had; the message ends with what it printed."""


@dataclass(frozen=True)
class User:
    """A system account: names and numbers."""

    name: str
    group: str
    uid: int
    gid: int


def service_user() -> User:
    """Who runs servers that need no rights: `nobody` where the tests run as root, else whoever runs them."""
    entry = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    return User(entry.pw_name, grp.getgrgid(entry.pw_gid).gr_name, entry.pw_uid, entry.pw_gid)


class Daemon:
    """A server process in the foreground, kept by `keeper.py`: it and all it starts end with `stop` or with the tests.

    Args:
        argv: the command; it must stay in the foreground.
        output: the file that gets its stdout and stderr.
        env: its whole environment.
        user: the account to run it as, when the tests run as root; None: whoever runs the tests.
        stdin: a file to be its standard input.
        patience: seconds between SIGTERM and SIGKILL.
        prefix: put before the keeper's own command, such as `("sudo", "-n")`.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        output: Path,
        env: Mapping[str, str],
        user: User | None = None,
        stdin: Path | None = None,
        prefix: Sequence[str] = (),
        patience: float = 3,
    ) -> None:
        self._argv, self._output, self._env, self._prefix = argv, output, dict(env), prefix
        self._options = ["--patience", str(patience), *(["--input", str(stdin)] if stdin else [])]
        if user is not None and os.getuid() == 0:
            self._options += ["--user", f"{user.uid}:{user.gid}"]
        self._process: subprocess.Popen[bytes] | None = None
        self._before = 0

    def start(self) -> None:
        """Start it, without waiting for its readiness."""
        self._before = self._output.stat().st_size if self._output.exists() else 0
        keeper = [*self._prefix, sys.executable, "-I", "-S", str(_KEEPER), *self._options, "--"]
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                [*keeper, *map(str, self._argv)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=self._env,
                cwd=self._output.parent,
                start_new_session=True,  # Ctrl-C in the terminal ends the tests, which end the server
            )

    def stop(self) -> None:
        """End it and everything it started; nothing when it ended before. Waits until all are gone."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def output(self) -> str:
        """What it printed since `start`."""
        return self._output.read_bytes()[self._before :].decode(errors="replace")

    def wait_until(self, ready: Callable[[], bool], seconds: float = 10) -> None:
        """Return when `ready()` is true.

        Raises:
            NotStartedError: the daemon ended or the seconds went by.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running or time.monotonic() > deadline:
                what = "not ready in time" if self.running else "ended"
                raise NotStartedError(f"{Path(str(self._argv[0])).name}: {what}: {self.output()[-2000:]}")
            select.select([], [], [], 0.01)


def free_ports(host: str, count: int) -> list[int]:
    """Ports on which nothing listens just now, distinct."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((host, 0))
        return [int(each.getsockname()[1]) for each in sockets]


def accepts(host: str, port: int) -> bool:
    """Whether something accepts TCP connections there."""
    try:
        socket.create_connection((host, port), 1).close()
    except OSError:
        return False
    return True


def listening(port: int) -> bool:
    """Whether something listens on that TCP port; unlike `accepts`, nobody notices. From proc(5), /proc/net/tcp."""
    wanted = f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(FileNotFoundError), open(table, encoding="ascii") as lines:  # no IPv6, no table
            if any(words[1].endswith(wanted) and words[3] == "0A" for line in lines if (words := line.split())):
                return True
    return False


def start_on_free_ports(
    host: str,
    count: int,
    make: Callable[[Sequence[int]], Daemon],
    ready: Callable[[Daemon, int], bool] | None = None,
) -> tuple[list[int], Daemon]:
    """Start the daemon that `make(ports)` returns and wait until every port answers; on a clash, with other ports.

    Args:
        ready: whether the server answers on a port; None: it accepts a TCP connection.

    Raises:
        NotStartedError: after three attempts.
    """
    ready = ready or (lambda _, port: accepts(host, port))
    for attempt in range(3):
        ports = free_ports(host, count)
        daemon = make(ports)
        daemon.start()
        try:
            for port in ports:
                daemon.wait_until(functools.partial(ready, daemon, port))
        except NotStartedError:
            daemon.stop()
            if attempt == 2:
                raise
        else:
            return ports, daemon
    raise AssertionError("unreachable")
