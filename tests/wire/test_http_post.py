"""The sender of forms against web servers that misbehave."""

import socket

import pytest

from mailctl.domain.deadline import Deadline
from mailctl.domain.oauth import HttpAnswer
from mailctl.domain.server import CertificatePolicy
from mailctl.errors import MailctlError, NetworkError, ProtocolError, TlsError, UsageError
from mailctl.protocols.http import MOST_BYTES, HttpPost
from mailctl.protocols.resolve import Address
from tests.servers.support.certificates import Certificates
from tests.wire.support.contexts import server_context
from tests.wire.support.scripted import Peer, Script, ScriptedServer

FORM = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": "Basic eDp5"}


def serve(*lines: str, body: bytes = b"") -> Script:
    """A script that reads a form of nine octets and answers."""

    def script(peer: Peer) -> None:
        peer.expect("POST ")
        while peer.read_line():
            pass
        peer.line(*lines, "")
        peer.send(body)

    return script


def post(server: ScriptedServer, seconds: float = 10) -> HttpAnswer:
    return HttpPost()(f"http://127.0.0.1:{server.port}/token?x=1", b"a=b&c=d%20", FORM, Deadline(seconds))


def test_a_form_is_sent_and_answered() -> None:
    script = serve("HTTP/1.1 400 Bad", "Content-Type: Application/JSON; charset=utf-8", "X: 1", "X: 2", body=b"{}")
    with ScriptedServer(script) as server:
        answer = post(server)
    assert answer == HttpAnswer(400, "application/json", b"{}", answer.headers)
    assert answer.headers["x"] == "1"
    head = server.clear.decode()
    assert head.startswith(f"POST /token?x=1 HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n")
    assert "\r\nContent-Length: 10\r\n" in head
    assert "\r\nAuthorization: Basic eDp5\r\n" in head


def test_a_redirect_is_not_followed() -> None:
    with ScriptedServer(serve("HTTP/1.1 307 Elsewhere", "Location: /again", "Content-Length: 0")) as server:
        assert post(server).status == 307
    assert server.connections == 1


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (serve("HTTP/1.1 200 OK", body=b"x" * (MOST_BYTES + 1)), ProtocolError),
        (serve("HTTP/1.1 200 OK", *["X: " + "y" * 1000] * 2000), ProtocolError),
        (serve("SSH-2.0-nonsense"), ProtocolError),
        (lambda peer: peer.reset(), NetworkError),
    ],
)
def test_F10_misbehaviour_is_a_typed_error(script: Script, kind: type[MailctlError]) -> None:
    with ScriptedServer(script) as server, pytest.raises(kind):
        post(server)


def test_F10_a_server_that_never_answers_is_left() -> None:
    with ScriptedServer(lambda peer: peer.wait_for_end()) as server, pytest.raises(NetworkError) as caught:
        post(server, seconds=0.5)
    assert caught.value.cause == "tcp_timeout"


def test_nothing_goes_out_in_clear_or_with_a_forged_header() -> None:
    at = [Address(socket.AF_INET, "192.0.2.1", ("192.0.2.1", 80))]
    with pytest.raises(NetworkError, match="not https"):
        HttpPost(find=lambda *_: at)("http://web.example/", b"", {}, Deadline(1))
    with pytest.raises(UsageError):
        HttpPost()("http://127.0.0.1:9/", b"", {"X": "a\r\nY: b"}, Deadline(1))


def test_F10_a_bad_certificate_is_refused(certificates: Certificates) -> None:
    send = HttpPost(CertificatePolicy(ca_file=str(certificates.ca)))
    for bad in (certificates.expired, certificates.self_signed, certificates.wrong_host):
        with ScriptedServer(serve("HTTP/1.1 200 OK"), server_context(bad)) as server, pytest.raises(TlsError):
            send(f"https://localhost:{server.port}/", b"a=secret", FORM, Deadline(10))
        assert server.inside == b""
