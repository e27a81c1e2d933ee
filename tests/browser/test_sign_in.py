"""The whole way by command line with a real browser: setup, sign-in in both flows, test, sync, expiries, sign-out.

The authorization server speaks HTTPS; Dovecot asks it about every token, and Postfix asks Dovecot.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Any

import pytest

from mailctl.cli.context import Context
from tests.browser.chromium import Chromium
from tests.cli.support import Cli
from tests.servers.support.certificates import Certificates
from tests.servers.support.dovecot import Dovecot
from tests.servers.support.dovecot_config import DovecotSettings
from tests.servers.support.dovecot_oauth import OAuthSettings
from tests.servers.support.dovecot_programs import DovecotPrograms
from tests.servers.support.oauth_server import PUBLIC, Fault, OAuthServer
from tests.servers.support.postfix import Postfix, find_postfix
from tests.servers.support.requirement import unavailable
from tests.servers.support.workspace import Workspace

SECONDS = 60.0


@dataclass
class Site:
    """The servers."""

    oauth: OAuthServer
    dovecot: Dovecot
    postfix: Postfix


@pytest.fixture(scope="module")
def site(workspace: Workspace, dovecot_programs: DovecotPrograms, certificates: Certificates) -> Iterator[Site]:
    programs = find_postfix()
    if isinstance(programs, str):
        unavailable("Postfix", programs)
    with ExitStack() as stack:
        oauth = stack.enter_context(OAuthServer(certificates.good))
        metadata = {
            "issuer": oauth.url,
            **{f"{name}_endpoint": f"{oauth.url}/{path}" for name, path in ENDPOINTS.items()},
            "scopes_supported": ["mail", "offline_access"],
        }
        oauth.faults["/.well-known/openid-configuration"] = Fault(json.dumps(metadata).encode(), 200)
        settings = DovecotSettings(mechanisms=("plain",), oauth=OAuthSettings(oauth.introspection_url, scope="mail"))
        dovecot = stack.enter_context(Dovecot(workspace, dovecot_programs, certificates, settings))
        yield Site(oauth, dovecot, stack.enter_context(Postfix(workspace, programs, certificates, dovecot)))


ENDPOINTS = {
    "authorization": "authorize",
    "token": "token",
    "device_authorization": "device_code",
    "revocation": "revoke",
}


@pytest.fixture
def cli(tmp_path: Path, site: Site, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A home with a server; the authorization server's authority is one of the system's. The browser writes a file."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))
    made = Cli(tmp_path)
    told = tmp_path / "browser.py"
    told.write_text(f"import sys, os\nopen({str(tmp_path / 'part')!r}, 'w').write(sys.argv[1])\n")
    with told.open("a") as program:
        program.write(f"os.rename({str(tmp_path / 'part')!r}, {str(tmp_path / 'opened')!r})\n")
    made.env["BROWSER"] = f"{sys.executable} {told} %s"
    ports = (f"--imap=localhost:{site.dovecot.imaps}", f"--smtp=localhost:{site.postfix.submissions}")
    made.ok("server", "add", "own", *ports, "--ca-file", str(certificates.ca))
    return made


def meanwhile(person: Callable[[], None]) -> Thread:
    """What a person does while the command waits."""
    thread = Thread(target=person)
    thread.start()
    return thread


def once(condition: Callable[[], Any]) -> Any:
    """What `condition` gives, as soon as it gives something."""
    end = monotonic() + SECONDS
    while not (found := condition()):
        assert monotonic() < end
        sleep(0.05)
    return found


def add(cli: Cli, site: Site) -> str:
    """A gateway of a new user, whose application is set up; the user."""
    user = site.dovecot.new_user()
    site.oauth.register.claims = {"username": user}
    given = ("--client-id", PUBLIC, "--scope", "mail", "--scope", "offline_access")
    found = cli.json("auth", "setup", "sso", "--issuer", site.oauth.url, *given)["result"]
    assert found["application"]["device_authorization_endpoint"] == f"{site.oauth.url}/device_code"
    address = f"{user}@mail.test"
    found = cli.json("gateway", "add", "g", "--server", "own", "--email", address, "--login", user, "--oauth", "sso")
    assert found["result"]["next"] == ["mailctl auth login g"]
    return user


class Clock:
    """The time that mailctl sees: the true one, and some hours."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self, context: Context) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(Context, "now", lambda context: made.now(context))
    return made


def proven(cli: Cli, site: Site, clock: Clock) -> None:
    """Test, sync, a day of expiries in fast motion, sign-out."""
    checks = cli.json("test", "g")["result"]["checks"]
    assert [(check["protocol"], check["ok"]) for check in checks] == [("imap", True), ("smtp", True)]
    assert cli.json("sync", "g")["result"]["gateways"][0]["ok"]
    (status,) = cli.json("auth", "status", "g")["result"]
    assert status["state"] == "signed in"
    tokens = set()
    for _ in range(24):
        clock.ahead += timedelta(hours=1)
        tokens.add(cli.ok("auth", "token", "g").out)
    assert len(tokens) == 24
    assert cli.json("sync", "g")["result"]["gateways"][0]["ok"]
    (out,) = cli.json("auth", "logout", "g")["result"]
    assert out["revoked"]
    assert not [each for each in site.oauth.register.issued if not each.revoked]
    found = cli.json("test", "g", code=4)
    assert {check["stage"] for check in found["result"]["checks"]} == {"secret"}
    assert "mailctl auth login g" in found["error"]["hint"]


def test_the_whole_way_in_the_browser(cli: Cli, site: Site, chromium: Chromium, clock: Clock) -> None:
    user = add(cli, site)
    opened = cli.home / "opened"
    seen: list[str] = []

    def person() -> None:
        once(opened.exists)
        chromium.visit(opened.read_text())
        assert chromium.evaluate("document.getElementById('user').value") == user
        assert chromium.evaluate("document.body.innerText").startswith("Sign in")
        chromium.press("allow")
        seen.extend(chromium.evaluate(each) for each in ("document.body.innerText", "location.href", "history.length"))

    thread = meanwhile(person)
    (done,) = cli.json("auth", "login", "g")["result"]
    thread.join()
    assert "Done here" in seen[0]
    assert "code=" not in seen[1]
    assert done["scopes"] == ["mail", "offline_access"]
    assert opened.read_text().endswith("/mailctl-start")  # what others may read in the list of processes
    proven(cli, site, clock)


def test_who_declines_in_the_browser_is_told_so(cli: Cli, site: Site, chromium: Chromium) -> None:
    add(cli, site)
    opened = cli.home / "opened"

    def person() -> None:
        once(opened.exists)
        chromium.visit(opened.read_text())
        chromium.press("deny")

    thread = meanwhile(person)
    error = cli.json("auth", "login", "g", code=7)["error"]
    thread.join()
    assert error["cause"] == "consent_declined"
    assert cli.keyring.get("mailctl:g", "login:oauth").secret is None


def test_the_whole_way_by_a_device_code(cli: Cli, site: Site, chromium: Chromium, clock: Clock) -> None:
    user = add(cli, site)
    before = set(site.oauth.register.devices)

    def person() -> None:
        (code,) = once(lambda: set(site.oauth.register.devices) - before)
        chromium.visit(site.oauth.register.devices[code]["verification_uri_complete"])
        chromium.evaluate(f"document.getElementById('user').value = {json.dumps(user)}")
        chromium.press("allow")

    thread = meanwhile(person)
    (done,) = cli.json("auth", "login", "g", "--device")["result"]
    thread.join()
    assert done["renews"]
    assert not os.path.exists(cli.home / "opened")
    proven(cli, site, clock)
