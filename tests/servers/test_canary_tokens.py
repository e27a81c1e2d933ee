"""E1 to E7 for OAuth: an access token or refresh token, good or refused, is nowhere in what commands leave behind."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailctl.cli.context import Context
from mailctl.domain.gateway import LoginRole, SecretSource, SourceKind
from mailctl.domain.oauth import Token
from mailctl.domain.secret import BearerToken, Secret
from tests.cli.canary import CanaryHunt
from tests.servers.support.certificates import Certificates
from tests.servers.support.dovecot import Dovecot
from tests.servers.support.dovecot_config import DovecotSettings
from tests.servers.support.dovecot_oauth import OAuthSettings
from tests.servers.support.fixtures import MakeDovecot
from tests.servers.support.tokens import Introspection

CANARY = "cAnary.Tok-en_7~" + "xQ9+z8/w7" * 40 + "=="
VERBOSE = ("--debug", "--json")


@pytest.fixture
def endpoint() -> Iterator[Introspection]:
    with Introspection() as made:
        yield made


@pytest.fixture
def server(make_dovecot: MakeDovecot, endpoint: Introspection) -> Dovecot:
    return make_dovecot(DovecotSettings(oauth=OAuthSettings(endpoint.url)))


class Hunt(CanaryHunt):
    """A home with the gateway `work`, signed in with these tokens."""

    def __init__(
        self,
        folder: Path,
        server: Dovecot,
        certificates: Certificates,
        endpoint: Introspection,
        access: str,
        refresh: str,
    ) -> None:
        super().__init__(folder, CANARY)
        config = self.home / ".config/mailctl"
        texts = {
            "servers/own.toml": f'[imap]\nhost = "localhost"\nport = {server.imaps}\nsecurity = "tls"\n'
            f'[pop3]\nhost = "localhost"\nport = {server.pop3s}\nsecurity = "tls"\n'
            f'[certificate]\nca_file = "{certificates.ca}"\n',
            "gateways/work.toml": 'server = "own"\nemail = "alice@mail.test"\n'
            '[login]\nuser = "alice"\nsecret = { oauth = "own" }\n',
            "oauth/own.toml": f'client_id = "client"\ntoken_endpoint = "{endpoint.token_url}"\n'
            f'authorization_endpoint = "{endpoint.token_url}"\nscopes = ["mail"]\n',
        }
        for name, text in texts.items():
            (config / name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            (config / name).touch(mode=0o600)
            (config / name).write_text(text)
        now = datetime.now(UTC)
        token = Token(
            BearerToken(access),
            now + timedelta(hours=1),
            (),
            Secret(refresh),
            now,
            application="own",
            client_id="client",
        )
        context = Context(io.StringIO(), io.StringIO(), io.StringIO(), self.env)
        context.tokens.keep("work", LoginRole.LOGIN, SecretSource(SourceKind.OAUTH, ("own", "keyring")), token)

    def everything(self, code: int) -> None:
        """All that handles the token, as loudly as it can be had; each ends with `code`."""
        report = self.home / "report.html"
        for loud in ("test work --imap --pop3 --trace", "sync work"):
            done = self.run(*loud.split(), *VERBOSE)
            assert done.returncode == code, done.stdout.decode() + done.stderr.decode()
        self.run("test", "work", "--imap", "--report", str(report))
        assert report.exists()
        for command in ("log", "status", "auth status", "gateway show work", "secrets list"):
            self.run(*command.split(), *VERBOSE)


def test_E3_an_access_token_that_works(
    tmp_path: Path, server: Dovecot, certificates: Certificates, endpoint: Introspection
) -> None:
    endpoint.grant(CANARY, "alice")
    Hunt(tmp_path, server, certificates, endpoint, CANARY, "refresh-1").everything(0)


def test_E3_an_access_token_that_is_refused_and_replaced_by_one_that_is_refused(
    tmp_path: Path, server: Dovecot, certificates: Certificates, endpoint: Introspection
) -> None:
    endpoint.sound, endpoint.next = False, f"{CANARY[:-2]}two"
    Hunt(tmp_path, server, certificates, endpoint, CANARY, "refresh-1").everything(7)


def test_E3_a_refresh_token_that_the_authorization_server_quotes(
    tmp_path: Path, server: Dovecot, certificates: Certificates, endpoint: Introspection
) -> None:
    endpoint.refusal = "invalid_grant"
    Hunt(tmp_path, server, certificates, endpoint, "revoked-by-now", CANARY).everything(4)
