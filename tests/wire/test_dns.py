"""Look-ups against name servers that misbehave: no real one says such things."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

import dns.message
import dns.rcode
import dns.rrset
import pytest

from mailctl.domain.deadline import Deadline
from mailctl.errors import NetworkError
from mailctl.protocols.dns import MOST_RECORDS, Dns
from mailctl.providers.srv import from_srv

NAME = "_imaps._tcp.mail.test"
Answer = Callable[[dns.message.Message], bytes]


@contextmanager
def name_server(answer: Answer) -> Iterator[Dns]:
    """A name server over UDP that answers as `answer` says, and what looks records up there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.05)
        ended = Event()

        def run() -> None:
            while not ended.is_set():
                with suppress(TimeoutError):
                    query, client = server.recvfrom(65535)
                    server.sendto(answer(dns.message.from_wire(query)), client)

        thread = Thread(target=run, name="name server", daemon=True)
        thread.start()
        yield Dns(f"127.0.0.1:{server.getsockname()[1]}")
        ended.set()
        thread.join(5)


def records(*texts: str) -> Answer:
    """Answers with these SRV records, whatever was asked."""

    def answer(query: dns.message.Message) -> bytes:
        response = dns.message.make_response(query)
        response.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "SRV", *texts))
        return response.to_wire(max_size=65535)

    return answer


def code(rcode: dns.rcode.Rcode) -> Answer:
    """Answers with this response code."""

    def answer(query: dns.message.Message) -> bytes:
        response = dns.message.make_response(query)
        response.set_rcode(rcode)
        return response.to_wire()

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        code(dns.rcode.SERVFAIL),
        code(dns.rcode.REFUSED),
        lambda query: b"nonsense",
        lambda query: query.to_wire()[:7],
        lambda query: dns.message.make_response(dns.message.make_query("other.test", "SRV")).to_wire(),
        lambda query: query.id.to_bytes(2, "big") + b"\x81\x80\x00\x01\xff\xff\x00\x00\x00\x00" + b"\xc0\x0c" * 50,
    ],
)
def test_failures_and_nonsense_are_temporary_failures(answer: Answer) -> None:
    with name_server(answer) as resolver, pytest.raises(NetworkError) as caught:
        resolver.srv(NAME, Deadline(0.2))
    assert caught.value.cause == "dns_temporary"


def test_no_such_name() -> None:
    with name_server(code(dns.rcode.NXDOMAIN)) as resolver:
        assert resolver.srv(NAME, Deadline(5)) == []
        with pytest.raises(NetworkError) as caught:
            resolver.mx("mail.test", Deadline(5))
    assert caught.value.cause == "dns_not_found"


def test_many_records_are_bounded() -> None:
    with name_server(records(*(f"0 1 {port} h{port}.mail.test." for port in range(1, 600)))) as resolver:
        assert len(resolver.srv(NAME, Deadline(5))) == MOST_RECORDS


@pytest.mark.parametrize("target", [r"a\010b.test.", r"a\.b@c\000.test.", r"\027[2J.test.", r"\255.test."])
def test_hostile_targets_never_become_hosts(target: str) -> None:
    with name_server(records(f"0 1 993 {target}", "1 1 993 good.test.")) as resolver:
        found, warnings = from_srv(NAME, resolver.srv(NAME, Deadline(5)))
    assert [candidate.endpoint.host for candidate in found] == ["good.test"]
    assert len(warnings) == 1
