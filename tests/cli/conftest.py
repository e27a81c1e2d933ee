"""The command line in an isolated home."""

from pathlib import Path

import pytest

from tests.cli.support import Cli


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """mailctl in an empty home, with a keyring in memory."""
    return Cli(tmp_path)
