"""`mailctl watch` and the `watch` column of `status`, without a server."""

import contextlib
import datetime as dt
import io
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from mailctl.cli.context import Context
from mailctl.cli.watching import Watching, _make_room
from mailctl.cli.worker import WorkerProcesses
from mailctl.domain.heartbeat import Heartbeat, Watched, WatchState
from mailctl.errors import ConfigError
from mailctl.journal.heartbeat import HeartbeatFile
from tests.cli.support import Cli, ended_in_time


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    made = Cli(tmp_path)
    made.ok("server", "add", "x", "--imap", "imap.mail.test")
    made.ok("gateway", "add", "work", "--server", "x", "--email", "a@mail.test", "--password-env", "X")
    return made


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["work", "--exec", "it's"], 2, "can't be read"),
        (["work", "--exec", "  "], 2, "needs a command"),
        (["work", "--exec", "/no/such --fast"], 2, "no program '/no/such'"),
        (["work", "--jobs", "0"], 2, "1 to 256"),
        (["work", "--all"], 2, "exclude each other"),
        (["wrok"], 3, "wrok"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_can_not_be_watched_is_said_in_a_sentence(cli: Cli, arguments: list[str], code: int, said: str) -> None:
    done = cli.json("watch", *arguments, code=code)
    assert said in done["error"]["message"]
    assert not (cli.state / "watch").exists()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("it's", "can't be read"),
        ("  ", "needs a command"),
        ("/no/such --fast", "no program '/no/such'"),
        ("~/bin/after", "no program '~/bin/after'"),
        ("./after", "no service runs"),
    ],
)
def test_what_a_service_could_not_run_is_not_installed(cli: Cli, command: str, said: str) -> None:
    program = cli.home / "after"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    with contextlib.chdir(cli.home):
        for more in ((), ("--dry-run",)):
            done = cli.json("schedule", "install", "--watch", "--exec", command, *more, code=2)
            assert said in done["error"]["message"]
    assert not list(cli.home.glob(".config/systemd/**/*"))


def test_a_password_that_nobody_has_unlocked_is_told_with_the_way_on(cli: Cli) -> None:
    cli.ok("gateway", "password", "source", "work", "--password-command", "false")
    words = [sys.executable, "-m", "mailctl", "watch"]  # the only gateway
    process = subprocess.Popen(words, env=cli.env, cwd=Path(__file__).parents[2], stderr=subprocess.PIPE, text=True)
    with ended_in_time(process, 60):
        assert process.stderr is not None
        lines: list[str] = []
        while not lines or not lines[-1].startswith("hint:"):
            lines.append(process.stderr.readline())
            assert lines[-1], lines
        process.terminate()
        process.communicate()
    assert process.returncode == 0
    assert "ended with status 1; next try in " in lines[-2]
    assert "mailctl gateway password source work" in lines[-1]
    (failed,) = [each for each in cli.json("log", "show")["result"] if each["event"] == "watch.failed"]
    assert (failed["level"], failed["fields"]["code"]) == ("warning", "secret_command")


def test_nothing_to_watch(tmp_path: Path) -> None:
    assert Cli(tmp_path).json("watch", "--all", code=3)["error"]["code"] == "not_found"


def test_a_gateway_that_is_disabled_is_not_watched(cli: Cli) -> None:
    cli.ok("gateway", "disable", "work")
    assert cli.json("watch", "work", code=3)["error"]["code"] == "disabled"


def test_a_large_mailbox_is_brought_by_several_processes_as_in_a_sync(tmp_path: Path) -> None:
    context = Context(io.StringIO(), io.StringIO(), io.StringIO(), {"HOME": str(tmp_path)})
    tools = Watching(context, ["box"], False, 1, ())._sync_tools()
    assert isinstance(tools.workers, WorkerProcesses)
    assert tools.workers is context.workers, "one bound for all gateways"


def test_so_many_gateways_need_so_many_open_files() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with pytest.raises(ConfigError) as caught:
        _make_room(2**40)
    assert caught.value.code == "too_many_files" or before[1] == resource.RLIM_INFINITY
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


def beat(cli: Cli, pid: int, state: WatchState, error: str = "") -> None:
    now = dt.datetime.now(dt.UTC)
    host = os.uname().nodename
    (cli.state / "watch").mkdir(parents=True, exist_ok=True)
    watched = Watched(state, now, now + dt.timedelta(minutes=5) if not error else None, error)
    HeartbeatFile(cli.state / "watch", host, pid).write(Heartbeat(pid, host, now, now, {"work": watched}))


def test_status_shows_what_a_watch_does(cli: Cli) -> None:
    assert cli.json("status")["result"][0]["watch"] is None
    beat(cli, os.getpid(), WatchState.IDLE)
    (row,) = cli.json("status")["result"]
    assert set(row["watch"]) == {"state", "since", "next", "error"}
    assert row["watch"]["state"] == "idle"
    assert row["next_due"] == row["watch"]["next"]
    assert cli.ok("status").rows[0][-1] == "idle"
    beat(cli, os.getpid(), WatchState.STOPPED, "the server refused the sign-in\x1b[31m")
    shown = cli.run("status", terminal=True).out
    assert "the server refused" in " ".join(shown.split())
    assert "\x1b[31m" not in shown


def test_status_knows_a_watch_that_died(cli: Cli) -> None:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    beat(cli, child, WatchState.IDLE)
    (row,) = cli.json("status")["result"]
    assert row["watch"]["state"] == "dead"
    assert "ended without a word" in row["watch"]["error"]
