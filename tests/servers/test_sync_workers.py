"""`mailctl sync` of a large folder, with workers, on a real Dovecot: who is killed, who is stopped, what they know."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers.support.certificates import Certificates
from tests.servers.support.mailbox import Mailbox
from tests.servers.syncing import SyncHome

ROOT = Path(__file__).parents[2]
MESSAGES = 6000


@pytest.fixture
def home(tmp_path: Path, mailbox: Mailbox, certificates: Certificates) -> SyncHome:
    mailbox.deliver_many("INBOX", (f"Subject: {n}\r\n\r\n{'x' * 500}\r\n".encode() for n in range(MESSAGES)))
    return SyncHome(tmp_path, mailbox, certificates)


def start(home: SyncHome) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "mailctl", "sync", "box", "--json"],
        env=dict(home.cli.env),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def worker_of(process: "subprocess.Popen[str]") -> int:
    """A worker that has begun to fetch: both of them write, and only a worker's numbers are so high."""
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        for child in children(process.pid):
            if b"mailctl.cli.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                return child
        time.sleep(0.002)
    pytest.fail("there was no worker")


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for_part(home: SyncHome) -> None:
    """Until a worker writes."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if any(len(path.name.split("_")[0]) > 15 for path in home.mail.glob("INBOX/tmp/part.*")):
            return
        time.sleep(0.001)
    pytest.fail("no worker wrote anything")


def test_E1_a_worker_has_the_password_in_no_argument_and_no_variable(home: SyncHome, mailbox: Mailbox) -> None:
    process = start(home)
    worker = worker_of(process)
    words = Path(f"/proc/{worker}/cmdline").read_bytes() + Path(f"/proc/{worker}/environ").read_bytes()
    assert mailbox.password.encode() not in words
    out, err = process.communicate(timeout=60)
    assert json.loads(out)["ok"], err
    home.assert_equals_server()
    assert not lives(worker)


def test_G1_a_worker_that_is_killed_is_done_without(home: SyncHome) -> None:
    process = start(home)
    worker = worker_of(process)
    wait_for_part(home)
    os.kill(worker, signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    report = json.loads(out)["result"]["gateways"][0]
    assert (report["ok"], report["fetched"]) == (True, MESSAGES), err
    home.assert_equals_server()


def test_G1_workers_end_with_their_parent_and_the_next_run_goes_on_at_once(home: SyncHome) -> None:
    process = start(home)
    worker = worker_of(process)
    wait_for_part(home)
    process.kill()
    process.communicate(timeout=60)
    home.sync()
    assert not lives(worker)
    home.assert_equals_server()
    assert home.sync()["fetched"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_G14_a_signal_to_all_of_them_ends_well(home: SyncHome, number: signal.Signals) -> None:
    """A terminal sends Ctrl-C to every process, a service manager SIGTERM."""
    process = start(home)
    worker = worker_of(process)
    wait_for_part(home)
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=60)
    found = json.loads(out)
    assert process.returncode == 130, err
    assert found["error"]["code"] == "interrupted"
    assert "Traceback" not in err
    assert not lives(worker)
    assert not any(home.mail.glob("*/tmp/*"))
    assert home.sync()["fetched"] == MESSAGES - found["result"]["gateways"][0]["fetched"]
    home.assert_equals_server()
