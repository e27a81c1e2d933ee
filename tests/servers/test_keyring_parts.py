"""Keyrings that hold only short values, as Windows' Credential Manager does: through the real keyring library."""

import json
import textwrap
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from mailctl.domain.secret import Secret
from mailctl.errors import SecretError
from mailctl.secrets.keyring import SystemKeyring
from mailctl.secrets.listed import ListedKeyring

from .support.keyring import Keyring

WORK = ("mailctl:work", "login:oauth")
MANIFEST = "mailctl-parts:1:"
EMPTY = sha256(b"").hexdigest()

BACKENDS = """
    import json, os
    from keyring.backend import KeyringBackend

    class Kept(KeyringBackend):
        "Keeps all in a file; dies at the change whose number is in $DIES."
        priority = 1
        path = os.environ["KEPT"]
        changes = 0
        def _read(self):
            return json.load(open(self.path)) if os.path.exists(self.path) else {}
        def _write(self, kept):
            Kept.changes += 1
            if str(Kept.changes) == os.environ.get("DIES"):
                os._exit(9)
            with open(self.path + ".new", "w") as file:
                json.dump(kept, file)
            os.replace(self.path + ".new", self.path)
        def get_password(self, service, user): return self._read().get(f"{service} {user}")
        def set_password(self, service, user, value): self._write({**self._read(), f"{service} {user}": value})
        def delete_password(self, service, user):
            kept = self._read()
            del kept[f"{service} {user}"]
            self._write(kept)

    class Windows(Kept):
        def set_password(self, service, user, value):
            if len(value.encode("utf-16-le")) > 2560:
                raise OSError(1783, "CredWrite", "The stub received bad data")
            super().set_password(service, user, value)

    class Cutting(Kept):
        def set_password(self, service, user, value): super().set_password(service, user, value[:700])

    class Tiny(Kept):
        def set_password(self, service, user, value): super().set_password(service, user, value[:260])

    class Full(Windows):
        def set_password(self, service, user, value):
            if len(self._read()) >= 4: raise RuntimeError(f"no room for {value}")
            super().set_password(service, user, value)
"""
Make = Callable[..., SystemKeyring]


@pytest.fixture
def backend(tmp_path: Path, without_keyring: dict[str, str]) -> Iterator[Make]:
    """A function: name of a backend of the above in, a keyring that uses it out; all share what is kept."""
    (tmp_path / "short_backends.py").write_text(textwrap.dedent(BACKENDS))
    made: list[SystemKeyring] = []

    def make(name: str, **env: str) -> SystemKeyring:
        more = {"PYTHONPATH": str(tmp_path), "PYTHON_KEYRING_BACKEND": f"short_backends.{name}"}
        made.append(SystemKeyring({**without_keyring, **more, "KEPT": str(tmp_path / "kept"), **env}, seconds=20))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def kept(tmp_path: Path) -> Callable[[], dict[str, str]]:
    """A function that gives what the backends have kept, by "SERVICE USER"."""
    path = tmp_path / "kept"
    return lambda: dict(json.loads(path.read_text())) if path.exists() else {}


def value(name: str) -> str:
    """Values as tokens are, some with characters of two UTF-16 units."""
    return {
        "fits": "f" * 1280,
        "long": "".join(f"{number}." for number in range(900)),
        "longer": "L" * 12000,
        "wide": "\U0001f511" * 2000,
        "short": "hunter2",
        "like parts": f"{MANIFEST}a:1:00",
    }[name]


@pytest.mark.parametrize("name", ["Windows", "Cutting"])
def test_E14_long_values_are_split_where_the_backend_holds_only_short_ones(
    backend: Make, kept: Callable[[], dict[str, str]], name: str
) -> None:
    ring = backend(name)
    names = ["long", "longer", "wide", "short", "fits", "longer", "long", "like parts", "short"]
    for each in names:
        ring.set(*WORK, Secret(value(each)))
        assert backend(name).get(*WORK).secret == Secret(value(each)), each
        longest = max(len(entry.encode("utf-16-le")) for entry in kept().values())
        assert longest <= 2560
    assert list(kept()) == [" ".join(WORK)]  # no part is left behind
    ring.set(*WORK, Secret(value("longer")))
    assert ring.delete(*WORK)
    assert kept() == {}
    assert not ring.delete(*WORK)


