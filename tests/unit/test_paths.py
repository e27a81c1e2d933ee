"""Where files live."""

import os
from pathlib import Path

import pytest

from mailctl.cli.paths import find_paths


def test_what_guards_secrets_lies_beside_the_configuration_whatever_the_state_folder(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path)}
    usual, other = find_paths(env, "", ""), find_paths(env, "", str(tmp_path / "other"))
    assert usual.guards(env) == other.guards(env) == tmp_path / ".config/mailctl"


def test_beside_a_configuration_that_cannot_be_written_it_is_still_one_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path / "etc")  # root may do everything
    (tmp_path / "etc").mkdir()
    env = {"HOME": str(tmp_path)}
    state, etc = tmp_path / ".local/state/mailctl", str(tmp_path / "etc")
    found = {find_paths(env, etc, given).guards(env) for given in ("", str(tmp_path / "other"))}
    assert len(found) == 1
    assert state in found.pop().parents
    assert find_paths(env, etc, "").guards(env) != find_paths(env, f"{etc}/more", "").guards(env)
