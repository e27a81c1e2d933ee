"""The secret store: each source answers, and the keyring's entries follow their gateway."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from mailctl.domain.gateway import Gateway, Login, LoginRole, SecretSource, SourceKind
from mailctl.domain.oauth import Application
from mailctl.domain.provider import OAuthService
from mailctl.domain.secret import Secret
from mailctl.domain.server import Protocol
from mailctl.errors import SecretError
from mailctl.secrets.keyring import WAYS_ON, Entry
from mailctl.secrets.memory import MemoryKeyring
from mailctl.secrets.store import SecretStore

KEYRING = SecretSource()
WORK = Gateway("work", "example", "alice@example.org", Login("alice"), smtp_login=Login("alice-smtp"))


class NoKeyring(MemoryKeyring):
    """One that isn't there."""

    def get(self, service: str, user: str) -> Entry:
        raise SecretError("There is no keyring here", code="keyring_none")

    def delete(self, service: str, user: str) -> bool:
        raise SecretError("There is no keyring here", code="keyring_none")


def store(ring: MemoryKeyring, env: Mapping[str, str] | None = None, realm: str = "") -> SecretStore:
    return SecretStore(env or {}, lambda: ring, realm=realm)


def never() -> MemoryKeyring:
    raise AssertionError("the keyring is not needed")


def test_a_keyring_entry_comes_back() -> None:
    ring = MemoryKeyring()
    secrets = store(ring)
    assert secrets.set("work", LoginRole.SMTP_LOGIN, Secret("hunter2")) == "memory"
    assert ring.names == [("mailctl:work", "smtp_login")]
    assert secrets.get("work", LoginRole.SMTP_LOGIN, KEYRING) == Secret("hunter2")
    assert secrets.for_login(WORK, Protocol.SMTP) == Secret("hunter2")
    with pytest.raises(SecretError) as caught:
        secrets.for_login(WORK, Protocol.IMAP)
    assert caught.value.code == "secret_missing"
    assert "mailctl gateway password set work" in caught.value.hint


def test_another_configuration_folder_has_entries_of_its_own() -> None:
    ring = MemoryKeyring()
    store(ring).set("work", LoginRole.LOGIN, Secret("usual"))
    store(ring, realm="0a1b2c3d").set("work", LoginRole.LOGIN, Secret("other"))
    assert store(ring).get("work", LoginRole.LOGIN, KEYRING) == Secret("usual")
    assert ring.names == [("mailctl:work", "login"), ("mailctl:work:0a1b2c3d", "login")]


def test_other_sources_do_without_a_keyring(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.touch(0o600)
    path.write_text("file-hunter2\n")
    secrets = SecretStore({"PATH": "/usr/bin:/bin", "P": "in a variable", "EMPTY": ""}, never)
    sources = {
        SecretSource(SourceKind.FILE, (str(path),)): "file-hunter2",
        SecretSource(SourceKind.ENV, ("P",)): "in a variable",
        SecretSource(SourceKind.COMMAND, ("echo", "by a command")): "by a command",
    }
    for source, value in sources.items():
        assert secrets.get("work", LoginRole.LOGIN, source) == Secret(value)
        check = secrets.check("work", LoginRole.LOGIN, source)
        assert (check.available, check.error, check.backend) == (True, None, "")
        assert source.kind is SourceKind.COMMAND or value not in repr(check)  # echo names what it prints
    for name, state in (("NONE", "not set"), ("EMPTY", "empty")):
        with pytest.raises(SecretError, match=state) as caught:
            secrets.get("work", LoginRole.LOGIN, SecretSource(SourceKind.ENV, (name,)))
        assert "mailctl gateway password source work" in caught.value.hint


def test_a_command_is_asked_once_for_all_protocols(tmp_path: Path) -> None:
    count = tmp_path / "count"
    asks = SecretSource(SourceKind.COMMAND, ("/bin/sh", "-c", f"echo asked >>{count}; sleep 0.2; echo hunter2"))
    secrets = SecretStore({"PATH": "/usr/bin:/bin"}, never)
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda _: secrets.get("work", LoginRole.LOGIN, asks), range(6)))
    assert found == [Secret("hunter2")] * 6
    assert count.read_text().split() == ["asked"]


def test_a_failing_command_is_asked_once_too(tmp_path: Path) -> None:
    count = tmp_path / "count"
    fails = SecretSource(SourceKind.COMMAND, ("/bin/sh", "-c", f"echo asked >>{count}; exit 2"))
    secrets = SecretStore({"PATH": "/usr/bin:/bin"}, never)
    for _ in range(3):
        with pytest.raises(SecretError, match="status 2"):
            secrets.get("work", LoginRole.LOGIN, fails)
    assert count.read_text().split() == ["asked"]


def test_a_command_that_failed_long_ago_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = tmp_path / "opened"
    asks = SecretSource(SourceKind.COMMAND, ("/bin/sh", "-c", f"cat {opened}"))
    secrets = SecretStore({"PATH": "/usr/bin:/bin"}, never)
    with pytest.raises(SecretError, match="status 1"):
        secrets.get("work", LoginRole.LOGIN, asks)
    opened.write_text("hunter2\n")
    with pytest.raises(SecretError, match="status 1"):
        secrets.get("work", LoginRole.LOGIN, asks)
    monkeypatch.setattr("mailctl.secrets.sources.FAILURE_HOLDS", 0.0)
    for _ in range(2):
        assert secrets.get("work", LoginRole.LOGIN, asks) == Secret("hunter2")


