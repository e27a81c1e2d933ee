"""Completion in the real shells: typed on a terminal, TAB pressed, the completed line run."""

import os
import pty
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.completions import FOLDER, main

CASES = [
    ("mailctl gatew", "gateway"),
    ("mailctl log sh", "log show"),
    ("mailctl gateway sh", "gateway show"),
    ("mailctl gateway show ho", "gateway show home"),
    ("mailctl gateway password se", "gateway password set"),
    ("mailctl gateway edit home --server gm", "gateway edit home --server gmail"),
    ("mailctl server show gm", "server show gmail"),
    ("mailctl server add yand", "server add yandex"),
    ("mailctl server edit gmail --imap-security start", "server edit gmail --imap-security starttls"),
    ("mailctl test --all --tim", "test --all --timeout"),
    ("mailctl status wo", "status work@a.example"),
    ("mailctl status work@", "status work@a.example"),
    ("mailctl status home h", "status home home"),
    ("mailctl log --lev", "log --level"),
    ("mailctl log --level warn", "log --level warning"),
    ("mailctl log show --gateway ho", "log show --gateway home"),
    ("mailctl log exp", "log export"),
    ("mailctl log export eve", "log export events.jsonl"),
    ("mailctl --config-dir other status o", "--config-dir other status only"),
]


def test_what_is_kept_is_what_the_tree_makes() -> None:
    assert main(["--check"]) == 0


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with two gateways, and a `python` that leaves a mark if it is started."""
    for name in ("gateways/work@a.example", "gateways/home", "servers/gmail"):
        file = tmp_path / ".config/mailctl" / f"{name}.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    (tmp_path / "other/gateways").mkdir(parents=True)
    (tmp_path / "other/gateways/only.toml").write_text("")
    (tmp_path / "events.jsonl").write_text("")
    (tmp_path / "bin").mkdir()
    for name in ("python", "python3", "mailctl"):
        stub = tmp_path / "bin" / name
        stub.write_text(f"#!/bin/sh\ntouch '{tmp_path}/started-{name}'\n")
        stub.chmod(0o755)
    return tmp_path


def environment(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "PATH": f"{home}/bin:/usr/bin:/bin", "TERM": "dumb", "LC_ALL": "C.UTF-8", "PS1": "$ "}


START = {
    "bash": (
        ["bash", "--noprofile", "--norc", "-i"],
        "bind 'set bell-style none'; source {script}; mailctl() {{ echo \"ran:$*:\"; }}; echo re''ady",
        "mailctl.bash",
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        "unsetopt beep prompt_cr; fpath=({folder} $fpath); autoload -Uz compinit; compinit -u -D; "
        "mailctl() {{ print -r -- \"ran:$*:\" }}; echo re''ady",
        "_mailctl",
    ),
}


@pytest.fixture(params=sorted(START))
def shell(request: pytest.FixtureRequest, home: Path) -> Iterator["Terminal"]:
    command, setup, script = START[request.param]
    if not shutil.which(command[0]):
        pytest.fail(f"{command[0]} is not installed")
    terminal = Terminal(command, home)
    try:
        terminal.type(setup.format(script=FOLDER / script, folder=FOLDER) + "\n")
        terminal.read_until("ready")
        yield terminal
    finally:
        terminal.close()


class Terminal:
    """A shell on a pseudo-terminal."""

    def __init__(self, command: list[str], home: Path) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(home)
            os.execvpe(command[0], command, environment(home))
        self.seen = ""

    def type(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def read_until(self, text: str) -> str:
        """What came until `text` did; fails after ten seconds."""
        end = time.monotonic() + 10
        while text not in self.seen:
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            assert ready, f"{text!r} did not come; this did: {self.seen!r}"
            self.seen += os.read(self.fd, 65536).decode("utf-8", "replace")
        found, self.seen = self.seen, ""
        return found

    def close(self) -> None:
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def test_a_completed_line_runs_as_meant(shell: Terminal, home: Path) -> None:
    for typed, meant in CASES:
        shell.type(f"{typed}\t\n")
        found = shell.read_until("ran:").split("ran:")[-1]
        shell.seen = found
        words = shell.read_until(":").split(":")[0].split()
        assert " ".join(words) == meant, typed
    assert not list(home.glob("started-*")), "TAB started a program"


@pytest.mark.parametrize(("typed", "meant"), CASES)
def test_fish_completes(typed: str, meant: str, home: Path) -> None:
    if not shutil.which("fish"):
        pytest.fail("fish is not installed")
    program = f"source {FOLDER}/mailctl.fish; complete -C '{typed}'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", program],
        env=environment(home),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == [meant.split()[-1]]
    assert not list(home.glob("started-*")), "TAB started a program"
