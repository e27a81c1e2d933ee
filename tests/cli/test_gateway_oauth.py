"""Gateways that sign in by OAuth: added, changed and shown; each time the next command is named."""

import json
import tomllib
from io import StringIO
from typing import Any

import pytest

from mailctl.cli.context import Context
from mailctl.domain.gateway import LoginRole
from mailctl.domain.secret import Secret
from mailctl.secrets.oauth import tokens
from tests.cli.support import Cli

GUID = "00001111-aaaa-2222-bbbb-3333cccc4444"
ADD = ("gateway", "add", "o", "--server", "outlook", "--email", "o@outlook.com")


@pytest.fixture
def home(cli: Cli) -> Cli:
    cli.ok("server", "add", "outlook")
    cli.ok("server", "add", "gmail")
    return cli


def secret(cli: Cli, name: str = "o") -> Any:
    return tomllib.loads((cli.config / f"gateways/{name}.toml").read_text())["login"]["secret"]


def test_where_only_oauth_works_the_next_commands_are_named(home: Cli) -> None:
    found = home.json(*ADD)["result"]
    assert found["next"] == ["mailctl auth setup microsoft", "mailctl auth login o"]
    assert secret(home) == "oauth"
    home.ok("gateway", "remove", "o", "--yes")
    home.ok("auth", "setup", "microsoft", "--client-id", GUID)
    done = home.ok(*ADD)
    assert "Next: mailctl auth login o" in done.err
    assert "setup" not in done.err
    assert "Next" not in home.ok("gateway", "edit", "o", "--owner", "me").err


def test_oauth_may_be_chosen(home: Cli) -> None:
    found = home.json("gateway", "add", "g", "--server", "gmail", "--email", "g@gmail.com", "--secret", "oauth")[
        "result"
    ]
    assert found["next"] == ["mailctl auth setup google", "mailctl auth login g"]
    found = home.json("gateway", "edit", "g", "--oauth", "mine")["result"]
    assert found["next"] == ["mailctl auth setup google --name mine", "mailctl auth login g"]
    assert secret(home, "g") == {"oauth": "mine"}
    home.ok("gateway", "edit", "g", "--oauth", "mine", "--encrypted")
    assert secret(home, "g") == {"oauth": "mine", "store": "encrypted"}
    shown = home.ok("gateway", "show", "g").out
    assert "login.secret\toauth: mine, tokens in the encrypted file" in shown
    assert "login.secret\toauth: mine" in home.ok("gateway", "edit", "g", "--oauth", "mine", "--dry-run").out
    home.ok("gateway", "edit", "g", "--oauth", "")
    assert secret(home, "g") == "oauth"


def test_tokens_may_be_in_the_encrypted_file_from_the_start(home: Cli) -> None:
    home.ok(*ADD, "--encrypted")
    assert secret(home) == {"oauth": "", "store": "encrypted"}


def test_a_server_without_a_preset_needs_a_name(home: Cli) -> None:
    home.ok("server", "add", "s", "--imap", "mail.example.org")
    arguments = ("gateway", "add", "g", "--server", "s", "--email", "g@example.org", "--secret", "oauth")
    assert home.json(*arguments)["result"]["next"][0] == "mailctl auth setup PROVIDER --name NAME"
    error = home.json("auth", "login", "g", code=4)["error"]
    assert error["code"] == "oauth_no_application"
    assert "--oauth NAME" in error["hint"]


def test_one_application_of_the_service_is_meant_whatever_its_name(home: Cli) -> None:
    home.ok(*ADD)
    home.ok("auth", "setup", "microsoft", "--name", "work", "--client-id", GUID)
    assert home.json("auth", "status", code=4)["result"][0]["application"] == "work"
    home.ok("auth", "setup", "microsoft", "--name", "home", "--client-id", GUID)
    (row,) = home.json("auth", "status", code=4)["result"]
    assert (row["state"], row["next"]) == ("not set up", "Choose: mailctl gateway edit o --oauth NAME")
    assert "could sign in by home, work" in row["message"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--oauth", "x", "--secret", "keyring"), "different things"),
        (("--oauth", "x", "--password-env", "X"), "--oauth says where"),
        (("--secret", "oauth", "--password-env", "X"), "--secret says where"),
        (("--oauth", "a/b"), "name of an application"),
        (("--test",), "before somebody has signed in"),
    ],
)
def test_what_is_refused(home: Cli, arguments: tuple[str, ...], words: str) -> None:
    done = home.run(*ADD, *arguments)
    assert (done.code, words in done.err) == (2, True), done.err
    assert home.json("gateway", "list")["result"] == []


