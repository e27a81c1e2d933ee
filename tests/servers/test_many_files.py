"""A process that has more than 1,024 files open, as a watch of hundreds of gateways has: what it waits for is heard."""

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import closing
from queue import SimpleQueue

import pytest

from mailctl.domain.secret import Secret
from mailctl.secrets.command import secret_from_command
from mailctl.secrets.keyring import SystemKeyring
from mailctl.sync.watch.hook import Hook
from tests.servers.support.keyring import Keyring

MANY = 1100


@pytest.fixture
def many_files() -> Iterator[None]:
    """So many are open that the next ones have numbers beyond 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2 * MANY:
        pytest.skip(f"this machine allows {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * MANY), hard))
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(MANY)]
    try:
        assert max(opened) > 1024
        yield
    finally:
        for descriptor in opened:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_a_password_from_a_command() -> None:
    secret = secret_from_command((sys.executable, "-c", "print('hunter2')"), {"PATH": os.environ["PATH"]})
    assert secret.reveal() == "hunter2"


@pytest.mark.usefixtures("many_files")
def test_a_command_after_changes() -> None:
    told: SimpleQueue[tuple[list[str], str]] = SimpleQueue()
    program = "import sys; sys.exit('no')"
    hook = Hook([sys.executable, "-c", program], dict, lambda *done: told.put(done), settle=0.01)
    hook.offer("work")
    assert told.get(timeout=30) == (["work"], "ended with status 1: no")
    hook.close()


@pytest.mark.usefixtures("many_files")
def test_a_password_from_the_keyring(keyring_session: Keyring) -> None:
    with closing(SystemKeyring(keyring_session.env, seconds=20)) as ring:
        ring.set("mailctl:many", "login", Secret("hunter2"))
        assert ring.get("mailctl:many", "login").secret == Secret("hunter2")
        assert ring.delete("mailctl:many", "login")
