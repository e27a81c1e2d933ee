"""`mailctl` as a process whose streams are full, closed, or of an old character set."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="/dev/full is missing: no device that is always full")


def started(home: Path, *arguments: str, redirect: str = "", **variables: str) -> "subprocess.CompletedProcess[str]":
    env = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", **variables}
    command = ["/bin/sh", "-c", f'exec "$@" {redirect}', "sh", sys.executable, "-m", "mailctl", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


@needs_full
@pytest.mark.parametrize(
    "arguments", [("--version",), ("--help",), ("gateway", "list", "--json"), ("server", "presets"), ("schema", "test")]
)
def test_G4_a_full_disk_behind_stdout_is_one_sentence(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = started(tmp_path, *arguments, redirect=">/dev/full")
    assert done.returncode == 10
    assert "No space left on device" in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("error: ")]) == 1
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@needs_full
def test_G4_a_full_disk_behind_both_still_has_its_exit_code(tmp_path: Path) -> None:
    assert started(tmp_path, "gateway", "list", "--json", redirect=">/dev/full 2>/dev/full").returncode == 10


@pytest.mark.parametrize(("redirect", "code"), [("<&-", 0), (">&-", 0), ("2>&-", 0), ("<&- >&- 2>&-", 0)])
def test_closed_streams_are_empty_ones(tmp_path: Path, redirect: str, code: int) -> None:
    done = started(tmp_path, "gateway", "list", redirect=redirect)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


def test_an_old_character_set_escapes_what_it_lacks(tmp_path: Path) -> None:
    arguments = ("server", "add", "x", "--imap", "bücher.example", "--dry-run")
    plain = started(tmp_path, *arguments, PYTHONIOENCODING="ascii", PYTHONUTF8="1")
    assert plain.returncode == 0, plain.stderr
    assert "b\\xfccher.example:993" in plain.stdout
    done = started(tmp_path, *arguments, "--json", PYTHONIOENCODING="ascii", PYTHONUTF8="1")
    assert json.loads(done.stdout)["result"]["server"]["endpoints"][0]["host"] == "bücher.example"


def test_ctrl_c_raises_a_kind_of_its_own() -> None:
    """CPython ends the process by SIGINT if its own KeyboardInterrupt was ever seen at the top of an `exec`."""
    script = (
        "import os, signal; from mailctl.__main__ import _prepare\n_prepare()\n"
        "for number in (signal.SIGINT, signal.SIGTERM):\n"
        "    try: os.kill(os.getpid(), number)\n"
        "    except KeyboardInterrupt as error: print(type(error) is KeyboardInterrupt)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == "False\nFalse\n"


def test_ctrl_c_stays_ignored_where_the_caller_wants_it_so() -> None:
    """As in a shell's background job."""
    script = (
        "import os, signal; from mailctl.__main__ import _prepare\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN); _prepare(); os.kill(os.getpid(), signal.SIGINT); print('on')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == "on\n"


def test_an_interrupt_while_a_class_is_being_made_is_an_interrupt() -> None:
    program = (
        "import os, signal, sys; from mailctl import __main__\n"
        "class Named:\n"
        "    def __set_name__(self, owner, name): os.kill(os.getpid(), signal.SIGINT)\n"
        "def main(argv):\n"
        "    class Owner: named = Named()\n"
        "__main__.main = main\n"
        "sys.argv = ['mailctl', 'sync']\n"
        "__main__.run()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
