"""Debian's Chromium without a window, spoken to by the DevTools protocol on two pipes: opens a file, looks at it.

The protocol: JSON objects, each ended by a NUL octet, on the browser's descriptors 3 (to it) and 4 (from it).
"""

import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self

SECONDS = 60.0
"""A busy machine starts it slowly."""
_COMPLAINTS = {"Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"}
_HIGH = 10
_START = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)
"""Gives the pipes the numbers that the browser expects and becomes it."""


def program() -> str | None:
    """The browser, if there is one."""
    return next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)


class Chromium:
    """A browser with a profile of its own, and one page; what that might fetch would get nowhere. A context manager.

    complaints: what was said on the console since the page was opened, by it or about it.
    """

    def __init__(self, binary: str, folder: Path) -> None:
        self.complaints: list[dict[str, Any]] = []
        self._events: list[str] = []
        self._read, self._number, self._session = b"", 0, ""
        options = (
            *("--headless=new", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage", "--disable-extensions"),
            *("--proxy-server=127.0.0.1:9", "--disable-background-networking", "--remote-debugging-pipe"),
            f"--user-data-dir={folder / 'profile'}",
            *(("--no-sandbox",) if os.geteuid() == 0 else ()),  # which root can't have
        )
        (theirs_in, self._out), (self._in, theirs_out) = os.pipe(), os.pipe()
        theirs = [fcntl.fcntl(each, fcntl.F_DUPFD, _HIGH) for each in (theirs_in, theirs_out)]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, *map(str, theirs), binary, *options],
            env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=theirs,
        )
        for each in (theirs_in, theirs_out, *theirs):
            os.close(each)

    def __enter__(self) -> Self:
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Accessibility"):
            self.ask(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(SECONDS)
        for each in (self._in, self._out):
            os.close(each)

    def open(self, page: Path) -> None:
        """Load a page, as a screen of 1000 by 2000 shows it by day."""
        self.look(width=1000)
        self.complaints.clear()
        self._loaded("Page.navigate", url=page.as_uri())

    def visit(self, url: str) -> None:
        """Load a page of a server on this machine, whoever vouches for its certificate; follows where it leads."""
        self.ask("Security.setIgnoreCertificateErrors", ignore=True)
        self._loaded("Page.navigate", url=url)

    def press(self, element: str) -> None:
        """Click on an element of the page by its id, and wait for the page that comes of it."""
        self._loaded("Runtime.evaluate", expression=f"document.getElementById({json.dumps(element)}).click()")

    def _loaded(self, method: str, **parameters: Any) -> None:
        """Call a method that loads a page, and wait for that."""
        self._events.clear()
        self.ask(method, **parameters)
        while "Page.loadEventFired" not in self._events:
            self._take(monotonic() + SECONDS)

    def look(self, *, width: int, dark: bool = False, paper: bool = False) -> None:
        """Show the page so wide, light or dark, on a screen or on paper."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=2000, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", media="print" if paper else "screen", features=[scheme])

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def spoken(self) -> list[tuple[str, str]]:
        """What a screen reader is told: role and name of everything on the page, in order."""
        nodes = self.ask("Accessibility.getFullAXTree")["nodes"]
        shown = [node for node in nodes if not node["ignored"]]
        return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in shown]

    def ask(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol and return its result."""
        self._number += 1
        session = {"sessionId": self._session} if self._session else {}
        request = {"id": self._number, "method": method, "params": parameters, **session}
        data = memoryview(json.dumps(request).encode() + b"\0")
        while data:
            data = data[os.write(self._out, data) :]
        end = monotonic() + SECONDS
        while True:
            answer = self._take(end)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _take(self, end: float) -> dict[str, Any]:
        """The next message of the browser; events are noted too."""
        while b"\0" not in self._read:
            ready, _, _ = select.select([self._in], [], [], max(end - monotonic(), 0))
            data = os.read(self._in, 1 << 16) if ready else b""
            assert data, "the browser says nothing more"
            self._read += data
        raw, _, self._read = self._read.partition(b"\0")
        message: dict[str, Any] = json.loads(raw)
        self._events.append(message.get("method", ""))
        if message.get("method") in _COMPLAINTS:
            self.complaints.append(message["params"])
        return message
