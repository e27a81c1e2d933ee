"""Ports looked at from outside: what answers is told, nothing is said, and it ends in time."""

from time import monotonic

import pytest

from mailctl.domain.deadline import Deadline
from mailctl.domain.look import PortSeen
from mailctl.protocols.ports import see_ports
from tests.servers.support.certificates import Certificates
from tests.wire.support.contexts import server_context
from tests.wire.support.scripted import Peer, ScriptedServer, says
from tests.wire.test_dial import black_hole, closed_port


def see(*ports: tuple[int, bool], seconds: float = 2.0, host: str = "127.0.0.1") -> tuple[PortSeen, ...]:
    start = monotonic()
    found = see_ports(host, ports, Deadline(seconds))
    assert monotonic() - start < seconds + 0.5
    return found


@pytest.mark.parametrize(
    ("greeting", "speaks"),
    [
        ("* OK [CAPABILITY IMAP4rev1] ready", "imap"),
        ("+OK ready", "pop3"),
        ("220 mail.test ESMTP", "smtp"),
        ("SSH-2.0-OpenSSH_9.2", "ssh"),
        ("hello", ""),
    ],
)
def test_a_greeting_tells_who_speaks(greeting: str, speaks: str) -> None:
    with ScriptedServer(says(greeting)) as server:
        assert see((server.port, False)) == (PortSeen(server.port, False, speaks, greeting),)
        assert server.clear == b""


def test_ports_are_seen_side_by_side(certificates: Certificates) -> None:
    context = server_context(certificates.untrusted)
    refused = closed_port()
    with ScriptedServer(says("* OK in"), context) as inside, ScriptedServer(says("* OK out")) as outside:
        start = monotonic()
        found = see((inside.port, True), (outside.port, False), (refused, True), (outside.port, True))
        assert monotonic() - start < 1.5
        assert inside.inside == b""
    assert found == (
        PortSeen(inside.port, True, "imap", "* OK in"),
        PortSeen(outside.port, False, "imap", "* OK out"),
        PortSeen(refused, cause="tcp_refused"),
        PortSeen(outside.port),
    )


def test_a_port_that_swallows_or_stays_silent_is_told_in_time() -> None:
    with black_hole("127.0.0.4") as dead:
        assert see((dead, True), seconds=1.0, host="127.0.0.4") == (PortSeen(dead, cause="tcp_timeout"),)
    with ScriptedServer(lambda peer: peer.wait_for_end()) as silent:
        assert see((silent.port, False)) == (PortSeen(silent.port),)
        assert silent.clear == b""


def test_what_never_ends_is_bounded() -> None:
    def endless(peer: Peer) -> None:
        while True:
            peer.send("220 " + "x" * 10_000)

    with ScriptedServer(endless) as server:
        (found,) = see((server.port, False))
    assert found.speaks == "smtp"
    assert len(found.text) == 200


def test_a_host_that_is_none_tells_nothing() -> None:
    assert see((993, True), host="a..b", seconds=0.5) == ()


def test_one_family_alone_may_be_asked() -> None:
    with ScriptedServer(says("+OK six"), listen_on="::1") as six:
        found = see_ports("localhost", ((six.port, False),), Deadline(2), "IPv6")
        four = see_ports("localhost", ((six.port, False),), Deadline(2), "IPv4")
    assert found in ((PortSeen(six.port, False, "pop3", "+OK six"),), (PortSeen(six.port, cause="tcp_timeout"),))
    assert four[0].cause == "tcp_refused"
