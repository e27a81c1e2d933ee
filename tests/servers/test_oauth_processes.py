"""Renewals by several processes, and by ones that are killed in the middle, against a real server with rotation."""

import io
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from time import monotonic, sleep

import pytest

from mailctl.cli.context import Context
from mailctl.domain.gateway import LoginRole
from mailctl.domain.oauth import Token
from mailctl.domain.secret import BearerToken, Secret

from .refresher import SOURCE, STEPS, make
from .signing_in import configure, keep_lapsed
from .support.certificates import Certificates
from .support.keyring import Keyring
from .support.oauth_grants import Issued
from .support.oauth_server import PUBLIC, OAuthServer

ROOT = Path(__file__).parents[2]


class Signed:
    """A login of alice's that was signed in two hours ago, for processes."""

    def __init__(self, server: OAuthServer, certificates: Certificates, folder: Path) -> None:
        self.server = server
        self.told = {"url": server.url, "ca": str(certificates.ca), "folder": str(folder)}
        ended = datetime.now(UTC) - timedelta(hours=1)
        token = Token(BearerToken("old"), ended, ("mail",), Secret("refresh-0"), ended, None, "own", PUBLIC)
        make(self.told).keep("work", LoginRole.LOGIN, SOURCE, token)
        server.register.issued.append(Issued("old", "refresh-0", PUBLIC, "alice", "mail", 0.0, 0))

    def start(self, **told: object) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "tests.servers.refresher", json.dumps({**self.told, **told})],
            cwd=ROOT,
            env=dict(os.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self, **told: object) -> str:
        out, _ = self.start(**told).communicate("\n", timeout=60)
        return out.strip()

    def get(self, refused: str = "") -> str:
        """The same in this process. refused: a token that a mail server refused."""
        digest = BearerToken(refused).digest if refused else ""
        return make(self.told).access_token("work", LoginRole.LOGIN, SOURCE, refused=digest).reveal()

    @property
    def newest(self) -> str:
        return self.server.register.issued[-1].access


@pytest.fixture
def signed(oauth_server: OAuthServer, certificates: Certificates, tmp_path: Path) -> Signed:
    return Signed(oauth_server, certificates, tmp_path)


def test_F7_processes_that_refresh_at_once_make_one_refresh(signed: Signed) -> None:
    processes = [signed.start() for _ in range(3)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    found = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert found == {signed.newest}
    assert len(signed.server.forms()) == 1


def test_F7_processes_that_are_refused_at_once_use_no_refresh_token_twice(signed: Signed) -> None:
    first = signed.run()
    processes = [signed.start(refused=BearerToken(first).digest) for _ in range(3)]
    found = {process.communicate("\n", timeout=60)[0].strip() for process in processes}
    assert found == {signed.newest}
    assert len(signed.server.forms()) == 2
    assert not any(each.revoked for each in signed.server.register.issued)


def test_F7_commands_that_refresh_at_once_over_the_desktops_keyring(
    keyring_session: Keyring, oauth_server: OAuthServer, certificates: Certificates
) -> None:
    env = {**keyring_session.env, "SSL_CERT_FILE": str(certificates.ca), "PYTHONPATH": str(ROOT)}
    context = Context(io.StringIO(), io.StringIO(), io.StringIO(), env)
    configure(context.paths.config, oauth_server.table())
    keep_lapsed(env)
    oauth_server.register.issued.append(Issued("old", "refresh-0", PUBLIC, "alice", "mail", 0.0, 0))
    command = [sys.executable, "-m", "mailctl", "auth", "token", "work"]
    processes = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    found = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert found == [oauth_server.register.issued[-1].access] * 3
    assert len(oauth_server.forms()) == 1


@pytest.mark.parametrize("step", range(STEPS))
def test_F6_a_process_that_is_killed_in_a_rotation_loses_nothing(signed: Signed, step: int) -> None:
    assert signed.run(die=step) == ""
    asked = len(signed.server.forms())
    assert asked == (0 if step < 3 else 1)
    if step in (3, 4):  # the answer ended with the process; servers let the last token be used again for this
        signed.server.register.grace = True
    assert signed.get() == signed.newest
    assert len(signed.server.forms()) == (asked if step > 4 else asked + 1)
    signed.server.register.grace = False
    kept = make(signed.told).kept("work", LoginRole.LOGIN, SOURCE)
    assert kept is not None
    assert kept.access_token.reveal() == signed.newest
    assert signed.get(signed.newest) == signed.newest
    assert not any(each.revoked for each in signed.server.register.issued)


def test_F8_a_rotated_token_that_was_lost_ends_in_one_clear_error(signed: Signed) -> None:
    signed.run(die=3)
    for _ in range(2):
        assert signed.run() == "error oauth_expired"
    assert len(signed.server.forms()) == 3


def test_F6_an_interrupt_in_a_rotation_waits_for_the_token(signed: Signed) -> None:
    signed.server.held["/token"] = Event()
    process = signed.start()
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    end = monotonic() + 60
    while not signed.server.forms():
        assert monotonic() < end
        sleep(0.02)
    for _ in range(2):  # by one who is impatient
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
    signed.server.held["/token"].set()
    out, _ = process.communicate(timeout=60)
    assert (out, process.returncode != 0) == ("", True)
    assert signed.run() == signed.newest
    assert len(signed.server.forms()) == 1
