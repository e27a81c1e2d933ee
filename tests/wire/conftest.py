"""Fixtures of the scripted servers."""

from pathlib import Path

import pytest

from tests.servers.support.certificates import Certificates


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """One set of certificates for the whole run; `tests.wire.support.contexts` makes contexts of them."""
    return Certificates(Path(tmp_path_factory.mktemp("certificates")))
