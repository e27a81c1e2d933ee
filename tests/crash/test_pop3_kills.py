"""POP3 sync killed by SIGKILL at random moments, on a real Dovecot: nothing is lost, nothing twice, on either side.

MAILCTL_CRASH_KILLS says how many kills; the default is a sample.
"""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

from tests.crash.test_sync_kills import start
from tests.servers.support.certificates import Certificates
from tests.servers.support.mailbox import Mailbox
from tests.servers.syncing import SyncHome

KILLS = max(4, int(os.environ.get("MAILCTL_CRASH_KILLS", "15")) // 3)
MESSAGES = 1500


def test_G1_pop3_killed_at_random_moments(tmp_path: Path, mailbox: Mailbox, certificates: Certificates) -> None:
    """Each life begins where the last was killed. Messages leave the server once they are here, and not before."""
    made = random.Random(time.time_ns())
    home = SyncHome(tmp_path, mailbox, certificates, 'protocol = "pop3"\nkeep_on_server = false')
    kills = rounds = given = 0
    bodies: set[bytes] = set()
    pace = 2.0
    while kills < KILLS:
        rounds += 1
        new = [
            f"Message-ID: <{rounds}.{n}@x>\r\n\r\n{'y' * made.randrange(10, 4000)}\r\n".encode()
            for n in range(MESSAGES)
        ]
        mailbox.deliver_many("INBOX", new)
        bodies |= set(new)
        given += len(new)
        for _ in range(8):
            process = start(home)
            began = time.monotonic()
            try:
                process.wait(made.uniform(0.1, 0.9) * pace)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
            if process.wait(120) == 0:
                pace = time.monotonic() - began
                break
            kills += 1
            here = {kept.data for kept in home.files(home.mail / "INBOX").values()} if _is_there(home) else set()
            there = {held.data for held in mailbox.messages()}
            assert {body.replace(b"\r\n", b"\n") for body in here | there} == {
                b.replace(b"\r\n", b"\n") for b in bodies
            }
        report = home.sync()
        assert report["ok"]
        assert mailbox.messages() == []
        assert len(home.files(home.mail / "INBOX")) == given
    print(f"{kills} kills in {rounds} rounds")


def _is_there(home: SyncHome) -> bool:
    for path in (home.mail / "INBOX/tmp").glob("*"):
        path.unlink()  # litter is for the next run to remove; this look is in between
    return (home.mail / "INBOX/cur").is_dir()
