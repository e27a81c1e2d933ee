"""The passphrase of the encrypted file is asked for once, before anything begins, and the question can be left."""

import contextlib
import os
import pty
import sys
from pathlib import Path

import pytest

from mailctl.cli.context import Context
from mailctl.cli.gateway_files import at_rest
from mailctl.config.store import ConfigStore
from mailctl.domain.gateway import Gateway, Login, SecretSource, SourceKind
from mailctl.domain.server import Endpoint, Protocol, Security, Server
from mailctl.secrets import jose
from tests.cli.support import Cli
from tests.cli.test_password import read_until


def on_terminal(home: Cli, *words: str) -> tuple[int, int]:
    """mailctl with these words, which are looked at; its process and its terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        env = {**home.env, "PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm"}
        os.execve(sys.executable, [sys.executable, "-m", "mailctl", *words], env)
    return pid, terminal


@pytest.fixture
def prompted(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Two gateways whose passwords are in the encrypted file, and nobody but a person has its passphrase."""
    monkeypatch.setattr(jose, "ITERATIONS", 1000)
    config = ConfigStore(cli.config)
    config.save_server(Server("example", endpoints={Protocol.IMAP: Endpoint("127.0.0.1", 9, Security.TLS)}))
    cli.env["MAILCTL_SECRETS_KEY"] = "correct horse"
    for name in ("work", "home"):
        config.save_gateway(Gateway(name, "example", "a@example.org", Login("a", SecretSource(SourceKind.ENCRYPTED))))
        cli.ok("gateway", "password", "set", name, "--password-stdin", stdin="hunter2\n")
    del cli.env["MAILCTL_SECRETS_KEY"]
    return cli


def test_a_watch_that_asks_ends_by_ctrl_c(prompted: Cli) -> None:
    pid, terminal = on_terminal(prompted, "watch", "--all")
    read_until(terminal, b"Passphrase of the encrypted file: ")
    os.write(terminal, b"\x03")
    shown = read_until(terminal, None)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 130
    assert b"Passphrase" not in shown
    os.close(terminal)


def test_who_types_nothing_is_not_asked_by_each_gateway(prompted: Cli) -> None:
    pid, terminal = on_terminal(prompted, "sync", "--all")
    read_until(terminal, b"Passphrase of the encrypted file: ")
    os.write(terminal, b"\n")
    shown = read_until(terminal, None)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 4
    assert b"Passphrase of" not in shown
    os.close(terminal)


@pytest.mark.parametrize(
    "words",
    [
        ("gateway", "remove", "work", "--yes"),
        ("gateway", "rename", "work", "w"),
        ("secrets", "move", "--to", "keyring"),
    ],
)
def test_nobody_waits_for_a_person_who_types(prompted: Cli, words: tuple[str, ...]) -> None:
    pid, terminal = on_terminal(prompted, *words)
    read_until(terminal, b"Passphrase of the encrypted file: ")
    with ConfigStore(prompted.config).locked(), contextlib.ExitStack() as held:
        held.enter_context(at_rest(Context(sys.stdin, sys.stdout, sys.stderr, prompted.env), "work"))
    os.write(terminal, b"\x03")
    read_until(terminal, None)
    os.waitpid(pid, 0)
    os.close(terminal)
