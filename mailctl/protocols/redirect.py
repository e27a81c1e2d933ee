"""The loopback redirect of a sign-in in the browser (RFC 8252 section 7.3): listens, takes one answer, says it's done.

What the answer says is judged by whoever asked for it; here it is only carried over, if it answers what was asked.
"""

from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from socket import SHUT_RDWR
from socketserver import TCPServer, ThreadingMixIn
from threading import Event, Lock, Thread
from time import monotonic
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

from mailctl.domain.secret import Secret
from mailctl.errors import AuthError, NetworkError
from mailctl.protocols.arguments import ascii_argument

HOST = "127.0.0.1"
START, DONE = "/mailctl-start", "/mailctl-done"
LINGER = 3.0
"""Seconds for which the browser may still fetch the last page."""
MOST_AT_ONCE = 20
"""Connections that are answered side by side, browsers open a few ahead of need; one more ends the oldest of them."""
_POLL = 0.2
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>mailctl</title>
<body style="font-family:sans-serif;margin:4em auto;max-width:32em"><h1>{}</h1><p>{}</p></body></html>
"""
_DONE = _PAGE.format("Done here", "You can close this window. The terminal says whether the sign-in worked.")
_GONE = _PAGE.format("Not taken", "This sign-in has its answer already.")
_USED = _PAGE.format(
    "Opened before",
    "This link leads to the sign-in once. To use another browser, press Ctrl-C in the terminal and begin again.",
)
_OTHER = _PAGE.format("Not taken", "This answers another sign-in than the one that mailctl waits for.")
_ELSE = _PAGE.format("Nothing here", "mailctl waits for the answer of a sign-in.")
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Connection": "close",
}


class RedirectListener:
    """Listens on 127.0.0.1 while its `with` block runs. Whatever isn't the answer gets a page that says nothing.

    port: 0 for a random one. path: that of the redirect URI. The first answer to what was offered is taken, every other
    one is turned away.
    """

    def __init__(self, port: int = 0, path: str = "/") -> None:
        self._path = path or "/"
        self._lock, self._taken, self._shown = Lock(), Event(), Event()
        self._answer: Secret | None = None
        self._start: str | None = None
        self._ours: Callable[[str], bool] | None = None
        self._strays = 0
        try:
            self._server = _Server((HOST, port), _Handler)
        except OSError as error:
            raise NetworkError(
                f"Nothing can listen on {HOST}, port {port}: {error.strerror}",
                hint="End what listens there, or register a redirect without a port.",
                code="oauth_listener",
            ) from error
        self._server.listener = self
        self.port: int = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, args=(_POLL,), name="redirect", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._taken.is_set():
            self._shown.wait(LINGER)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def offer(self, url: Secret, ours: Callable[[str], bool]) -> str:
        """An address on this machine that leads to `url`, once: what a browser is started with, others can read.

        ours: whether an address answers that, by its state; whatever page is open can send a browser here. Threads
        call it. Nothing is an answer before this was called.
        """
        self._ours = ours
        self._start = ascii_argument(url.reveal(), "address")
        return f"http://{HOST}:{self.port}{START}"

    def wait(self, seconds: float) -> Secret:
        """The address at which the browser came back. AuthError if it didn't within `seconds`: oauth_timeout, or
        oauth_state where something else came back.
        """
        end = monotonic() + seconds
        while not self._taken.wait(min(_POLL, max(0.0, end - monotonic()))):
            if monotonic() >= end:
                raise self._nobody(seconds)
        assert self._answer is not None  # set before the event  # noqa: S101
        return self._answer

    def _nobody(self, seconds: float) -> AuthError:
        what = f"Nobody finished the sign-in in the browser within {seconds:g} s"
        if self._strays:
            return AuthError(
                f"{what}; what came back answers another sign-in: its state is not ours. It was not used",
                hint="Start the sign-in again, and follow the new link to the end.",
                code="oauth_state",
                cause="sign_in_mixed_up",
            )
        return AuthError(
            what,
            hint="Start the sign-in again; with --no-browser where this machine has none.",
            code="oauth_timeout",
        )

    def answered(self, target: str, host: str) -> tuple[int, str, str]:
        """What a GET of `target` gets: status, and where to or the page. host: the Host header.

        Another site's name there means that its page reaches us through a name of its own (DNS rebinding).
        """
        if host not in (f"{HOST}:{self.port}", f"localhost:{self.port}"):
            return 400, "", _ELSE
        path, _, query = target.partition("?")
        if path == START and not query:
            with self._lock:
                url, self._start = self._start, None
            return (302, url, "") if url else (410, "", _GONE if self._taken.is_set() else _USED)
        if path == DONE and self._taken.is_set():
            return 200, "", _DONE
        if path != self._path or not _is_answer(query):
            return 404, "", _ELSE
        came = f"http://{host}{target}"
        if self._ours is None or not self._ours(came):
            self._strays += 1  # the wait goes on: a stranger must not be able to end it
            return 400, "", _OTHER
        with self._lock:
            if self._taken.is_set():
                return 410, "", _GONE
            self._answer = Secret(came)
            self._taken.set()
        return 303, DONE, ""  # so that neither the browser's address bar nor its history keeps the code

    def shown(self) -> None:
        """Note that the browser has the last page."""
        self._shown.set()


def _is_answer(query: str) -> bool:
    with suppress(ValueError):
        return any(name in ("code", "error") for name, _ in parse_qsl(query, keep_blank_values=True, max_num_fields=50))
    return False


class _Server(ThreadingMixIn, TCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = MOST_AT_ONCE
    listener: RedirectListener

    def __init__(self, *arguments: Any) -> None:
        self._open: dict[Any, None] = {}  # from the oldest on
        self._lock = Lock()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            oldest = next(iter(self._open)) if len(self._open) >= MOST_AT_ONCE else None
            self._open.pop(oldest, None)
            self._open[request] = None
            if oldest is not None:  # silent ones must not shut the browser out
                with suppress(OSError):
                    oldest.shutdown(SHUT_RDWR)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away, or somebody who speaks no HTTP: nobody's concern."""


class _Handler(BaseHTTPRequestHandler):
    timeout = 10.0
    server_version, sys_version = "mailctl", ""
    error_message_format = _ELSE
    server: _Server

    def do_GET(self) -> None:
        status, location, page = self.server.listener.answered(self.path, self.headers.get("Host", ""))
        body = page.encode()
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if status == 200:
            self.server.listener.shown()

    def log_message(self, *args: Any) -> None:
        """Nothing is logged: the line holds the code."""
