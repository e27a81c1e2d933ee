"""What holds for every test."""

import pytest

from mailctl.domain import secret


@pytest.fixture(autouse=True)
def _forget_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test's secrets are not masked in what later tests print."""
    monkeypatch.setattr(secret, "_seen", set())
    monkeypatch.setattr(secret, "_masked", ())
    monkeypatch.setattr(secret, "_unlike_words", ())
