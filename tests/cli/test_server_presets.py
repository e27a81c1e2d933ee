"""`server presets`, and `server discover` where it needs no network."""

import json

import pytest

from tests.cli.support import Cli


def test_table_of_all(cli: Cli) -> None:
    done = cli.ok("server", "presets")
    assert len(done.rows) == 140
    assert [
        "gmail",
        "Gmail",
        "app password",
        "imap.gmail.com:993",
        "pop.gmail.com:995",
        "smtp.gmail.com:465",
    ] in done.rows
    rows = cli.json("server", "presets")["result"]
    assert len(rows) == 140
    assert next(row for row in rows if row["id"] == "outlook")["sign_in"] == "oauth"


def test_search(cli: Cli) -> None:
    assert [row["id"] for row in cli.json("server", "presets", "--search", "rambler")["result"]] == ["rambler"]
    assert cli.json("server", "presets", "--search", "nothing like it")["result"] == []
    assert "discover" in cli.ok("server", "presets", "--search", "nothing like it").err


@pytest.mark.parametrize("preset", ["gmail", "outlook", "hotmail-pop-legacy", "hey", "cpanel", "selfhosted", "ses"])
def test_one_in_full(cli: Cli, preset: str) -> None:
    plain, screen = cli.ok("server", "presets", preset), cli.run("server", "presets", preset, terminal=True)
    assert screen.code == 0
    full = cli.json("server", "presets", preset)["result"]
    assert full["provider"]["name"] in screen.out
    assert full["provider"]["as_of"] in plain.out
    for sentence in full["advice"]:
        assert sentence in plain.out
    assert bool(full["unusable"]) == (preset in ("hey", "cpanel", "selfhosted", "ses"))
    assert bool(full["oauth"]) == (preset in ("gmail", "outlook", "hotmail-pop-legacy"))


def test_bad_input(cli: Cli) -> None:
    assert "'gmail'" in cli.run("server", "presets", "gmial").err
    assert cli.run("server", "presets", "gmial").code == 3
    assert cli.run("server", "presets", "gmail", "--search", "x").code == 2
    assert cli.run("server", "discover", "no-address").code == 2
    assert cli.run("server", "discover", "x@gmail.com", "--timeout", "0").code == 2
    assert cli.run("server", "discover", "x@gmail.com", "--save", "../x").code == 2


def test_a_known_domain_needs_no_network(cli: Cli) -> None:
    cli.config.mkdir(parents=True)
    (cli.config / "config.toml").write_text('nameserver = "127.0.0.1:1"\n')
    found = cli.json("server", "discover", "someone@gmail.com", "--save", "g")["result"]
    assert found["asked"] == []
    assert found["provider"] == "gmail"
    assert 'provider = "gmail"' in (cli.config / "servers/g.toml").read_text()
    done = cli.run("server", "discover", "someone@outlook.com")
    assert "OAuth" in done.err
    failed = json.loads(cli.run("server", "discover", "x@tuta.com", "--json").out)
    assert failed["error"]["code"] == "no_mail_service"
    assert failed["error"]["exit_code"] == 3
