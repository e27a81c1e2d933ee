"""Servers end with the tests, and what can't be had skips or fails."""

import subprocess
import sys
from pathlib import Path

import pytest

from .support.process import Daemon, NotStartedError
from .support.requirement import unavailable

_HOLDER = """
import sys; sys.path.insert(0, {root!r})
from pathlib import Path
from tests.servers.support.process import Daemon
daemon = Daemon(["/bin/sh", "-c", "setsid sleep 300 & echo $! up; trap '' TERM; sleep 300"],
                output=Path({output!r}), env={{}}, patience=0.1)
daemon.start()
daemon.wait_until(lambda: "up" in daemon.output())
print("started", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("killed", [True, False])
def test_a_server_ends_with_whoever_started_it(tmp_path: Path, killed: bool) -> None:
    """Also when that is killed, with descendants that left its process group, and if it ignores SIGTERM."""
    output = tmp_path / "output"
    code = _HOLDER.format(root=str(Path(__file__).parents[2]), output=str(output))
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"started\n"
    descendant = Path("/proc", output.read_text().split()[0])
    assert descendant.exists()
    if killed:
        holder.kill()
    holder.communicate()
    waiter = Daemon(["/bin/sleep", "20"], output=tmp_path / "waiter", env={})
    waiter.start()
    waiter.wait_until(lambda: not descendant.exists())
    waiter.stop()


def test_a_server_that_ends_at_once_says_why(tmp_path: Path) -> None:
    daemon = Daemon(["/bin/sh", "-c", "echo no such luck; exit 3"], output=tmp_path / "output", env={})
    daemon.start()
    with pytest.raises(NotStartedError, match="no such luck"):
        daemon.wait_until(lambda: False)
    daemon.stop()


def test_what_is_not_there_skips_or_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("MAILCTL_TEST_REQUIRE_SERVERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs Dovecot: not here"):
        unavailable("Dovecot", "not here")
    for name, value in (("CI", "true"), ("MAILCTL_TEST_REQUIRE_SERVERS", "1")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            with pytest.raises(pytest.fail.Exception, match="needs Dovecot: not here"):
                unavailable("Dovecot", "not here")
