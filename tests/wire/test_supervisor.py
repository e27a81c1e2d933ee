"""What a service manager is told: by a path, by an abstract name, or not at all."""

import os
import socket
from pathlib import Path

import pytest

from mailctl.protocols.supervisor import supervisor


@pytest.mark.parametrize("abstract", [False, True])
def test_it_is_told(tmp_path: Path, abstract: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = f"@mailctl-test-{os.getpid()}" if abstract else "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if abstract else name)
        manager.settimeout(10)
        supervisor(name if abstract else str(tmp_path / name))("READY=1\nSTATUS=ä")
        assert manager.recv(1000).decode() == "READY=1\nSTATUS=ä"


def test_nobody_who_listens_is_no_error(tmp_path: Path) -> None:
    for address in ("", "relative", str(tmp_path / "none"), "@none", "/" + "x" * 200):
        supervisor(address)("READY=1")
