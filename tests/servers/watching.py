"""A running `mailctl watch`, and what it told: `Watch`."""

import contextlib
import json as json_module
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.cli.support import validator

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
"""Seconds after which what was waited for does not happen any more."""


def until(condition: Callable[[], object], what: object = "it") -> None:
    """Wait for a condition."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"{what() if callable(what) else what} did not come to pass"
        time.sleep(0.02)


class Watch:
    """The process. lines: the objects that it printed."""

    def __init__(self, env: dict[str, str], *arguments: str, json: bool = True) -> None:
        self.lines: list[dict[str, Any]] = []
        self.errors: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mailctl", "watch", *(["--json"] if json else []), *arguments],
            env=env,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        assert self.process.stderr
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self._object)),
            threading.Thread(target=self._read, args=(self.process.stderr, self.errors.append)),
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream: Any, take: Callable[[str], object]) -> None:
        with stream:
            for line in stream:
                take(line)

    def _object(self, line: str) -> None:
        self.lines.append(json_module.loads(line))

    def events(self, gateway: str = "") -> list[str]:
        """Names of the events so far, of one gateway or of all."""
        found = [line["result"] for line in list(self.lines) if line["result"] is not None]
        return [event["event"] for event in found if not gateway or event["gateway"] == gateway]

    def wait_for(self, event: str, times: int = 1, gateway: str = "") -> dict[str, Any]:
        """Wait until an event was told so often; the last of them."""
        until(lambda: self.events(gateway).count(event) >= times, lambda: f"{event}: {self.lines} {self.errors}")
        found = [line for line in self.lines if line["result"] and line["result"]["event"] == event]
        return dict([line for line in found if not gateway or line["result"]["gateway"] == gateway][-1])

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it by a signal; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for reader in self._readers:
            reader.join()
        assert not any("Traceback" in line or "bug" in line for line in self.errors), self.errors
        for line in self.lines:
            validator("watch").validate(line)
        return self.process.returncode


@contextlib.contextmanager
def watching(env: dict[str, str], *arguments: str) -> Iterator[Watch]:
    """A watch that is ended afterwards, well."""
    watch = Watch(env, *arguments)
    try:
        yield watch
    finally:
        code = watch.end()
    assert code == 0, watch.errors
