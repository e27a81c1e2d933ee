"""Which secrets a service in the background can't have, or not always."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from mailctl.cli.context import Context
from mailctl.domain.gateway import SourceKind
from mailctl.errors import MailctlError

if TYPE_CHECKING:
    from mailctl.domain.gateway import Gateway, SecretSource

Places = Mapping[SourceKind, Sequence[str]]
"""Where secrets are → the gateways that need them from there. Tokens of OAuth are in one of mailctl's two stores."""


def places(context: Context, gateways: "Iterable[Gateway]") -> Places:
    """Where the secrets of `gateways` are, and those of the OAuth applications with which they sign in."""
    found: dict[SourceKind, dict[str, None]] = {}
    for gateway in gateways:
        for login in gateway.logins.values():
            sources = [login.secret]
            if login.secret.kind is SourceKind.OAUTH:
                with suppress(MailctlError):  # an application that isn't there is told of where it is needed
                    application = context.application_of(gateway.name, login.secret)
                    sources += [each for each in (application.client_secret, application.key) if each]
            for source in sources:
                found.setdefault(source.store or source.kind, {})[gateway.name] = None
    return {kind: list(names) for kind, names in found.items()}


def beyond_a_service(found: Places, key: "SecretSource | None", *, watch: bool) -> list[str]:
    """What a service can't have, as sentences with the way on. key: where that of the encrypted file is."""
    said = []
    if (names := found.get(SourceKind.ENCRYPTED)) and (key is None or key.kind is SourceKind.ENV):
        said.append(
            f"{_some(names)}: the password is in the encrypted file, and a service is not given its key. "
            "Name a file that has it, in config.toml: [secrets] key = {file = ...}."
        )
    if names := found.get(SourceKind.ENV):
        said.append(
            f"{_some(names)}: the password is in a variable, which a service doesn't get. "
            f"`mailctl gateway password source {names[0]}` names another source, such as a private file."
        )
    if names := found.get(SourceKind.KEYRING):
        then = "the watch gives it up until it is reloaded" if watch else "syncs fail until then"
        said.append(
            f"{_some(names)}: while the keyring is locked, as before you sign in on the desktop, {then}. "
            f"For a machine without a desktop: `mailctl secrets move --to encrypted {names[0]}`."
        )
    return said


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
