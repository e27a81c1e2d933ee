"""What is said of secrets that a service in the background can't have."""

import io

import pytest

from mailctl.cli.context import Context
from mailctl.cli.schedule_secrets import beyond_a_service, places
from mailctl.domain.gateway import SecretSource, SourceKind
from tests.cli.support import Cli

GUID = "00001111-aaaa-2222-bbbb-3333cccc4444"
TENANT = ("--tenant", "example.org")


def found(cli: Cli) -> dict[str, list[str]]:
    context = Context(io.StringIO(), io.StringIO(), io.StringIO(), cli.env, keyring=lambda: cli.keyring)
    return {kind.value: list(names) for kind, names in places(context, context.config.gateways().objects).items()}


@pytest.fixture
def home(cli: Cli) -> Cli:
    cli.ok("server", "add", "office365")
    cli.ok("gateway", "add", "o", "--server", "office365", "--email", "o@example.org")
    return cli


def test_tokens_are_where_they_are_kept(home: Cli) -> None:
    assert found(home) == {"keyring": ["o"]}
    home.ok("gateway", "edit", "o", "--oauth", "", "--encrypted")
    assert found(home) == {"encrypted": ["o"]}


@pytest.mark.parametrize(("way", "value"), [("env", "X_SECRET"), ("command", "pass show x"), ("file", "/s")])
def test_the_secret_of_an_application_is_needed_too(home: Cli, way: str, value: str) -> None:
    home.ok("auth", "setup", "office365", "--client-id", GUID, f"--client-secret-{way}", value, *TENANT)
    assert found(home) == {"keyring": ["o"], way: ["o"]}


def test_what_a_service_can_not_have_is_said() -> None:
    key = SecretSource(SourceKind.FILE, ("/key",))
    said = beyond_a_service(
        {SourceKind.ENCRYPTED: ["a"], SourceKind.ENV: ["b"], SourceKind.KEYRING: ["c"]}, None, watch=True
    )
    assert ["encrypted file" in said[0], "variable" in said[1], "keyring is locked" in said[2]] == [True] * 3
    assert beyond_a_service({SourceKind.ENCRYPTED: ["a"], SourceKind.COMMAND: ["b"]}, key, watch=False) == []
