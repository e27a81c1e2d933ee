"""What to do when a test needs something that this machine lacks: `unavailable`."""

import os
from typing import NoReturn

import pytest


def unavailable(name: str, reason: str) -> NoReturn:
    """Skip the test by name; fail it where all servers are demanded (`CI=true` or `MAILCTL_TEST_REQUIRE_SERVERS=1`)."""
    text = f"needs {name}: {reason}; tests/setup/packages gets it"
    if os.environ.get("CI") == "true" or os.environ.get("MAILCTL_TEST_REQUIRE_SERVERS") == "1":
        pytest.fail(text, pytrace=False)
    pytest.skip(text)
