"""Commands that end while a token is renewed: the new one is kept, whatever ends them, in whatever thread it is."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from time import monotonic, sleep

import pytest

from mailctl.cli.ahead import GRACE
from mailctl.cli.context import Context
from mailctl.diagnosis.batch import GRACE as BEYOND
from mailctl.domain.gateway import LoginRole, SecretSource, SourceKind

from .signing_in import configure, keep_lapsed
from .support.certificates import Certificates
from .support.keyring import Keyring
from .support.oauth_grants import Issued
from .support.oauth_server import PUBLIC, OAuthServer

ROOT = Path(__file__).parents[2]
SOURCE = SecretSource(SourceKind.OAUTH, ("own", "keyring"))


class Ending:
    """Commands on a gateway whose token has lapsed, at a token endpoint that answers when told."""

    def __init__(self, env: dict[str, str], server: OAuthServer) -> None:
        self.env, self.server = env, server
        self.context = Context(io.StringIO(), io.StringIO(), io.StringIO(), env)
        configure(self.context.paths.config, server.table())
        keep_lapsed(env)
        server.register.issued.append(Issued("old", "refresh-0", PUBLIC, "alice", "mail", 0.0, 0))
        server.held["/token"] = Event()

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """A command, once it has asked for a token."""
        process = subprocess.Popen(
            [sys.executable, "-m", "mailctl", *words],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        end = monotonic() + 60
        while not self.server.forms():
            assert monotonic() < end
            assert process.poll() is None
            sleep(0.02)
        return process

    def answer(self, process: "subprocess.Popen[str]", after: float = 1.0) -> str:
        """Let the endpoint answer, having seen that the command waits for it; returns what the command said."""
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(after)
        self.server.held["/token"].set()
        return process.communicate(timeout=60)[0]

    def assert_kept(self) -> None:
        kept = self.context.tokens.kept("work", LoginRole.LOGIN, SOURCE)
        assert kept is not None
        assert kept.access_token.reveal() == self.server.register.issued[-1].access
        assert len(self.server.register.issued) == 2


@pytest.fixture
def ending(keyring_session: Keyring, oauth_server: OAuthServer, certificates: Certificates) -> Iterator[Ending]:
    env = {**os.environ, **keyring_session.env, "SSL_CERT_FILE": str(certificates.ca), "PYTHONPATH": str(ROOT)}
    yield Ending(env, oauth_server)
    oauth_server.held["/token"].set()


def test_F6_a_check_that_is_interrupted_in_a_rotation_waits_for_the_token(ending: Ending) -> None:
    process = ending.start("test", "work", "--imap")
    for _ in range(2):  # by one who is impatient
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
    assert "Traceback" not in ending.answer(process)
    assert process.returncode == 130
    ending.assert_kept()


def test_F6_a_sync_that_is_ended_in_a_rotation_waits_for_the_token(ending: Ending) -> None:
    process = ending.start("sync", "work")
    process.send_signal(signal.SIGTERM)
    ending.answer(process, GRACE + 2)  # so long it waits for a connection by itself
    assert process.returncode == 130
    ending.assert_kept()


def test_F6_a_check_that_is_overdue_in_a_rotation_waits_for_the_token(ending: Ending) -> None:
    process = ending.start("test", "work", "--imap", "--timeout", "1")
    assert "secret" in ending.answer(process, 1 + BEYOND + 2)
    ending.assert_kept()
