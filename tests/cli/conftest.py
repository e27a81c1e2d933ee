"""The command line in an isolated home."""

from pathlib import Path
from typing import NoReturn

import pytest

from tests.cli.support import Cli


@pytest.fixture(autouse=True)
def no_watch_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch that a test begins in its own process by mistake would wait in it for ever."""

    def refuse(watcher: object) -> NoReturn:
        pytest.fail("a watch began, in a process that nobody would end")

    monkeypatch.setattr("mailctl.sync.watch.watcher.Watcher.run", refuse)


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """mailctl in an empty home, with a keyring in memory."""
    return Cli(tmp_path)
