"""A web server on loopback that gives fixed answers and remembers what it was asked: `WebServer`."""

import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from .certificates import Certificate


@dataclass(frozen=True)
class Answer:
    """A response: body, status, headers (Content-Length is added)."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """What was asked: method, the Host header, and path with query."""

    method: str
    host: str
    target: str


class WebServer:
    """An HTTP or HTTPS server; a context manager, or `start` and `stop`.

    Args:
        answers: by path without query; what is not there is 404. It may be changed while the server runs.
        certificate: for HTTPS; None: HTTP.

    Attributes:
        host, port: where it answers, once started.
        requests: what it was asked so far.
    """

    host = "127.0.0.1"
    port: int

    def __init__(self, answers: Mapping[str, Answer], certificate: Certificate | None = None) -> None:
        self.answers = dict(answers)
        self.requests: list[Request] = []
        self._certificate = certificate
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> Self:
        """Start it on a free port; it answers when this returns."""
        self._server = _Server((self.host, 0), self._handler())
        if self._certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._certificate.certificate, self._certificate.key)
            # the handshake is left to the thread of the connection, so that one client can't hold up the others
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def stop(self) -> None:
        """End it; waits for requests in hand."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The root, such as `http://127.0.0.1:40001`."""
        return f"http{'s' if self._certificate else ''}://{self.host}:{self.port}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                server.requests.append(Request(self.command, self.headers.get("Host", ""), self.path))
                answer = server.answers.get(self.path.partition("?")[0], Answer(b"not here\n", 404))
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body)

            def do_HEAD(self) -> None:
                self.do_GET()

            def log_message(self, *_: object) -> None:
                pass  # `requests` is the log

        return Handler


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that hangs up, or refuses the certificate, is what a test may want."""
