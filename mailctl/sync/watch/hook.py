"""The command that runs after changes, such as `notmuch new`: once after a batch of them, never two at a time."""

import os
from collections.abc import Callable, Mapping, Sequence
from threading import Condition, Thread
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from subprocess import Popen

SETTLE = 1.0
"""Seconds that are waited for more changes before the command runs."""
SECONDS = 300.0
"""How long the command may take."""
AT_THE_END = 20.0
"""The same when the watch ends."""
KEPT = 500
"""Octets of what it wrote on stderr that are told if it fails."""


class Hook:
    """Runs `argv` in a thread of its own.

    env: gives the command's whole environment; MAILCTL_GATEWAYS is added: names of the gateways that changed, separated
    by spaces. tell: called with the gateways and what went wrong, "" if nothing did.
    """

    def __init__(
        self,
        argv: Sequence[str],
        env: Callable[[], Mapping[str, str]],
        tell: Callable[[list[str], str], None],
        *,
        seconds: float = SECONDS,
        settle: float = SETTLE,
    ) -> None:
        self._argv, self._env, self._tell, self._seconds, self._settle = list(argv), env, tell, seconds, settle
        self._changed: dict[str, None] = {}
        self._news = Condition()
        self._ending: float | None = None
        self._thread = Thread(target=self._run, name="exec", daemon=True)
        self._thread.start()

    def offer(self, gateway: str) -> None:
        """Mail or flags of a gateway changed."""
        with self._news:
            self._changed[gateway] = None
            self._news.notify()

    def close(self) -> None:
        """Run it once more if changes were not told yet, and wait for its end, bounded."""
        with self._news:
            self._ending = monotonic() + AT_THE_END
            self._news.notify()
        self._thread.join(AT_THE_END + 5)

    def _run(self) -> None:
        while True:
            with self._news:
                while not self._changed and self._ending is None:
                    self._news.wait()
                if self._ending is None:
                    self._news.wait_for(lambda: self._ending is not None, self._settle)
                changed, self._changed = list(self._changed), {}
            if not changed:
                return
            self._tell(changed, self._carried_out(changed))

    def _carried_out(self, changed: list[str]) -> str:
        """What went wrong, or ""."""
        import subprocess

        env = {**self._env(), "MAILCTL_GATEWAYS": " ".join(changed)}
        try:
            process = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=env,
                start_new_session=True,  # so that all it starts can be ended with it
            )
        except (OSError, ValueError) as error:
            return f"can't be run: {getattr(error, 'strerror', None) or error}"
        with process:
            said, late = self._listen(process, monotonic() + self._seconds)
            if late:
                _kill(process)
            status = process.wait()
        words = " ".join(said.decode("utf-8", "replace").split())
        if late:
            problem = f"was not done in time ({self._seconds:g} s) and was ended"
        elif status:
            problem = f"ended with status {status}" if status > 0 else f"was ended by signal {-status}"
        else:
            return ""
        return f"{problem}: {words}" if words else problem

    def _listen(self, process: "Popen[bytes]", deadline: float) -> tuple[bytes, bool]:
        """Read its stderr until it has ended: the last octets of it, and whether it took too long."""
        import selectors

        assert process.stderr is not None  # a pipe, by Popen's argument  # noqa: S101
        said, source = b"", process.stderr.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(source, selectors.EVENT_READ)
            while True:
                end = deadline if self._ending is None else min(deadline, self._ending)
                if monotonic() > end:
                    return said, True
                ended = process.poll() is not None
                # what it left running may hold the stream open: after its end, only what is there counts
                ready = selector.select(0 if ended else 0.1)
                if ended and not ready:
                    return said, False
                if ready:
                    chunk = os.read(source, 65536)
                    said = (said + chunk)[-KEPT:]
                    if not chunk:
                        selector.unregister(source)


def _kill(process: "Popen[bytes]") -> None:
    import signal
    from contextlib import suppress

    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
