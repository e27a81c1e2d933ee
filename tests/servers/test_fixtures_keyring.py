"""The keyrings of the fixtures are real ones: open, locked, or not there."""

import subprocess
import sys
from collections.abc import Mapping

import pytest

from .support.keyring import Keyring

_CALL = "import keyring\ntry: print(keyring.{})\nexcept Exception as e: print(type(e).__name__)"


def call(env: Mapping[str, str], what: str, seconds: float = 30) -> str:
    """What `keyring.WHAT` returns or raises in a process with that environment."""
    argv = [sys.executable, "-c", _CALL.format(what)]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=True, timeout=seconds).stdout.strip()


def test_an_open_keyring_keeps_and_can_be_locked(keyring_session: Keyring) -> None:
    assert call(keyring_session.env, "set_password('s', 'u', 'pässwörd €')") == "None"
    assert call(keyring_session.env, "get_password('s', 'u')") == "pässwörd €"
    assert keyring_session.passwords() == {("s", "u"): "pässwörd €"}
    keyring_session.lock()
    assert call(keyring_session.env, "get_password('s', 'u')") == "KeyringLocked"


def test_a_keyring_never_opened_refuses(locked_keyring: Keyring) -> None:
    assert call(locked_keyring.env, "set_password('s', 'u', 'x')") == "InitError"


def test_a_prompt_without_answer_hangs(hanging_keyring: Keyring) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        call(hanging_keyring.env, "set_password('s', 'u', 'x')", seconds=2)


def test_no_keyring_at_all(without_keyring: dict[str, str]) -> None:
    assert call(without_keyring, "get_password('s', 'u')") == "NoKeyringError"
