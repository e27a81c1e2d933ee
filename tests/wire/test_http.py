"""The fetcher against web servers that misbehave."""

import socket
import ssl
from time import sleep

import pytest

from mailctl.domain.deadline import Deadline
from mailctl.domain.server import CertificatePolicy
from mailctl.errors import MailctlError, NetworkError, ProtocolError, TlsError
from mailctl.protocols.http import MOST_BYTES, Http, reaches_inside
from mailctl.protocols.resolve import Address
from tests.servers.support.certificates import Certificates
from tests.wire.support.contexts import server_context
from tests.wire.support.scripted import Peer, Script, ScriptedServer


def serve(*lines: str, body: bytes = b"") -> Script:
    """A script that reads a request and answers."""

    def script(peer: Peer) -> None:
        peer.expect("GET ")
        while peer.read_line():
            pass
        peer.line(*lines, "")
        peer.send(body)

    return script


def fetch(server: ScriptedServer, *, path: str = "/x", seconds: float = 10) -> bytes | None:
    page = Http()(f"http://127.0.0.1:{server.port}{path}", Deadline(seconds))
    return page.body if page else None


def test_a_document_with_length_chunked_or_to_the_end() -> None:
    with ScriptedServer(serve("HTTP/1.1 200 OK", "Content-Length: 2", body=b"ok and more")) as server:
        assert fetch(server) == b"ok"
    with ScriptedServer(serve("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=b"2\r\nok\r\n0\r\n\r\n")) as server:
        assert fetch(server) == b"ok"
    with ScriptedServer(serve("HTTP/1.0 200 OK", body=b"ok")) as server:
        assert fetch(server) == b"ok"
        assert b"emailaddress" not in server.clear
        assert server.clear.startswith(b"GET /x HTTP/1.1\r\nHost: 127.0.0.1")
    with ScriptedServer(serve("HTTP/1.1 404 Not Found", "Content-Length: 0")) as server:
        assert fetch(server) is None


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (serve("HTTP/1.1 200 OK", body=b"x" * (MOST_BYTES + 1)), ProtocolError),
        (serve("HTTP/1.1 200 OK", f"Content-Length: {10**15}", body=b"x" * 3 * MOST_BYTES), ProtocolError),
        (serve("HTTP/1.1 200 OK", *["X: " + "y" * 1000] * 2000), ProtocolError),
        (serve("HTTP/1.1 200 OK", "X: " + "y" * 100_000), ProtocolError),
        (serve("SSH-2.0-nonsense"), ProtocolError),
        (serve(*["HTTP/1.1 100 Continue", ""] * 40_000), ProtocolError),
        (serve("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=b"zz\r\n"), ProtocolError),
        (serve("HTTP/1.1 200 OK", "Content-Length: 10", body=b"x"), ProtocolError),
        (serve("HTTP/1.1 500 Oops", "Content-Length: 0"), NetworkError),
        (serve("HTTP/1.1 302 Found", "Location: file:///etc/passwd", "Content-Length: 0"), NetworkError),
        (serve("HTTP/1.1 302 Found", "Location: http://[", "Content-Length: 0"), MailctlError),
        (serve("HTTP/1.1 302 Found", "Location: /again", "Content-Length: 0"), NetworkError),
        (lambda peer: peer.reset(), NetworkError),
    ],
)  # fmt: skip
def test_misbehaviour_is_a_typed_error(script: Script, kind: type[MailctlError]) -> None:
    with ScriptedServer(script) as server, pytest.raises(kind):
        fetch(server)
    assert server.connections <= 4


def test_a_server_that_drips_is_cut_by_the_deadline() -> None:
    def drip(peer: Peer) -> None:
        peer.send("HTTP/1.1 200 OK\r\nX: ")
        while True:
            peer.send("y")
            sleep(0.02)

    with ScriptedServer(drip) as server, pytest.raises(NetworkError):
        fetch(server, seconds=0.5)


def test_certificates_are_checked(certificates: Certificates) -> None:
    script = serve("HTTP/1.1 200 OK", "Content-Length: 2", body=b"ok")
    get = Http(CertificatePolicy(ca_file=str(certificates.ca)))
    with ScriptedServer(script, server_context(certificates.good)) as server:
        page = get(f"https://localhost:{server.port}/x", Deadline(10))
        assert page is not None
        assert page.body == b"ok"
    for bad in (certificates.expired, certificates.self_signed, certificates.wrong_host):
        with ScriptedServer(script, server_context(bad)) as server, pytest.raises(TlsError):
            get(f"https://localhost:{server.port}/x", Deadline(10))
        assert server.inside == b""


def test_tls_older_than_the_policy_is_refused(certificates: Certificates) -> None:
    old = server_context(certificates.good)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    get = Http(CertificatePolicy(ca_file=str(certificates.ca), minimum_tls="1.3"))
    with ScriptedServer(serve("HTTP/1.1 200 OK"), old) as server:
        with pytest.raises(TlsError) as refused:
            get(f"https://localhost:{server.port}/x", Deadline(10))
        assert server.inside == b""
    assert refused.value.cause == "tls_protocol_version"


@pytest.mark.parametrize(
    "url",
    ["ftp://127.0.0.1/", "https:///x", "https://u:p@127.0.0.1/", "https://127.0.0.1:0/", "https://a b/", "http://[x",
     "https://127.0.0.1/\r\nX: y", "https://é.example/", "https://" + "a" * 3000, "file:///etc/passwd", ""],
)  # fmt: skip
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(MailctlError):
        Http()(url, Deadline(1))


def at(ip: str) -> list[Address]:
    return [Address(socket.AF_INET, ip, (ip, 443))]


def test_plain_http_leaves_this_machine_never() -> None:
    with pytest.raises(NetworkError, match="not https"):
        Http(find=lambda *_: at("192.0.2.1"))("http://web.example/", Deadline(1))


@pytest.mark.parametrize(
    ("before", "after", "inside"),
    [("8.8.8.8", "127.0.0.1", True), ("8.8.8.8", "10.0.0.1", True), ("8.8.8.8", "169.254.169.254", True),
     ("8.8.8.8", "::ffff:127.0.0.1", True), ("8.8.8.8", "fd00::1", True), ("8.8.8.8", "9.9.9.9", False),
     ("10.0.0.1", "10.0.0.2", False), ("127.0.0.1", "127.0.0.1", False)],
)  # fmt: skip
def test_redirects_into_a_private_network(before: str, after: str, inside: bool) -> None:
    assert reaches_inside(at(before), at(after)) is inside
