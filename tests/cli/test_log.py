"""`mailctl log` and `mailctl status`."""

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailctl.domain.event import Event, Level
from mailctl.journal.store import Journal
from tests.cli.support import Cli

NOW = datetime.now(UTC)


@pytest.fixture
def filled(cli: Cli) -> Cli:
    """A home whose mailer log has four events of two runs."""
    events = [
        Event(NOW - timedelta(hours=5), "r1", "check.passed", "IMAP works", gateway="work", protocol="imap"),
        Event(
            NOW - timedelta(hours=4), "r1", "check.failed", "SMTP: \x1b[31mevil\ntime r9 work info forged",
            Level.ERROR, "work", "smtp", {"cause": "tls_expired", "stage": "tls", "ms": 12.5},
        ),
        Event(NOW - timedelta(hours=1), "r2", "sync.finished", "7 new", gateway="home",
              fields={"messages": 90, "fetched": 7}),
        Event(NOW - timedelta(minutes=1), "r2", "noise", "detail", Level.DEBUG, "home"),
    ]  # fmt: skip
    Journal(cli.state / "journal.db").write(enumerate(events, 1))
    return cli


def test_an_empty_log_is_an_empty_list(cli: Cli) -> None:
    assert cli.json("log")["result"] == []
    done = cli.ok("log")
    assert done.out == ""
    assert "No events" in done.err


def test_show_filters(filled: Cli) -> None:
    def names(*options: str) -> list[str]:
        return [event["event"] for event in filled.json("log", "show", *options)["result"]]

    assert names() == ["check.passed", "check.failed", "sync.finished"]
    assert names("--level", "debug") == ["check.passed", "check.failed", "sync.finished", "noise"]
    assert names("--level", "error") == ["check.failed"]
    assert names("--gateway", "home") == ["sync.finished"]
    assert names("--run", "r1") == ["check.passed", "check.failed"]
    assert names("--since", "2h") == ["sync.finished"]
    assert names("--until", "2h") == ["check.passed", "check.failed"]
    assert names("--limit", "1") == ["sync.finished"]


def test_an_event_has_the_promised_shape(filled: Cli) -> None:
    event = filled.json("log", "--level", "error")["result"][0]
    assert set(event) >= {"time", "run", "gateway", "protocol", "level", "event", "message", "fields"}
    assert event["fields"] == {"cause": "tls_expired", "stage": "tls", "ms": 12.5}
    assert event["time"].endswith("Z")


def test_C8_one_event_is_one_line_and_no_control_byte_is_raw(filled: Cli) -> None:
    for terminal in (False, True):
        done = filled.run("log", terminal=terminal)
        assert "\\x1b[31mevil\\ntime" in "".join(done.out.split()) or terminal
        assert "\x1b[31mevil" not in done.out
    assert len(filled.ok("log").rows) == 3


@pytest.mark.parametrize("option", [["--since", "yesterday"], ["--until", "x"], ["--level", "loud"], ["--limit", "0"]])
def test_wrong_input_is_one_sentence(filled: Cli, option: list[str]) -> None:
    done = filled.run("log", *option)
    assert done.code == 2
    assert done.err.startswith("error: ")


