"""`mailctl server add|list|show|edit|rename|remove`."""

from pathlib import Path

import pytest

from tests.cli.support import Cli

PRINT = "ab" * 32


def test_nothing_yet(cli: Cli) -> None:
    assert cli.json("server", "list")["result"] == []
    done = cli.ok("server", "list")
    assert (done.out, done.err) == ("", "No servers; `mailctl server add` makes one.\n")
    assert not cli.config.exists()


def test_a_preset_by_its_name_alone(cli: Cli) -> None:
    done = cli.ok("server", "add", "gmail")
    assert ["imap", "imap.gmail.com:993 tls"] in done.rows
    assert "app password" in done.err
    assert "https://myaccount.google.com/apppasswords" in done.err
    assert 'provider = "gmail"' in (cli.config / "servers/gmail.toml").read_text()


@pytest.mark.parametrize(("preset", "words"), [("outlook", "OAuth"), ("yahoo", "app password")])
def test_what_a_provider_needs_is_said_at_once(cli: Cli, preset: str, words: str) -> None:
    assert words in cli.ok("server", "add", "x", "--preset", preset).err
    advice = cli.json("server", "add", "y", "--preset", preset)["result"]["advice"]
    assert any(words in sentence for sentence in advice)


def test_by_hand(cli: Cli) -> None:
    found = cli.json(
        "server", "add", "s",
        "--imap", "imap.example.org", "--pop3", "[::1]:110", "--smtp", "bücher.example", "--smtp-security", "starttls",
        "--fingerprint", f"SHA256:{PRINT.upper()}", "--minimum-tls", "1.3",
    )["result"]  # fmt: skip
    assert [(e["protocol"], e["host"], e["port"], e["security"]) for e in found["server"]["endpoints"]] == [
        ("imap", "imap.example.org", 993, "tls"),
        ("pop3", "::1", 110, "starttls"),
        ("smtp", "bücher.example", 587, "starttls"),
    ]
    assert found["server"]["certificate"]["fingerprints"] == [PRINT]
    shown = cli.json("server", "show", "s")["result"]
    assert shown == found["server"] | {"gateways": 0}
    assert ["pop3", "[::1]:110 starttls"] in cli.ok("server", "show", "s").rows


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["s"], 2, "--imap HOST"),
        (["gmial"], 2, "'gmail'"),
        (["s", "--preset", "gmial"], 3, "'gmail'"),
        (["s", "--imap", "h:0"], 2, "'0' is not a port"),
        (["s", "--imap", "h:70000"], 2, "'70000' is not a port"),
        (["s", "--imap", "h:"], 2, "no port"),
        (["s", "--imap", "imaps://h"], 2, "scheme"),
        (["s", "--imap", "a b"], 2, "not a host name"),
        (["s", "--imap", "a\r\nb"], 2, "not a host name"),
        (["s", "--imap", "\u200d.example"], 2, "not a host name"),
        (["s", "--imap", "ü-.example"], 2, "internationalised"),
        (["s", "--imap", "h", "--no-imap"], 2, "contradicts"),
        (["s", "--imap", "h", "--smtp-security", "tls"], 2, "needs an endpoint"),
        (["s", "--imap", "h", "--imap-security", "ssl"], 2, "'ssl'"),
        (["s", "--imap", "h", "--fingerprint", "sha256:12"], 2, "fingerprint"),
        (["s", "--imap", "h", "--minimum-tls", "1.1"], 2, "1.2, 1.3"),
        (["s", "--imap", "h", "--ca-file", "none.pem"], 2, "No such file"),
        (["a/b", "--imap", "h"], 2, "can't be the name"),
        (["a\x1b[31mb", "--imap", "h"], 2, "can't be the name"),
        (["..", "--imap", "h"], 2, "can't be the name"),
        (["hey"], 2, ""),
        (["selfhosted"], 2, "domain"),
    ],
)
def test_what_is_refused(cli: Cli, arguments: list[str], code: int, words: str) -> None:
    done = cli.run("server", "add", *arguments)
    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert "\x1b" not in done.err
    assert cli.json("server", "add", *arguments, code=code)["result"] is None
    assert not list(cli.config.glob("servers/*"))


def test_a_name_twice(cli: Cli) -> None:
    cli.ok("server", "add", "gmail")
    assert cli.json("server", "add", "gmail", code=3)["error"]["code"] == "exists"


def test_dry_run_saves_nothing(cli: Cli) -> None:
    found = cli.json("server", "add", "gmail", "--dry-run")["result"]
    assert (found["dry_run"], found["changed"], found["server"]["provider"]) == (True, True, "gmail")
    assert not cli.config.exists()
    cli.ok("server", "add", "gmail")
    before = (cli.config / "servers/gmail.toml").read_text()
    cli.ok("server", "edit", "gmail", "--no-pop3", "--dry-run")
    cli.ok("server", "rename", "gmail", "g", "--dry-run")
    cli.ok("server", "remove", "gmail", "--dry-run")
    assert (cli.config / "servers/gmail.toml").read_text() == before


