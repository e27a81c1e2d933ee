"""Gateways that sign in by OAuth, by command line, at a Dovecot that asks whether each token is still good.

F11: a token that is refused is replaced once, by `test`, `sync` and `watch` alike, and never in a loop.
"""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailctl.cli.context import Context
from mailctl.domain.gateway import LoginRole, SecretSource, SourceKind
from mailctl.domain.oauth import Token
from mailctl.domain.secret import BearerToken, Secret
from tests.cli.support import Cli
from tests.servers.support.certificates import Certificates
from tests.servers.support.dovecot import Dovecot
from tests.servers.support.dovecot_config import DovecotSettings
from tests.servers.support.dovecot_oauth import OAuthSettings
from tests.servers.support.dovecot_programs import DovecotPrograms
from tests.servers.support.tokens import Introspection
from tests.servers.support.workspace import Workspace
from tests.servers.watching import watching

SOURCE = SecretSource(SourceKind.OAUTH, ("own", "encrypted"))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Introspection]:
    with Introspection() as made:
        yield made


@pytest.fixture(scope="module")
def dovecot(
    workspace: Workspace, dovecot_programs: DovecotPrograms, certificates: Certificates, endpoint: Introspection
) -> Iterator[Dovecot]:
    settings = DovecotSettings(mechanisms=("plain",), oauth=OAuthSettings(endpoint.url, scope="mail"))
    with Dovecot(workspace, dovecot_programs, certificates, settings) as server:
        yield server


class Home:
    """A home with the gateway `box` of a user of its own, signed in."""

    def __init__(self, folder: Path, dovecot: Dovecot, certificates: Certificates, endpoint: Introspection) -> None:
        self.cli, self.endpoint, self.user = Cli(folder), endpoint, dovecot.new_user()
        self.cli.env["MAILCTL_SECRETS_KEY"] = "k3y-" * 12
        endpoint.user, endpoint.sound, endpoint.refusal, endpoint.next = self.user, True, "", ""
        endpoint.asked.clear()
        endpoint.down = False
        ports = {"imap": dovecot.imaps, "pop3": dovecot.pop3s}
        listed = [f'[{name}]\nhost = "localhost"\nport = {port}\nsecurity = "tls"\n' for name, port in ports.items()]
        self.write("servers/own.toml", "".join(listed) + f'[certificate]\nca_file = "{certificates.ca}"\n')
        self.write(
            "gateways/box.toml",
            f'server = "own"\nemail = "{self.user}@mail.test"\n[login]\nuser = "{self.user}"\n'
            'secret = { oauth = "own", store = "encrypted" }\n',
        )
        self.write(
            "oauth/own.toml",
            f'client_id = "client"\ntoken_endpoint = "{endpoint.token_url}"\n'
            f'authorization_endpoint = "{endpoint.token_url}"\nscopes = ["mail"]\n',
        )
        self.keep("first")

    def write(self, name: str, text: str) -> None:
        path = self.cli.config / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_text(text)

    def keep(self, access: str, *, known: bool = True, seconds: float = 3600, scopes: tuple[str, ...] = ()) -> None:
        """As `auth login` leaves it. known: whether the mail server takes it."""
        token = Token(
            BearerToken(f"{access}-of-{self.user}"),
            datetime.now(UTC) + timedelta(seconds=seconds),
            scopes,
            Secret(f"refresh-of-{self.user}"),
            datetime.now(UTC),
            application="own",
            client_id="client",
        )
        if known:
            self.endpoint.grant(token.access_token.reveal(), self.user, scope="mail")
        streams = io.StringIO(), io.StringIO(), io.StringIO()
        Context(*streams, self.cli.env).tokens.keep("box", LoginRole.LOGIN, SOURCE, token)

    @property
    def refreshes(self) -> list[str]:
        """The refresh tokens that were shown."""
        return [form["refresh_token"] for form in self.endpoint.asked]


@pytest.fixture
def home(tmp_path: Path, dovecot: Dovecot, certificates: Certificates, endpoint: Introspection) -> Home:
    return Home(tmp_path, dovecot, certificates, endpoint)


def signins(dovecot: Dovecot, user: str) -> int:
    """How often somebody tried to sign in as `user`."""
    return sum(f"user=<{user}>" in line and "-login: Info:" in line for line in dovecot.log().splitlines())


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a_kept_token_signs_in(home: Home, protocol: str) -> None:
    (check,) = home.cli.json("test", "box", f"--{protocol}")["result"]["checks"]
    assert check["stages"][0]["detail"] == {"source": "oauth"}
    assert (
        next(each for each in check["stages"] if each["name"] == "authenticate")["detail"]["mechanism"] == "OAUTHBEARER"
    )
    home.cli.ok("gateway", "edit", "box", "--protocol", protocol)
    home.cli.ok("sync", "box")
    assert home.refreshes == []


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_F11_a_revoked_token_is_replaced_once_and_kept(home: Home, dovecot: Dovecot, protocol: str) -> None:
    home.endpoint.revoke_all()
    home.cli.ok("gateway", "edit", "box", "--protocol", protocol)
    before = signins(dovecot, home.user)
    home.cli.ok("sync", "box")
    assert home.refreshes == [f"refresh-of-{home.user}"]
    assert signins(dovecot, home.user) - before == 2
    home.cli.ok("sync", "box")
    assert len(home.refreshes) == 1


