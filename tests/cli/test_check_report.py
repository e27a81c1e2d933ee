"""`mailctl test --report`, `--format` and `--quiet` as commands, where nothing answers."""

import json
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.support import Cli

SECRET = "s3cret-of-alice"


@pytest.fixture
def closed() -> Iterator[int]:
    """A port of this machine where nothing listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def work(cli: Cli, closed: int) -> Cli:
    """A home with one gateway, whose server doesn't answer."""
    at = f"127.0.0.1:{closed}"
    cli.ok("server", "add", "s", "--imap", at, "--smtp", at)
    options = ("--server", "s", "--email", "work@example.org", "--password-stdin")
    cli.ok("gateway", "add", "work", *options, stdin=f"{SECRET}\n")
    return cli


def test_a_report_is_written_in_every_form_asked_for(work: Cli, tmp_path: Path) -> None:
    files = [tmp_path / f"r.{form}" for form in ("html", "md", "json")]
    done = work.run("test", "work", *(word for file in files for word in ("--report", str(file))))
    assert done.code == 5
    assert [(row[2], row[6]) for row in done.rows] == [("imap", "tcp_refused"), ("smtp", "tcp_refused")]
    assert "Wrote the report" in done.err
    for file in files:
        text = file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert SECRET not in text
        for expected in ("tcp_refused", "login.secret", "keyring", "OpenSSL", "CPython", "memory", "2 tcp_refused"):
            assert expected in text or expected == "2 tcp_refused", (file, expected)
    assert [path.name for path in tmp_path.iterdir() if ".part" in path.name] == []