def test_a_password_may_be_given_all_the_same(home: Cli) -> None:
    home.ok(*ADD, "--password-env", "X")
    assert secret(home) == {"env": "X"}


def test_E16_tokens_of_a_gateway_that_takes_a_password_are_forgotten(home: Cli) -> None:
    home.ok("auth", "setup", "microsoft", "--client-id", GUID)
    home.ok(*ADD)
    kept = {"version": 1, "access_token": "x", "client_id": GUID, "tenant": "common"}
    home.keyring.set("mailctl:o", "login:oauth", Secret(json.dumps(kept)))
    done = home.ok("gateway", "edit", "o", "--secret", "keyring", "--dry-run")
    assert "The tokens in the keyring would be removed" in done.err
    done = home.ok("gateway", "edit", "o", "--secret", "keyring")
    assert "The tokens in the keyring were removed, and not revoked" in done.err
    assert home.keyring.get("mailctl:o", "login:oauth").secret is None


def test_E16_a_gateway_is_not_removed_while_its_token_is_renewed(home: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    home.ok("auth", "setup", "microsoft", "--client-id", GUID)
    home.ok(*ADD)
    kept = {"version": 1, "access_token": "x", "refresh_token": "y", "client_id": GUID, "tenant": "common"}
    home.keyring.set("mailctl:o", "login:oauth", Secret(json.dumps(kept)))
    monkeypatch.setattr(tokens, "WAIT", 0.1)
    beside = Context(StringIO(), StringIO(), StringIO(), home.env, keyring=lambda: home.keyring).tokens
    with beside.held("o", LoginRole.LOGIN):
        error = home.run("gateway", "remove", "o", "--yes", "--json")
        assert json.loads(error.out)["error"]["code"] == "locked"
    assert home.keyring.get("mailctl:o", "login:oauth").secret
    done = home.ok("gateway", "remove", "o", "--yes")
    assert "not revoked" in done.err
    assert home.keyring.get("mailctl:o", "login:oauth").secret is None


def test_what_the_source_is_called(home: Cli) -> None:
    home.ok(*ADD, "--oauth", "mine")
    (row,) = home.json("gateway", "password", "source", "o")["result"]
    assert row["where"] == "OAuth tokens of the application mine, in the keyring"
    (row,) = home.json("gateway", "password", "check", "o", code=4)["result"]
    assert row["code"] == "oauth_no_application"
    home.ok("auth", "setup", "microsoft", "--name", "mine", "--client-id", GUID)
    (row,) = home.json("gateway", "password", "check", "o", code=4)["result"]
    assert row["code"] == "oauth_not_signed_in"
    error = home.json("test", "o", code=4)["error"]
    assert "mailctl auth login o" in error["hint"]


def test_config_check_names_the_application_that_is_missing(home: Cli) -> None:
    home.ok(*ADD, "--oauth", "mine")
    (problem,) = home.json("config", "check", code=3)["result"]["problems"]
    assert (problem["key"], problem["fix"]) == ("login.secret", "mailctl auth setup PROVIDER --name mine")


def test_the_command_that_is_named_sets_the_application_up(home: Cli) -> None:
    found = home.json(*ADD, "--oauth", "mine")["result"]["next"]
    assert found == ["mailctl auth setup microsoft --name mine", "mailctl auth login o"]
    (row,) = home.json("auth", "status", code=4)["result"]
    assert row["next"] == f"`{found[0]}` sets it up."
    home.ok(*found[0].split()[1:], "--client-id", GUID)
    assert home.json("auth", "status", code=4)["result"][0]["next"] == "mailctl auth login o"


def test_a_code_is_not_asked_for_where_it_can_not_serve(home: Cli) -> None:
    home.ok("auth", "setup", "google", "--client-id", "1-a.apps.googleusercontent.com", "--client-secret-env", "X")
    home.ok("gateway", "add", "g", "--server", "gmail", "--email", "g@gmail.com", "--secret", "oauth")
    error = home.json("auth", "login", "g", "--device", code=2)["error"]
    assert (error["code"], error["cause"]) == ("oauth_grant", "device_flow_not_allowed")
    assert "--no-browser" in error["hint"]


def test_the_preset_names_the_command(home: Cli) -> None:
    assert "`mailctl auth setup microsoft` walks through it" in home.ok("server", "presets", "outlook").out
    assert home.json("config", "path")["result"]["oauth"] == str(home.config / "oauth")
