"""`mailctl gateway add|list|show|edit`."""

import json
from pathlib import Path
from typing import Any

import pytest

from mailctl.config.gateways import SPEC
from mailctl.domain.gateway import LoginRole
from mailctl.domain.secret import Secret
from mailctl.errors import SecretError
from mailctl.secrets.keyring import WAYS_ON
from mailctl.secrets.memory import MemoryKeyring
from tests.cli.support import Cli

SECRET = "correct horse battery"


@pytest.fixture
def cli(cli: Cli) -> Cli:
    cli.ok("server", "add", "s", "--imap", "imap.example.org", "--smtp", "smtp.example.org")
    return cli


def add(cli: Cli, name: str, *more: str, server: str = "s", email: str = "", code: int = 0) -> Any:
    email = email or f"{name}@example.org"
    secret = [] if any(word.startswith(("--password", "--secret")) for word in more) else ["--secret", "keyring"]
    return cli.json("gateway", "add", name, "--server", server, "--email", email, *secret, *more, code=code)


def kept(cli: Cli) -> dict[tuple[str, str], str]:
    """What the keyring holds: (gateway, login) → password."""
    found = {}
    for service, user in cli.keyring.names:
        secret = cli.keyring.get(service, user).secret
        assert secret is not None
        found[service.removeprefix("mailctl:"), user] = secret.reveal()
    return found


def test_nothing_yet(cli: Cli) -> None:
    assert cli.json("gateway", "list")["result"] == []
    assert cli.json("gateway", "list", "--where", "name=x*")["result"] == []
    done = cli.ok("gateway", "list")
    assert (done.out, done.err) == ("", "No gateways; `mailctl gateway add` makes one.\n")


def test_every_field_is_an_option(cli: Cli, tmp_path: Path) -> None:
    arguments = [
        "--login", "me", "--password-command", "pass 'mail/x y'", "--smtp-login", "mee", "--smtp-password-env", "PW",
        "--owner", "anna", "--shared", "--display-name", "Änna [x]", "--reply-to", "r@example.org", "--order", "7",
        "--disabled", "--allow-plaintext", "--inbound", "--protocol", "pop3", "--mode", "mirror", "--folder", "INBOX",
        "--folder", "Été/*", "--no-keep-on-server", "--delete-after", "14d", "--mark-seen", "--propagate-deletes",
        "--since", "90d", "--max-per-run", "100", "--max-size", "25MB", "--interval", "5m",
        "--maildir", str(tmp_path / "m"),
        "--no-outbound", "--no-upload-sent", "--attachment-limit", "10MiB", "--daily-limit", "500",
    ]  # fmt: skip
    found = add(cli, "g", *arguments)["result"]
    assert found["gateway"]["gateway"] == {
        "name": "g", "server": "s", "email": "g@example.org",
        "login": {"user": "me", "secret": {"kind": "command", "argument": ["pass", "mail/x y"]}},
        "smtp_login": {"user": "mee", "secret": {"kind": "env", "argument": ["PW"]}},
        "owner": "anna", "shared": True, "display_name": "Änna [x]", "reply_to": "r@example.org", "order": 7,
        "enabled": False, "allow_plaintext": True,
        "inbound": {
            "enabled": True, "protocol": "pop3", "mode": "mirror", "folders": ["INBOX", "Été/*"],
            "keep_on_server": False, "delete_after": 14 * 86400, "mark_seen": True, "propagate_deletes": True,
            "since": "90d", "max_per_run": 100, "max_size": 25_000_000, "interval": 300, "maildir": str(tmp_path / "m"),
        },
        "outbound": {"enabled": False, "upload_sent": False, "attachment_limit": 10 << 20, "daily_limit": 500},
    }  # fmt: skip
    text = (cli.config / "gateways/g.toml").read_text()
    assert all(f"{key.rpartition('.')[2]} = " in text or "secret" in key for key in SPEC)
    assert cli.json("gateway", "show", "g")["result"] == found["gateway"]
    assert cli.json("gateway", "edit", "g", *arguments)["result"]["changed"] is False
    assert (cli.config / "gateways/g.toml").stat().st_mode & 0o777 == 0o600


