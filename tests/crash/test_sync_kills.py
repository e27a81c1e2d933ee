"""Sync killed by SIGKILL at random moments, on a real Dovecot: run again, nothing is lost and nothing is twice.

MAILCTL_CRASH_KILLS says how many kills; the default is a sample.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.servers.support.certificates import Certificates
from tests.servers.support.mail import Mail
from tests.servers.support.mailbox import Mailbox
from tests.servers.syncing import SyncHome

KILLS = int(os.environ.get("MAILCTL_CRASH_KILLS", "15"))
MESSAGES, OTHERS = 2500, 300
"""In all, and in the other folder than INBOX, which has so many that workers take part."""


def corpus() -> list[Mail]:
    made = random.Random(7)
    flags = ((), ("\\Seen",), ("\\Flagged", "Work"), ("\\Seen", "\\Answered"))
    return [
        Mail(f"Message-ID: <{n}@x>\r\nSubject: {n}\r\n\r\n{'y' * made.randrange(10, 4000)}\r\n".encode(), flags[n % 4])
        for n in range(MESSAGES)
    ]


def start(home: SyncHome) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "mailctl", "sync", "box", "--json"],
        env=dict(home.cli.env),
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_G1_killed_at_random_moments(tmp_path: Path, mailbox: Mailbox, certificates: Certificates) -> None:
    """Each life begins where the last was killed; when all is here, the next begins with an empty Maildir."""
    mailbox.create_folder("Été/Müller")
    mails = corpus()
    mailbox.deliver_many("INBOX", mails[OTHERS:])
    mailbox.deliver_many("Été/Müller", mails[:OTHERS])
    made = random.Random(time.time_ns())
    home = SyncHome(tmp_path / "whole", mailbox, certificates)
    began = time.monotonic()
    assert start(home).wait(120) == 0
    whole = time.monotonic() - began
    home.assert_equals_server()
    kills = rounds = 0
    while kills < KILLS:
        rounds += 1
        home = SyncHome(tmp_path / str(rounds), mailbox, certificates)
        for _ in range(8):
            process = start(home)
            time.sleep(made.uniform(0.1, 0.8) * whole)
            process.send_signal(signal.SIGKILL)
            ended = process.wait(120)
            if ended == 0:
                break
            assert ended == -signal.SIGKILL
            kills += 1
        assert home.sync()["ok"]
        home.assert_equals_server()
        before = home.snapshot()
        assert home.sync()["fetched"] == 0
        assert home.snapshot() == before
        shutil.rmtree(tmp_path / str(rounds))
    print(f"{kills} kills in {rounds} rounds; a whole sync takes {whole:.1f} s")
