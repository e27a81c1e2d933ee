"""Access tokens for tests: JWTs (RFC 7519) that a Dovecot of the tests believes, and a server that it may ask."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Self
from urllib.parse import parse_qs

KEY = b"a key of the tests, thirty-two o"
KEY_TEXT = base64.b64encode(KEY).decode()
"""As Dovecot reads it."""


def make_jwt(user: str, seconds: float = 3600, key: bytes = KEY, **claims: object) -> str:
    """A JWT signed by HS256, good for so many seconds (or expired since, if it is less than 0)."""
    now = int(time.time())
    payload = {"sub": user, "iss": "https://issuer.test", "iat": now - 7200, "exp": int(now + seconds)} | claims
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(payload)}"
    return f"{signed}.{_url(hmac.new(key, signed.encode(), hashlib.sha256).digest())}"


def _part(value: Mapping[str, object]) -> str:
    return _url(json.dumps(value).encode())


def _url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


class Introspection:
    """An introspection endpoint (RFC 7662) on loopback; a context manager.

    Attributes:
        known: what it tells of a token, beside that it is active. Take one out, and it is revoked.
        asked: the tokens it was asked for.
        url: of the endpoint.
    """

    def __init__(self) -> None:
        self.known: dict[str, dict[str, object]] = {}
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/introspect"

    def grant(self, token: str, user: str, **more: object) -> str:
        """Know `token` as one of `user`, and give it back."""
        self.known[token] = {"sub": user, **more}
        return token

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        here = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode())
                token = form.get("token", [""])[0]
                here.asked.append(token)
                told = here.known.get(token)
                body = json.dumps({"active": told is not None, **(told or {})}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
