"""The options of `mailctl auth setup`: an answer each to what it asks."""

from enum import StrEnum
from typing import Annotated

import typer

from mailctl.cli.password_options import PasswordWays
from mailctl.domain.oauth import Grant
from mailctl.domain.record import dataclass

_SECRET = "Where the client secret is: "  # noqa: S105 - no secret


class KeptClientSecret(StrEnum):
    """Where mailctl keeps a client secret."""

    KEYRING = "keyring"
    ENCRYPTED = "encrypted"


@dataclass(frozen=True, slots=True)
class SetupOptions:
    """The answers to what `auth setup` asks, for scripts."""

    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="What the application is called here; default the service's.")
    ] = None
    client_id: Annotated[str | None, typer.Option(metavar="ID", help="The client id that the provider shows.")] = None
    tenant: Annotated[
        str | None,
        typer.Option(help="Microsoft: the tenant's id or domain, or consumers, organizations, common."),
    ] = None
    grant: Annotated[Grant | None, typer.Option(help="How it signs in; default authorization_code.")] = None
    redirect: Annotated[str | None, typer.Option(metavar="URI", help="The redirect URI, as registered.")] = None
    scope: Annotated[
        list[str] | None, typer.Option(metavar="SCOPE", help="Ask for this scope instead; repeatable.")
    ] = None
    issuer: Annotated[
        str | None, typer.Option(metavar="URL", help="An identity provider of your own, which tells the rest itself.")
    ] = None
    key_file: Annotated[
        str | None, typer.Option(metavar="PATH", help="service_account: the key, a private file (JSON).")
    ] = None
    client_secret_stdin: Annotated[
        bool, typer.Option("--client-secret-stdin", help="Read the client secret from stdin, for the keyring.")
    ] = False
    client_secret_command: Annotated[
        str | None, typer.Option(metavar="CMD", help=f"{_SECRET}the first line that this command prints.")
    ] = None
    client_secret_env: Annotated[str | None, typer.Option(metavar="VAR", help=f"{_SECRET}a variable.")] = None
    client_secret_file: Annotated[str | None, typer.Option(metavar="PATH", help=f"{_SECRET}a private file.")] = None

    client_secret_store: Annotated[
        KeptClientSecret, typer.Option(help="Where one that is typed, or read from stdin, is kept.")
    ] = KeptClientSecret.KEYRING

    def ways(self) -> PasswordWays:
        """How the client secret comes."""
        return PasswordWays(
            self.client_secret_stdin, self.client_secret_command, self.client_secret_env, self.client_secret_file
        )
