"""Tests and syncs of many gateways whose passwords are in the encrypted file: a person is asked once, and before."""

import os
import pty
import re
import sys
from pathlib import Path

import pytest

from mailctl.config.store import ConfigStore
from mailctl.domain.gateway import Gateway, Login, SecretSource, SourceKind
from mailctl.domain.secret import Secret
from mailctl.secrets.encrypted import EncryptedFile
from tests.cli.test_password import read_until

from .support.certificates import Certificates
from .support.mailbox import Mailbox
from .syncing import SyncHome

KEY = b"correct horse"
ENCRYPTED = SecretSource(SourceKind.ENCRYPTED)
QUESTION = b"Passphrase of the encrypted file: "


@pytest.fixture
def home(tmp_path: Path, mailbox: Mailbox, certificates: Certificates) -> SyncHome:
    """Six gateways on one mailbox, each with its password in the encrypted file."""
    made = SyncHome(tmp_path, mailbox, certificates)
    config, file = ConfigStore(made.cli.config), made.cli.config / "secrets.jwe"
    ring = EncryptedFile(file, lambda new: Secret(KEY.decode()))
    config.remove_gateway("box")
    for name in ("a", "b", "c", "d", "e", "f"):
        config.save_gateway(Gateway(name, "dovecot", mailbox.address, Login(mailbox.user, ENCRYPTED)))
        ring.set(f"mailctl:{name}", "login", Secret(mailbox.password))
    return made


def on_terminal(home: SyncHome, *words: str, answer: bytes) -> tuple[int, bytes]:
    """Run mailctl on a terminal and answer the question; exit code, and all that was shown."""
    pid, terminal = pty.fork()
    if pid == 0:
        env = {**home.cli.env, "PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm"}
        os.execve(sys.executable, [sys.executable, "-m", "mailctl", *words], env)
    shown = read_until(terminal, QUESTION)
    os.write(terminal, answer + b"\n")
    shown += read_until(terminal, None)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(terminal)
    return code, shown


@pytest.mark.parametrize("words", [("test", "--all", "--imap"), ("sync", "--all")])
def test_a_run_with_many_gateways_asks_once_and_before_it_draws(
    home: SyncHome, mailbox: Mailbox, words: tuple[str, ...]
) -> None:
    mailbox.deliver("INBOX", b"Subject: 1\r\n\r\nx\r\n")
    code, shown = on_terminal(home, *words, answer=KEY)
    assert code == 0, shown
    assert shown.count(QUESTION) == 1
    assert shown.startswith(QUESTION), shown[:200]
    assert KEY not in shown
    if words[0] == "sync":
        assert len(list((home.cli.data / "mail").glob("*/INBOX/new/*"))) == 6


def test_a_wrong_passphrase_is_asked_for_once_and_told_for_each(home: SyncHome) -> None:
    code, shown = on_terminal(home, "test", "--all", "--imap", answer=b"wrong")
    assert code == 4, shown
    assert shown.count(QUESTION) == 1
    assert b"secret_unavailable" in re.sub(rb"\s+", b" ", shown)


def test_with_the_key_in_the_environment_nobody_is_asked(home: SyncHome, mailbox: Mailbox) -> None:
    home.cli.env["MAILCTL_SECRETS_KEY"] = KEY.decode()
    assert {row["ok"] for row in home.cli.json("test", "--all", "--imap")["result"]["checks"]} == {True}
    del home.cli.env["MAILCTL_SECRETS_KEY"]
    found = home.cli.json("test", "--all", "--imap", code=4)
    assert {row["cause"] for row in found["result"]["checks"]} == {"secret_unavailable"}
