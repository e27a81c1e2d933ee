"""`mailctl sync` without a server: what it is asked, what it says."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mailctl.cli.sync_result import outcome
from mailctl.output.plain import plain_lines
from mailctl.sync.report import SyncReport
from tests.cli.support import Cli


def gateway(cli: Cli, name: str, port: int, more: str = "", secret: str = '{ env = "BOX_PASSWORD" }') -> None:
    for folder, text in (
        ("servers", f'[imap]\nhost = "127.0.0.1"\nport = {port}\nsecurity = "none"\n'),
        ("gateways", f'server = "{name}"\nemail = "me@mail.test"\n{more}[login]\nuser = "me"\nsecret = {secret}\n'),
    ):
        path = cli.config / folder / f"{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_text(text)


@pytest.fixture
def closed_port() -> int:
    """A port where nothing listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [((), 2), (("nobody",), 3), (("--all",), 3), (("--all", "x"), 2), (("--jobs", "0", "x"), 2)],
)
def test_bad_requests_get_one_sentence(cli: Cli, arguments: tuple[str, ...], code: int) -> None:
    done = cli.run("sync", *arguments)
    assert done.code == code
    assert done.err.startswith("error: ")
    found = cli.json("sync", *arguments, code=code)
    assert found["error"]["exit_code"] == code


def test_a_disabled_gateway_is_not_synced(cli: Cli, closed_port: int) -> None:
    gateway(cli, "off", closed_port, "enabled = false\n")
    assert "gateway enable off" in cli.run("sync", "off").err
    assert cli.run("sync", "off").code == 3
    assert cli.run("sync", "--all").code == 3


def test_what_exposes_a_password_is_warned_of_at_each_use(cli: Cli, closed_port: int) -> None:
    cli.env["BOX_PASSWORD"] = "secret"
    gateway(cli, "tunnel", closed_port)
    assert "warning" not in cli.run("sync", "tunnel").err
    gateway(cli, "open", closed_port, "allow_plaintext = true\n")
    assert f"open: 127.0.0.1:{closed_port} is used without encryption" in cli.run("sync", "open").err
    cli.ok("server", "edit", "tunnel", "--imap-security", "tls", "--no-verify-certificate")
    assert "is not checked (verification is switched off)" in cli.run("sync", "tunnel").err
    cli.ok("server", "edit", "tunnel", "--fingerprint", f"sha256:{'0' * 64}")
    assert "warning" not in cli.run("sync", "tunnel").err


def test_failures_of_one_kind_and_of_several(cli: Cli, closed_port: int) -> None:
    cli.env["BOX_PASSWORD"] = "secret"
    gateway(cli, "a", closed_port)
    gateway(cli, "b", closed_port)
    assert cli.run("sync", "a").code == 5
    found = cli.json("sync", "--all", code=5)
    assert [report["gateway"] for report in found["result"]["gateways"]] == ["a", "b"]
    gateway(cli, "c", closed_port, secret='{ env = "NOT_SET" }')
    found = cli.json("sync", "a", "c", code=12)
    assert [report["error"]["exit_code"] for report in found["result"]["gateways"]] == [5, 4]
    done = cli.run("sync", "c")
    assert done.code == 4
    assert done.rows[-1][:2] == ["c", "all 0"]


def test_what_failed_is_in_the_log(cli: Cli, closed_port: int) -> None:
    cli.env["BOX_PASSWORD"] = "secret"
    gateway(cli, "a", closed_port)
    cli.run("sync", "a")
    events = [event["event"] for event in cli.json("log", "show", "--gateway", "a")["result"]]
    assert sorted(events) == ["sync.failed", "sync.started"]


def test_a_terminal_sees_a_table(cli: Cli, closed_port: int) -> None:
    cli.env["BOX_PASSWORD"] = "secret"
    gateway(cli, "a", closed_port)
    done = cli.run("sync", "a", terminal=True)
    assert "fetched" in done.out
    assert "skipped" in done.out


@pytest.mark.parametrize("names", [("a",), ("a", "b", "c")])
def test_G14_the_second_signal_ends_at_once_though_servers_are_silent(cli: Cli, names: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for name in names:
            gateway(cli, name, int(silent.getsockname()[1]))
        process = subprocess.Popen(
            [sys.executable, "-m", "mailctl", "sync", *names, "--jobs", "2"],
            env={**cli.env, "BOX_PASSWORD": "x"},
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with silent.accept()[0]:
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            assert process.stderr.readline() == "Ending after the step in hand; once more ends at once.\n"
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=20)  # signing in may take 30 s
    assert process.returncode == 130
    assert err == "error: interrupted\n"


def test_many_failures_make_one_short_sentence(cli: Cli, closed_port: int) -> None:
    names = [f"box{n}" for n in range(8)]
    for name in names:
        gateway(cli, name, closed_port)
    cli.env["BOX_PASSWORD"] = "x"
    message = cli.json("sync", "--all", code=5)["error"]["message"]
    assert message.startswith("8 gateways failed. box0: ")
    assert message.endswith("; and 3 more")


def test_a_broken_file_counts_once_however_much_is_wrong_in_it(cli: Cli) -> None:
    cli.ok("server", "add", "s", "--imap", "localhost:1", "--imap-security", "none")
    cli.ok("gateway", "add", "good", "--server", "s", "--email", "g@example.org", "--password-env", "NOT_SET_HERE")
    file = cli.config / "gateways/bad.toml"
    file.write_text('server = 3\nemail = "x"\nnonsense = 1\n')
    file.chmod(0o600)
    done = cli.run("sync", "--all")
    assert "2 gateways failed" in done.err
    assert done.code == 12
    assert all(word in done.err for word in ("server", "email", "nonsense"))


def test_a_pipe_gets_the_same_columns_whatever_was_done() -> None:
    for report in (SyncReport("a", True, bytes=1234, seconds=0.5), SyncReport("a", True, moved=1, uploaded=2)):
        records = outcome([report], [], [], []).records
        assert records is not None
        (row,) = plain_lines(records)
        cells = row.split("\t")
        up, size = [str(report.uploaded), str(report.moved)], str(report.bytes)
        assert cells == ["a", "all 0", "0", "0", "0", *up, "0", size, str(report.seconds), "ok"]
