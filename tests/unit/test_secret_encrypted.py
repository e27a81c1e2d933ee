"""The encrypted file: a keyring in a file, which loses nothing whatever happens to it."""

import json
import os
import subprocess
import sys
from base64 import urlsafe_b64decode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from hypothesis import given, settings
from hypothesis import strategies as st

from mailctl.domain.secret import Secret
from mailctl.errors import LockedError, SecretError
from mailctl.secrets import jose
from mailctl.secrets.encrypted import EncryptedFile
from mailctl.secrets.jose import new_key
from mailctl.secrets.private import locked, write_private

WORK = ("mailctl:work", "login")


@pytest.fixture(autouse=True)
def _fast(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "slow" not in request.node.name:
        monkeypatch.setattr(jose, "ITERATIONS", 1000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir(mode=0o700)
    return folder / "secrets.jwe"


class Asked:
    """Gives a key, and counts how often it was asked, for a new file and for one that is there."""

    def __init__(self, key: str) -> None:
        self.key, self.new, self.old = key, 0, 0

    def __call__(self, new: bool) -> Secret:
        self.new, self.old = self.new + new, self.old + (not new)
        return Secret(self.key)


def file(path: Path, key: str = "correct horse") -> EncryptedFile:
    return EncryptedFile(path, lambda new: Secret(key))


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One item for each time that a key is derived and tried from now on."""
    calls: list[str] = []
    unwrap = jose.unwrap

    def counting(envelope: str, key: Secret) -> bytes:
        calls.append("once")
        return unwrap(envelope, key)

    monkeypatch.setattr(jose, "unwrap", counting)
    return calls


def code(call: Callable[[], object]) -> str:
    with pytest.raises(SecretError) as caught:
        call()
    assert "hunter2" not in caught.value.message + caught.value.hint
    return caught.value.code


@pytest.mark.parametrize("key", ["correct horse", "pässwörd €", '["a"]', ""])
def test_what_is_kept_comes_back_to_another_process_and_nobody_else(path: Path, key: str) -> None:
    random, key = not key, key or new_key()
    ring = file(path, key)
    assert ring.get(*WORK).secret is None
    assert not ring.delete(*WORK)
    assert not path.exists()
    assert ring.set(*WORK, Secret("hunter2")) == "encrypted file"
    assert ring.set("mailctl:home", "login:oauth", Secret("x" * 65000)) == "encrypted file"
    assert os.stat(path).st_mode & 0o777 == 0o600
    again = file(path, key)
    entry = again.get(*WORK)
    assert entry.secret == Secret("hunter2")
    assert entry.kept_at is not None
    assert again.names == [("mailctl:home", "login:oauth"), WORK]
    assert again.takes_passphrase is not random
    assert b"hunter2" not in path.read_bytes()
    assert b"mailctl:work" not in path.read_bytes()
    assert again.delete(*WORK)
    assert not again.delete(*WORK)
    assert ring.get(*WORK).secret is None
    before = path.read_bytes()
    assert code(lambda: file(path, "wrong").get(*WORK)) == "secrets_key_wrong"
    assert code(lambda: file(path, new_key()).set(*WORK, Secret("other"))) == "secrets_key_wrong"
    assert path.read_bytes() == before


def test_the_passphrase_is_stretched_once_slow(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began = perf_counter()
    file(path).set(*WORK, Secret("hunter2"))
    header = json.loads(path.read_text())["key"].split(".")[0]
    assert '"p2c":300000' in urlsafe_b64decode(header + "==").decode().replace(" ", "")
    assert perf_counter() - began < 30
    asked = Asked("correct horse")
    ring = EncryptedFile(path, asked)
    calls = counted(monkeypatch)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: ring.get(*WORK).secret, range(100)))
    assert found == [Secret("hunter2")] * 100
    assert (len(calls), asked.old, asked.new) == (1, 1, 0)


def test_a_wrong_passphrase_is_tried_once_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file(path).set(*WORK, Secret("hunter2"))
    calls = counted(monkeypatch)
    ring = file(path, "wrong")
    for _ in range(5):
        assert code(lambda: ring.get(*WORK)) == "secrets_key_wrong"
    assert len(calls) == 1


def test_a_passphrase_is_the_same_however_it_was_typed(path: Path) -> None:
    file(path, "u\u0308ber").set(*WORK, Secret("hunter2"))
    assert file(path, "\u00fcber").get(*WORK).secret == Secret("hunter2")


@pytest.mark.parametrize(
    "key",
    [
        *('{"kty": "oct", "k": "AAAA"}', '{"kty": "oct"}', '{"kty": "oct", "k": 7}', '{"kty": "RSA", "n": "AQAB"}'),
        *("{", '{"kty": "oct",', "{}", "{" * 9999),  # the first line of one on several
    ],
)
def test_a_jwk_that_is_too_short_or_not_whole_makes_no_file(path: Path, key: str) -> None:
    assert code(lambda: file(path, key).set(*WORK, Secret("hunter2"))) == "secrets_key_invalid"
    assert not path.exists()


def test_a_newer_format_is_left_alone(path: Path) -> None:
    file(path).set(*WORK, Secret("hunter2"))
    content = json.loads(path.read_text()) | {"version": 2, "keys": []}
    path.write_text(json.dumps(content))
    before = path.read_bytes()
    for call in (
        lambda: file(path).get(*WORK),
        lambda: file(path).set(*WORK, Secret("x")),
        lambda: file(path).delete(*WORK),
    ):
        assert code(call) == "secrets_newer"
    assert path.read_bytes() == before


@settings(max_examples=60, deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), how=st.sampled_from(["cut", "flip", "empty", "twice", "nul"]))
def test_a_damaged_file_is_told_from_a_wrong_key_and_kept(
    tmp_path_factory: pytest.TempPathFactory, where: float, how: str
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "secrets.jwe"
    path.parent.chmod(0o700)
    file(path).set(*WORK, Secret("hunter2"))
    raw = path.read_bytes()
    at = int(where * (len(raw) - 2))
    damaged = {
        "cut": raw[:at],
        "flip": raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :],
        "empty": b"",
        "twice": raw + raw,
        "nul": b"\0" * len(raw),
    }[how]
    path.write_bytes(damaged)
    ring = file(path)
    try:
        found, said = ring.get(*WORK).secret, ""
    except SecretError as error:
        found, said = None, error.code
    assert found == Secret("hunter2") or said in ("secrets_damaged", "secrets_newer")  # what was hit may be a space
    if said:
        assert code(lambda: ring.set("mailctl:other", "login", Secret("x"))) == said
        assert path.read_bytes() == damaged


def test_a_file_that_others_can_read_or_a_link_is_refused(path: Path, tmp_path: Path) -> None:
    file(path).set(*WORK, Secret("hunter2"))
    path.chmod(0o640)
    assert code(lambda: file(path).get(*WORK)) == "secret_file_unsafe"
    path.chmod(0o600)
    target = tmp_path / "elsewhere"
    path.rename(target)
    path.symlink_to(target)
    assert code(lambda: file(path).get(*WORK)) == "secret_file_unsafe"
    assert code(lambda: file(path).set(*WORK, Secret("x"))) == "secret_file_unsafe"
    assert path.is_symlink()


def test_processes_and_threads_that_write_at_once_lose_nothing(path: Path) -> None:
    file(path, "k").set(*WORK, Secret("hunter2"))
    writes = (
        "import sys; from pathlib import Path; from mailctl.secrets.encrypted import EncryptedFile;"
        "from mailctl.domain.secret import Secret; ring = EncryptedFile(Path(sys.argv[1]), lambda new: Secret('k'));"
        "[ring.set(f'mailctl:{sys.argv[2]}-{n}', 'login', Secret(f'{sys.argv[2]} {n}')) for n in range(8)]"
    )
    processes = [subprocess.Popen([sys.executable, "-c", writes, str(path), str(each)]) for each in range(3)]
    ring = file(path, "k")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: ring.set(f"mailctl:thread-{n}", "login", Secret(f"t {n}")), range(8)))
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert len(ring.names) == 1 + 3 * 8 + 8
    assert ring.get("mailctl:2-7", "login").secret == Secret("2 7")


def test_a_lock_that_is_held_for_long_is_told(path: Path) -> None:
    with (
        locked(path, what="the encrypted file"),
        pytest.raises(LockedError, match="the encrypted file"),
        locked(path, what="the encrypted file", seconds=0.05),
    ):
        pass


def test_a_write_that_is_cut_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = file(path)
    ring.set(*WORK, Secret("hunter2"))
    for call in ("write", "fsync", "replace"):
        with monkeypatch.context() as patched:

            def dies(*_: object) -> None:
                raise KeyboardInterrupt

            patched.setattr(os, call, dies)
            with pytest.raises(KeyboardInterrupt):
                ring.set(*WORK, Secret("other"))
        assert file(path).get(*WORK).secret == Secret("hunter2")
        write_private(path, path.read_bytes(), what="file")  # what was left doesn't stand in the way
    ring.set(*WORK, Secret("other"))
    assert file(path).get(*WORK).secret == Secret("other")


@pytest.mark.parametrize("random", [False, True])
def test_the_file_can_be_read_without_mailctl(path: Path, random: bool) -> None:
    """By the primitives that RFC 7516 and RFC 7518 name."""
    key = new_key() if random else "correct horse"
    file(path, key).set(*WORK, Secret("hunter2"))
    content = json.loads(path.read_text())

    def open_jwe(text: str, key_of: Callable[[dict[str, Any], bytes], bytes]) -> bytes:
        head, *rest = text.split(".")
        wrapped, nonce, sealed, tag = [urlsafe_b64decode(part + "==") for part in rest]
        found = key_of(json.loads(urlsafe_b64decode(head + "==")), wrapped)
        return AESGCM(found).decrypt(nonce, sealed + tag, head.encode())

    def from_passphrase(header: dict[str, Any], wrapped: bytes) -> bytes:
        assert header["alg"] == "PBES2-HS512+A256KW"
        salt = header["alg"].encode() + b"\0" + urlsafe_b64decode(header["p2s"] + "==")
        return aes_key_unwrap(PBKDF2HMAC(SHA512(), 32, salt, header["p2c"]).derive(key.encode()), wrapped)

    def from_random(header: dict[str, Any], wrapped: bytes) -> bytes:
        assert header["alg"] == "A256KW"
        return aes_key_unwrap(urlsafe_b64decode(json.loads(key)["k"] + "=="), wrapped)

    data_key = open_jwe(content["key"], from_random if random else from_passphrase)
    (entry,) = json.loads(open_jwe(content["entries"], lambda header, _: data_key))["entries"]
    assert (entry["service"], entry["user"], entry["value"]) == (*WORK, "hunter2")


def test_nothing_is_written_where_others_could_exchange_it(path: Path) -> None:
    path.parent.chmod(0o775)
    assert code(lambda: file(path).set(*WORK, Secret("hunter2"))) == "secret_file_unsafe"
    assert [each.name for each in path.parent.iterdir()] == [".secrets.jwe.lock"]
    path.parent.chmod(0o700)
    file(path).set(*WORK, Secret("hunter2"))


@pytest.mark.parametrize(("old", "new"), [("one thing", "another"), ("one thing", ""), ("", "another"), ("", "")])
def test_a_key_can_be_changed_and_the_old_one_opens_nothing(path: Path, old: str, new: str) -> None:
    old, new = old or new_key(), new or new_key()
    file(path, old).set(*WORK, Secret("hunter2"))
    before = json.loads(path.read_text())
    ring = file(path, old)
    ring.change_key(Secret(new))
    assert ring.get(*WORK).secret == Secret("hunter2")
    assert file(path, new).get(*WORK).secret == Secret("hunter2")
    assert code(lambda: file(path, old).get(*WORK)) == "secrets_key_wrong"
    after = json.loads(path.read_text())
    mixed = {**after, "key": before["key"], "sha256": ""}
    path.write_text(json.dumps(mixed))
    assert code(lambda: file(path, old).get(*WORK)) == "secrets_damaged"
    path.write_text(json.dumps(after))
    assert code(lambda: file(path, new).change_key(Secret('{"kty": "oct", "k": "AAAA"}'))) == "secrets_key_invalid"
    assert file(path, new).get(*WORK).secret == Secret("hunter2")