def test_the_report_as_json_is_what_its_schema_says(work: Cli, tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    work.run("test", "work", "--report", str(file))
    found = json.loads(file.read_text())
    assert found["schema"] == "mailctl.report/1"
    assert found["summary"]["causes"] == {"tcp_refused": 2}
    assert [check["protocol"] for check in found["checks"]] == ["imap", "smtp"]
    assert found["setups"][0]["settings"]["login.secret"] == "keyring"
    jsonschema.validate(found, json.loads(work.ok("schema", "report").out))


def test_a_report_on_an_address_has_no_set_up(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "r.md"
    done = cli.run("test", "alice@outlook.com", "--imap", "--report", str(file))
    assert done.code == 7, done.err
    text = file.read_text()
    assert "# mailctl report: `alice@outlook.com IMAP failed`" in text
    assert "oauth\\_required" in text
    assert "## Configuration" not in text
    assert "| `Keyring` | `not used` |" in text


def test_conversations_are_in_the_report_and_elsewhere_only_if_asked_for(work: Cli, tmp_path: Path) -> None:
    checks = work.json("test", "work", "--report", str(tmp_path / "r.json"), code=5)["result"]["checks"]
    assert [check["transcript"] for check in checks] == [[], []]


def test_the_home_folder_may_be_written_as_a_tilde(work: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert work.run("test", "work", "--report=~/r.html").code == 5
    assert (tmp_path / "r.html").is_file()


def test_a_report_replaces_a_report_and_nothing_else(work: Cli, tmp_path: Path) -> None:
    for form in ("html", "md", "json"):
        file = tmp_path / f"r.{form}"
        work.run("test", "work", "--report", str(file))
        before = file.stat().st_ino
        assert work.run("test", "work", "--report", str(file)).code == 5
        assert file.stat().st_ino != before
        file.write_text("my own notes")
        done = work.run("test", "work", "--report", str(file))
        assert (done.code, done.out, file.read_text()) == (10, "", "my own notes")
        assert "left as it is" in done.err
    empty = tmp_path / "empty.md"
    empty.touch()
    assert work.run("test", "work", "--report", str(empty)).code == 5
    assert empty.read_text()


def test_nothing_is_written_through_a_link(work: Cli, tmp_path: Path) -> None:
    target = tmp_path / "target.html"
    target.write_text("precious")
    link = tmp_path / "link.html"
    link.symlink_to(target)
    done = work.run("test", "work", "--report", str(link))
    assert (done.code, target.read_text(), link.is_symlink()) == (10, "precious", True)
    dangling = tmp_path / "dangling.md"
    dangling.symlink_to(tmp_path / "nowhere")
    assert work.run("test", "work", "--report", str(dangling)).code == 10
    assert not (tmp_path / "nowhere").exists()


def test_what_cannot_be_written_is_told_before_anything_is_tested(work: Cli, tmp_path: Path) -> None:
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe.json")
    for name in ("missing/r.html", "folder.html", "file/r.md", "pipe.json"):
        done = work.run("test", "work", "--report", str(tmp_path / name))
        assert (done.code, done.out) == (10, ""), name
        assert len(done.err.splitlines()) <= 2
    assert work.json("log")["result"] == []


def test_the_name_says_what_is_written(work: Cli, tmp_path: Path) -> None:
    for name in ("r.txt", "r", "-", ""):
        done = work.run("test", "work", "--report", str(tmp_path / name) if name not in ("-", "") else name)
        assert done.code == 2
        assert ".html, .md or .json" in done.err


def test_a_full_disk_is_an_error_and_leaves_nothing(work: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "r.html"

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    done = work.run("test", "work", "--report", str(file))
    monkeypatch.undo()
    assert done.code == 10
    assert "No space left" in done.err
    assert "2 of 2 checks failed" in done.err
    assert not [path for path in tmp_path.iterdir() if path.name.startswith((".r", "r"))]


@pytest.mark.parametrize("form", ["html", "md", "json"])
@pytest.mark.parametrize("kind", ["env", "file"])
def test_a_report_with_the_secret_of_another_gateway_is_not_written(
    work: Cli, tmp_path: Path, closed: int, kind: str, form: str
) -> None:
    secret = f"127.0.0.1:{closed}"  # it stands in every message about this server
    place = "OTHER"
    if kind == "env":
        work.env[place] = secret
    else:
        private = tmp_path / "private"
        private.mkdir(0o700)
        place = str(private / "password")
        Path(place).write_text(secret)
        Path(place).chmod(0o600)
    other = work.config / "gateways/other.toml"
    other.write_text(f'server = "s"\nemail = "o@example.org"\n[login]\nsecret = {{{kind} = "{place}"}}\n')
    other.chmod(0o600)
    file = tmp_path / f"r.{form}"
    found = work.json("test", "work", "--report", str(file), code=11)
    assert not file.exists()
    assert found["error"]["code"] == "secret_in_report"
    assert found["error"]["message"] == "The report was not written: the password of other login would stand in it"
    assert len(found["result"]["checks"]) == 2


def test_quiet_prints_the_verdicts_alone(work: Cli) -> None:
    for terminal in (False, True):
        done = work.run("test", "work", "--quiet", terminal=terminal)
        assert (done.code, done.err) == (5, "")
        assert "work imap FAILED tcp_refused: " in done.out
        assert "work smtp FAILED tcp_refused: " in done.out
    assert work.json("test", "work", "--quiet", code=5)["result"]["checks"][0]["cause"] == "tcp_refused"


def test_nagios_gets_its_own_exit_codes(work: Cli) -> None:
    done = work.run("test", "work", "--format", "nagios")
    assert (done.code, done.err) == (2, "")
    assert done.out.startswith("MAIL CRITICAL - 2 checks: 2 tcp_refused | 'work IMAP'=")
    assert len(done.out.splitlines()) == 3
    work.ok("gateway", "password", "clear", "work")
    assert work.run("test", "work", "--format", "nagios").code == 3
    for words in (("nobody",), ("work", "--report", "/nonexistent/r.html"), ("--all", "work"), ("work", "--jobs", "0")):
        done = work.run("test", *words, "--format", "nagios")
        assert (done.code, done.err) == (3, "")
        assert done.out.startswith("MAIL UNKNOWN - ")


def test_prometheus_gets_metrics_and_scripts_the_usual_codes(work: Cli) -> None:
    done = work.run("test", "work", "--format", "prometheus")
    assert done.code == 5
    names = {family.name for family in text_string_to_metric_families(done.out)}
    assert names >= {"mailctl_check_success", "mailctl_check_info", "mailctl_check_duration_seconds"}


def test_json_and_a_format_exclude_each_other(work: Cli) -> None:
    assert work.run("test", "work", "--json", "--format", "prometheus").code == 2


def test_json_counts_the_causes(work: Cli) -> None:
    summary = work.json("test", "work", code=5)["result"]["summary"]
    assert summary == {"checks": 2, "ok": 0, "warned": 0, "failed": 2, "causes": {"tcp_refused": 2}}
