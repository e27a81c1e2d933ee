"""The workers of `sync` as processes: how the parent starts them, and where they begin.

The password goes over the private pipe, first of all; arguments and environment hold none.
"""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from subprocess import Popen

    from mailctl.domain.secret import Secret
    from mailctl.sync.job import SyncJob

_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv.pop()); from mailctl.cli.late import late; late(); "
    "from mailctl.cli.worker import main; main()"
)
_PACKAGES = str(Path(__file__).parents[2])


class WorkerProcesses:
    """See `sync.bulk.crew.Workers`. environment: makes theirs. most: how many may live at a time."""

    def __init__(
        self,
        secret: "Callable[[SyncJob], Secret]",
        allowed: "Callable[[SyncJob], int | None]",
        environment: Callable[[], Mapping[str, str]],
        most: int,
    ) -> None:
        self._secret, self._allowed, self._environment, self._most = secret, allowed, environment, most
        self._living: list[Popen[bytes]] = []
        self._lock = Lock()

    def start(self, job: "SyncJob", descriptor: int) -> "Popen[bytes] | None":
        """A worker that can sign in for `job`; None if there are enough, or it can't be started."""
        import pickle
        import subprocess

        from mailctl.domain.secret import BearerToken
        from mailctl.errors import MailctlError

        try:
            secret = self._secret(job)
        except MailctlError:
            return None  # a keyring was locked meanwhile, or no token to be had: we are signed in, and go on alone
        with self._lock:
            self._living = [process for process in self._living if process.poll() is None]
            if len(self._living) >= self._most:
                return None
            try:
                process = subprocess.Popen(
                    [sys.executable, "-P", "-c", _PROGRAM, _PACKAGES],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=dict(self._environment()),
                    pass_fds=[descriptor],
                )
            except OSError:
                return None  # no processes left: it can be done without
            self._living.append(process)
        assert process.stdin is not None  # a pipe  # noqa: S101
        try:
            mechanisms = secret.mechanisms if isinstance(secret, BearerToken) else None
            pickle.dump((mechanisms, secret.reveal()), process.stdin, 5)
        except OSError:
            process.kill()
        return process

    def allowed(self, job: "SyncJob") -> int | None:
        """Connections to one mailbox that a sync may have at a time; None: not known."""
        return self._allowed(job)


def main() -> None:
    """A worker's whole life."""
    import pickle

    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(nothing, stream)
    _prepare()
    from mailctl.cli.context import Context
    from mailctl.domain.secret import BearerToken, Secret
    from mailctl.sync.bulk.worker import work
    from mailctl.sync.local.files import Files

    mechanisms, value = pickle.load(requests)  # noqa: S301 - from the process that started this one
    secret = Secret(value) if mechanisms is None else BearerToken(value, mechanisms=mechanisms)
    work(requests, answers, lambda job, stop: Context.sign_in(job, secret, stop), Files(), lambda: os._exit(1))
    os._exit(0)  # a thread still listens to the parent


def _prepare() -> None:
    """No core dumps; Ctrl-C, which a terminal sends to all, is the parent's to hear."""
    import signal
    from contextlib import suppress

    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
