"""E1 to E5 and E7: a password is never seen, whatever command handles it, at full verbosity."""

from pathlib import Path

import pytest

from mailctl.config.store import ConfigStore
from mailctl.domain.gateway import Gateway, Login, SecretSource, SourceKind
from mailctl.domain.server import Endpoint, Protocol, Security, Server
from tests.cli.canary import CANARY, CanaryHunt, encodings, sightings

VERBOSE = ("--debug", "--json")

COMMANDS = [
    "gateway list",
    "gateway show work",
    "gateway password check work",
    "gateway password source work",
    "gateway password set work --password-env NONE --dry-run",
    "gateway password set wrok --password-stdin",
    "gateway password clear work --dry-run",
    "server list",
    "server show local",
    "config path",
    "config check",
    "test work --trace --timeout 5",
    "test --all --timeout 5",
    "test work --timeout 5 --report r.html --report r.md --report r.json",
    "test work --timeout 5 --quiet",
    "sync work",
    "sync work --dry-run",
    "status",
    "schedule install --watch --exec true --dry-run",
    "log",
    "log export exported.jsonl",
    "gateway edit work --display-name Alice",
    "gateway add second --server local --email b@b.example --password-stdin --test",
    "gateway add third --server local --email c@c.example --password-stdin",
    "gateway edit third --password-stdin",
    "gateway add third --server local --email c@c.example --password-stdin",
    "gateway add fourth --server local --email d@d.example --password-env NONE --smtp-login d --smtp-password-stdin",
    "log import exported.jsonl",
    "secrets doctor",
    "secrets list",
    "secrets move --to encrypted --dry-run",
    "secrets prune --yes",
    "gateway rename work job",
    "gateway remove job --yes",
]
"""One gateway, `work`, on a server that refuses connections; each command runs for every source. Add yours."""


@pytest.fixture
def hunt(tmp_path: Path) -> CanaryHunt:
    """A home with one gateway on a port where nothing listens."""
    made = CanaryHunt(tmp_path)
    config = ConfigStore(made.home / ".config/mailctl")
    endpoints = {protocol: Endpoint("127.0.0.1", 9, Security.TLS) for protocol in (Protocol.IMAP, Protocol.SMTP)}
    config.save_server(Server("local", endpoints=endpoints))
    return made


def gateway(hunt: CanaryHunt, source: SecretSource) -> None:
    config = ConfigStore(hunt.home / ".config/mailctl")
    config.save_gateway(Gateway("work", "local", "alice@example.org", Login("alice", source)))


@pytest.mark.parametrize("source", ["keyring", "encrypted", "command", "env"])
def test_E1_to_E5_and_E7_no_command_shows_a_password(hunt: CanaryHunt, source: str) -> None:
    env: dict[str, str] = {}
    match source:
        case "keyring":
            gateway(hunt, SecretSource())
            done = hunt.run("gateway", "password", "set", "work", "--password-stdin", *VERBOSE, stdin=f"{CANARY}\n")
            assert done.returncode == 0, done.stderr.decode()
        case "encrypted":
            gateway(hunt, SecretSource())
            env["MAILCTL_SECRETS_KEY"] = "a passphrase of the file"
            for words in (
                ("gateway", "password", "set", "work", "--password-stdin"),
                ("secrets", "move", "--to", source),
            ):
                done = hunt.run(*words, *VERBOSE, stdin=f"{CANARY}\n", env=env)
                assert done.returncode == 0, done.stderr.decode()
        case "command":
            gateway(hunt, SecretSource(SourceKind.COMMAND, (str(hunt.password_command),)))
        case _:
            gateway(hunt, SecretSource(SourceKind.ENV, ("WORK_PASSWORD",)))
            env["WORK_PASSWORD"] = CANARY
    available = hunt.run("gateway", "password", "check", "work", *VERBOSE, env=env)
    assert available.returncode == 0, available.stdout.decode()
    for command in COMMANDS:
        done = hunt.run(*command.split(), *VERBOSE, stdin=f"{CANARY}\n", env=env)
        assert done.returncode != 2, f"{command} did nothing: {done.stderr.decode()}"


def test_E1_to_E5_nobody_is_shown_the_key_of_the_encrypted_file(hunt: CanaryHunt) -> None:
    gateway(hunt, SecretSource(SourceKind.ENCRYPTED))
    config = ConfigStore(hunt.home / ".config/mailctl")
    other = Login("bob", SecretSource(SourceKind.COMMAND, ("/bin/sh", "-c", "env >&2; exit 1")))
    config.save_gateway(Gateway("other", "local", "bob@example.org", other))
    env = {"MAILCTL_SECRETS_KEY": CANARY}
    hunt.run("gateway", "password", "set", "work", "--password-stdin", *VERBOSE, stdin="hunter2\n", env=env)
    for words in (("test", "--all", "--timeout", "5"), ("secrets", "doctor"), ("sync", "work"), ("secrets", "list")):
        hunt.run(*words, *VERBOSE, env=env)
    wrong = {"MAILCTL_SECRETS_KEY": CANARY[1:]}
    assert hunt.run("secrets", "doctor", *VERBOSE, env=wrong).returncode == 4


@pytest.mark.parametrize("source", ["command", "env"])
def test_E1_to_E5_a_watch_shows_no_password(hunt: CanaryHunt, source: str) -> None:
    env = {"WORK_PASSWORD": CANARY} if source == "env" else {}
    command = SecretSource(SourceKind.COMMAND, (str(hunt.password_command),))
    gateway(hunt, SecretSource(SourceKind.ENV, ("WORK_PASSWORD",)) if env else command)
    done = hunt.run("watch", "work", "--exec", "true", *VERBOSE, env=env, ended_at=b"watch.failed")
    assert done.returncode == 0


@pytest.mark.parametrize("text", [f"{CANARY}\0\n", f"{CANARY}{'x' * 70000}\n"], ids=["NUL", "long"])
def test_E4_a_refused_password_is_not_quoted(hunt: CanaryHunt, text: str) -> None:
    gateway(hunt, SecretSource())
    done = hunt.run("gateway", "password", "set", "work", "--password-stdin", *VERBOSE, stdin=text)
    assert done.returncode == 4


def test_E4_a_failing_command_does_not_quote_its_output(hunt: CanaryHunt) -> None:
    hunt.password_command.write_text(hunt.password_command.read_text() + "raise SystemExit('locked')\n")
    gateway(hunt, SecretSource(SourceKind.COMMAND, (str(hunt.password_command),)))
    done = hunt.run("gateway", "password", "check", "work", *VERBOSE)
    assert done.returncode == 4
    assert b"locked" in done.stderr


def test_E2_a_child_that_shows_its_environment_shows_no_password(hunt: CanaryHunt) -> None:
    gateway(hunt, SecretSource(SourceKind.ENV, ("WORK_PASSWORD",)))
    config = ConfigStore(hunt.home / ".config/mailctl")
    other = Login("bob", SecretSource(SourceKind.COMMAND, ("/bin/sh", "-c", "env >&2; exit 1")))
    config.save_gateway(Gateway("other", "local", "bob@example.org", other))
    hunt.run("test", "--all", "--timeout", "5", *VERBOSE, env={"WORK_PASSWORD": CANARY})


@pytest.mark.parametrize("name", encodings(CANARY))
def test_the_hunt_finds_what_it_looks_for(name: str, tmp_path: Path) -> None:
    form = encodings(CANARY)[name]
    assert name in sightings(b"before " + form + b" after")
    hunt = CanaryHunt(tmp_path)
    (hunt.home / "left").write_bytes(form)
    assert any(name in found for found in hunt.in_files())
