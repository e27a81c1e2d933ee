"""The browser, for the tests in this folder; without one they are skipped, by name."""

import os
from collections.abc import Iterator

import pytest

from tests.browser.chromium import Chromium, program
from tests.servers.support.fixtures import certificates, dovecot_programs, workspace

__all__ = ["certificates", "dovecot_programs", "workspace"]


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    binary = program()
    if binary is None:
        if os.environ.get("CI") == "true" or os.environ.get("MAILCTL_TEST_REQUIRE_SERVERS") == "1":
            pytest.fail("Chromium is not installed")
        pytest.skip("Chromium is not installed")
    with Chromium(binary, tmp_path_factory.mktemp("chromium")) as started:
        yield started
