"""What mailctl keeps in its two stores, the keyring and the encrypted file: names of entries, and whose they are."""

from collections.abc import Collection, Mapping
from enum import StrEnum

from mailctl.domain.gateway import Gateway, LoginRole, SecretSource, SourceKind
from mailctl.domain.record import dataclass

PREFIX = "mailctl:"
"""How the service of every entry begins."""
APPLICATION = "oauth/"
"""How the owner of an OAuth application's entries begins; no gateway's name has a slash."""


class KeptKind(StrEnum):
    """What an entry is: a login's password, its OAuth tokens, or an OAuth application's secret."""

    PASSWORD = "password"  # noqa: S105 - a kind
    TOKEN = "token"  # noqa: S105 - a kind
    APPLICATION = "application"


@dataclass(frozen=True, slots=True)
class KeptSecret:
    """One entry. owner: the gateway's name, or the application's. user: of the entry, `login` or `login:oauth`."""

    store: SourceKind
    kind: KeptKind
    owner: str
    user: str
    service: str


def token_users(role: LoginRole) -> tuple[str, str]:
    """The user names of a login's tokens: where they are, and where the next ones are first put."""
    return f"{role}:oauth", f"{role}:oauth:next"


def way_into_file(gateway: str, role: LoginRole, application: str) -> str:
    """How the tokens of a login come to be kept in the encrypted file: what to do, as part of a sentence.

    application: the name that its source has, or "". No option of `gateway edit` is about the tokens of SMTP's login.
    """
    if role is LoginRole.LOGIN:
        return f"`mailctl gateway edit {gateway} --oauth '{application}' --encrypted`"
    table = f'{{oauth = "{application}", store = "encrypted"}}'
    return f"secret = {table} under [{role}] in the file that `mailctl gateway show {gateway}` names"


def users_of(role: LoginRole, source: SecretSource) -> tuple[str, ...]:
    """The user names under which a store keeps what a login signs in with, the main one first."""
    return token_users(role) if source.kind is SourceKind.OAUTH else (role.value,)


def every_user() -> list[tuple[LoginRole, str]]:
    """All user names under which a store may keep something of a gateway, and whose login's that is."""
    return [(role, user) for role in LoginRole for user in (role.value, *token_users(role))]


def kept_secret(store: SourceKind, service: str, user: str, realm: str) -> KeptSecret | None:
    """What the entry under (service, user) is; None if it belongs to another configuration folder than `realm`'s."""
    owner, _, of = service.removeprefix(PREFIX).partition(":")
    if not service.startswith(PREFIX) or of != realm or not owner:
        return None
    if owner.startswith(APPLICATION):
        return KeptSecret(store, KeptKind.APPLICATION, owner.removeprefix(APPLICATION), user, service)
    kind = KeptKind.PASSWORD if user in set(LoginRole) else KeptKind.TOKEN
    return KeptSecret(store, kind, owner, user, service)


def is_used(kept: KeptSecret, gateways: Mapping[str, Gateway | None], applications: Collection[str]) -> bool:
    """Whether a gateway's login, or an application, has its secret there.

    gateways: by name, None for one whose file can't be read: what is kept for it counts as used.
    """
    if kept.kind is KeptKind.APPLICATION:
        return kept.owner in applications
    if kept.owner not in gateways:
        return False
    gateway = gateways[kept.owner]
    return gateway is None or any(
        login.secret.store is kept.store and kept.user in users_of(role, login.secret)
        for role, login in gateway.logins.items()
    )