def test_edit(cli: Cli, tmp_path: Path) -> None:
    cli.ok("server", "add", "s", "--imap", "h", "--smtp", "h")
    ca = tmp_path / "ca.pem"
    ca.write_text("-----BEGIN CERTIFICATE-----\n")
    cli.ok("server", "edit", "s", "--imap-security", "starttls", "--no-smtp", "--pop3", "p:1100", "--ca-file", str(ca))
    found = cli.json("server", "show", "s")["result"]
    assert [(e["protocol"], e["port"], e["security"]) for e in found["endpoints"]] == [
        ("imap", 143, "starttls"),
        ("pop3", 1100, "tls"),
    ]
    assert found["certificate"]["ca_file"] == str(ca)
    again = cli.json("server", "edit", "s", "--no-smtp", "--imap-security", "starttls", "--ca-file", "")["result"]
    assert (again["changed"], again["server"]["certificate"]["ca_file"]) == (True, None)
    assert cli.json("server", "edit", "s", "--no-smtp")["result"]["changed"] is False
    assert cli.run("server", "edit", "s", "--no-imap", "--no-pop3").code == 2
    assert cli.run("server", "edit", "t", "--no-imap").code == 3


def test_unverified_certificates_warn_at_each_use(cli: Cli) -> None:
    assert "not checked" in cli.ok("server", "add", "s", "--imap", "h", "--no-verify-certificate").err
    assert "not checked" in cli.ok("server", "show", "s").err
    assert "not checked" in cli.ok("server", "edit", "s", "--smtp", "h").err
    assert "not checked" not in cli.ok("server", "edit", "s", "--verify-certificate").err
    assert "not encrypted" in cli.ok("server", "edit", "s", "--imap-security", "none").err


@pytest.mark.parametrize(
    "command",
    [
        ("gateway", "edit", "g", "--order", "7"),
        ("gateway", "disable", "g"),
        ("gateway", "move", "g", "--after", "h"),
        ("gateway", "password", "source", "g", "--password-env", "OTHER"),
        ("server", "rename", "s", "t"),
    ],
)
def test_comments_that_a_rewrite_loses_are_told_of_always(cli: Cli, command: tuple[str, ...]) -> None:
    cli.ok("server", "add", "s", "--imap", "imap.example.org")
    for name in ("g", "h"):
        cli.ok("gateway", "add", name, "--server", "s", "--email", f"{name}@example.org", "--password-env", "PW")
    path = cli.config / "gateways/g.toml"
    path.write_text(path.read_text() + "# precious\n")
    done = cli.run(*command, "--quiet", "--json")
    assert done.code == 0
    assert f"warning: Comments in {path} were lost; the old file is kept as {path}~" in done.err
    assert "# precious" in path.with_name("g.toml~").read_text()


def test_use_rename_remove(cli: Cli) -> None:
    for name in ("a", "b"):
        cli.ok("server", "add", name, "--imap", "h")
    for name in ("g", "h"):
        cli.ok("gateway", "add", name, "--server", "a", "--email", f"{name}@x.example", "--secret", "keyring")
    assert [row[0] + row[-1] for row in cli.ok("server", "list").rows] == ["a2", "b0"]
    assert [row["name"] for row in cli.json("server", "list", "--in-use")["result"]] == ["a"]
    assert [row["name"] for row in cli.json("server", "list", "--unused")["result"]] == ["b"]
    assert cli.run("server", "list", "--unused", "--in-use").code == 2
    refused = cli.json("server", "remove", "a", "--yes", code=3)["error"]
    assert refused["code"] == "in_use"
    assert "g, h" in refused["message"]
    assert cli.json("server", "rename", "a", "c")["result"]["gateways"] == ["g", "h"]
    assert cli.json("server", "show", "c")["result"]["names"] == ["g", "h"]
    assert cli.run("server", "rename", "c", "b").code == 3
    assert cli.run("server", "rename", "c", "x/y").code == 2
    assert cli.json("server", "remove", "b", "--yes")["result"]["removed"] is True
    assert "'c'" not in cli.run("server", "remove", "b", "--yes").err
    assert cli.run("server", "remove", "b", "--yes").code == 3


def test_remove_asks_who_is_there(cli: Cli) -> None:
    cli.ok("server", "add", "s", "--imap", "h")
    assert cli.run("server", "remove", "s", stdin="n\n", terminal=True).code == 0
    assert (cli.config / "servers/s.toml").exists()
    cli.run("server", "remove", "s", stdin="y\n", terminal=True)
    assert not (cli.config / "servers/s.toml").exists()


def test_a_template_is_filled_in(cli: Cli) -> None:
    presets = [row["id"] for row in cli.json("server", "presets")["result"]]
    assert "cpanel" in presets
    found = cli.json("server", "add", "s", "--preset", "cpanel", "--domain", "shop.example")["result"]
    assert {endpoint["host"] for endpoint in found["server"]["endpoints"]} == {"mail.shop.example"}


def test_the_oldest_tls_that_the_limits_allow(cli: Cli) -> None:
    cli.config.mkdir(parents=True)
    (cli.config / "config.toml").write_text('[limits]\nminimum_tls = "1.3"\n')
    assert cli.json("server", "add", "s", "--imap", "h", "--minimum-tls", "1.2", code=3)["error"]["code"] == "limit"
    cli.ok("server", "add", "s", "--imap", "h")


def test_a_broken_server_is_a_warning(cli: Cli) -> None:
    cli.ok("server", "add", "s", "--imap", "h")
    (cli.config / "servers/b.toml").write_text('[imap]\nhots = "\x1b[31m"\n'.replace("\x1b", "\\u001b"))
    done = cli.ok("server", "list")
    assert [row[0] for row in done.rows] == ["s"]
    assert "b.toml: imap.hots: unknown key" in done.err
    assert cli.run("server", "show", "b").code == 3
