"""An application, and an authorization server's answers given by a function instead of over the wire."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from mailctl.domain.deadline import Deadline
from mailctl.domain.gateway import LoginRole, SecretSource, SourceKind
from mailctl.domain.oauth import Application, Grant, HttpAnswer, Token
from mailctl.domain.provider import OAuthService
from mailctl.domain.secret import BearerToken, Secret
from mailctl.secrets.memory import MemoryKeyring
from mailctl.secrets.oauth.client import Client
from mailctl.secrets.oauth.tokens import Tokens

OAUTH = SecretSource(SourceKind.OAUTH)
LOGIN = LoginRole.LOGIN
SERVICE = OAuthService(
    "example",
    "https://id.example",
    "https://id.example/authorize",
    "https://id.example/token",
    "https://id.example/device",
    {"imap": ("mail", "offline_access"), "smtp": ("mail", "send")},
    revocation_endpoint="https://id.example/revoke",
)
APPLICATION = Application("example", SERVICE, "client-1")

Form = dict[str, str]
Reply = Callable[[str, Form], HttpAnswer]


def answer(facts: Any, status: int = 200, kind: str = "application/json") -> HttpAnswer:
    return HttpAnswer(status, kind, facts if isinstance(facts, bytes) else json.dumps(facts).encode())


def error(name: str, description: str = "", status: int = 400) -> HttpAnswer:
    return answer({"error": name, "error_description": description}, status)


class Server:
    """Answers each form by `reply(url, form)`; keeps what came. By default: tokens numbered 1, 2, 3… for an hour."""

    def __init__(self, reply: Reply | None = None) -> None:
        self.reply = reply or self.tokens
        self.forms: list[Form] = []
        self.headers: list[Mapping[str, str]] = []
        self.left: list[float] = []  # seconds that each may take
        self.rotate = True
        self.lifetime = 3600

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str], deadline: Deadline) -> HttpAnswer:
        form = dict(parse_qsl(body.decode(), strict_parsing=True))
        self.forms.append(form)
        self.headers.append(headers)
        self.left.append(deadline.remaining() or 0.0)
        return self.reply(url, form)

    def tokens(self, url: str, form: Form) -> HttpAnswer:
        number = len(self.forms)
        facts = {"access_token": f"access-{number}", "token_type": "Bearer", "expires_in": self.lifetime}
        if self.rotate:
            facts["refresh_token"] = f"refresh-{number}"
        return answer(facts)


class Clock:
    """A moment that moves when told."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **time: float) -> None:
        self.now += timedelta(**time)


class Kept:
    """`Tokens` over a memory keyring, with a server and a clock; `gateway` work signs in by APPLICATION."""

    def __init__(self, folder: Path, application: Application = APPLICATION, ring: MemoryKeyring | None = None) -> None:
        self.folder, self.application, self.ring = folder, application, ring or MemoryKeyring()
        self.server, self.clock = Server(), Clock()
        self.tokens = self.other_process()

    def other_process(self) -> Tokens:
        return Tokens(
            lambda *_: (self.application, "alice@example.org"),
            lambda _: self.ring,
            lambda gateway: f"mailctl:{gateway}",
            self.server,
            lambda application, what, source: Secret(f"the {what}"),
            self.folder / "locks",
            self.clock,
        )

    def sign_in(self, **parts: Any) -> Token:
        token = Token(
            access_token=BearerToken("access-0"),
            expires=self.clock() + timedelta(hours=1),
            scopes=("mail",),
            refresh_token=Secret("refresh-0"),
            refreshed=self.clock(),
            application="example",
            client_id=self.application.client_id,
        )
        token = replace(token, **parts)
        self.tokens.keep("work", LOGIN, OAUTH, token)
        return token

    def get(self, *, fresh: bool = False, **options: Any) -> str:
        """A token; fresh: the one that is kept was refused."""
        if fresh:
            held = self.tokens.kept("work", LOGIN, OAUTH)
            assert held is not None
            options["refused"] = held.access_token.digest
        return self.tokens.access_token("work", LOGIN, OAUTH, **options).reveal()


def client(server: Server, application: Application = APPLICATION, clock: Clock | None = None) -> Client:
    return Client(application, server, lambda application, what, source: Secret(f"the {what}"), clock or Clock())


def with_grant(grant: Grant, **parts: Any) -> Application:
    return replace(APPLICATION, grant=grant, **parts)
