"""`mailctl sync` as a process: signals, two at once, a disk that is full, memory."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.servers.support.certificates import Certificates
from tests.servers.support.mailbox import Mailbox
from tests.servers.syncing import SyncHome

ROOT = Path(__file__).parents[2]
SYNC = [sys.executable, "-m", "mailctl", "sync", "box", "--json"]


@pytest.fixture
def home(tmp_path: Path, mailbox: Mailbox, certificates: Certificates) -> SyncHome:
    return SyncHome(tmp_path, mailbox, certificates)


def start(home: SyncHome, prepare: Callable[[], None] | None = None) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        SYNC,
        env=dict(home.cli.env),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,
    )


def wait_for_mail(home: SyncHome) -> None:
    """Until the first batch is being written."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if any(home.mail.glob("INBOX/*/*")):
            return
        time.sleep(0.002)
    pytest.fail("no mail came")


def result(process: "subprocess.Popen[str]") -> dict[str, Any]:
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    return dict(json.loads(out))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_G14_a_signal_ends_after_the_step_in_hand(home: SyncHome, mailbox: Mailbox, number: signal.Signals) -> None:
    mailbox.deliver_many("INBOX", [f"Subject: {n}\r\n\r\n{'x' * 20000}\r\n".encode() for n in range(1500)])
    process = start(home)
    wait_for_mail(home)
    process.send_signal(number)
    found = result(process)
    assert process.returncode == 130
    assert found["error"]["code"] == "interrupted"
    assert not any(home.mail.glob("*/tmp/*"))
    report = home.sync()
    assert report["fetched"] == 1500 - found["result"]["gateways"][0]["fetched"]
    home.assert_equals_server()


def test_G9_two_at_once(home: SyncHome, mailbox: Mailbox) -> None:
    mailbox.deliver_many("INBOX", [f"Subject: {n}\r\n\r\n{'x' * 20000}\r\n".encode() for n in range(1000)])
    first = start(home)
    wait_for_mail(home)
    second = start(home)
    refused = result(second)
    assert second.returncode == 10
    assert refused["error"]["code"] == "locked"
    assert f"process {first.pid} on" in refused["error"]["message"]
    assert result(first)["ok"]
    home.assert_equals_server()


def test_G4_a_file_that_can_not_grow_ends_in_an_error(home: SyncHome, mailbox: Mailbox) -> None:
    """RLIMIT_FSIZE stands for a full disk: it strikes the Maildir, then the state's database too."""
    mailbox.deliver("INBOX", b"Subject: small\r\n\r\nx\r\n")
    mailbox.deliver("INBOX", b"Subject: big\r\n\r\n" + b"x" * 300_000 + b"\r\n")
    for limit in (200_000, 20_000, 4_000, 0):

        def limited(limit: int = limit) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        process = start(home, limited)
        found = result(process)
        assert process.returncode == 10, (limit, found)
        assert not any(home.mail.glob("*/tmp/*"))
    assert home.sync()["ok"]
    home.assert_equals_server()


def test_memory_stays_small(home: SyncHome, mailbox: Mailbox) -> None:
    """10,000 messages and one of 200 MB, with workers; tests/bench/memory.py has larger ones, and the sum of all."""
    mailbox.deliver("INBOX", b"Subject: big\r\n\r\n" + (b"z" * 76 + b"\r\n") * 2_600_000)
    mailbox.deliver_many("INBOX", (f"Subject: {n}\r\n\r\nhello\r\n".encode() for n in range(10_000)))
    # a process between, since the peak of a child counts from the fork of its parent
    program = (
        "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:], stdout=sys.stderr); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *SYNC],
        env=dict(home.cli.env),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    report = json.loads(done.stderr)["result"]["gateways"][0]
    assert report["fetched"] == 10_001
    assert report["bytes"] > 200_000_000
    assert int(done.stdout) < 55 * 1024, "KiB, of the largest of its processes"
    big = max((home.mail / "INBOX/new").iterdir(), key=lambda path: path.stat().st_size)
    assert os.path.getsize(big) > 200_000_000
