"""`mailctl demo`: the main job on the embedded servers."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.support import Cli, ended_in_time


def test_every_step_ends_as_it_says(cli: Cli, tmp_path: Path) -> None:
    cli.env["TMPDIR"] = str(tmp_path)
    steps = cli.json("demo")["result"]["steps"]
    verbs = "server add, gateway add, test anna, gateway password, test anna, sync anna, sync anna, log, status"
    assert ", ".join(" ".join(step["command"].split()[1:3]) for step in steps) == verbs
    assert [step["exit_code"] for step in steps] == [0, 0, 7, 0, 0, 0, 0, 0, 0]
    wrong, first, second = steps[2], steps[5], steps[6]
    assert "bad_credentials" in wrong["output"]
    assert re.search(r"^anna\tall 3\t5\t", first["output"], re.MULTILINE)
    assert re.search(r"^anna\tINBOX\t1\t", second["output"], re.MULTILINE)
    assert not cli.config.exists(), "the demo wrote into the user's home"


def test_what_is_shown_is_the_command_and_then_its_output(cli: Cli) -> None:
    done = cli.run("demo", terminal=True)
    assert done.code == 0, done.err
    commands = re.findall(r"(?m)^\$ mailctl .*$", done.out)
    assert len(commands) == 9
    assert done.out.index("$ mailctl test anna --imap") < done.out.index("FAILED") < done.out.index("$ mailctl sync")
    assert "correct horse" not in done.out + done.err


def test_a_missing_extra_is_named_with_the_way_to_get_it(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pymap" else real(name))
    error = cli.json("demo", code=2)["error"]
    assert "pymap" in error["message"]
    assert "pip install '.[demo]'" in error["hint"]


def test_kept_servers_serve_another_process_and_nothing_stays_after_ctrl_c(cli: Cli, tmp_path: Path) -> None:
    env = {**cli.env, "TMPDIR": str(tmp_path), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "mailctl", "demo", "--keep"]
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with ended_in_time(process):
        try:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, "")
            exports = next(line for line in lines if line.startswith("  export "))
            places = dict(word.split("=", 1) for word in exports.split()[1:])
            done = subprocess.run(
                [sys.executable, "-m", "mailctl", "test", "anna", "--json"],
                env={**env, **places}, capture_output=True, text=True, timeout=60, check=True,
            )  # fmt: skip
            assert [check["ok"] for check in json.loads(done.stdout)["result"]["checks"]] == [True, True]
        finally:
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "interrupted" not in said
    assert not list(tmp_path.glob("mailctl-demo-*"))


def test_ctrl_c_in_a_step_ends_the_demo_like_any_command(cli: Cli, tmp_path: Path) -> None:
    env = {**cli.env, "TMPDIR": str(tmp_path), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "mailctl", "demo"]
    with (
        subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,
        ended_in_time(process, 60),
    ):
        assert process.stdout is not None
        next(line for line in iter(process.stdout.readline, "") if line.startswith("$ mailctl test"))
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "ended with" not in said
    assert not list(tmp_path.glob("mailctl-demo-*"))