@pytest.mark.parametrize("name", ["Tiny", "Full"])
def test_E14_what_cannot_be_kept_even_in_parts_is_refused_and_the_old_value_stays(
    backend: Make, kept: Callable[[], dict[str, str]], name: str
) -> None:
    ring = backend(name)
    ring.set(*WORK, Secret("hunter2"))
    with pytest.raises(SecretError) as caught:
        ring.set(*WORK, Secret(value("longer")))
    assert caught.value.code == "keyring_refused"
    assert "LLLL" not in caught.value.message
    assert ring.get(*WORK).secret == Secret("hunter2")
    assert list(kept()) == [" ".join(WORK)]


@pytest.mark.parametrize(("old", "new"), [("long", "wide"), ("short", "long"), ("longer", "short"), ("long", "fits")])
def test_a_kill_at_any_change_loses_neither_value(
    backend: Make, kept: Callable[[], dict[str, str]], tmp_path: Path, old: str, new: str
) -> None:
    ring = backend("Windows")
    for at in range(1, 100):
        (tmp_path / "kept").unlink(missing_ok=True)
        ring.set(*WORK, Secret(value(old)))
        try:
            backend("Windows", DIES=str(at)).set(*WORK, Secret(value(new)))
            break
        except SecretError as error:
            said = error.message
        assert said == "The keyring's backend crashed"
        assert ring.get(*WORK).secret in (Secret(value(old)), Secret(value(new))), at
        ring.set(*WORK, Secret(value(new)))
        assert ring.get(*WORK).secret == Secret(value(new))
        assert ring.delete(*WORK)
        assert kept() == {}, at
    assert 3 < at < 99


def test_parts_that_are_gone_are_told(backend: Make, kept: Callable[[], dict[str, str]], tmp_path: Path) -> None:
    ring = backend("Windows")
    ring.set(*WORK, Secret(value("long")))
    torn = kept()
    del torn[f"{' '.join(WORK)}#a.1"]
    (tmp_path / "kept").write_text(json.dumps(torn))
    with pytest.raises(SecretError, match="a part of the secret only"):
        ring.get(*WORK)
    listed = ListedKeyring(ring, tmp_path / "keyring.json")
    listed.set("mailctl:home", "login", Secret("x"))
    (tmp_path / "keyring.json").write_text(json.dumps([["mailctl:home", "login"], list(WORK)]))
    assert listed.names == [("mailctl:home", "login"), WORK]  # one that is torn hides no others
    ring.delete("mailctl:home", "login")
    ring.set(*WORK, Secret(value("longer")))
    assert ring.get(*WORK).secret == Secret(value("longer"))
    for lost in (0, 4, 9):  # a part of a secret is a secret
        ring.set(*WORK, Secret(value("longer")))
        torn = kept()
        del torn[next(name for name in torn if name.endswith(f".{lost}"))]
        (tmp_path / "kept").write_text(json.dumps(torn))
        if lost == 4:
            ring.set(*WORK, Secret("short"))
            assert list(kept()) == [" ".join(WORK)]
        assert ring.delete(*WORK)
        assert kept() == {}, lost


@pytest.mark.parametrize("tail", ["a:zz:00", "a", "", "a:999999999999:00", "a:-5:00", "a:0:" + EMPTY, "c:1:00"])
def test_a_manifest_that_is_none_is_a_torn_secret(backend: Make, tmp_path: Path, tail: str) -> None:
    ring = backend("Windows")
    (tmp_path / "kept").write_text(json.dumps({" ".join(WORK): MANIFEST + tail}))
    with pytest.raises(SecretError) as caught:
        ring.get(*WORK)
    assert caught.value.code == "secret_torn"
    ring.set(*WORK, Secret("hunter2"))
    assert ring.get(*WORK).secret == Secret("hunter2")


def test_a_real_keyring_holds_long_values_as_they_are(keyring_session: Keyring) -> None:
    ring = SystemKeyring(keyring_session.env, seconds=20)
    try:
        ring.set(*WORK, Secret(value("longer")))
        assert keyring_session.passwords() == {WORK: value("longer")}
        ring.set("mailctl:home", "login", Secret("x"))
        assert ring.names == [("mailctl:home", "login"), WORK]
    finally:
        ring.close()
