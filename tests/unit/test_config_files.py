"""Files on disk: atomic and durable writes, comments, who may be believed. Rows D5 to D8."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailctl.config import files
from mailctl.errors import ConfigError, LockedError, StorageError

OLD, NEW = 'x = "old"\n' * 400, 'x = "new"\n' * 500
CALLS = ("open", "write", "fsync", "close", "replace", "unlink", "mkdir")

WRITER = f"""
import os, sys
from pathlib import Path
from mailctl.config import files
left = int(sys.argv[2])
def counted(real):
    def call(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return real(*arguments, **options)
    return call
for name in {CALLS}:
    setattr(os, name, counted(getattr(os, name)))
files.write(Path(sys.argv[1]), sys.stdin.read())
"""


def test_a_write_is_private_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "x.toml"
    files.write(path, OLD)
    files.write(path, NEW)
    assert path.read_text() == NEW
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == path.parent.parent.stat().st_mode & 0o777 == 0o700
    assert os.listdir(path.parent) == ["x.toml"]


def test_D8_a_killed_write_leaves_the_old_or_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    for steps in range(40):
        path.write_text(OLD)
        done = subprocess.run(
            [sys.executable, "-c", WRITER, str(path), str(steps)], input=NEW, text=True, check=False, timeout=60
        )
        assert path.read_text() in (OLD, NEW)
        assert [each for each in os.listdir(tmp_path) if each.endswith(".toml")] == ["x.toml"]
        if done.returncode == 0:
            break
        assert done.returncode == 9
        files.write(path, NEW)  # the next one cleans up
        assert os.listdir(tmp_path) == ["x.toml"]
    assert done.returncode == 0
    assert steps > 4


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT], ids=errno.errorcode.get)
def test_D8_a_failed_write_says_so_and_leaves_the_old_or_the_new_file(
    name: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.toml"
    path.write_text(OLD)
    real: Callable[..., Any] = getattr(os, name)
    for step in range(5):
        calls = 0

        def fail(*arguments: Any, step: int = step, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == step + 1:
                if name == "close":
                    real(*arguments)
                raise OSError(code, os.strerror(code))
            return real(*arguments, **options)

        with monkeypatch.context() as patched:
            patched.setattr(os, name, fail)
            said = ""
            try:
                files.write(path, NEW)
            except StorageError as error:
                said = error.message
        assert os.strerror(code) in said if calls > step else not said
        assert path.read_text() in (OLD, NEW)
        assert os.listdir(tmp_path) == ["x.toml"]
        path.write_text(OLD)


def test_D8_a_write_is_durable_before_it_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    real = {name: getattr(os, name) for name in ("write", "fsync", "replace")}
    for name in real:

        def noted(*arguments: Any, name: str = name) -> Any:
            order.append(name)
            return real[name](*arguments)

        monkeypatch.setattr(os, name, noted)
    files.write(tmp_path / "x.toml", "x = 1\n")
    assert order == ["write", "fsync", "replace", "fsync"]


def test_D5_a_symbolic_link_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(OLD)
    (tmp_path / "x.toml").symlink_to("mine.toml")
    with pytest.raises(ConfigError, match="symbolic link"):
        files.write(tmp_path / "x.toml", NEW)
    assert (tmp_path / "mine.toml").read_text() == OLD


def test_D5_a_planted_temporary_file_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("keep")
    (tmp_path / files.TEMPORARY).symlink_to("victim")
    files.write(tmp_path / "x.toml", NEW)
    assert (tmp_path / "victim").read_text() == "keep"
    assert (tmp_path / "x.toml").read_text() == NEW


def test_D6_D7_who_is_believed(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "gateways"
    folder.mkdir(parents=True, mode=0o700)
    folder.parent.chmod(0o700)
    path = folder / "x.toml"
    path.write_text("x = 1")

    def reason(*, commands: bool) -> str:
        return files.distrust(path, files.read(path), commands=commands)[0]

    for mode, plain, named in ((0o600, "", ""), (0o644, "", ""), (0o664, "", "others"), (0o666, "anybody", "anybody")):
        path.chmod(mode)
        assert reason(commands=False).startswith(plain)
        assert bool(reason(commands=False)) == bool(plain)
        assert named in reason(commands=True)
        assert bool(reason(commands=True)) == bool(named)
    path.chmod(0o600)
    for place in (folder, folder.parent):
        place.chmod(0o777)
        assert "others can write" in reason(commands=True)
        assert reason(commands=False) == ""
        place.chmod(0o700)
    real = folder / "real"
    path.rename(real)
    path.symlink_to("real")
    assert "symbolic link" in reason(commands=True)
    assert reason(commands=False) == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_D7_another_users_file_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "c" / "gateways" / "x.toml"
    files.write(path, "x = 1")
    os.chown(path, 65534, 65534)
    assert "another user" in files.distrust(path, files.read(path), commands=True)[0]


def test_what_is_no_plain_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "large.toml").write_bytes(b"#" * (files.MOST_BYTES + 1))
    (tmp_path / "latin.toml").write_bytes(b'x = "\xe9"')
    (tmp_path / "loop.toml").symlink_to("loop.toml")
    for name in ("pipe", "folder", "large", "latin"):
        with pytest.raises(ConfigError):
            files.read(tmp_path / f"{name}.toml")
    with pytest.raises(StorageError):
        files.read(tmp_path / "loop.toml")
    with pytest.raises(FileNotFoundError):
        files.read(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "leading", "other"),
    [
        ("x = 1\n", "", False),
        ("# mine\nx = 1\n", "# mine\n", False),
        ("# mine\n\n# more\n\nx = 1\n", "# mine\n\n# more\n\n", False),
        ("\nx = 1 # here\n", "", True),
        ("# mine\r\nx = '#'\r\n", "# mine\r\n", False),
        ('x = "#\\"#" # here\n', "", True),
        ('x = """\n# "not" one\n"""\n', "", False),
        ("x = '''\n# not one'''\n[y]\n#one\n", "", True),
        ("# mine\n", "# mine\n", False),
        ("# mine", "", True),
    ],
)
def test_comments(text: str, leading: str, other: bool) -> None:
    assert (files.leading_comments(text), files.other_comments(text)) == (leading, other)


def test_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "c" / ".lock"
    with files.lock(path), pytest.raises(LockedError), files.lock(path, 0.05):
        pass
    with files.lock(path, 0):
        pass


def test_an_unreadable_folder(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("x = 1")
    tmp_path.chmod(0)
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(65534)  # root may read everything
        with pytest.raises(StorageError, match="Permission denied"):
            files.names(tmp_path)
        with pytest.raises(StorageError, match="Permission denied"):
            files.read(tmp_path / "x.toml")
        with pytest.raises(StorageError, match="Permission denied"):
            files.write(tmp_path / "x.toml", NEW)
        with pytest.raises(StorageError, match="Permission denied"), files.lock(tmp_path / ".lock"):
            pass
    finally:
        os.seteuid(user)
        tmp_path.chmod(0o700)


def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("")
    with pytest.raises(StorageError, match="Not a directory"):
        files.names(tmp_path / "config" / "servers")
    with pytest.raises(StorageError):
        files.write(tmp_path / "config" / "servers" / "x.toml", NEW)


def test_a_refusal_shows_the_folder_too_since_it_is_what_a_renaming_writes() -> None:
    error = files.storage_error(Path("/a/b"), "can't be renamed", PermissionError(13, "Permission denied"))
    assert error.hint == "Look at the permissions: ls -ld /a /a/b"
