"""What holds for every test."""

import pytest
from hypothesis import settings

from mailctl.domain import secret

settings.register_profile("untimed", deadline=None)  # a machine that has other work to do is no fault of the code
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _forget_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test's secrets are not masked in what later tests print."""
    monkeypatch.setattr(secret, "_seen", {})
    monkeypatch.setattr(secret, "_long", 0)
    monkeypatch.setattr(secret, "_masked", ())
    monkeypatch.setattr(secret, "_unlike_words", ())
