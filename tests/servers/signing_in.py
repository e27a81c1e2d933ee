"""What tests of the OAuth flows share: an application of the server's, a client over real HTTPS, a person's browser."""

import io
import ssl
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import tomli_w

from mailctl.cli.context import Context
from mailctl.domain.gateway import LoginRole, SecretSource, SourceKind
from mailctl.domain.oauth import Application, Grant, Token
from mailctl.domain.provider import OAuthService
from mailctl.domain.secret import BearerToken, Secret
from mailctl.domain.server import CertificatePolicy
from mailctl.protocols.http import HttpPost
from mailctl.secrets.memory import MemoryKeyring
from mailctl.secrets.oauth.client import Client
from mailctl.secrets.oauth.tokens import Tokens

from .support.certificates import Certificates
from .support.oauth_server import CONFIDENTIAL, PUBLIC, OAuthServer

SOMEWHERE = SecretSource(SourceKind.ENV, ("X",))


def application(server: OAuthServer, grant: Grant = Grant.AUTHORIZATION_CODE, secret: bool = False) -> Application:
    """The public client, or the one with a secret."""
    service = OAuthService(
        "own",
        server.url,
        f"{server.url}/authorize",
        f"{server.url}/token",
        f"{server.url}/device_code",
        {"imap": ("mail", "offline_access")},
        revocation_endpoint=f"{server.url}/revoke",
    )
    if secret:
        return Application("own", service, CONFIDENTIAL, grant, client_secret=SOMEWHERE)
    return Application("own", service, PUBLIC, grant)


def client(application: Application, certificates: Certificates, secret: str = "") -> Client:
    """Its client, over real HTTPS."""
    post = HttpPost(CertificatePolicy(ca_file=str(certificates.ca)))
    return Client(application, post, lambda application, what, source: Secret(secret), lambda: datetime.now(UTC))


def tokens(
    application: Application, certificates: Certificates, locks: Path, ring: MemoryKeyring | None = None
) -> Tokens:
    """Tokens in a keyring of memory, over real HTTPS."""
    ring = ring or MemoryKeyring()
    post = HttpPost(CertificatePolicy(ca_file=str(certificates.ca)))
    return Tokens(
        lambda *_: (application, "alice@example.org"),
        lambda _: ring,
        lambda gateway: f"mailctl:{gateway}",
        post,
        lambda application, what, source: Secret("x"),
        locks,
        lambda: datetime.now(UTC),
    )


class Browser:
    """Enough of a browser to agree: gets a page, sends its form, and tells where it is sent."""

    def __init__(self, certificates: Certificates) -> None:
        self._trust = ssl.create_default_context(cafile=certificates.ca)

    def visit(self, url: str, form: Mapping[str, str] | None = None) -> tuple[int, str, str]:
        """Status, Location and page of one request."""
        parts = urlsplit(url)
        host, port = str(parts.hostname), parts.port
        connection = (
            HTTPSConnection(host, port, timeout=20, context=self._trust)
            if parts.scheme == "https"
            else HTTPConnection(host, port, timeout=20)
        )
        try:
            target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            kind = {"Content-Type": "application/x-www-form-urlencoded"} if form is not None else {}
            connection.request("GET" if form is None else "POST", target, urlencode(form) if form else None, kind)
            answer = connection.getresponse()
            return answer.status, answer.headers.get("Location", ""), answer.read().decode()
        finally:
            connection.close()

    def agree(self, url: str, user: str = "alice@example.org", *, allow: bool = True) -> str:
        """Sign in at the authorization page and press a button; the address to which it leads."""
        status, _, page = self.visit(url)
        assert (status, 'id="allow"' in page) == (200, True), page
        status, location, page = self.visit(url, {"user": user, "answer": "allow" if allow else "deny"})
        assert status == 302, page
        return location


def renamed(application: Application, client_id: str) -> Application:
    """The same with another client id."""
    return replace(application, client_id=client_id)


def configure(config: Path, table: Mapping[str, object], user: str = "alice", port: int = 1, more: str = "") -> None:
    """A gateway `work` of `user` on IMAP at `port`, whose application `own` is `table`; tokens are in the keyring.

    more: for the server's file.
    """
    for name, text in {
        "servers/own.toml": f'[imap]\nhost = "localhost"\nport = {port}\nsecurity = "tls"\n{more}',
        "gateways/work.toml": f'server = "own"\nemail = "{user}@mail.test"\n[login]\nuser = "{user}"\n'
        'secret = { oauth = "own" }\n',
        "oauth/own.toml": tomli_w.dumps(dict(table)),
    }.items():
        path = config / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_text(text)


def keep_lapsed(env: Mapping[str, str], keyring: MemoryKeyring | None = None) -> None:
    """Keep, as `auth login` does, a token of that gateway that has lapsed, with the refresh token `refresh-0`."""
    lapsed = datetime(2026, 1, 1, tzinfo=UTC)
    token = Token(BearerToken("old"), lapsed, ("mail",), Secret("refresh-0"), lapsed, None, "own", PUBLIC)
    streams = io.StringIO(), io.StringIO(), io.StringIO()
    context = Context(*streams, env, keyring=(lambda: keyring) if keyring else None)
    context.tokens.keep("work", LoginRole.LOGIN, SecretSource(SourceKind.OAUTH, ("own", "keyring")), token)
