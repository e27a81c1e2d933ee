"""E3: no token, code, verifier, state or client secret is ever seen: a whole life of a sign-in at full verbosity.

What is looked for is what the servers really gave and got; in all that was printed, in every file, and in the arguments
and environment of every process.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from tests.cli.canary import CanaryHunt, sightings

from .signing_in import Browser, configure
from .support.certificates import Certificates
from .support.dovecot import Dovecot
from .support.dovecot_config import DovecotSettings
from .support.dovecot_oauth import OAuthSettings
from .support.dovecot_programs import DovecotPrograms
from .support.oauth_server import CLIENT_SECRET, CONFIDENTIAL, OAuthServer
from .support.workspace import Workspace

VERBOSE = ("--debug", "--json")


@pytest.fixture
def oauth(certificates: Certificates) -> Iterator[OAuthServer]:
    with OAuthServer(certificates.good) as server:
        yield server


@pytest.fixture
def dovecot(
    workspace: Workspace, dovecot_programs: DovecotPrograms, certificates: Certificates, oauth: OAuthServer
) -> Iterator[Dovecot]:
    settings = DovecotSettings(mechanisms=("plain",), oauth=OAuthSettings(oauth.introspection_url, scope="mail"))
    with ExitStack() as stack:
        yield stack.enter_context(Dovecot(workspace, dovecot_programs, certificates, settings))


class Life(CanaryHunt):
    """A home with the gateway `work`, whose application has its secret in a variable; keeps what is printed."""

    def __init__(self, folder: Path, dovecot: Dovecot, oauth: OAuthServer, certificates: Certificates) -> None:
        super().__init__(folder, CLIENT_SECRET)
        self.oauth, self.user, self.browser = oauth, dovecot.new_user(), Browser(certificates)
        self.env["SSL_CERT_FILE"] = str(certificates.ca)
        self.printed: list[bytes] = []
        table = {**oauth.table(client_id=CONFIDENTIAL), "client_secret": {"env": "APPLICATION_SECRET"}}
        trust = f'[certificate]\nca_file = "{certificates.ca}"\n'
        configure(self.home / ".config/mailctl", table, self.user, dovecot.imaps, trust)

    def see(self, *arguments: str, code: int = 0) -> bytes:
        """Run, keep what it printed, and give back its stdout."""
        done = self.run(*arguments, env={"APPLICATION_SECRET": CLIENT_SECRET})
        assert done.returncode == code, done.stderr.decode()
        self.printed += [done.stdout, done.stderr]
        return done.stdout

    def sign_in(self) -> str:
        """`auth login --no-browser`, and what a person does; the link."""
        process = subprocess.Popen(
            [sys.executable, "-m", "mailctl", "auth", "login", "work", "--no-browser", *VERBOSE],
            env={**self.env, "APPLICATION_SECRET": CLIENT_SECRET},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.home,
        )
        assert process.stderr is not None
        shown: list[str] = []
        while not (shown and "response_type=code" in shown[-1]):
            shown.append(process.stderr.readline())
            assert shown[-1], "".join(shown)
        link = next(word for word in shown[-1].split() if word.startswith("https://"))
        out, err = process.communicate(self.browser.agree(link, self.user) + "\n", timeout=60)
        assert process.returncode == 0, err
        self.printed += [out.encode(), "".join(shown[:-1]).encode(), err.encode()]  # the link itself is for the person
        (self._witness / str(process.pid)).unlink()
        return link

    def secrets(self) -> dict[str, str]:
        """Everything that must not be seen, by what it is."""
        found = {"client secret": CLIENT_SECRET}
        for number, each in enumerate(self.oauth.register.issued):
            found |= {f"access token {number}": each.access, f"refresh token {number}": each.refresh}
        for form in self.oauth.forms():
            found |= {name: form[name] for name in ("code", "code_verifier") if name in form}
        return found


def test_E3_a_whole_life_of_a_sign_in(
    tmp_path: Path, dovecot: Dovecot, oauth: OAuthServer, certificates: Certificates
) -> None:
    life = Life(tmp_path, dovecot, oauth, certificates)
    link = life.sign_in()
    trace = life.see("test", "work", "--imap", "--trace", *VERBOSE)
    assert b"AUTHENTICATE" in trace
    life.see("sync", "work", *VERBOSE)
    oauth.register.revoke_all()
    life.see("sync", "work", *VERBOSE, code=4)  # what was withdrawn is refused, also to be renewed
    life.see("test", "work", "--imap", "--trace", *VERBOSE, code=4)
    life.sign_in()
    for command in ("auth status", "secrets list", "secrets doctor", "gateway show work", "log", "status"):
        life.see(*command.split(), *VERBOSE)
    life.see("gateway", "password", "check", "work", *VERBOSE)
    printed = life.see("auth", "token", "work")
    assert printed.decode().strip() == oauth.register.issued[-1].access
    life.printed.remove(printed)
    life.see("auth", "logout", "work", *VERBOSE)
    looked_for = life.secrets()
    assert {"code", "code_verifier", "access token 0", "refresh token 0"} <= looked_for.keys()
    state = dict(parse_qsl(urlsplit(link).query))["state"]
    assert parse_qs(urlsplit(link).query)["code_challenge_method"] == ["S256"]
    for what, value in {**looked_for, "state": state}.items():
        for text in life.printed:
            assert not sightings(text, value), (what, text)
        life.value = value
        assert list(life.in_files()) == [], what
