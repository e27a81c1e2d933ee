"""A server in memory with five messages, and a place that is synced with it."""

from pathlib import Path

import pytest

from tests.doubles.imap import MemoryFolder, MemoryServer
from tests.doubles.syncs import Place
from tests.unit.sync.mails import mail


@pytest.fixture
def server() -> MemoryServer:
    made = MemoryServer({"INBOX": MemoryFolder()})
    made.folders["INBOX"].add(*(mail(n) for n in range(5)))
    return made


@pytest.fixture
def place(tmp_path: Path, server: MemoryServer) -> Place:
    return Place(tmp_path, server)


@pytest.fixture
def inbox(server: MemoryServer) -> MemoryFolder:
    return server.folders["INBOX"]