def test_defaults(cli: Cli) -> None:
    found = add(cli, "g")["result"]["gateway"]
    assert found["gateway"]["login"] == {"user": "g@example.org", "secret": {"kind": "keyring", "argument": []}}
    assert (found["inbound"]["mode"], found["inbound"]["folders"], found["protocols"]) == (
        "archive",
        ["*"],
        ["imap", "smtp"],
    )
    assert found["maildir"] == str(cli.data / "mail/g")


def test_providers_decide_what_is_left_open(cli: Cli) -> None:
    cli.ok("server", "add", "gmail")
    assert add(cli, "g", server="gmail", email="g@gmail.com")["result"]["gateway"]["outbound"]["upload_sent"] is False
    assert add(cli, "h")["result"]["gateway"]["outbound"]["upload_sent"] is True
    (cli.config / "config.toml").write_text("[outbound]\nupload_sent = true\n[inbound]\nmax_size = '1MB'\n")
    found = cli.json("gateway", "show", "g")["result"]
    assert (found["outbound"]["upload_sent"], found["inbound"]["max_size"]) == (False, 1_000_000)


def test_oauth_and_app_passwords_are_announced(cli: Cli) -> None:
    cli.ok("server", "add", "gmail")
    cli.ok("server", "add", "outlook")
    done = cli.ok("gateway", "add", "g", "--server", "gmail", "--email", "g@gmail.com", "--password-stdin", stdin="x\n")
    assert "app password" in done.err
    done = cli.ok("gateway", "add", "o", "--server", "outlook", "--email", "o@outlook.com")
    assert "OAuth" in done.err
    assert cli.json("gateway", "show", "o")["result"]["gateway"]["login"]["secret"]["kind"] == "oauth"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["g"], 2, "--email"),
        (["g", "--email", "g@x.example"], 2, "--server"),
        (["g", "--email", "g", "--server", "s"], 2, "not an e-mail address"),
        (["g", "--email", "g@x.example", "--server", "z"], 3, "no server named 'z'"),
        (["g", "--email", "g@x.example", "--server", "gmail"], 3, "mailctl server add gmail"),
        (["a/b", "--email", "g@x.example", "--server", "s"], 2, "can't be the name"),
        (["g\n", "--email", "g@x.example", "--server", "s"], 2, "can't be the name"),
        (["g", "--email", "g@a\u05d0.example", "--server", "s", "--secret", "keyring"], 2, "internationalised"),
        (["g", "--email", "g@x.example", "--server", "s"], 2, "nobody to ask"),
        (["g", "--email", "g@x.example", "--server", "s", "--password-stdin"], 4, "empty"),
        (["g", "--email", "g@x.example", "--server", "s", "--secret", "hunter2"], 2, "hunter2"),
        (["g", "--email", "g@x.example", "--server", "s", "--secret", "keyring", "--password-env", "X"], 2, "--secret"),
        (["g", "--email", "g@x.example", "--server", "s", "--password-env", "A B"], 2, "environment variable"),
        (["g", "--email", "g@x.example", "--server", "s", "--secret", "keyring", "--interval", "soon"], 2, "'soon'"),
        (["g", "--email", "g@x.example", "--server", "s", "--secret", "keyring", "--interval", "0"], 2, "interval"),
        (["g", "--email", "g@x.example", "--server", "s", "--secret", "keyring", "--max-size", "big"], 2, "'big'"),
        (["g", "--email", "g@x.example", "--server", "s", "--secret", "keyring", "--since", "x"], 2, "'x'"),
        (["g", "--email", "g@x.example", "--server", "s", "--secret", "keyring", "--order", "x"], 2, "'x'"),
        (
            ["g", "--email", "g@x.example", "--server", "s", "--secret", "keyring", "--max-per-run", "0"],
            2,
            "max_per_run",
        ),
        (["g", "--email", "g@x.example", "--server", "s", "--secret", "keyring", "--owner", "a\nb"], 2, "control"),
        (["g", "--email", "g@x.example", "--server", "s", "--secret", "keyring", "--login", ""], 0, ""),
    ],
)
def test_what_is_refused(cli: Cli, arguments: list[str], code: int, words: str) -> None:
    done = cli.run("gateway", "add", *arguments)
    assert done.code == code, done.err
    assert words in done.err
    if code:
        assert cli.json("gateway", "add", *arguments, code=code)["result"] is None
        assert not list(cli.config.glob("gateways/*"))
        assert kept(cli) == {}


