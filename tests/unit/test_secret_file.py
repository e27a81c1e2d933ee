"""Passwords from files: private ones only."""

import os
from pathlib import Path

import pytest

from mailctl.domain.secret import MAX_SECRET, Secret
from mailctl.errors import SecretError
from mailctl.secrets.file import secret_from_file, secret_path
from mailctl.secrets.private import _check


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A file with a password, as it should be."""
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    path = folder / "password"
    path.touch(mode=0o600)
    path.write_text("hunter2\n")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(SecretError) as caught:
        secret_from_file(path)
    assert caught.value.code == "secret_file_unsafe"
    return caught.value.message


@pytest.mark.parametrize(
    ("content", "password"),
    [
        (b"hunter2\n", "hunter2"),
        (b"hunter2", "hunter2"),
        (b"hunter2\r\n", "hunter2"),
        (b" hunter2 \nsecond", " hunter2 "),
        (b"\xef\xbb\xbfp\xc3\xa4ss", "päss"),
    ],
)
def test_the_first_line_is_the_password(private: Path, content: bytes, password: str) -> None:
    private.write_bytes(content)
    assert secret_from_file(private) == Secret(password)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"a\0b", b"x" * (MAX_SECRET + 1), b"\nsecond"])
def test_what_is_no_password_is_refused(private: Path, content: bytes) -> None:
    private.write_bytes(content)
    with pytest.raises(SecretError) as caught:
        secret_from_file(private)
    assert caught.value.code == "secret_invalid"


def test_a_huge_file_is_not_read_whole(private: Path) -> None:
    with private.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(SecretError):
        secret_from_file(private)


def test_D5_a_symbolic_link_is_refused(private: Path) -> None:
    link = private.with_name("link")
    link.symlink_to(private)
    assert "symbolic link" in refusal(link)
    with pytest.raises(SecretError) as caught:
        secret_from_file(link)
    assert caught.value.hint == f"Name the file to which it leads: {private.resolve()}"


def test_D5_what_is_no_file_is_refused_at_once(private: Path) -> None:
    pipe = private.with_name("pipe")
    os.mkfifo(pipe, 0o600)
    assert "not a regular file" in refusal(pipe)
    assert "not a regular file" in refusal(private.parent)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602, 0o777])
def test_D6_a_file_open_to_others_is_refused(private: Path, mode: int) -> None:
    private.chmod(mode)
    assert f"{mode:04o}" in refusal(private)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_D6_private_modes_are_right(private: Path, mode: int) -> None:
    private.chmod(mode)
    assert secret_from_file(private)


def test_D7_a_folder_open_to_others_is_refused(private: Path) -> None:
    private.parent.chmod(0o777)
    assert "others can write" in refusal(private)
    private.parent.chmod(0o1777)  # as /tmp: nobody can replace what belongs to another
    assert secret_from_file(private)


def test_D7_another_owner_is_refused(private: Path) -> None:
    stranger = os.geteuid() + 4711
    file, folder = list(private.stat()), list(private.parent.stat())
    for which in (file, folder):
        owned, which[4] = which[4], stranger  # st_uid; only root could really give it away
        with pytest.raises(SecretError, match="another user"):
            _check(private, os.stat_result(file), os.stat_result(folder), credential=False, what="file")
        which[4] = owned


def test_a_credential_of_systemd_may_show_its_access_list(private: Path) -> None:
    """systemd grants the unit's user by an ACL; its mask shows as the group's bits: 0440, root's (systemd.exec(5))."""
    file = list(private.stat())
    file[0], file[4] = 0o100440, 0
    folder = private.parent.stat()
    _check(private, os.stat_result(file), folder, credential=True, what="file")
    with pytest.raises(SecretError):
        _check(private, os.stat_result(file), folder, credential=False, what="file")
    file[0] = 0o100444
    with pytest.raises(SecretError):
        _check(private, os.stat_result(file), folder, credential=True, what="file")


def test_where_names_lead() -> None:
    assert secret_path("/a/b", {}) == Path("/a/b")
    assert secret_path("~/b", {"HOME": "/home/a"}) == Path("/home/a/b")
    assert secret_path("work", {"CREDENTIALS_DIRECTORY": "/run/credentials/x"}) == Path("/run/credentials/x/work")
    with pytest.raises(SecretError, match="CREDENTIALS_DIRECTORY"):
        secret_path("work", {})
    with pytest.raises(SecretError):
        secret_path("../work", {"CREDENTIALS_DIRECTORY": "/run/credentials/x"})


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SecretError) as caught:
        secret_from_file(tmp_path / "none")
    assert caught.value.code == "secret_missing"
    with pytest.raises(SecretError):
        secret_from_file(tmp_path / "a\0b")
