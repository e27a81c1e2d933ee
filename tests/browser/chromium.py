"""Debian's Chromium without a window: opens a file, says what it found there, takes pictures of it."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

SECONDS = 60.0
"""A busy machine starts it slowly."""


def program() -> str | None:
    """The browser, if there is one."""
    return next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)


class Opened(NamedTuple):
    """What came of a page. dom: as HTML, once it was loaded. console: lines that were logged, by it or about it."""

    dom: str
    console: list[str]


class Chromium:
    """Runs the browser with a profile of its own; nothing it might fetch would get through."""

    def __init__(self, binary: str, folder: Path) -> None:
        self._binary, self._folder = binary, folder

    def open(self, page: Path) -> Opened:
        """Load a page and read it."""
        done = self._run("--dump-dom", page=page)
        return Opened(done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line])

    def picture(self, page: Path, *, dark: bool = False, width: int = 1000, height: int = 2400) -> bytes:
        """A PNG of the page."""
        out = self._folder / "picture.png"
        scheme = "--blink-settings=preferredColorScheme=" + ("0" if dark else "1")
        self._run(f"--screenshot={out}", f"--window-size={width},{height}", "--hide-scrollbars", scheme, page=page)
        return out.read_bytes()

    def printed(self, page: Path) -> bytes:
        """A PDF of the page."""
        out = self._folder / "printed.pdf"
        self._run(f"--print-to-pdf={out}", "--no-pdf-header-footer", page=page)
        return out.read_bytes()

    def _run(self, *options: str, page: Path) -> "subprocess.CompletedProcess[str]":
        usual = (
            *("--headless=new", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage", "--disable-extensions"),
            *("--enable-logging=stderr", "--v=0", "--proxy-server=127.0.0.1:9", "--disable-background-networking"),
            f"--user-data-dir={self._folder / 'profile'}",
            *(("--no-sandbox",) if os.geteuid() == 0 else ()),  # which root can't have
        )
        env = {"HOME": str(self._folder), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        return subprocess.run(
            [self._binary, *usual, *options, page.as_uri()],
            env=env,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
