"""TCP: addresses tried side by side, each failure named; resolving, bounded."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import pytest

from mailctl.domain.deadline import Deadline
from mailctl.domain.server import Endpoint, Protocol, Security
from mailctl.errors import NetworkError
from mailctl.protocols.pop3 import pop3_session
from mailctl.protocols.resolve import Address, failure, resolve
from mailctl.protocols.wire import Wire
from tests.wire.support.jobs import Climbed, job
from tests.wire.support.scripted import Peer, ScriptedServer, says


@contextmanager
def black_hole(host: str) -> Iterator[int]:
    """A port that lets connections hang: its backlog is full, so that the system drops what comes more."""
    with socket.create_server((host, 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        waiting = []
        try:
            for _ in range(4):
                full = socket.socket()
                full.setblocking(False)
                full.connect_ex((host, port))
                waiting.append(full)
            yield port
        finally:
            for each in waiting:
                each.close()


def address(ip: str, port: int) -> Address:
    return Address(socket.AF_INET, ip, (ip, port))


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def connect(addresses: list[Address], seconds: float = 5) -> Wire:
    endpoint = Endpoint("mail.test", addresses[0].sockaddr[1], Security.NONE)  # type: ignore[arg-type]  # the port
    return Wire.connect(endpoint, addresses, Deadline(seconds))


def test_one_dead_address_costs_little() -> None:
    with black_hole("127.0.0.3") as dead, ScriptedServer(says("+OK")) as server:
        start = monotonic()
        wire = connect([address("127.0.0.3", dead), address("127.0.0.1", server.port)])
        assert monotonic() - start < 2
        assert wire.address.ip == "127.0.0.1"
        assert wire.readline() == b"+OK\r\n"
        wire.close()


def test_an_address_that_refuses_is_passed_over_and_told() -> None:
    with ScriptedServer(says("+OK")) as server:
        wire = connect([address("127.0.0.2", closed_port()), address("127.0.0.1", server.port)])
        assert wire.failed == {"127.0.0.2": "tcp_refused"}
        wire.close()


def test_nothing_listens() -> None:
    with pytest.raises(NetworkError) as caught:
        connect([address("127.0.0.1", closed_port())])
    assert caught.value.cause == "tcp_refused"
    assert caught.value.detail == {"addresses": {"127.0.0.1": "tcp_refused"}}


def test_nothing_answers() -> None:
    with black_hole("127.0.0.3") as dead, pytest.raises(NetworkError) as caught:
        connect([address("127.0.0.3", dead)], seconds=0.5)
    assert caught.value.cause == "tcp_timeout"


def test_a_refusal_tells_more_than_a_silence() -> None:
    with black_hole("127.0.0.3") as dead, pytest.raises(NetworkError) as caught:
        connect([address("127.0.0.3", dead), address("127.0.0.1", closed_port())], seconds=1)
    assert caught.value.cause == "tcp_refused"
    assert caught.value.detail["addresses"] == {"127.0.0.3": "tcp_timeout", "127.0.0.1": "tcp_refused"}


def test_there_is_no_way() -> None:
    nowhere = Address(socket.AF_INET6, "2001:db8::1%lo", ("2001:db8::1", 25, 0, 1))
    with pytest.raises(NetworkError) as caught:
        connect([nowhere], seconds=1)
    assert caught.value.cause in ("tcp_unreachable", "tcp_timeout")  # as the machine has IPv6 or not


def test_localhost_resolves_once_for_each_address() -> None:
    found = resolve("localhost", 25, Deadline(5))
    assert {each.ip for each in found} <= {"127.0.0.1", "::1"}
    assert len({each.ip for each in found}) == len(found)


@pytest.mark.parametrize("host", ["a..b", "imap://x", "-", "a b"])
def test_a_bad_host_name_is_named_at_the_first_stage(host: str) -> None:
    climbed = Climbed(pop3_session(job(Protocol.POP3, 110, Security.NONE, None, host=host), None, Deadline(5)))
    assert climbed.failed == "dns"
    assert climbed.cause == "dns_bad_name"


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "dns_not_found"),
        (socket.gaierror(socket.EAI_NODATA, "No address associated with hostname"), "dns_not_found"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), "dns_temporary"),
        (socket.gaierror(socket.EAI_FAIL, "Non-recoverable failure"), "dns_temporary"),
        (UnicodeError("label too long"), "dns_bad_name"),
        (OSError(24, "Too many open files"), "dns_temporary"),
    ],
)
def test_what_the_resolver_says_becomes_a_cause(error: Exception, cause: str) -> None:
    assert failure("mail.test", error).cause == cause


def test_a_spent_deadline_ends_the_climb() -> None:
    climbed = Climbed(pop3_session(job(Protocol.POP3, 110, Security.NONE, None), None, Deadline(0)))
    assert climbed.cause == "tcp_timeout"


def v6(port: int) -> Address:
    return Address(socket.AF_INET6, "::1", ("::1", port, 0, 0))


def tcp_detail(addresses: list[Address], monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, object]]:
    """What a check tells of both families in the end."""
    monkeypatch.setattr("mailctl.protocols.session.resolve", lambda *_: addresses)
    session = pop3_session(job(Protocol.POP3, 110, Security.NONE, None, host="mail.test"), None, Deadline(5))
    climbed = Climbed(session)
    assert climbed.failed == ""
    found = session.late()["tcp"]["families"]
    assert isinstance(found, dict)
    return found


def pop3(peer: Peer) -> None:
    peer.line("+OK")
    peer.expect("CAPA")
    peer.line("-ERR")
    peer.wait_for_end()


def test_both_families_are_tried_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(pop3) as here, ScriptedServer(pop3, listen_on="::1") as there:
        found = tcp_detail([address("127.0.0.1", here.port), v6(there.port)], monkeypatch)
        assert there.clear == b""
    assert found["ipv4"]["answered"] == "127.0.0.1"
    assert found["ipv6"]["answered"] == "::1"


def test_a_family_that_refuses_or_swallows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(pop3) as server:
        found = tcp_detail([v6(closed_port()), address("127.0.0.1", server.port)], monkeypatch)
        assert found["ipv6"] == {"addresses": ["::1"], "cause": "tcp_refused", "ms": found["ipv6"]["ms"]}
        with black_hole("127.0.0.3") as dead:
            start = monotonic()
            with ScriptedServer(pop3, listen_on="::1") as only:
                found = tcp_detail([address("127.0.0.3", dead), v6(only.port)], monkeypatch)
            assert monotonic() - start < 3
        assert found["ipv4"]["cause"] == "tcp_timeout"
        assert found["ipv6"]["answered"] == "::1"


def test_one_family_alone_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(pop3) as server:
        found = tcp_detail([address("127.0.0.1", server.port)], monkeypatch)
        assert list(found) == ["ipv4"]
        assert server.connections == 1
