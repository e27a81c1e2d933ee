"""Other programs sign in with what `mailctl auth token` prints, set up as the README says: mutt, at a real Dovecot."""

import os
import re
import sys
from collections.abc import Iterator
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


def test_mutt(tmp_path: Path, dovecot: Dovecot, server: OAuthServer, certificates: Certificates) -> None:
    cli, user = Cli(tmp_path), dovecot.new_user()
    Mailbox(dovecot, user).deliver("INBOX", mail("signed in"))
    browser = f"{sys.executable} {agreeing_browser.__file__} allow {user} %s"
    cli.env |= {"MAILCTL_SECRETS_KEY": KEY, "BROWSER": browser}
    (cli.config / "oauth").mkdir(parents=True, mode=0o700)
    (cli.config / "oauth/own.toml").write_text(tomli_w.dumps(server.table()))
    cli.ok("server", "add", "s", "--imap", f"localhost:{dovecot.imaps}", "--ca-file", str(certificates.ca))
    address = f"{user}@mail.test"
    add = ("gateway", "add", "work", "--server", "s", "--email", address, "--login", user)
    cli.ok(*add, "--oauth", "own", "--encrypted")
    cli.ok("auth", "login", "work")

    programs = cli.home / "bin"
    programs.mkdir()
    (programs / "mailctl").write_text(f'#!/bin/sh\nexec {sys.executable} -m mailctl "$@"\n')
    (programs / "mailctl").chmod(0o755)
    settings = cli.home / "muttrc"
    settings.write_text(
        f"{of_readme('~/.muttrc')}\nset ssl_ca_certificates_file={certificates.ca}\n"
        f"set folder=imaps://{user}@localhost:{dovecot.imaps}/ spoolfile=+INBOX header_cache='' quit=yes wait_key=no\n"
        'push "<quit>"\n'
    )
    env = {**cli.env, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    shown = on_terminal([program("mutt"), "-n", "-F", str(settings)], env)
    assert "signed in" in shown
    assert any("OAUTHBEARER" in line.upper() and user in line for line in dovecot.log().splitlines())
    assert server.register.issued[-1].access not in shown
