"""Passwords in the encrypted file: given, moved with their gateway, removed with it; E16 for it."""

import pytest

from mailctl.config.store import ConfigStore
from mailctl.domain.gateway import Gateway, Login, LoginRole, SecretSource, SourceKind
from mailctl.domain.secret import Secret
from mailctl.domain.server import Endpoint, Protocol, Security, Server
from mailctl.secrets import jose
from mailctl.secrets.encrypted import EncryptedFile
from tests.cli.support import Cli

ENCRYPTED = SecretSource(SourceKind.ENCRYPTED)
KEY = "correct horse"


@pytest.fixture
def home(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A home with a server, one gateway, and a key for the encrypted file in the environment."""
    monkeypatch.setattr(jose, "ITERATIONS", 1000)
    config = ConfigStore(cli.config)
    config.save_server(Server("example", endpoints={Protocol.IMAP: Endpoint("mail.example.org", 993, Security.TLS)}))
    config.save_gateway(Gateway("work", "example", "alice@example.org", Login("alice")))
    cli.env["MAILCTL_SECRETS_KEY"] = KEY
    return cli


def entries(home: Cli) -> dict[tuple[str, str], Secret | None]:
    ring = EncryptedFile(home.config / "secrets.jwe", lambda new: Secret(KEY))
    return {name: ring.get(*name).secret for name in ring.names}


def source_of(home: Cli, name: str = "work", role: LoginRole = LoginRole.LOGIN) -> SecretSource:
    return ConfigStore(home.config).gateway(name).logins[role].secret


def test_a_password_that_is_given_goes_where_it_is_told(home: Cli) -> None:
    home.ok("gateway", "password", "set", "work", "--password-stdin", stdin="first\n")
    done = home.json("gateway", "password", "set", "work", "--password-stdin", "--encrypted", stdin="hunter2\n")
    assert done["result"]["source"] == "encrypted"
    assert done["result"]["backend"] == "encrypted file"
    assert (source_of(home), entries(home)) == (ENCRYPTED, {("mailctl:work", "login"): Secret("hunter2")})
    assert home.keyring.names == []  # the old one is gone
    home.ok("gateway", "password", "set", "work", "--password-stdin", stdin="hunter3\n")  # stays where it was
    assert entries(home) == {("mailctl:work", "login"): Secret("hunter3")}
    (check,) = home.json("gateway", "password", "check", "work")["result"]
    assert (check["available"], check["source"], check["age"] < 600) == (True, "encrypted", True)
    home.ok("gateway", "password", "set", "work", "--password-stdin", "--keyring", stdin="hunter4\n")
    assert (source_of(home), entries(home)) == (SecretSource(), {})


def test_a_source_is_not_exchanged_for_one_that_has_nothing(home: Cli) -> None:
    home.ok("gateway", "password", "set", "work", "--password-stdin", stdin="hunter2\n")
    done = home.run("gateway", "password", "source", "work", "--encrypted")
    assert done.code == 4
    assert "mailctl secrets move --to encrypted work" in done.err
    assert (source_of(home), home.keyring.names) == (SecretSource(), [("mailctl:work", "login")])
    assert home.run("gateway", "password", "source", "work", "--encrypted", "--keyring").code == 2


def test_E16_a_gateway_takes_its_entries_along_and_leaves_none(home: Cli) -> None:
    add = ("gateway", "add", "new", "--server", "example", "--email", "b@example.org", "--encrypted")
    home.ok(*add, "--password-stdin", "--smtp-login", "smtp-b", "--smtp-password-stdin", stdin="hunter2\nhunter3\n")
    assert source_of(home, "new", LoginRole.SMTP_LOGIN) == ENCRYPTED
    kept = {("mailctl:new", "login"): Secret("hunter2"), ("mailctl:new", "smtp_login"): Secret("hunter3")}
    assert entries(home) == kept
    home.ok("gateway", "rename", "new", "newer")
    assert entries(home) == {("mailctl:newer", user): secret for (_, user), secret in kept.items()}
    home.ok("gateway", "edit", "newer", "--unset", "smtp_login")
    assert entries(home) == {("mailctl:newer", "login"): Secret("hunter2")}
    home.ok("gateway", "remove", "newer", "--yes")
    assert entries(home) == {}
    assert home.keyring.names == []


def test_E16_a_gateway_whose_entries_cannot_be_removed_stays(home: Cli) -> None:
    home.ok("gateway", "password", "set", "work", "--password-stdin", "--encrypted", stdin="hunter2\n")
    home.env["MAILCTL_SECRETS_KEY"] = "wrong"
    for words in (("rename", "work", "job"), ("remove", "work", "--yes")):
        done = home.run("gateway", *words)
        assert done.code == 4
        assert "not the one it was made with" in done.err
    home.env["MAILCTL_SECRETS_KEY"] = KEY
    assert entries(home) == {("mailctl:work", "login"): Secret("hunter2")}
    assert ConfigStore(home.config).gateway_exists("work")
    home.ok("gateway", "password", "clear", "work")
    assert entries(home) == {}


def test_where_the_key_comes_from(home: Cli) -> None:
    home.ok("gateway", "password", "set", "work", "--password-stdin", "--encrypted", stdin="hunter2\n")
    check = ("gateway", "password", "check", "work")
    del home.env["MAILCTL_SECRETS_KEY"]
    done = home.run(*check)
    assert done.code == 4
    assert "MAILCTL_SECRETS_KEY_FILE" in done.err
    key = home.home / "key"
    key.write_text(f"{KEY}\n")
    key.chmod(0o600)
    home.env["MAILCTL_SECRETS_KEY_FILE"] = str(key)
    home.ok(*check)
    key.chmod(0o644)
    assert "is open to others" in home.run(*check).err
    key.chmod(0o600)
    home.env["MAILCTL_SECRETS_KEY_FILE"], home.env["CREDENTIALS_DIRECTORY"] = "key", str(home.home)
    home.ok(*check)
    del home.env["MAILCTL_SECRETS_KEY_FILE"]
    settings = home.config / "config.toml"
    for key_source in (f'{{file = "{key}"}}', '{env = "OTHER"}', f'{{command = ["echo", "{KEY}"]}}'):
        settings.write_text(f"[secrets]\nkey = {key_source}\n")
        home.env["OTHER"] = KEY
        home.ok(*check)
    settings.chmod(0o666)
    assert home.run(*check).code == 3
    settings.chmod(0o600)
    settings.write_text('[secrets]\nkey = "hunter2"\n')
    done = home.run(*check)
    assert done.code == 3
    assert "hunter2" not in done.err
    elsewhere = home.home / "private"
    elsewhere.mkdir(mode=0o700)
    (home.config / "secrets.jwe").rename(elsewhere / "mine.jwe")
    settings.write_text(f'[secrets]\nfile = "~/private/mine.jwe"\nkey = {{file = "{key}"}}\n')
    home.ok(*check)


def test_a_file_that_is_not_well_is_told_in_one_sentence(home: Cli) -> None:
    home.ok("gateway", "password", "set", "work", "--password-stdin", "--encrypted", stdin="hunter2\n")
    path = home.config / "secrets.jwe"
    whole = path.read_text()
    for text, code in (
        (whole[:-40], "secrets_damaged"),
        (whole.replace('"version": 1', '"version": 2'), "secrets_newer"),
    ):
        path.write_text(text)
        found = home.json("gateway", "password", "check", "work", code=4)
        assert found["error"]["code"] == code
        done = home.run("gateway", "password", "set", "work", "--password-stdin", stdin="other\n")
        assert done.code == 4
        assert len(done.err.splitlines()) == 2
        assert path.read_text() == text


def test_a_source_that_is_changed_alone_keeps_the_password_that_was_there(home: Cli) -> None:
    home.ok("gateway", "password", "set", "work", "--password-stdin", stdin="hunter2\n")
    done = home.ok("gateway", "edit", "work", "--secret", "encrypted")
    assert "warning: The password stays in the keyring entry mailctl:work, login" in done.err
    assert home.keyring.names == [("mailctl:work", "login")]
    home.ok("gateway", "edit", "work", "--secret", "keyring")
    home.ok("gateway", "password", "check", "work")
