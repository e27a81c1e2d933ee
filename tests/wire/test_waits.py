"""Sending to a server that takes nothing more, when the user wants an end."""

from threading import Event, Timer
from time import monotonic

import pytest

from mailctl.domain.deadline import Deadline
from mailctl.domain.server import CertificatePolicy, Endpoint, Security
from mailctl.errors import NetworkError, StoppedError
from mailctl.protocols import waits, wire
from mailctl.protocols.resolve import resolve
from mailctl.protocols.wire import Wire
from tests.servers.support.certificates import Certificates
from tests.wire.support.contexts import server_context
from tests.wire.support.scripted import Peer, ScriptedServer

MUCH = b"x" * (16 << 20)
"""More than all buffers on the way hold."""


@pytest.fixture(params=[Security.NONE, Security.TLS])
def security(request: pytest.FixtureRequest) -> Security:
    security: Security = request.param
    return security


def connected(port: int, security: Security, certificates: Certificates, stop: Event | None) -> Wire:
    policy = CertificatePolicy(ca_file=str(certificates.ca))
    endpoint = Endpoint("localhost", port, security, policy)
    deadline = Deadline(20)
    made = Wire.connect(
        endpoint, [each for each in resolve("localhost", port, deadline) if ":" not in each.ip], deadline
    )
    made.waits.stop = stop
    if security is Security.TLS:
        made.start_tls()
    return made


def silent(security: Security, certificates: Certificates, release: Event) -> ScriptedServer:
    def script(peer: Peer) -> None:
        if security is Security.TLS:
            peer.start_tls(server_context(certificates.good))
        release.wait(15)
        peer.wait_for_end()

    return ScriptedServer(script)


def test_G14_who_asked_for_an_end_does_not_wait_for_a_server_that_takes_nothing(
    security: Security, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waits, "LOOK_UP", 0.05)
    monkeypatch.setattr(waits, "GRACE", 0.2)
    stop, release = Event(), Event()
    with silent(security, certificates, release) as server:
        made = connected(server.port, security, certificates, stop)
        asked = Timer(0.2, stop.set)
        asked.start()
        with pytest.raises(StoppedError):
            made.send(MUCH)
        asked.join()
        assert made.closed, "half a command is on its way"
        release.set()


def test_a_server_that_takes_nothing_is_given_up(
    security: Security, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waits, "LOOK_UP", 0.05)
    monkeypatch.setattr(wire, "STALL", 0.4)
    release = Event()
    with silent(security, certificates, release) as server:
        made = connected(server.port, security, certificates, Event())
        began = monotonic()
        with pytest.raises(NetworkError):
            made.send(MUCH)
        assert monotonic() - began < 10
        release.set()


def test_a_server_that_rests_gets_all_of_it(
    security: Security, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waits, "LOOK_UP", 0.05)
    came = Event()

    def script(peer: Peer) -> None:
        if security is Security.TLS:
            peer.start_tls(server_context(certificates.good))
        peer.server.pause(0.3)
        octets = 0
        while octets < len(MUCH):
            octets += len(peer.connection.recv(1 << 20))
        came.set()

    with ScriptedServer(script) as server:
        made = connected(server.port, security, certificates, Event())
        made.send(MUCH)
        assert came.wait(15)
        made.close()
