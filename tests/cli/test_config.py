"""`mailctl config path|check`, and what a bad configuration does to other commands."""

import io
import os

import pytest

from mailctl.cli.context import Context
from tests.cli.support import Cli


def test_path(cli: Cli) -> None:
    found = cli.json("config", "path")["result"]
    assert found["gateways"] == str(cli.config / "gateways")
    assert found["mail"] == str(cli.data / "mail")
    other = cli.json("config", "path", "--config-dir", "/x", "--state-dir", "/y")["result"]
    assert (other["settings"], other["journal"]) == ("/x/config.toml", "/y/journal.db")
    assert ["config", str(cli.config)] in cli.ok("config", "path").rows


def test_nothing_is_right(cli: Cli) -> None:
    assert cli.json("config", "check")["result"] == {"servers": 0, "gateways": 0, "problems": []}
    assert "All is well" in cli.ok("config", "check").err


def test_everything_wrong_is_listed(cli: Cli) -> None:
    cli.ok("server", "add", "s", "--imap", "h")
    folder = cli.config / "gateways"
    folder.mkdir()
    (folder / "a.toml").write_text('server = "t"\nemail = "a@x.example"\n')
    (folder / "b.toml").write_text('server = "s"\nemial = "a@x.example"\n[inbound]\ninterval = "soon"\n')
    (folder / "c.toml").write_text("server = \n")
    (folder / "d.toml").write_text('server = "s"\nemail = "a@x.example"\n[login]\nsecret = {command = ["pass"]}\n')
    (folder / "d.toml").chmod(0o666)
    (cli.config / "config.toml").write_text("jobs = 0\nnamserver = 'x'\n")
    done = cli.json("config", "check", code=3)
    found = {(os.path.basename(each["file"]), each["key"]): each for each in done["result"]["problems"]}
    assert set(found) == {
        ("a.toml", "server"),
        ("b.toml", "emial"),
        ("b.toml", "email"),
        ("b.toml", "inbound.interval"),
        ("c.toml", ""),
        ("d.toml", ""),
        ("config.toml", "jobs"),
        ("config.toml", "namserver"),
    }
    assert found["d.toml", ""]["fix"].startswith("chmod go-w ")
    assert found["config.toml", "namserver"]["fix"] == "Did you mean 'nameserver'?"
    assert "8 things to mend" in done["error"]["message"]
    assert len(cli.run("config", "check").rows) == 8


def test_what_a_server_names_must_be_there(cli: Cli) -> None:
    folder = cli.config / "servers"
    folder.mkdir(parents=True)
    for name, more in (("a", 'provider = "gmial"\n'), ("b", '[certificate]\nca_file = "/none.pem"\n'), ("c", "")):
        (folder / f"{name}.toml").write_text(f'{more}[imap]\nhost = "h"\n')
    problems = cli.json("config", "check", code=3)["result"]["problems"]
    assert [(each["name"], each["key"], each["fix"]) for each in problems] == [
        ("a", "provider", "Did you mean 'gmail'?"),
        ("b", "certificate.ca_file", "mailctl server edit b --ca-file FILE"),
    ]


@pytest.mark.parametrize("text", ["jobs = ", "[limits]\ngateways_per_owner = 'two'", "x = 1", "\xff"])
def test_a_bad_config_toml_stops_what_needs_it(cli: Cli, text: str) -> None:
    cli.ok("server", "add", "s", "--imap", "h")
    (cli.config / "config.toml").write_bytes(text.encode("latin-1"))
    refused = cli.json(
        "gateway", "add", "g", "--server", "s", "--email", "a@x.example", "--secret", "keyring", code=3
    )["error"]  # fmt: skip
    assert "config.toml" in refused["message"]
    assert cli.json("server", "list")["ok"]
    problems = cli.json("config", "check", code=3)["result"]["problems"]
    assert [os.path.basename(problem["file"]) for problem in problems] == ["config.toml"]


def test_config_toml_is_never_written(cli: Cli) -> None:
    cli.config.mkdir(parents=True)
    text = '# mine\njobs = 3 # three\n[limits]\nallowed_domains = ["x.example"]\n'
    (cli.config / "config.toml").write_text(text)
    cli.ok("server", "add", "s", "--imap", "h")
    cli.ok("gateway", "add", "g", "--server", "s", "--email", "a@x.example", "--secret", "keyring")
    cli.ok("gateway", "default", "g")
    cli.ok("gateway", "rename", "g", "h")
    cli.ok("gateway", "remove", "h", "--yes")
    assert (cli.config / "config.toml").read_text() == text


