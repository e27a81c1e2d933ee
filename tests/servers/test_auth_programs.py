"""Other programs sign in with what `mailctl auth token` prints, set up as the README says, at real servers."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import tomli_w

from tests.cli.support import Cli

from .support import agreeing_browser
from .support.certificates import Certificates
from .support.dovecot import Dovecot
from .support.dovecot_config import DovecotSettings
from .support.dovecot_oauth import OAuthSettings
from .support.dovecot_programs import DovecotPrograms
from .support.mailbox import Mailbox
from .support.oauth_server import OAuthServer
from .support.postfix import Postfix, find_postfix
from .support.requirement import unavailable
from .support.workspace import Workspace
from .test_sync_clients import mail, on_terminal, program

ROOT = Path(__file__).parents[2]
KEY = "a passphrase of the tests"


@pytest.fixture
def server() -> Iterator[OAuthServer]:
    with OAuthServer() as started:
        yield started


@pytest.fixture
def dovecot(
    workspace: Workspace, dovecot_programs: DovecotPrograms, certificates: Certificates, server: OAuthServer
) -> Iterator[Dovecot]:
    oauth = OAuthSettings(server.introspection_url, scope="mail")
    with Dovecot(workspace, dovecot_programs, certificates, DovecotSettings(oauth=oauth)) as started:
        yield started


def of_readme(heading: str) -> str:
    """The settings below a heading of the README's examples."""
    text = (ROOT / "README.md").read_text()
    block = text.partition(f"    # {heading}")[2].partition("\n\n")[0]
    return re.sub("(?m)^    ", "", block.partition("\n")[2])


@dataclass
class Home:
    """A home whose gateway `work` is signed in, and what other programs are run in."""

    cli: Cli
    user: str
    dovecot: Dovecot
    ca: Path

    @property
    def env(self) -> dict[str, str]:
        programs = f"{self.cli.home / 'bin'}:{os.environ['PATH']}"
        return {**self.cli.env, "PATH": programs, "PYTHONPATH": str(ROOT), "TERM": "xterm"}

    def signed_in_by(self, mechanism: str) -> bool:
        """Whether the server saw the user sign in so."""
        lines = [line.lower() for line in self.dovecot.log().splitlines()]
        return any(mechanism.lower() in line and self.user in line for line in lines)


@pytest.fixture
def home(tmp_path: Path, dovecot: Dovecot, server: OAuthServer, certificates: Certificates) -> Home:
    cli, user = Cli(tmp_path), dovecot.new_user()
    browser = f"{sys.executable} {agreeing_browser.__file__} allow {user} %s"
    cli.env |= {"MAILCTL_SECRETS_KEY": KEY, "BROWSER": browser}
    (cli.config / "oauth").mkdir(parents=True, mode=0o700)
    (cli.config / "oauth/own.toml").write_text(tomli_w.dumps(server.table()))
    cli.ok("server", "add", "s", "--imap", f"localhost:{dovecot.imaps}", "--ca-file", str(certificates.ca))
    address = f"{user}@mail.test"
    add = ("gateway", "add", "work", "--server", "s", "--email", address, "--login", user)
    cli.ok(*add, "--oauth", "own", "--encrypted")
    cli.ok("auth", "login", "work")
    (cli.home / "bin").mkdir()
    (cli.home / "bin/mailctl").write_text(f'#!/bin/sh\nexec {sys.executable} -m mailctl "$@"\n')
    (cli.home / "bin/mailctl").chmod(0o755)
    return Home(cli, user, dovecot, certificates.ca)


def test_mutt(home: Home, server: OAuthServer) -> None:
    Mailbox(home.dovecot, home.user).deliver("INBOX", mail("signed in"))
    settings = home.cli.home / "muttrc"
    settings.write_text(
        f"{of_readme('~/.muttrc')}\nset ssl_ca_certificates_file={home.ca} header_cache='' quit=yes wait_key=no\n"
        f"set folder=imaps://{home.user}@localhost:{home.dovecot.imaps}/ spoolfile=+INBOX\n"
        'push "<quit>"\n'
    )
    shown = on_terminal([program("mutt"), "-n", "-F", str(settings)], home.env)
    assert "signed in" in shown
    assert home.signed_in_by("OAUTHBEARER")
    assert server.register.issued[-1].access not in shown


def test_msmtp(home: Home, workspace: Workspace, certificates: Certificates) -> None:
    programs = find_postfix()
    if isinstance(programs, str):
        unavailable("Postfix", programs)
    with Postfix(workspace, programs, certificates, home.dovecot) as postfix:
        settings = home.cli.home / "msmtprc"
        settings.write_text(
            f"{of_readme('~/.msmtprc')}\ntls on\ntls_starttls off\ntls_trust_file {home.ca}\n"
            f"host localhost\nport {postfix.submissions}\nuser {home.user}\nfrom {home.user}@mail.test\n"
        )
        settings.chmod(0o600)
        command = [program("msmtp"), "-C", str(settings), f"{home.user}@mail.test"]
        done = subprocess.run(command, env=home.env, input=mail("sent"), capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr  # it signs in by nothing but what the settings name


def test_mbsync(home: Home) -> None:
    if not list(Path("/usr/lib").glob("*/sasl2/libkdexoauth2.so")):
        unavailable("XOAUTH2 for Cyrus SASL", "libsasl2-modules-kdexoauth2 is not installed")
    Mailbox(home.dovecot, home.user).deliver("INBOX", mail("fetched"))
    settings, folder = home.cli.home / "mbsyncrc", home.cli.home / "Mail"
    folder.mkdir()
    settings.write_text(
        f"IMAPStore there\nHost localhost\nPort {home.dovecot.imaps}\nSSLType IMAPS\nSystemCertificates no\n"
        f"CertificateFile {home.ca}\nUser {home.user}\n{of_readme('~/.mbsyncrc')}\n\n"
        f"MaildirStore here\nPath {folder}/\nInbox {folder}/INBOX\n\n"
        f"Channel all\nFar :there:\nNear :here:\nPatterns INBOX\nSyncState {home.cli.home}/\nCreate Near\n"
    )
    command = [program("mbsync"), "-c", str(settings), "all"]
    done = subprocess.run(command, env=home.env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "fetched" in "".join(each.read_text() for each in (folder / "INBOX/new").iterdir())
    assert home.signed_in_by("XOAUTH2")