def test_a_name_twice(cli: Cli) -> None:
    add(cli, "g")
    assert add(cli, "g", code=3)["error"]["code"] == "exists"


def test_a_non_ascii_domain_is_kept_as_typed(cli: Cli) -> None:
    assert add(cli, "g", email="x@Bücher.example")["result"]["gateway"]["gateway"]["email"] == "x@Bücher.example"


def test_passwords_go_to_the_keyring_and_nowhere_else(cli: Cli) -> None:
    arguments = ["gateway", "add", "g", "--server", "s", "--email", "g@example.org", "--password-stdin"]
    done = cli.run(*arguments, "--smtp-login", "other", "--smtp-password-stdin", stdin=f"{SECRET}\nsecond\n")
    assert done.code == 0, done.err
    assert kept(cli) == {("g", LoginRole.LOGIN): SECRET, ("g", LoginRole.SMTP_LOGIN): "second"}
    files = "".join(path.read_text() for path in cli.home.rglob("*") if path.is_file())
    assert SECRET not in files + done.out + done.err
    cli.ok("gateway", "edit", "g", "--unset", "smtp_login")
    assert kept(cli) == {("g", LoginRole.LOGIN): SECRET}
    cli.ok("gateway", "edit", "g", "--password-env", "PW")
    assert kept(cli) == {}
    cli.run("gateway", "edit", "g", "--password-stdin", stdin="third\n")
    assert kept(cli) == {("g", LoginRole.LOGIN): "third"}


