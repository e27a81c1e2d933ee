"""`mailctl secrets`: doctor, list, move, prune, key, with a keyring in memory and a real encrypted file."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mailctl.config.store import ConfigStore
from mailctl.domain.gateway import Gateway, Login, LoginRole, SecretSource, SourceKind
from mailctl.domain.secret import Secret
from mailctl.domain.server import Endpoint, Protocol, Security, Server
from mailctl.errors import LockedError, SecretError
from mailctl.secrets import jose
from mailctl.secrets.encrypted import EncryptedFile
from mailctl.secrets.keyring import Entry
from mailctl.secrets.memory import MemoryKeyring
from mailctl.secrets.private import locked
from mailctl.secrets.store import SecretStore
from tests.cli.support import Cli

KEY = "correct horse"
ENCRYPTED = SecretSource(SourceKind.ENCRYPTED)
OAUTH = SecretSource(SourceKind.OAUTH)
MOVE = ("secrets", "move", "--to", "encrypted")
Names = dict[tuple[str, str], str]

PASSWORDS: Names = {
    ("mailctl:home", "login"): "p-home",
    ("mailctl:work", "login"): "p-work",
    ("mailctl:work", "smtp_login"): "p-smtp",
}
TOKENS: Names = {("mailctl:cloud", "login:oauth"): "t" * 3000, ("mailctl:cloud", "login:oauth:next"): "n" * 3000}


class NoKeyring(MemoryKeyring):
    """One that isn't there."""

    def get(self, service: str, user: str) -> Entry:
        raise SecretError("There is no keyring here", code="keyring_none")

    @property
    def names(self) -> list[tuple[str, str]]:
        raise SecretError("There is no keyring here", code="keyring_none")


