"""The servers, and what kills and cuts."""

from collections.abc import Iterator

import pytest

from tests.servers.support.fixtures import certificates, cyrus, dovecot, dovecot_programs, workspace

from .lives import Lives


@pytest.fixture(scope="session")
def lives() -> Iterator[Lives]:
    """Runs of mailctl that can be killed."""
    with Lives() as made:
        yield made


__all__ = ["certificates", "cyrus", "dovecot", "dovecot_programs", "lives", "workspace"]
