"""Garbage is collected in a process that goes on, whatever it did before."""

import gc
from collections.abc import Iterator

import pytest

from mailctl.cli import garbage


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The interpreter's own rhythm afterwards."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_nothing_is_kept_for_good() -> None:
    frozen = gc.get_freeze_count()
    garbage.starting()
    garbage.working()
    assert gc.get_freeze_count() == frozen
    assert gc.get_threshold()[0] < 10_000