def test_a_command_may_be_given_less_time() -> None:
    sleeps = SecretSource(SourceKind.COMMAND, ("sleep", "600"))
    with pytest.raises(SecretError, match=r"after 0\.5 s"):
        SecretStore({"PATH": "/usr/bin:/bin"}, never, command_seconds=0.5).get("work", LoginRole.LOGIN, sleeps)


def test_what_can_be_no_password_is_not_kept() -> None:
    for value in ("", "a\0b", "\udcff"):
        with pytest.raises(SecretError):
            SecretStore({}, never).set("work", LoginRole.LOGIN, Secret(value))


def test_a_check_tells_what_failed() -> None:
    check = store(NoKeyring()).check("work", LoginRole.LOGIN, KEYRING)
    assert not check.available
    assert check.error is not None
    assert check.error.code == "keyring_none"


def test_E16_a_renamed_gateway_keeps_its_passwords_and_leaves_none_behind() -> None:
    ring = MemoryKeyring()
    secrets = store(ring)
    secrets.set("work", LoginRole.LOGIN, Secret("one"))
    secrets.set("work", LoginRole.SMTP_LOGIN, Secret("two"))
    assert secrets.copy(WORK, "job") == (LoginRole.LOGIN, LoginRole.SMTP_LOGIN)
    assert secrets.forget(WORK) == (LoginRole.LOGIN, LoginRole.SMTP_LOGIN)
    assert ring.names == [("mailctl:job", "login"), ("mailctl:job", "smtp_login")]
    assert secrets.for_login(replace(WORK, name="job"), Protocol.SMTP) == Secret("two")


class FullKeyring(MemoryKeyring):
    """One that has room for three."""

    def set(self, service: str, user: str, secret: Secret) -> str:
        if len(self.names) == 3:
            raise SecretError("full")
        return super().set(service, user, secret)


def test_E16_a_failed_copy_leaves_nothing() -> None:
    ring = FullKeyring()
    secrets = store(ring)
    for role in LoginRole:
        secrets.set("work", role, Secret("one"))
    with pytest.raises(SecretError, match="full"):
        secrets.copy(WORK, "job")
    assert ring.names == [("mailctl:work", "login"), ("mailctl:work", "smtp_login")]


def test_E16_what_an_earlier_source_left_goes_too() -> None:
    ring = MemoryKeyring()
    secrets = store(ring, {"P": "x"})
    secrets.set("work", LoginRole.SMTP_LOGIN, Secret("old"))
    by_variable = Gateway("work", "example", "alice@example.org", Login("alice", SecretSource(SourceKind.ENV, ("P",))))
    assert secrets.copy(by_variable, "job") == ()
    assert secrets.forget(by_variable) == (LoginRole.SMTP_LOGIN,)
    assert ring.names == []


def test_E16_without_a_keyring_only_those_who_need_it_fail() -> None:
    with pytest.raises(SecretError):
        store(NoKeyring()).forget(WORK)
    by_variable = Gateway("work", "example", "a@example.org", Login("alice", SecretSource(SourceKind.ENV, ("P",))))
    assert store(NoKeyring()).forget(by_variable) == ()


def test_hints_of_the_keyring_name_the_gateway() -> None:
    class Broken(MemoryKeyring):
        def get(self, service: str, user: str) -> Entry:
            raise SecretError("There is no keyring here", hint=WAYS_ON, code="keyring_none")

    with pytest.raises(SecretError) as caught:
        SecretStore({}, Broken).get("work", LoginRole.LOGIN, SecretSource())
    assert "mailctl gateway password source work --password-command" in caught.value.hint
    assert "GATEWAY" not in caught.value.hint


def test_hints_of_the_keyring_name_what_helps_an_application() -> None:
    class Broken(MemoryKeyring):
        def get(self, service: str, user: str) -> Entry:
            raise SecretError("There is no keyring here", hint=WAYS_ON, code="keyring_none")

    application = Application("own", OAuthService("own", "", "", ""), "x")
    with pytest.raises(SecretError) as caught:
        SecretStore({}, Broken).application_secret(application, "client_secret", SecretSource())
    assert "mailctl auth setup own --client-secret-store encrypted" in caught.value.hint
    assert "GATEWAY" not in caught.value.hint


def test_an_applications_key_is_the_whole_of_its_file(tmp_path: Path) -> None:
    ring, service = MemoryKeyring(), OAuthService("own", "", "", "")
    file = tmp_path / "key.json"
    file.write_text('{\n "client_email": "x"\n}\n')
    file.chmod(0o600)
    source = SecretSource(SourceKind.FILE, (str(file),))
    application = Application("own", service, "client")
    assert store(ring).application_secret(application, "key", source) == Secret(file.read_text())
    assert store(ring).application_secret(application, "client_secret", source) == Secret("{")
    printed = SecretSource(SourceKind.COMMAND, ("cat", str(file)))
    assert store(ring).application_secret(application, "key", printed) == Secret(file.read_text())
    assert store(ring).application_secret(application, "client_secret", printed) == Secret("{")
    with pytest.raises(SecretError, match="no client_secret"):
        store(ring).application_secret(application, "client_secret", KEYRING)
    ring.set("mailctl:oauth/own", "client_secret", Secret("s"))
    assert store(ring).application_secret(application, "client_secret", KEYRING) == Secret("s")
