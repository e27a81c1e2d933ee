"""The command after changes: once for a batch, never two at a time, bounded."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

from mailctl.sync.watch.hook import Hook

Told = SimpleQueue[tuple[list[str], str]]


def hook(program: str, told: Told, env: dict[str, str] | None = None, **more: float) -> Hook:
    argv = [sys.executable, "-c", program]
    return Hook(argv, lambda: {"PATH": os.defpath, **(env or {})}, lambda *done: told.put(done), settle=0.2, **more)


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_batch_is_one_run(tmp_path: Path) -> None:
    told: Told = SimpleQueue()
    out = tmp_path / "out"
    program = (
        f"import os; open({str(out)!r}, 'a').write(os.environ['MAILCTL_GATEWAYS'] + '|' + os.environ['X'] + '\\n')"
    )
    one = hook(program, told, {"X": "1"})
    for name in ("work", "home", "work"):
        one.offer(name)
    assert told.get(timeout=30) == (["work", "home"], "")
    assert out.read_text() == "work home|1\n"
    one.offer("late")
    one.close()
    assert told.get(timeout=30) == (["late"], "")
    assert out.read_text() == "work home|1\nlate|1\n"
    assert told.empty()


def test_never_two_at_a_time(tmp_path: Path) -> None:
    told: Told = SimpleQueue()
    place = str(tmp_path / "at work")
    program = f"import os, time; os.mkdir({place!r}); time.sleep(0.5); os.rmdir({place!r})"
    one = hook(program, told)
    one.offer("a")
    until((tmp_path / "at work").exists)
    one.offer("b")
    one.offer("c")
    assert told.get(timeout=30) == (["a"], "")
    assert told.get(timeout=30) == (["b", "c"], "")
    one.close()


def test_what_fails_is_told_and_ends_nothing() -> None:
    told: Told = SimpleQueue()
    one = hook("import sys; sys.stderr.write('x' * 100000 + 'no database'); sys.exit(3)", told)
    one.offer("a")
    _, problem = told.get(timeout=30)
    assert problem.startswith("ended with status 3: ")
    assert problem.endswith("no database")
    assert len(problem) < 600
    one.offer("b")
    assert told.get(timeout=30)[0] == ["b"]
    one.close()


def test_a_program_that_is_not_there() -> None:
    told: Told = SimpleQueue()
    one = Hook(["/nonexistent/program"], dict, lambda *done: told.put(done), settle=0.01)
    one.offer("a")
    assert told.get(timeout=30) == (["a"], "can't be run: No such file or directory")
    one.close()


def test_one_that_does_not_end_is_ended_with_its_children() -> None:
    told: Told = SimpleQueue()
    one = hook("import subprocess; subprocess.run(['sleep', '1000'])", told, seconds=0.5)
    one.offer("a")
    assert told.get(timeout=30) == (["a"], "was not done in time (0.5 s) and was ended")
    one.close()


def test_what_it_leaves_in_the_background_is_not_waited_for() -> None:
    told: Told = SimpleQueue()
    one = hook("import subprocess; subprocess.Popen(['sleep', '5'])", told)
    one.offer("a")
    began = time.monotonic()
    assert told.get(timeout=30) == (["a"], "")
    assert time.monotonic() - began < 4.9
    one.close()