def test_an_unreadable_place(cli: Cli) -> None:
    cli.config.parent.mkdir()
    cli.config.write_text("a file where the folder should be")
    for arguments in (["gateway", "list"], ["server", "add", "gmail"], ["config", "check"]):
        error = cli.json(*arguments, code=10)["error"]
        assert str(cli.config) in error["message"]


def test_a_full_disk(cli: Cli) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    cli.config.mkdir(parents=True)
    cli.ok("server", "add", "s", "--imap", "h")
    before = (cli.config / "servers/s.toml").read_text()
    real = os.write

    def full(handle: int, data: bytes) -> int:
        with open("/dev/full", "wb", buffering=0) as device:
            return device.write(data) or real(handle, data)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "write", full)
        error = cli.json("server", "edit", "s", "--smtp", "h", code=10)["error"]
    assert "No space left on device" in error["message"]
    assert "Nothing was changed" in error["hint"]
    assert (cli.config / "servers/s.toml").read_text() == before
    assert os.listdir(cli.config / "servers") == ["s.toml"]


@pytest.mark.parametrize(
    "text",
    ['[login]\npassword = "hunter2"', 'secret = "hunter2"', '[login]\nsecret = "hunter2"', 'Password = "hunter2"',
     '[smtp_login]\npasswd = "hunter2"'],
)  # fmt: skip
def test_a_password_in_a_file_is_told_where_it_belongs(cli: Cli, text: str) -> None:
    (cli.config / "gateways").mkdir(parents=True)
    (cli.config / "gateways/g.toml").write_text(f'server = "s"\nemail = "a@example.org"\n{text}\n')
    refused = cli.run("gateway", "show", "g")
    assert refused.code == 3
    hint = "A password never stands in a file. Take it out, then: mailctl gateway password set g"
    assert hint + (" --smtp" if "smtp" in text else "") in refused.err
    checked = cli.run("config", "check")
    assert hint in checked.out
    assert "hunter2" not in refused.err + refused.out + checked.out + checked.err


@pytest.mark.parametrize(("text", "quotes"), [("x = many", True), ("x=[", False), ("x = ", False), ("=", False)])
def test_only_text_without_quotes_is_told_to_have_them(cli: Cli, text: str, quotes: bool) -> None:
    cli.config.mkdir(parents=True)
    (cli.config / "config.toml").write_text(f"# first\n{text}\n")
    assert ("double quotes" in cli.run("config", "check").out) == quotes


def test_version_stands_in_the_help(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    cli.ok("--help")
    assert "--version" in capsys.readouterr().out
    assert cli.ok("--version", "--quiet").out.startswith("mailctl ")


def test_own_failures_are_checked(cli: Cli) -> None:
    folder = cli.config / "failures.d"
    folder.mkdir(parents=True)
    good = '[[failure]]\nid = "own.a"\ncause = "account_locked"\npattern = ["badge"]\nexample = "badge"\n'
    (folder / "good.toml").write_text(good)
    assert cli.json("config", "check")["result"]["problems"] == []
    (folder / "bad.toml").write_text('[[failure]]\nid = "own.b"\ncause = "weather"\npattern = ["rain"]\n')
    (folder / "broken.toml").write_bytes(b"\xff\n")
    found = cli.json("config", "check", code=3)["result"]["problems"]
    assert [(os.path.basename(each["file"]), each["key"]) for each in found] == [
        ("broken.toml", ""),
        ("bad.toml", "own.b"),
    ]


def test_a_broken_own_failure_is_a_warning_elsewhere(cli: Cli) -> None:
    folder = cli.config / "failures.d"
    folder.mkdir(parents=True)
    (folder / "bad.toml").write_text("nonsense")
    context = Context(io.StringIO(), io.StringIO(), errors := io.StringIO(), {"MAILCTL_CONFIG_DIR": str(cli.config)})
    assert "bad_credentials" in context.knowledge.causes
    assert "bad.toml: is not TOML" in errors.getvalue()
