"""The matrix of failures without a server: nobody there, nobody answering, no such name."""

import socket
from collections.abc import Iterator

import pytest

from .matrix import Expected, check
from .support.home import Home

PROTOCOLS = ("imap", "pop3", "smtp")


@pytest.fixture
def blackhole() -> Iterator[int]:
    """A port whose listener takes nothing any more: connections to it are neither accepted nor refused (listen(2))."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        yield full.getsockname()[1]
        for each in waiting:
            each.close()


def test_server_down(home: Home, free_port: int) -> None:
    for protocol in PROTOCOLS:
        for security in ("tls", "starttls"):
            home.gateway(f"{protocol}-{security}", "bob", "bob-pw", f"{protocol} localhost {free_port} {security}")
    check(home, Expected("tcp_refused", 5, "tcp", "Compare the port with the protocol"))


def test_port_that_swallows_everything(home: Home, blackhole: int) -> None:
    """The one failure that takes as long as it is given."""
    home.gateway("hole", "bob", "bob-pw", f"imap 127.0.0.1 {blackhole} tls")
    (found,) = home.test("hole", "--timeout", "2", code=5)
    assert (found["cause"], found["stage"], found["fixer"]) == ("tcp_timeout", "tcp", "user")
    assert "another network" in "\n".join(found["remedy"])


def test_name_missing(home: Home) -> None:
    for protocol in PROTOCOLS:
        home.gateway(protocol, "bob", "bob-pw", f"{protocol} nowhere.invalid 993 tls")
    # a machine without a resolver can't tell
    check(home, Expected(("dns_not_found", "dns_temporary"), 5, "dns", ""))