def test_F11_test_does_so_too_and_says_it(home: Home) -> None:
    home.endpoint.revoke_all()
    checks = home.cli.json("test", "box", "--imap", "--pop3")["result"]["checks"]
    assert [check["ok"] for check in checks] == [True, True]
    assert len(home.refreshes) == 1
    assert any(check["stages"][0]["detail"].get("renewed") for check in checks)


def test_F11_what_is_refused_twice_is_an_error_and_no_loop(home: Home, dovecot: Dovecot) -> None:
    home.endpoint.revoke_all()
    home.endpoint.sound = False
    before = signins(dovecot, home.user)
    found = home.cli.json("sync", "box", code=7)
    assert found["result"]["gateways"][0]["error"]["cause"] == "token_rejected"
    assert signins(dovecot, home.user) - before == 2
    assert len(home.refreshes) == 1
    (check,) = home.cli.json("test", "box", "--imap", code=7)["result"]["checks"]
    assert (check["stage"], check["cause"]) == ("authenticate", "token_rejected")
    assert "a fresh one as well" in check["explanation"]


def test_F8_a_sign_in_that_has_ended_says_how_to_sign_in_again(home: Home, dovecot: Dovecot) -> None:
    home.keep("lapsed", known=False, seconds=-60)
    home.endpoint.refusal = "invalid_grant"
    before = signins(dovecot, home.user)
    found = home.cli.json("sync", "box", code=4)
    error = found["result"]["gateways"][0]["error"]
    assert (error["code"], error["cause"]) == ("oauth_expired", "token_expired")
    assert "mailctl auth login box" in error["hint"]
    (check,) = home.cli.json("test", "box", "--imap", code=4)["result"]["checks"]
    assert (check["stage"], check["cause"]) == ("secret", "token_expired")
    assert signins(dovecot, home.user) == before


def test_another_user_is_told_from_the_servers_refusal(home: Home) -> None:
    home.endpoint.user = "bob"
    home.endpoint.revoke_all()
    (check,) = home.cli.json("test", "box", "--imap", code=7)["result"]["checks"]
    assert check["cause"] == "token_rejected"


def test_what_was_not_granted_explains_the_refusal(home: Home) -> None:
    home.keep("calendar", known=False, scopes=("calendar",))
    home.endpoint.sound = False
    (check,) = home.cli.json("test", "box", "--imap", code=7)["result"]["checks"]
    assert (check["stage"], check["cause"]) == ("authenticate", "scope_missing")


def test_nobody_signed_in_yet(home: Home) -> None:
    home.cli.ok("gateway", "rename", "box", "other")
    home.write("gateways/box.toml", (home.cli.config / "gateways/other.toml").read_text())
    (check,) = home.cli.json("test", "box", "--imap", code=4)["result"]["checks"]
    assert (check["stage"], check["cause"]) == ("secret", "sign_in_needed")
    assert any("auth login box" in step for step in check["remedy"])


def test_workers_sign_in_with_the_token_too(home: Home, dovecot: Dovecot) -> None:
    dovecot.deliver_many(home.user, "INBOX", [b"Subject: %d\r\n\r\n%b\r\n" % (n, b"x" * 500) for n in range(6000)])
    before = signins(dovecot, home.user)
    home.cli.ok("sync", "box")
    assert signins(dovecot, home.user) - before > 1
    assert sum(1 for _ in (home.cli.data / "mail/box/INBOX").glob("*/*_*")) == 6000
    assert home.refreshes == []


def test_F11_a_watch_comes_back_with_a_fresh_token_and_ends_where_none_is_taken(home: Home, dovecot: Dovecot) -> None:
    with watching(home.cli.env, "box") as watch:
        watch.wait_for("watch.waiting")
        home.endpoint.revoke_all()
        dovecot.doveadm("kick", home.user)
        watch.wait_for("watch.waiting", 2)
        assert len(home.refreshes) == 1
        home.endpoint.revoke_all()
        home.endpoint.sound = False
        dovecot.doveadm("kick", home.user)
        stopped = watch.wait_for("watch.stopped")
        assert json.dumps(stopped).count("token_rejected")
        assert len(home.refreshes) == 1  # so young a token is not renewed because it is refused


def test_F11_a_watch_waits_for_an_authorization_server_and_shows_no_refused_token_again(
    home: Home, dovecot: Dovecot
) -> None:
    with watching(home.cli.env, "box") as watch:
        watch.wait_for("watch.waiting")
        before = signins(dovecot, home.user)
        home.endpoint.revoke_all()
        home.endpoint.down = True
        dovecot.doveadm("kick", home.user)
        failed = watch.wait_for("watch.failed", 2)
        assert failed["error"]["cause"] == "provider_fault"
        assert signins(dovecot, home.user) - before == 1
        home.endpoint.down = False
        watch.wait_for("watch.waiting", 2)
        assert signins(dovecot, home.user) - before == 2
