"""An authorization server on loopback, over HTTPS, with a page that asks for consent: `OAuthServer`."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Self
from urllib.parse import parse_qsl, urlencode

from authlib.oauth2 import OAuth2Error
from flask import Flask, Response, jsonify, request
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from .certificates import Certificate
from .oauth_grants import Register, RegisteredClient, build

PUBLIC, CONFIDENTIAL = "a-public-client", "a-confidential-client"
CLIENT_SECRET = "the secret of a confidential client"


@dataclass(frozen=True)
class Fault:
    """What an endpoint answers instead: a body with its status and type; or nothing, as long as the server runs."""

    body: bytes = b""
    status: int = 400
    content_type: str = "application/json"
    silent: bool = False


@dataclass(frozen=True)
class Asked:
    """One request: path, and what the form, or else the query, had."""

    path: str
    form: dict[str, str]


class OAuthServer:
    """Authorization code with PKCE (S256 only), device code, client credentials, assertions, refresh with rotation,
    revocation and introspection; a context manager. Access tokens are JWTs signed with `tokens.KEY`.

    Args:
        certificate: for HTTPS, for localhost; None: HTTP.

    Attributes:
        register: what it remembers and how it behaves.
        faults: what endpoints answer instead, by path (`/token`).
        held: what an endpoint waits for before it does its work, by path.
        wrong_state: the state that it sends back, if not the right one.
        asked: every request so far.
        url: the root, such as `https://localhost:40001`; introspection_url: over HTTP, for mail servers.

    Pages: `/authorize` and `/device` have a field `user` and the buttons `#allow` and `#deny`.
    """

    def __init__(self, certificate: Certificate | None = None) -> None:
        self.register = Register({PUBLIC: RegisteredClient(PUBLIC)})
        self.register.clients[CONFIDENTIAL] = RegisteredClient(
            CONFIDENTIAL, CLIENT_SECRET, grants=("authorization_code", "refresh_token", "client_credentials")
        )
        self.faults: dict[str, Fault] = {}
        self.held: dict[str, threading.Event] = {}
        self.wrong_state = ""
        self.asked: list[Asked] = []
        self._stopped = threading.Event()
        self._certificate = certificate
        self._servers: list[BaseWSGIServer] = []

    def start(self) -> Self:
        """Start it on free ports; it answers when this returns."""
        app = Flask("authorization server of the tests")
        files = (str(self._certificate.certificate), str(self._certificate.key)) if self._certificate else None
        for context in (files, None):
            self._servers.append(
                make_server("127.0.0.1", 0, app, threaded=True, ssl_context=context, request_handler=_Handler)
            )
        self.port, plain = (server.port for server in self._servers)
        self.url = f"http{'s' if files else ''}://localhost:{self.port}"
        self.introspection_url = f"http://127.0.0.1:{plain}/introspect"
        self._routes(app)
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        """End it."""
        self._stopped.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._servers.clear()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def forms(self, path: str = "/token") -> list[dict[str, str]]:
        """What an endpoint was asked, in order."""
        return [each.form for each in self.asked if each.path == path]

    def table(self, **more: object) -> dict[str, object]:
        """The `[oauth.NAME]` table of an application of the public client."""
        endpoints = {
            "authorization": "authorize",
            "token": "token",
            "device_authorization": "device_code",
            "revocation": "revoke",
        }
        found: dict[str, object] = {f"{name}_endpoint": f"{self.url}/{path}" for name, path in endpoints.items()}
        return {"client_id": PUBLIC, "issuer": self.url, "scopes": ["mail", "offline_access"], **found, **more}

    def enter_code(self, user_code: str, user: str, *, allow: bool = True) -> None:
        """What a person does at the verification page of a device."""
        self.register.answers[user_code] = user, allow

    def _routes(self, app: Flask) -> None:
        server = build(app, self.register, self.url)

        @app.before_request
        def note() -> Response | None:
            self.asked.append(Asked(request.path, dict(request.form or request.args)))
            if request.path in self.held:
                self.held[request.path].wait(60)
            fault = self.faults.get(request.path)
            if fault is None:
                return None
            if fault.silent:
                self._stopped.wait()
            return Response(fault.body, fault.status, content_type=fault.content_type)

        @app.route("/authorize", methods=["GET", "POST"])
        def authorize() -> Response:
            try:
                grant = server.get_consent_grant(end_user=None)
            except OAuth2Error as error:
                return self._back(server.handle_error_response(None, error))
            if request.method == "GET":
                return _page("Sign in", request.args.get("login_hint", ""), f"It asks for {request.args.get('scope')}.")
            user = request.form["user"] if request.form["answer"] == "allow" else None
            return self._back(server.create_authorization_response(grant_user=user, grant=grant))

        @app.route("/device", methods=["GET", "POST"])
        def device() -> Response:
            if request.method == "GET":
                return _page("Enter the code", "", "", code=request.args.get("user_code", ""))
            allowed = request.form["answer"] == "allow"
            self.enter_code(request.form["code"], request.form["user"], allow=allowed)
            return Response("<h1 id=done>Done</h1>", content_type="text/html")

        @app.post("/introspect")
        def introspect() -> Response:
            found = self.register.active(request.form.get("token", ""))
            if found is None:
                return jsonify(active=False)
            who = {"sub": found.user, "username": found.user, "scope": found.scope, "client_id": found.client_id}
            return jsonify(active=True, **who)

        posts: dict[str, Callable[[], Response]] = {
            "token": server.create_token_response,
            "device_code": lambda: server.create_endpoint_response("device_authorization"),
            "revoke": lambda: server.create_endpoint_response("revocation"),
        }
        for name, view in posts.items():
            app.add_url_rule(f"/{name}", name, view, methods=["POST"])

    def _back(self, response: Response) -> Response:
        """The way back to the client, with another state where a test wants that."""
        location = response.headers.get("Location", "")
        if not self.wrong_state or not location:
            return response
        address, _, query = location.partition("?")
        query = urlencode({**dict(parse_qsl(query)), "state": self.wrong_state})
        return Response("", 302, {"Location": f"{address}?{query}"})


def _page(title: str, user: str, text: str, code: str | None = None) -> Response:
    entry = f'<input name="code" id="code" value="{escape(code)}">' if code is not None else ""
    return Response(
        f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><h1>{title}</h1><p>{escape(text)}
<form method="post">{entry}<input name="user" id="user" value="{escape(user)}">
<button name="answer" value="allow" id="allow">Allow</button><button name="answer" value="deny" id="deny">Deny</button>
</form></html>""",
        content_type="text/html; charset=utf-8",
    )


class _Handler(WSGIRequestHandler):
    timeout = 20

    def log(self, *_: object) -> None:
        """Say nothing: `asked` is the log."""