def test_without_a_keyring_the_way_to_add_it_is_named(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(self: MemoryKeyring, service: str, user: str, secret: Secret | None = None) -> str:
        raise SecretError("There is no keyring here", hint=WAYS_ON, code="keyring_none")

    monkeypatch.setattr(MemoryKeyring, "set", none)
    monkeypatch.setattr(MemoryKeyring, "delete", none)
    arguments = ["gateway", "add", "g", "--server", "s", "--email", "g@example.org"]
    done = cli.run(*arguments, "--password-stdin", stdin=f"{SECRET}\n")
    assert done.code == 4
    assert "not added" in done.err
    assert "--password-file PATH" in done.err
    assert "password source" not in done.err, "there is no gateway whose source could be changed"
    cli.ok(*arguments, "--password-env", "PW")


def test_one_password_for_two_logins(cli: Cli) -> None:
    arguments = ["gateway", "add", "g", "--server", "s", "--email", "g@example.org", "--smtp-login", "other"]
    cli.ok(*arguments, "--password-stdin", stdin=f"{SECRET}\n")
    assert kept(cli) == {("g", LoginRole.LOGIN): SECRET, ("g", LoginRole.SMTP_LOGIN): SECRET}


def test_a_dry_run_reads_no_password_and_saves_nothing(cli: Cli) -> None:
    found = add(cli, "g", "--dry-run", "--password-stdin")["result"]
    assert (found["dry_run"], found["changed"]) == (True, True)
    assert not (cli.config / "gateways").exists()
    add(cli, "g")
    assert cli.json("gateway", "edit", "g", "--owner", "x", "--dry-run")["result"]["changed"] is True
    assert cli.json("gateway", "show", "g")["result"]["gateway"]["owner"] == ""


def test_a_failed_test_saves_nothing(cli: Cli) -> None:
    cli.ok("server", "add", "dead", "--imap", "127.0.0.1:1", "--smtp", "127.0.0.1:1")
    arguments = ["gateway", "add", "g", "--server", "dead", "--email", "g@example.org", "--password-stdin", "--test"]
    done = cli.json(*arguments, stdin=f"{SECRET}\n", code=5)
    assert [check["cause"] for check in done["result"]["checks"]] == ["tcp_refused", "tcp_refused"]
    assert not (cli.config / "gateways").exists()
    assert kept(cli) == {}
    shown = cli.run(*arguments, stdin=f"{SECRET}\n")
    assert shown.code == 5
    assert "Nothing was saved" in shown.err
    add(cli, "h")
    before = (cli.config / "gateways/h.toml").read_text()
    assert cli.run("gateway", "edit", "h", "--server", "dead", "--test", "--password-env", "X").code != 0
    assert (cli.config / "gateways/h.toml").read_text() == before


def test_edit_and_unset(cli: Cli) -> None:
    add(cli, "g", "--since", "90d", "--max-size", "1MB", "--owner", "anna", "--maildir", "mail")
    path = cli.config / "gateways/g.toml"
    path.write_text("# anna's\n" + path.read_text() + "# the end\n")
    done = cli.ok("gateway", "edit", "g", "--unset", "since", "--unset", "owner", "--unset", "inbound.maildir")
    assert f"{path}~" in done.err
    found = cli.json("gateway", "show", "g")["result"]["gateway"]
    assert (found["inbound"]["since"], found["inbound"]["max_size"], found["owner"]) == (None, 1_000_000, "")
    assert path.read_text().startswith("# anna's\n")
    assert cli.run("gateway", "edit", "g", "--unset", "inbound").code == 2
    assert cli.run("gateway", "edit", "g", "--unset", "sinc").code == 2
    assert cli.run("gateway", "edit", "g", "--server", "nowhere").code == 3
    assert cli.run("gateway", "edit", "nobody", "--owner", "x").code == 3
    assert "'g'" in cli.run("gateway", "show", "gg").err


def test_list_sorts_and_filters(cli: Cli) -> None:
    cli.ok("server", "add", "pop", "--pop3", "p.example")
    add(cli, "c", "--order", "5", "--owner", "Anna")
    add(cli, "b", "--disabled", "--login", "bea")
    add(cli, "a", "--shared", server="pop")
    cli.ok("gateway", "default", "b")
    rows = cli.json("gateway", "list")["result"]
    assert [row["name"] for row in rows] == ["c", "a", "b"]
    assert rows[1] == {
        "name": "a", "email": "a@example.org", "server": "pop", "owner": "", "shared": True, "login": "a@example.org",
        "protocols": ["pop3"], "enabled": True, "order": 100, "default": False, "problem": "",
    }  # fmt: skip
    assert cli.ok("gateway", "list").rows[0] == ["c", "c@example.org", "s", "Anna", "imap,smtp", "yes", "5"]
    for where, names in {
        "name=[ab]": "ab", "owner=anna": "c", "address=*@example.org": "cab", "server=p*": "a", "login=bea": "b",
        "port=995": "a", "port=99*": "cab", "enabled=no": "b", "enabled=true": "ca", "name=": "",
    }.items():  # fmt: skip
        assert "".join(row["name"] for row in cli.json("gateway", "list", "--where", where)["result"]) == names, where
    both = cli.json("gateway", "list", "--where", "server=s", "--where", "enabled=yes")["result"]
    assert [row["name"] for row in both] == ["c"]
    for where in ("nme=x", "name", "x=y=z"):
        assert cli.run("gateway", "list", "--where", where).code == 2
    assert "name=" in cli.run("gateway", "list", "--where", "nme=x").err


def test_a_broken_file_is_a_warning_to_the_rest(cli: Cli) -> None:
    add(cli, "good")
    (cli.config / "gateways/bad.toml").write_text('server = "s"\nemial = "x@\x1b"\n'.replace("\x1b", "\\u001b"))
    (cli.config / "gateways/lost.toml").write_text('server = "gone"\nemail = "x@y.example"\n')
    done = cli.ok("gateway", "list", "--json")
    assert [row["name"] for row in json.loads(done.out)["result"]] == ["good", "lost"]
    assert "bad.toml: emial: unknown key" in done.err
    assert "'gone'" in done.err
    assert cli.run("gateway", "show", "bad").code == 3
    assert cli.run("gateway", "show", "lost").code == 3


def test_limits(cli: Cli) -> None:
    text = '[limits]\ngateways_per_owner = 2\nallowed_domains = ["example.org", "*.example.org"]\n'
    (cli.config / "config.toml").write_text(text)
    assert "not among the allowed ones" in add(cli, "x", email="x@example.com", code=3)["error"]["message"]
    add(cli, "x", email="x@deep.EXAMPLE.org")
    for name in ("a", "b"):
        add(cli, name, "--owner", "anna")
    assert add(cli, "c", "--owner", "anna", code=3)["error"]["code"] == "limit"
    add(cli, "c", "--owner", "anna", "--shared")
    add(cli, "d", "--owner", "ann")
    refused = cli.json("gateway", "edit", "c", "--no-shared", code=3)["error"]
    assert refused["message"] == "Not allowed: anna has 2 gateways already, and may have 2"
    assert cli.json("gateway", "edit", "d", "--owner", "anna", code=3)["error"]["code"] == "limit"
    cli.ok("gateway", "edit", "a", "--order", "3")
    cli.ok("gateway", "edit", "a", "--owner", "berta")
    cli.ok("gateway", "edit", "c", "--no-shared")
    (cli.config / "config.toml").write_text("[limits]\ngateways_per_owner = 0\nallowed_domains = ['other.example']\n")
    cli.ok("gateway", "edit", "a", "--order", "4")  # what was allowed once can still be looked after
    assert len(cli.json("config", "check", code=3)["result"]["problems"]) == 8


def test_a_gateway_without_its_server_is_shown_as_broken(cli: Cli) -> None:
    for name in ("a", "b", "c"):
        cli.ok("gateway", "add", name, "--server", "s", "--email", "x@example.org", "--secret", "keyring")
    for name in ("a", "b"):
        file = cli.config / f"gateways/{name}.toml"
        file.write_text(file.read_text().replace('"s"', '"nosuch"'))
    listed = cli.json("gateway", "list")["result"]
    assert [(row["name"], row["problem"]) for row in listed] == [
        ("a", "There is no server named 'nosuch'"),
        ("b", "There is no server named 'nosuch'"),
        ("c", ""),
    ]
    done = cli.run("gateway", "list", terminal=True)
    assert "There is no server named 'nosuch'; so this can't be used: a, b" in " ".join(done.err.split())
    assert done.out.count("broken") == 2
    assert [row[4] for row in cli.ok("gateway", "list").rows] == ["", "", "imap,smtp"]


def test_add_says_what_it_made_in_few_lines(cli: Cli) -> None:
    made = cli.ok("server", "add", "t", "--imap", "h", "--smtp", "h").rows
    assert [row[0] for row in made] == ["name", "imap", "smtp", "file"]
    made = cli.ok("gateway", "add", "g", "--server", "t", "--email", "x@example.org", "--password-env", "PW").rows
    assert [row[0] for row in made] == ["name", "server", "email", "protocols", "login.user", "login.secret", "file"]
    assert made[5][1] == "env: PW"
    shown = [row[0] for row in cli.ok("gateway", "edit", "g", "--interval", "5m").rows]
    assert "inbound.interval" in shown


def test_an_empty_folder_is_told_as_such(cli: Cli) -> None:
    cli.ok("gateway", "add", "g", "--server", "s", "--email", "x@example.org", "--secret", "keyring")
    error = cli.json("gateway", "edit", "g", "--folder", "", code=2)["error"]
    assert error["message"] == "inbound.folders: each item must be text that isn't empty"


def test_what_this_version_does_not_do_is_said_when_it_is_saved(cli: Cli) -> None:
    cli.ok("gateway", "add", "g", "--server", "s", "--email", "g@example.org", "--secret", "keyring")
    assert "mirror" not in cli.ok("gateway", "edit", "g", "--mode", "mirror").err
    assert "mark_seen mean nothing" in cli.ok("gateway", "edit", "g", "--mark-seen").err
    assert "POP3 has no mirror mode" in cli.ok("gateway", "edit", "g", "--protocol", "pop3").err