@pytest.fixture
def home(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Three gateways: a password, two passwords, OAuth; and one whose password is in a variable."""
    monkeypatch.setattr(jose, "ITERATIONS", 1000)
    config = ConfigStore(cli.config)
    config.save_server(Server("example", endpoints={Protocol.IMAP: Endpoint("mail.example.org", 993, Security.TLS)}))
    smtp = Login("alice-smtp")
    config.save_gateway(Gateway("work", "example", "alice@example.org", Login("alice"), smtp_login=smtp))
    config.save_gateway(Gateway("home", "example", "alice@example.net", Login("al")))
    config.save_gateway(Gateway("cloud", "example", "alice@example.com", Login("al", OAUTH)))
    config.save_gateway(Gateway("ci", "example", "c@example.com", Login("c", SecretSource(SourceKind.ENV, ("CI_PW",)))))
    for (service, user), value in {**PASSWORDS, **TOKENS}.items():
        cli.keyring.set(service, user, Secret(value))
    cli.env |= {"MAILCTL_SECRETS_KEY": KEY, "CI_PW": "p-ci"}
    return cli


def in_file(home: Cli) -> Names:
    ring = EncryptedFile(home.config / "secrets.jwe", lambda new: Secret(KEY))
    return {name: secret.reveal() for name in ring.names if (secret := ring.get(*name).secret)}


def in_keyring(home: Cli) -> Names:
    return {name: secret.reveal() for name in home.keyring.names if (secret := home.keyring.get(*name).secret)}


def source_of(home: Cli, name: str, role: LoginRole = LoginRole.LOGIN) -> SecretSource:
    return ConfigStore(home.config).gateway(name).logins[role].secret


def test_everything_moves_there_and_back(home: Cli) -> None:
    rows = home.json(*MOVE, "--dry-run")["result"]
    assert {row["state"] for row in rows} == {"would move"}
    assert in_keyring(home) == {**PASSWORDS, **TOKENS}
    rows = home.json(*MOVE)["result"]
    assert [(row["gateway"], row["login"], row["state"]) for row in rows] == [
        ("cloud", "login", "moved"),
        ("home", "login", "moved"),
        ("work", "login", "moved"),
        ("work", "smtp_login", "moved"),
    ]
    assert (in_keyring(home), in_file(home)) == ({}, {**PASSWORDS, **TOKENS})
    assert source_of(home, "work", LoginRole.SMTP_LOGIN) == ENCRYPTED
    assert source_of(home, "cloud") == SecretSource(SourceKind.OAUTH, ("", "encrypted"))
    assert source_of(home, "ci").kind is SourceKind.ENV
    assert {row["state"] for row in home.json(*MOVE)["result"]} == {"there"}
    home.ok("secrets", "move", "--to", "keyring", "cloud", "work")
    assert in_file(home) == {("mailctl:home", "login"): "p-home"}
    assert (source_of(home, "cloud"), source_of(home, "work")) == (OAUTH, SecretSource())


def test_what_others_keep_is_copied_if_that_is_asked_for(home: Cli) -> None:
    done = home.run(*MOVE, "--from", "env")
    assert "can still be had from where it was" in done.err
    assert in_file(home) == {("mailctl:ci", "login"): "p-ci"}
    assert source_of(home, "ci") == ENCRYPTED
    assert in_keyring(home) == {**PASSWORDS, **TOKENS}


def test_one_that_is_missing_keeps_no_other_from_moving(home: Cli) -> None:
    home.keyring.delete("mailctl:home", "login")
    found = home.json(*MOVE, code=4)
    states = {row["gateway"]: (row["state"], row["code"]) for row in found["result"]}
    assert states["home"] == ("failed", "secret_missing")
    assert states["work"] == ("moved", "")
    assert source_of(home, "home") == SecretSource()


@pytest.mark.parametrize("method", ["transfer", "drop"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_move_that_is_killed_loses_nothing_and_goes_on(
    home: Cli, monkeypatch: pytest.MonkeyPatch, method: str, when: str
) -> None:
    class KilledError(BaseException):
        pass

    original: Callable[..., int] = getattr(SecretStore, method)

    def dies(store: SecretStore, gateway: str, *args: object) -> int:
        if gateway == "work" and when == "before":
            raise KilledError
        done = original(store, gateway, *args)
        if gateway == "work":
            raise KilledError
        return done

    with monkeypatch.context() as patched:
        patched.setattr(SecretStore, method, dies)
        with pytest.raises(KilledError):
            home.run(*MOVE)
    for name, user in (("work", "login"), ("work", "smtp_login"), ("home", "login"), ("cloud", "login:oauth")):
        role = LoginRole(user.partition(":")[0])
        store = in_file(home) if source_of(home, name, role).store is SourceKind.ENCRYPTED else in_keyring(home)
        assert store[f"mailctl:{name}", user] == {**PASSWORDS, **TOKENS}[f"mailctl:{name}", user]
    home.ok(*MOVE)
    assert (in_keyring(home), in_file(home)) == ({}, {**PASSWORDS, **TOKENS})


def test_a_file_that_cannot_be_written_loses_nothing(home: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise SecretError("no", code="refused")

    with monkeypatch.context() as patched:
        patched.setattr("mailctl.config.store.ConfigStore.save_gateway", fails)
        assert home.run(*MOVE).code == 4
    assert (in_keyring(home), in_file(home)) == ({**PASSWORDS, **TOKENS}, {})  # nor is a copy left
    assert source_of(home, "work") == SecretSource()
    home.ok(*MOVE)
    assert in_keyring(home) == {}
    with monkeypatch.context() as patched:
        patched.setattr("mailctl.config.store.ConfigStore.save_gateway", fails)
        assert home.run("secrets", "move", "--to", "keyring", "--from", "env").code == 4
    assert in_keyring(home) == {}


def test_an_old_copy_that_cannot_be_removed_is_told_until_it_is(home: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> bool:
        raise SecretError("The keyring is locked", code="keyring_locked")

    with monkeypatch.context() as patched:
        patched.setattr(MemoryKeyring, "delete", fails)
        for state in ("moved", "there"):
            done = home.run(*MOVE, "work", "--json")
            rows = [(row["state"], row["left"]) for row in json.loads(done.out)["result"]]
            assert (done.code, rows) == (0, [(state, "The keyring is locked")] * 2)
            assert "may still have a copy for 2 logins: The keyring is locked. `mailctl secrets prune`" in done.err
    assert in_file(home) == {name: value for name, value in PASSWORDS.items() if name[0] == "mailctl:work"}
    assert home.json(*MOVE, "work")["result"][0]["left"] == ""
    assert in_keyring(home).keys() & in_file(home).keys() == set()


def test_clearing_a_password_leaves_tokens_and_says_how_they_go(home: Cli) -> None:
    assert (
        "`mailctl auth logout cloud` revokes and forgets them" in home.run("gateway", "password", "clear", "cloud").err
    )
    assert in_keyring(home) == {**PASSWORDS, **TOKENS}
    assert "auth logout" not in home.run("gateway", "password", "clear", "ci").err


def test_what_is_said_to_be_there_is_there(home: Cli) -> None:
    home.keyring.delete("mailctl:home", "login")
    home.keyring.delete("mailctl:cloud", "login:oauth")  # not signed in
    found = home.json("secrets", "move", "--to", "keyring", code=4)["result"]
    assert {row["gateway"]: row["state"] for row in found} == {"home": "failed", "work": "there", "cloud": "there"}


def test_a_move_from_a_locked_keyring_says_what_helps(home: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> Entry:
        raise SecretError("The keyring is locked", hint="gateway password set home --encrypted", code="keyring_locked")

    monkeypatch.setattr(MemoryKeyring, "get", fails)
    assert "that has it, then run it again; or give it again" in home.run(*MOVE, "home").err
    back = home.run("secrets", "move", "--to", "keyring", "home").err
    assert "then run it again." in back
    assert "--encrypted" not in back


def test_without_a_key_nothing_begins(home: Cli) -> None:
    del home.env["MAILCTL_SECRETS_KEY"]
    done = home.run(*MOVE)
    assert (done.code, in_keyring(home)) == (4, {**PASSWORDS, **TOKENS})
    assert "nobody to ask" in done.err
    assert home.run("secrets", "move").code == 2


def test_E16_orphans_are_found_and_removed_and_nothing_else(home: Cli) -> None:
    home.ok(*MOVE, "work")
    gone = [("mailctl:gone", "login"), ("mailctl:gone", "login:oauth"), ("mailctl:oauth/gone", "client_secret")]
    for name in [*gone, ("mailctl:work", "login")]:
        home.keyring.set(*name, Secret("orphan"))
    others = [("mailctl:other:0a1b2c3d", "login"), ("thunderbird", "login"), ("mailctl:broken", "login")]
    for name in others:
        home.keyring.set(*name, Secret("not ours"))
    (home.config / "gateways/broken.toml").write_text("broken =")
    rows = home.json("secrets", "list")["result"]
    assert [(row["store"], row["owner"], row["entry"]) for row in rows if not row["used"]] == [
        ("keyring", "gone", "client_secret"),
        ("keyring", "gone", "login"),
        ("keyring", "gone", "login:oauth"),
        ("keyring", "work", "login"),
    ]
    assert {(row["store"], row["owner"]) for row in rows if row["used"]} == {
        ("keyring", "home"),
        ("keyring", "cloud"),
        ("keyring", "broken"),
        ("encrypted", "work"),
    }
    before = in_keyring(home)
    assert home.json("secrets", "prune", "--dry-run")["result"]["removed"] is False
    assert home.run("secrets", "prune").code == 2  # nobody to ask
    assert in_keyring(home) == before
    result = home.json("secrets", "prune", "--yes")["result"]
    assert (len(result["entries"]), result["removed"]) == (4, True)
    assert {*in_keyring(home)} == {*before} - {(row["service"], row["entry"]) for row in result["entries"]}
    assert {*others} < {*in_keyring(home)}
    assert home.json("secrets", "prune", "--yes")["result"]["entries"] == []
    assert in_file(home) == {name: value for name, value in PASSWORDS.items() if name[0] == "mailctl:work"}


def test_doctor_says_what_is_usable_and_what_answers(home: Cli) -> None:
    found = home.json("secrets", "doctor")["result"]
    assert {row["source"]: row["usable"] for row in found["sources"]}["keyring"]
    assert found["fits"] == "keyring"
    assert {(row["gateway"], row["login"]): row["available"] for row in found["logins"]} == {
        ("work", "login"): True,
        ("work", "smtp_login"): True,
        ("home", "login"): True,
        ("cloud", "login"): True,
        ("ci", "login"): True,
    }
    shown = json.dumps(found) + home.ok("secrets", "doctor").out
    assert not [value for value in (*PASSWORDS.values(), "p-ci", KEY, "ttt") if value in shown]


def test_doctor_says_why_not(home: Cli) -> None:
    home.keyring = NoKeyring()
    del home.env["MAILCTL_SECRETS_KEY"], home.env["CI_PW"]
    found = home.json("secrets", "doctor", code=4)
    states = {row["source"]: row for row in found["result"]["sources"]}
    assert (states["keyring"]["usable"], states["keyring"]["code"]) == (False, "keyring_none")
    assert (states["encrypted"]["usable"], states["encrypted"]["code"]) == (False, "secrets_key_missing")
    assert found["result"]["fits"] == "encrypted"
    assert {row["code"] for row in found["result"]["logins"]} == {"keyring_none", "secret_missing"}
    assert "5 logins of 5" in found["error"]["message"]
    assert home.run("secrets", "doctor", "nobody").code == 3
    home.env["CI_PW"] = "p-ci"
    home.ok("secrets", "doctor", "ci")  # what others lack is no fault of this one


def test_doctor_names_commands_that_help(home: Cli, tmp_path: Path) -> None:
    """As somebody does who follows it: what it says next is what is missing next."""

    def advice() -> str:
        said: str = json.loads(home.run("secrets", "doctor", "home", "--json").out)["result"]["advice"]
        return said

    home.keyring = NoKeyring()
    del home.env["MAILCTL_SECRETS_KEY"]
    assert "`mailctl secrets key ~/.mailctl.key`, then in config.toml: [secrets] key = {file = " in advice()
    key = home.home / ".mailctl.key"
    home.ok("secrets", "key", str(key))
    (home.config / "config.toml").write_text('[secrets]\nkey = {file = "~/.mailctl.key"}\n')
    said = advice()
    assert "its key is named already. `mailctl gateway password set home --encrypted`" in said
    home.ok("gateway", "password", "set", "home", "--encrypted", "--password-stdin", stdin="p-home\n")
    assert advice() == "There is no usable keyring: the encrypted file fits best, and its key is named already."
    (home.config / "config.toml").unlink()
    assert "`mailctl secrets key ~/.mailctl.key --change`" in advice()


def test_a_key_that_cannot_be_had_is_called_a_key(home: Cli, tmp_path: Path) -> None:
    home.ok(*MOVE)
    key, check = tmp_path / "key", ("gateway", "password", "check", "work", "--imap")
    home.env["MAILCTL_SECRETS_KEY_FILE"] = str(key)
    del home.env["MAILCTL_SECRETS_KEY"]
    done = home.run(*check)
    assert f"There is no key file '{key}'" in done.err
    assert "hint: MAILCTL_SECRETS_KEY_FILE says" in done.err
    key.touch(0o600)
    assert "The key from the file" in home.run(*check).err
    key.write_text('{\n"kty": "oct"\n}\n')
    assert "not a JWK of 256 bits on one line" in home.run(*check).err
    home.env["MAILCTL_SECRETS_KEY_FILE"] = "key"
    assert "The key file 'key' has no full path" in home.run(*check).err
    del home.env["MAILCTL_SECRETS_KEY_FILE"]
    (home.config / "config.toml").write_text('[secrets]\nkey = {env = "NOWHERE"}\n')
    done = home.run(*check)
    assert "The variable 'NOWHERE' is not set" in done.err
    assert "hint: [secrets] key in config.toml says" in done.err


def test_a_key_is_not_made_where_it_would_be_refused(home: Cli, tmp_path: Path) -> None:
    home.ok(*MOVE)
    before = (home.config / "secrets.jwe").read_bytes()
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    done = home.run("secrets", "key", str(tmp_path / "open/key"), "--change")
    assert (done.code, list((tmp_path / "open").iterdir())) == (4, [])
    assert "lies in a folder that others can write to" in done.err
    assert (home.config / "secrets.jwe").read_bytes() == before


def test_a_random_key_opens_what_it_made(home: Cli, tmp_path: Path) -> None:
    key = tmp_path / "key"
    home.ok("secrets", "key", str(key), "--dry-run")
    assert not key.exists()
    done = home.ok("secrets", "key", str(key))
    assert key.stat().st_mode & 0o777 == 0o600
    assert json.loads(key.read_text())["k"] not in done.out + done.err
    assert home.run("secrets", "key", str(key)).code == 3
    del home.env["MAILCTL_SECRETS_KEY"]
    (home.config / "config.toml").write_text(f'[secrets]\nkey = {{file = "{key}"}}\n')
    home.ok(*MOVE)
    home.ok("gateway", "password", "check", "work")
    assert not EncryptedFile(home.config / "secrets.jwe", lambda new: Secret("x")).takes_passphrase
    assert "has its key already" in home.run("secrets", "key", str(tmp_path / "another")).err


def test_a_key_that_others_have_seen_is_changed(home: Cli, tmp_path: Path) -> None:
    assert home.run("secrets", "key", "--change").code == 2
    home.ok(*MOVE)
    key, check = tmp_path / "key", ("gateway", "password", "check", "work")
    planned = home.json("secrets", "key", str(key), "--change", "--dry-run")["result"]
    assert (planned["changed"], key.exists()) == (False, False)
    home.env["MAILCTL_SECRETS_KEY"] = "wrong"
    assert home.run("secrets", "key", str(key), "--change").code == 4
    assert not key.exists()
    home.env["MAILCTL_SECRETS_KEY"] = KEY
    assert home.json("secrets", "key", str(key), "--change")["result"]["changed"]
    assert home.run(*check).code == 4
    del home.env["MAILCTL_SECRETS_KEY"]
    home.env["MAILCTL_SECRETS_KEY_FILE"] = str(key)
    home.ok(*check)
    assert home.run("secrets", "key", "--change").code == 4  # a passphrase, and nobody to ask
    home.ok(*check)


def test_a_login_that_changes_meanwhile_is_left_alone(home: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = ConfigStore(home.config).gateway("home")
    changed = replace(gateway, login=replace(gateway.login, secret=SecretSource(SourceKind.ENV, ("X",))))
    original = EncryptedFile.unlock

    def unlock(file: EncryptedFile) -> None:
        original(file)
        ConfigStore(home.config).save_gateway(changed)

    with monkeypatch.context() as patched:
        patched.setattr(EncryptedFile, "unlock", unlock)
        done = home.run(*MOVE, "home")
    assert done.code == 4
    assert "changed this login meanwhile" in done.err
    assert source_of(home, "home").kind is SourceKind.ENV


@pytest.mark.parametrize(
    "words", [("secrets", "move", "--to", "encrypted", "cloud"), ("gateway", "rename", "cloud", "sky")]
)
def test_no_token_is_renewed_while_it_moves(home: Cli, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    lock, seen = home.config / ".tokens/cloud.login.lock", []
    original = MemoryKeyring.get

    def get(ring: MemoryKeyring, service: str, user: str) -> Entry:
        if user == "login:oauth":
            with pytest.raises(LockedError), locked(lock, what="the token", seconds=0):
                pass
            seen.append(service)
        return original(ring, service, user)

    monkeypatch.setattr(MemoryKeyring, "get", get)
    home.env["MAILCTL_STATE_DIR"] = str(home.state / "another")  # the tokens are the same
    home.ok(*words)
    assert seen


def test_what_was_left_of_an_earlier_token_does_not_come_back(home: Cli) -> None:
    stale = EncryptedFile(home.config / "secrets.jwe", lambda new: Secret(KEY))
    stale.set("mailctl:cloud", "login:oauth:next", Secret("stale"))
    stale.set("mailctl:home", "login", Secret("kept"))
    home.keyring.set("mailctl:sky", "login:oauth:next", Secret("stale"))
    home.keyring.delete("mailctl:cloud", "login:oauth:next")
    home.ok("gateway", "rename", "cloud", "sky")
    assert home.keyring.get("mailctl:sky", "login:oauth:next").secret is None
    home.ok("gateway", "rename", "sky", "cloud")
    home.ok(*MOVE, "cloud")
    kept = {("mailctl:cloud", "login:oauth"): "t" * 3000, ("mailctl:home", "login"): "kept"}
    assert in_file(home) == kept
    home.keyring.delete("mailctl:home", "login")
    assert home.run(*MOVE, "home").code == 4
    assert in_file(home) == kept  # it had nothing to put in its place


def test_tokens_go_along_when_a_gateway_is_told_to_keep_them_elsewhere(home: Cli) -> None:
    planned = home.ok("gateway", "edit", "cloud", "--oauth", "", "--encrypted", "--dry-run")
    assert "would go along" in planned.err
    assert (in_file(home), source_of(home, "cloud")) == ({}, OAUTH)
    assert "went along" in home.ok("gateway", "edit", "cloud", "--oauth", "", "--encrypted").err
    assert (in_keyring(home), in_file(home)) == (PASSWORDS, TOKENS)
    assert source_of(home, "cloud").store is SourceKind.ENCRYPTED
    home.ok("gateway", "edit", "cloud", "--oauth", "")
    assert (in_keyring(home), in_file(home)) == ({**PASSWORDS, **TOKENS}, {})