def test_export_and_import_again_adds_nothing(filled: Cli, tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    assert filled.json("log", "export", str(file))["result"]["events"] == 4
    assert file.stat().st_mode & 0o777 == 0o600
    assert filled.json("log", "import", str(file))["result"]["known"] == 4
    other = Cli(tmp_path / "other")
    assert other.json("log", "import", str(file), "--dry-run")["result"] == {
        "file": str(file), "events": 4, "known": 0, "dry_run": True,
    }  # fmt: skip
    assert other.json("log")["result"] == []
    assert other.json("log", "import", str(file))["result"]["known"] == 0
    shown = ["log", "--level", "debug"]
    assert other.json(*shown)["result"] == filled.json(*shown)["result"]


def test_export_to_stdout_and_import_from_stdin(filled: Cli, tmp_path: Path) -> None:
    lines = filled.ok("log", "export", "-", "--gateway", "work").out
    assert [json.loads(line)["event"] for line in lines.splitlines()] == ["check.passed", "check.failed"]
    other = Cli(tmp_path / "other")
    assert other.json("log", "import", "-", stdin=lines)["result"]["events"] == 2


def test_an_export_replaces_no_file_by_itself(filled: Cli, tmp_path: Path) -> None:
    file = tmp_path / "precious"
    file.write_text("precious")
    assert filled.json("log", "export", str(file), code=3)["error"]["code"] == "exists"
    assert filled.run("log", "export", str(file), "--dry-run").code == 3
    planned = filled.json("log", "export", str(file), "--force", "--dry-run")["result"]
    assert planned == {"file": str(file), "events": 4, "known": 0, "dry_run": True}
    assert file.read_text() == "precious"
    filled.ok("log", "export", str(file), "--force")
    assert len(file.read_text().splitlines()) == 4
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["precious"]  # no part of it beside it


def test_import_refuses_what_is_no_log_and_takes_nothing_of_it(filled: Cli, tmp_path: Path) -> None:
    good = filled.ok("log", "export", "-").out.splitlines()[0].replace('"r1"', '"r7"')
    for text in (f"{good}\n{{}}\n", f"{good}\nxx\n"):
        file = tmp_path / "in.jsonl"
        file.write_text(text)
        error = filled.json("log", "import", str(file), code=3)["error"]
        assert "line 2" in error["message"]
        assert filled.json("log", "--run", "r7")["result"] == []
    assert filled.run("log", "import", str(tmp_path / "none")).code == 3
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    assert filled.run("log", "import", str(tmp_path / "bytes")).code == 3


def test_follow_shows_what_comes_and_ends_by_ctrl_c(filled: Cli) -> None:
    command = [sys.executable, "-m", "mailctl", "log", "--follow"]
    process = subprocess.Popen(command, env=filled.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        now = datetime.now(UTC)
        late = Event(now, "r3", "sync.finished", "late", gateway="work")
        Journal(filled.state / "journal.db").write([(1, late)])
        assert "late" in process.stdout.readline()
        held = Event(now - timedelta(seconds=1), "r4", "sync.started", "held", gateway="work")
        Journal(filled.state / "journal.db").write([(1, held)])
        assert "held" in process.stdout.readline(), "though it carries an earlier time than what was shown"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    finally:
        process.kill()
        process.communicate()


def test_G14_sigterm_ends_like_ctrl_c(filled: Cli) -> None:
    command = [sys.executable, "-m", "mailctl", "log", "--follow"]
    process = subprocess.Popen(command, env=filled.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (130, "error: interrupted\n")


def test_G14_a_reader_that_goes_away_ends_the_command_quietly(filled: Cli) -> None:
    command = [sys.executable, "-m", "mailctl", "log", "--follow"]
    process = subprocess.Popen(command, env=filled.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    Journal(filled.state / "journal.db").write([(1, Event(datetime.now(UTC), "r3", "x.y", "late"))])
    assert process.wait(10) == 130
    assert process.stderr.read() == ""
    process.stderr.close()


def test_status_of_nothing(cli: Cli) -> None:
    assert cli.json("status")["result"] == []
    assert "No gateways" in cli.ok("status").err


def test_status_of_a_gateway_without_its_server_goes_by_the_settings(cli: Cli) -> None:
    cli.ok("server", "add", "s", "--imap", "imap.example.org")
    cli.ok("gateway", "add", "g", "--server", "s", "--email", "g@example.org", "--password-env", "PW")
    (cli.config / "servers/s.toml").unlink()
    assert cli.json("status")["result"][0]["next_due"] is not None
    (cli.config / "config.toml").write_text("[inbound]\nenabled = false\n")
    assert cli.json("status", "g", "g")["result"] == [{**cli.json("status")["result"][0], "next_due": None}]


def test_status_reads_the_log(filled: Cli) -> None:
    filled.ok("server", "add", "s", "--imap", "imap.example.org", "--smtp", "smtp.example.org")
    for name in ("work", "home"):
        filled.ok("gateway", "add", name, "--server", "s", "--email", f"{name}@example.org", "--password-env", "PW")
    home, work = filled.json("status")["result"]
    assert (home["gateway"], home["messages"], home["last_sync"]["fetched"]) == ("home", 90, 7)
    assert [(check["protocol"], check["ok"], check["cause"]) for check in work["checks"]] == [
        ("imap", True, ""),
        ("smtp", False, "tls_expired"),
    ]
    assert (work["ok"], work["errors"], home["ok"]) == (False, 1, True)
    assert [row["gateway"] for row in filled.json("status", "home")["result"]] == ["home"]
    assert filled.json("status", "hom", code=3)["error"]["hint"] == "Did you mean 'home'?"
    assert filled.json("status", "HOME", code=3)["error"]["hint"] == "Did you mean 'home'?"
    assert "smtp:tls_expired" in filled.ok("status").out


def test_an_export_into_a_missing_folder_names_the_file(filled: Cli) -> None:
    file = filled.home / "missing" / "log.jsonl"
    error = filled.json("log", "export", str(file), code=10)["error"]
    assert error["message"] == f"{file} can't be written: No such file or directory"


def test_a_narrow_terminal_has_room_for_the_message(filled: Cli) -> None:
    done = filled.run("log", terminal=True)
    head = done.out.splitlines()[0]
    assert "message" in head
    assert "run" not in head


def test_following_in_json_ends_without_a_word_on_stdout(filled: Cli) -> None:
    command = [sys.executable, "-m", "mailctl", "log", "--follow", "--json"]
    process = subprocess.Popen(command, env=filled.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert all("event" in json.loads(line) for line in (first + out).splitlines())
    assert (process.returncode, err) == (130, "error: interrupted\n")
