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
from urllib.parse import parse_qsl

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
    """An introspection endpoint (RFC 7662) on loopback, and a token endpoint beside it; a context manager.

    Attributes:
        known: what it tells of a token, beside that it is active. Take one out, and it is revoked.
        asked: the forms that came to the token endpoint.
        user: whose tokens that gives; they are known if `sound`.
        next: the access token that it gives, if it isn't to be one of a number.
        refusal: the error that it answers instead, if any. down: whether it is not well.
        url, token_url: of the endpoints.
    """

    def __init__(self) -> None:
        self.known: dict[str, dict[str, object]] = {}
        self.asked: list[dict[str, str]] = []
        self.user, self.sound, self.refusal, self.next = "alice", True, "", ""
        self.down = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        here = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.url, self.token_url = f"{here}/introspect", f"{here}/token"

    def grant(self, token: str, user: str, **more: object) -> str:
        """Know `token` as one of `user`, and give it back."""
        self.known[token] = {"sub": user, **more}
        return token

    def revoke_all(self) -> None:
        """Know no token any more."""
        self.known.clear()

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _introspect(self, form: dict[str, str]) -> tuple[int, dict[str, object]]:
        told = self.known.get(form.get("token", ""))
        return 200, {"active": told is not None, **(told or {})}

    def _token(self, form: dict[str, str]) -> tuple[int, dict[str, object]]:
        self.asked.append(form)
        if self.down:
            return 503, {}
        if self.refusal:
            return 400, {"error": self.refusal, "error_description": f"refused {json.dumps(form)}"}  # quotes it all
        number = len(self.asked)
        token = self.next or f"access-{number}-of-{self.user}"
        if self.sound:
            self.grant(token, self.user, scope="mail")
        return 200, {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": 3600,
            "refresh_token": f"next-{number}",
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answers = {"/introspect": self._introspect, "/token": self._token}

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = dict(parse_qsl(self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()))
                status, told = answers[self.path](form)
                body = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
