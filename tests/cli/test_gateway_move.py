"""`mailctl gateway rename|remove|enable|disable|default|move`."""

import fcntl
import os
import re
from pathlib import Path

import pytest

from mailctl.errors import StorageError
from tests.cli.support import Cli, TerminalIO
from tests.cli.test_gateway import kept


@pytest.fixture
def cli(cli: Cli) -> Cli:
    """Two gateways with passwords, state, mail, and a log."""
    cli.ok("server", "add", "s", "--imap", "127.0.0.1:1")
    for name in ("g", "h"):
        cli.ok(
            "gateway", "add", name, "--server", "s", "--email", f"{name}@example.org",
            "--smtp-login", "x", "--password-stdin", stdin=f"password of {name}\n",
        )  # fmt: skip
        for path in (cli.data / "mail" / name / "INBOX/cur/1", cli.state / "sync" / f"{name}.db"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
    cli.run("test", "g", "--imap")
    return cli


def everything(cli: Cli) -> set[str]:
    """Paths of all files but locks and the log."""
    found = (path.relative_to(cli.home) for path in cli.home.rglob("*") if path.is_file())
    return {str(path) for path in found if path.suffix != ".lock" and not re.match(r"\.lock|journal\.db", path.name)}


HOME_OF_H = {
    ".config/mailctl/servers/s.toml",
    ".config/mailctl/gateways/h.toml",
    ".local/share/mailctl/mail/h/INBOX/cur/1",
    ".local/state/mailctl/sync/h.db",
}


def home_of(name: str) -> set[str]:
    return {path.replace("/h/", f"/{name}/").replace("/h.", f"/{name}.") for path in HOME_OF_H} | HOME_OF_H


def test_E16_rename_leaves_no_orphan(cli: Cli) -> None:
    cli.ok("gateway", "default", "g")
    assert cli.json("gateway", "rename", "g", "n", "--dry-run")["result"] == {"old": "g", "new": "n", "dry_run": True}
    assert everything(cli) == home_of("g") | {".config/mailctl/default-gateway"}
    assert cli.json("gateway", "rename", "g", "n")["result"]["new"] == "n"
    assert everything(cli) == home_of("n") | {".config/mailctl/default-gateway"}
    roles = ("login", "smtp_login")
    wanted = {("n", role): "password of g" for role in roles} | {("h", role): "password of h" for role in roles}
    assert kept(cli) == wanted
    assert cli.json("gateway", "default")["result"]["gateway"] == "n"
    assert {event["gateway"] for event in cli.json("log", "show")["result"]} == {"n"}


FAULTS = {
    "copy": "mailctl.secrets.store.SecretStore.copy",
    "rename": "mailctl.config.files.rename",
    "move": "mailctl.cli.gateway_files.move",
    "journal": "mailctl.journal.store.Journal.rename_gateway",
}


@pytest.mark.parametrize("failing", FAULTS)
def test_E16_a_rename_that_fails_changes_nothing(cli: Cli, failing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise StorageError("No space left on device")

    secrets = kept(cli)
    with monkeypatch.context() as patched:
        patched.setattr(FAULTS[failing], fail)
        assert cli.json("gateway", "rename", "g", "n", code=10)["error"]["message"] == "No space left on device"
    assert everything(cli) == home_of("g")
    assert kept(cli) == secrets
    assert cli.json("config", "check")["ok"]
    assert {event["gateway"] for event in cli.json("log", "show")["result"]} == {"g"}
    cli.ok("gateway", "edit", "g", "--order", "3")


def test_E16_a_log_or_a_folder_in_the_way_does_not_lock_a_gateway(cli: Cli) -> None:
    in_the_way = cli.state / "sync" / "n.db"
    in_the_way.mkdir()
    assert "Is a directory" in cli.run("gateway", "rename", "g", "n").err
    in_the_way.rmdir()
    assert everything(cli) == home_of("g")
    log = cli.state / "journal.db"
    for path in cli.state.glob("journal.db*"):
        path.unlink()
    log.write_text("garbage" * 100)
    assert cli.json("gateway", "rename", "g", "n", code=10)["error"]["code"] == "journal_unusable"
    assert everything(cli) == home_of("g")
    cli.ok("gateway", "show", "g")
    log.unlink()
    cli.ok("gateway", "rename", "g", "n")
    assert everything(cli) == home_of("n")


@pytest.mark.parametrize("opposite", [False, True])
@pytest.mark.parametrize("killed", [*FAULTS, "forget"])
def test_E16_an_interrupted_rename_is_finished_by_running_it_again_or_undone_by_the_opposite(
    cli: Cli, killed: str, opposite: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr({**FAULTS, "forget": "mailctl.secrets.store.SecretStore.forget"}[killed], kill)
        assert cli.run("gateway", "rename", "g", "n").code == 130
    refused = cli.json("gateway", "show", "g", code=3)["error"]
    assert refused["hint"].startswith("If it was interrupted, finish it: mailctl gateway rename g n")
    assert cli.run("gateway", "remove", "n", "--yes").code == 3
    assert cli.run("gateway", "add", "n", "--server", "s", "--email", "n@x.example", "--secret", "keyring").code == 3
    assert cli.run("gateway", "rename", "h", "i").code == 3
    assert cli.run("config", "check").code == 3
    name = "g" if opposite else "n"
    cli.ok("gateway", "rename", *(["n", "g"] if opposite else ["g", "n"]))
    assert everything(cli) == home_of(name)
    assert kept(cli) == {
        (each, role): f"password of {'g' if each == name else 'h'}"
        for each in (name, "h")
        for role in ("login", "smtp_login")
    }
    assert {event["gateway"] for event in cli.json("log", "show")["result"]} == {name}
    assert cli.run("config", "check").code == 0


def test_what_a_gateway_can_not_be_renamed_to(cli: Cli) -> None:
    assert cli.json("gateway", "rename", "g", "h", code=3)["error"]["code"] == "exists"
    assert cli.run("gateway", "rename", "g", "../h").code == 2
    assert cli.run("gateway", "rename", "nobody", "n").code == 3
    (cli.data / "mail" / "kept").mkdir()
    assert "mail of another gateway" in cli.run("gateway", "rename", "g", "kept").err
    assert everything(cli) == home_of("g")


def test_G9_a_gateway_that_is_being_synced_stays(cli: Cli) -> None:
    with open(cli.state / "sync" / "g.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for arguments in (["rename", "g", "n"], ["remove", "g", "--yes"]):
            assert cli.json("gateway", *arguments, code=10)["error"]["code"] == "locked"
    os.unlink(cli.state / "sync" / "g.lock")
    assert everything(cli) == home_of("g")


def test_E16_remove_leaves_no_secret_but_the_mail(cli: Cli) -> None:
    cli.ok("gateway", "default", "g")
    planned = cli.json("gateway", "remove", "g", "--dry-run")["result"]
    assert (planned["removed"], planned["mail"]) == (False, str(cli.data / "mail/g"))
    removed = cli.json("gateway", "remove", "g", "--yes")["result"]
    assert removed["removed"] is True
    assert removed["secrets"] == ["login", "smtp_login"]
    assert everything(cli) == HOME_OF_H | {".local/share/mailctl/mail/g/INBOX/cur/1"}
    assert {name for name, _ in kept(cli)} == {"h"}
    assert "stays in" in cli.ok("gateway", "remove", "h", "--yes").err
    assert cli.json("gateway", "remove", "h", code=3)["error"]["code"] == "not_found"


def test_deleting_mail_asks(cli: Cli) -> None:
    refused = cli.json("gateway", "remove", "g", "--delete-mail", code=2)["error"]
    assert refused["code"] == "no_input"
    assert cli.run("gateway", "remove", "g", "--delete-mail", stdin="n\n", terminal=True).code == 0
    assert everything(cli) == home_of("g")
    assert cli.run("gateway", "remove", "g", "--delete-mail", stdin="y\n", terminal=True).code == 0
    assert everything(cli) == HOME_OF_H
    assert cli.json("gateway", "remove", "h", "--delete-mail", "--yes")["result"]["mail_deleted"] is True
    assert everything(cli) == {".config/mailctl/servers/s.toml"}


@pytest.mark.parametrize(
    "words", [["gateway", "remove", "g"], ["gateway", "remove", "g", "--delete-mail"], ["server", "remove", "t"]]
)
def test_a_question_that_nobody_can_be_asked_is_an_error(cli: Cli, words: list[str]) -> None:
    cli.ok("server", "add", "t", "--imap", "127.0.0.1:1")
    for more in ({}, {"terminal": True}):
        refused = cli.run(*words, "--no-input", stdin="y\n", **more)
        assert (refused.code, "Add --yes" in refused.err) == (2, True)
    assert cli.json(*words, code=2)["error"]["code"] == "no_input"
    assert cli.json(*words, "--dry-run")["ok"]
    assert cli.json(*words, "--no-input", "--yes")["result"]["removed"] is True


def test_an_interrupted_question_ends_its_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: TerminalIO, size: int = -1) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(TerminalIO, "readline", interrupt)
    done = cli.run("gateway", "remove", "g", terminal=True)
    assert done.code == 130
    assert "[y/N] \n" in done.err
    assert everything(cli) == home_of("g")


def test_C5_a_question_shows_what_would_act_on_the_terminal(cli: Cli) -> None:
    odd = cli.home / "mail\u202egpj.exe"
    odd.mkdir()
    cli.ok("gateway", "edit", "g", "--maildir", str(odd))
    asked = cli.run("gateway", "remove", "g", "--delete-mail", stdin="n\n", terminal=True)
    assert "mail\\u202egpj.exe? [y/N] " in asked.err
    assert "\u202e" not in asked.out + asked.err


@pytest.mark.parametrize("place", ["~/", ".", "mail-of-h", "link", "file"])
def test_D5_only_its_own_mail_is_deleted(cli: Cli, place: str, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "precious").touch()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "file").touch()
    maildir = str(cli.data / "mail/h") if place == "mail-of-h" else place if place == "~/" else str(tmp_path / place)
    cli.ok("gateway", "edit", "g", "--maildir", maildir)
    assert cli.json("gateway", "remove", "g", "--delete-mail", "--yes", code=11)["error"]["code"] == "safety"
    assert (tmp_path / "real" / "precious").exists()
    assert (cli.config / "gateways/g.toml").exists()


def test_a_broken_gateway_can_be_removed(cli: Cli) -> None:
    (cli.config / "gateways/g.toml").write_text("=")
    cli.ok("gateway", "remove", "g", "--yes")
    assert {name for name, _ in kept(cli)} == {"h"}
    assert not (cli.config / "gateways/g.toml").exists()


def test_enable_and_disable(cli: Cli) -> None:
    done = cli.json("gateway", "disable", "g", "h", "g")["result"]
    assert [(each["gateway"], each["enabled"], each["changed"]) for each in done] == [
        ("g", False, True),
        ("h", False, True),
    ]
    assert cli.json("gateway", "enable", "g", "--dry-run")["result"][0]["changed"] is True
    assert cli.json("gateway", "disable", "g")["result"][0]["changed"] is False
    assert cli.run("gateway", "enable", "g", "nobody").code == 3
    assert cli.json("gateway", "list", "--where", "enabled=yes")["result"] == []
    cli.ok("gateway", "enable", "g")
    assert [row["name"] for row in cli.json("gateway", "list", "--where", "enabled=yes")["result"]] == ["g"]


def test_an_only_gateway_is_meant_where_none_is_named(cli: Cli) -> None:
    for word in ("show", "default"):
        assert cli.run("gateway", word).code == (2 if word == "show" else 0)
    assert cli.json("sync", code=2)["error"]["code"] == "no_name"
    assert "Name one of g, h" in cli.run("sync").err
    cli.ok("gateway", "remove", "h", "--yes")
    assert cli.json("gateway", "show")["result"]["name"] == "g"
    assert "the only gateway is meant" in cli.ok("gateway", "default").err
    assert cli.json("sync", "--dry-run", code=5)["result"]["gateways"][0]["gateway"] == "g"
    cli.ok("gateway", "disable", "g")
    for command in ("sync", "watch"):
        assert cli.json(command, code=3)["error"]["code"] == "disabled"
    cli.ok("gateway", "remove", "g", "--yes")
    assert "There is none yet" in cli.json("sync", code=2)["error"]["hint"]


def test_default(cli: Cli) -> None:
    assert cli.json("gateway", "default")["result"]["gateway"] == ""
    assert "No default gateway" in cli.ok("gateway", "default").err
    assert cli.run("gateway", "show").code == 2
    assert cli.run("gateway", "default", "nobody").code == 3
    cli.ok("gateway", "default", "h", "--dry-run")
    assert cli.ok("gateway", "default").out == ""
    cli.ok("gateway", "default", "h")
    assert cli.ok("gateway", "default").rows == [["h"]]
    assert cli.json("gateway", "show")["result"]["name"] == "h"
    assert cli.run("gateway", "default", "h", "--none").code == 2
    cli.ok("gateway", "default", "--none")
    assert cli.json("gateway", "default")["result"]["gateway"] == ""


def test_move(cli: Cli) -> None:
    assert cli.json("gateway", "move", "h", "--before", "g", "--dry-run")["result"]["orders"] == {"h": 90}
    assert cli.json("gateway", "move", "h", "--before", "g")["result"]["orders"] == {"h": 90}
    assert [row["name"] for row in cli.json("gateway", "list")["result"]] == ["h", "g"]
    assert cli.json("gateway", "move", "h", "--before", "g")["result"]["orders"] == {}
    cli.ok("gateway", "move", "h", "--after", "g")
    assert [row["name"] for row in cli.json("gateway", "list")["result"]] == ["g", "h"]
    for arguments in (["h"], ["h", "--before", "h"], ["h", "--before", "g", "--after", "g"]):
        assert cli.run("gateway", "move", *arguments).code == 2
    assert cli.run("gateway", "move", "h", "--after", "nobody").code == 3
