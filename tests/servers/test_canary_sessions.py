"""E3: a password, right or wrong, is never seen, whatever the server offers: conversations at full verbosity."""

from pathlib import Path

import pytest

from tests.cli.canary import CANARY, CanaryHunt

from .support.certificates import Certificates
from .support.dovecot import Dovecot
from .support.postfix import Postfix

VERBOSE = ("--debug", "--json")


@pytest.fixture
def hunt(tmp_path: Path, dovecot: Dovecot, postfix: Postfix, certificates: Certificates) -> CanaryHunt:
    """A home with two servers: the real one by TLS, and the same by STARTTLS."""
    made = CanaryHunt(tmp_path)
    for name, security, imap, pop3, smtp in (
        ("tls", "tls", dovecot.imaps, dovecot.pop3s, postfix.submissions),
        ("starttls", "starttls", dovecot.imap, dovecot.pop3, postfix.submission),
    ):
        endpoints = (
            *("--imap", f"localhost:{imap}", "--imap-security", security),
            *("--pop3", f"localhost:{pop3}", "--pop3-security", security),
            *("--smtp", f"localhost:{smtp}", "--smtp-security", security),
        )
        done = made.run("server", "add", name, *endpoints, "--ca-file", str(certificates.ca), *VERBOSE)
        assert done.returncode == 0, done.stderr.decode()
    return made


def add(hunt: CanaryHunt, server: str, user: str, *options: str) -> None:
    identity = ("--server", server, "--email", f"{user}@mail.test", "--login", user)
    done = hunt.run("gateway", "add", "work", *identity, *options, "--password-stdin", *VERBOSE, stdin=f"{CANARY}\n")
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("server", ["tls", "starttls"])
def test_E3_a_session_that_works(hunt: CanaryHunt, dovecot: Dovecot, server: str) -> None:
    user = dovecot.new_user()
    dovecot.add_user(user, CANARY)
    add(hunt, server, user, "--test")
    done = hunt.run("test", "work", "--imap", "--pop3", "--smtp", "--trace", *VERBOSE)
    assert done.returncode == 0, done.stdout.decode()
    assert b"***" in done.stderr + done.stdout  # the trace shows that something was sent
    assert hunt.run("sync", "work", *VERBOSE).returncode == 0
    assert hunt.run("log", *VERBOSE).returncode == 0


@pytest.mark.parametrize("server", ["tls", "starttls"])
def test_E3_a_password_that_is_wrong(hunt: CanaryHunt, dovecot: Dovecot, server: str) -> None:
    add(hunt, server, dovecot.new_user())
    done = hunt.run("test", "work", "--imap", "--pop3", "--smtp", "--trace", *VERBOSE)
    assert done.returncode == 7, done.stdout.decode()
    assert hunt.run("sync", "work", *VERBOSE).returncode == 7
    hunt.run("log", *VERBOSE)
    hunt.run("status", *VERBOSE)
