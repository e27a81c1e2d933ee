"""Passwords from commands: an argument list, a deadline, the first line, its stderr shown."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mailctl.domain.secret import Secret
from mailctl.errors import SecretError
from mailctl.secrets.command import secret_from_command
from mailctl.secrets.sources import child_env

ENV = {"PATH": os.environ["PATH"]}


def run(program: str, seconds: float = 20) -> Secret:
    return secret_from_command((sys.executable, "-c", program), ENV, seconds=seconds)


def failure(call: Callable[[], object]) -> SecretError:
    with pytest.raises(SecretError) as caught:
        call()
    return caught.value


def test_the_first_line_is_the_password() -> None:
    assert run("print('hunter2'); print('user: alice')") == Secret("hunter2")
    assert run("print('pässwörd ', end='')") == Secret("pässwörd ")
    assert run(r"import sys; sys.stdout.buffer.write(b'hunter2\r\nx')") == Secret("hunter2")


def test_all_of_what_is_printed_where_it_is_wanted() -> None:
    program = (sys.executable, "-c", "print('{'); print('}')")
    assert secret_from_command(program, ENV, whole=True) == Secret("{\n}\n")
    with pytest.raises(SecretError, match="printed nothing"):
        secret_from_command((sys.executable, "-c", ""), ENV, whole=True)


def test_E15_no_shell_reads_the_arguments(tmp_path: Path) -> None:
    victim = tmp_path / "made"
    argument = f"$(touch {victim}); `touch {victim}` | touch {victim}"
    assert secret_from_command(("echo", argument), ENV) == Secret(argument)
    assert not victim.exists()


def test_E15_a_command_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    program = (
        "import os, subprocess, sys, time; child = subprocess.Popen(['sleep', '600']); "
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}'); time.sleep(600)"
    )
    error = failure(lambda: run(program, seconds=1.5))
    assert error.code == "secret_command"
    assert "not done after 1.5 s" in error.message
    for pid in map(int, pids.read_text().split()):
        for _ in range(200):
            if not alive(pid):
                break
            time.sleep(0.01)
        assert not alive(pid)


def test_E15_a_command_that_a_thread_waits_for_ends_with_the_process(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    argument = f"echo $$ > {told}.part; mv {told}.part {told}; exec sleep 600"
    program = (
        "import sys, threading, time; from pathlib import Path; from mailctl.__main__ import _end; "
        "from mailctl.secrets.command import secret_from_command as ask; "
        f"threading.Thread(target=ask, args=(('/bin/sh', '-c', {argument!r}), {ENV!r}), daemon=True).start(); "
        f"any(Path({str(told)!r}).exists() or time.sleep(0.01) for _ in range(2000)); _end(7)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 7
    pid = int(told.read_text())
    for _ in range(200):
        if not alive(pid):
            break
        time.sleep(0.01)
    assert not alive(pid)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_E15_one_that_prints_without_end_is_ended() -> None:
    error = failure(lambda: secret_from_command(("yes", "x" * 1000), ENV))
    assert "printed more than" in error.message
    assert "x" * 20 not in error.message


def test_E15_one_that_closes_its_streams_and_stays_is_ended() -> None:
    program = "import os, time; os.write(1, b'hunter2\\n'); os.close(1); os.close(2); time.sleep(600)"
    assert "not done" in failure(lambda: run(program, seconds=1.5)).message


def test_E15_a_failure_shows_its_stderr_and_never_its_stdout() -> None:
    program = "import sys; print('hunter2-out'); print('no such\\nentry \\x1b[31m', file=sys.stderr); sys.exit(3)"
    error = failure(lambda: run(program))
    assert "ended with status 3: no such entry" in error.message
    assert "hunter2-out" not in error.message
    assert len(failure(lambda: run("import sys; sys.exit('e' * 100000)")).message) < 3000


def test_E15_a_success_without_output_is_an_error() -> None:
    assert "printed nothing" in failure(lambda: run("pass")).message
    assert "empty first line" in failure(lambda: run("print(); print('second')")).message
    assert "signal 9" in failure(lambda: run("import os; os.kill(os.getpid(), 9)")).message
    assert "not UTF-8" in failure(lambda: run("import os; os.write(1, b'\\xff\\n')")).message
    assert failure(lambda: run("print('a\\0b')")).code == "secret_invalid"


def test_E15_what_can_not_be_run_says_why(tmp_path: Path) -> None:
    assert "No such file" in failure(lambda: secret_from_command(("no-such-command-here",), ENV)).message
    plain = tmp_path / "plain"
    plain.write_text("not a program")
    assert "Permission denied" in failure(lambda: secret_from_command((str(plain),), ENV)).message
    assert "empty" in failure(lambda: secret_from_command((), ENV)).message


def test_something_left_running_in_the_background_does_not_hold_it_up() -> None:
    began = time.monotonic()
    assert run("import subprocess; print('hunter2', flush=True); subprocess.Popen(['sleep', '8'])") == Secret("hunter2")
    assert time.monotonic() - began < 7  # it did not wait for the one in the background


def test_it_has_no_stdin_and_no_terminal() -> None:
    assert run("import sys; print('read', repr(sys.stdin.read()))") == Secret("read ''")
    error = failure(lambda: run("open('/dev/tty')"))
    assert "/dev/tty" in error.message


def test_E2_a_child_gets_no_secret_of_ours() -> None:
    Secret("hunter2-of-env")
    env = {
        "PATH": "/bin",
        "WORK_PASSWORD": "hunter2-of-env",
        "HOME_PASSWORD": "of another gateway",
        "MAILCTL_SMTP": "x",
        "MAILCTL_CONFIG_DIR": "/c",
        "BW_SESSION": "theirs",
    }
    assert child_env(env, ["HOME_PASSWORD"]) == {"PATH": "/bin", "MAILCTL_CONFIG_DIR": "/c", "BW_SESSION": "theirs"}
