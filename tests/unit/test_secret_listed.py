"""The list of keyring entries: for keyrings that can't be asked what they hold."""

import json
from pathlib import Path

import pytest

from mailctl.domain.secret import Secret
from mailctl.secrets.listed import ListedKeyring
from mailctl.secrets.memory import MemoryKeyring

WORK = ("mailctl:work", "login")


class Silent(MemoryKeyring):
    """One that doesn't say what it holds."""

    @property
    def names(self) -> list[tuple[str, str]]:
        return []


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return tmp_path / "state" / "keyring.json"


def test_what_was_kept_is_listed_as_long_as_it_is_there(index: Path) -> None:
    ring = Silent()
    ListedKeyring(ring, index).set(*WORK, Secret("hunter2"))
    ListedKeyring(ring, index).set("mailctl:home", "login", Secret("hunter2"))
    again = ListedKeyring(ring, index)
    assert again.names == [("mailctl:home", "login"), WORK]
    assert "hunter2" not in index.read_text()
    assert index.stat().st_mode & 0o777 == 0o600
    ring.delete("mailctl:home", "login")  # by somebody else
    assert again.names == [WORK]
    assert again.delete(*WORK)
    assert again.names == []
    assert json.loads(index.read_text()) == [["mailctl:home", "login"]]


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": 1}', "[[]]"])
def test_a_broken_list_stands_in_nobodys_way(index: Path, text: str) -> None:
    index.parent.mkdir(mode=0o700)
    index.touch(0o600)
    index.write_text(text)
    ring = ListedKeyring(Silent(), index)
    assert ring.names == []
    ring.set(*WORK, Secret("hunter2"))
    assert ring.names == [WORK]


def test_a_list_that_cannot_be_written_stands_in_nobodys_way(index: Path) -> None:
    index.parent.write_text("a file where the folder should be")
    ring = ListedKeyring(MemoryKeyring(), index)
    ring.set(*WORK, Secret("hunter2"))
    assert ring.get(*WORK).secret == Secret("hunter2")
    assert ring.names == [WORK]
    assert ring.delete(*WORK)
