"""A gateway: one mailbox connected through one server. None means "not set here": the defaults decide."""

from dataclasses import field
from enum import StrEnum

from mailctl.domain.record import dataclass
from mailctl.domain.server import Protocol


class Mode(StrEnum):
    """How mail is kept synced: `archive` only brings down; `mirror` goes both ways."""

    ARCHIVE = "archive"
    MIRROR = "mirror"


class SourceKind(StrEnum):
    """Where a secret lives."""

    KEYRING = "keyring"
    COMMAND = "command"
    ENV = "env"
    FILE = "file"
    ENCRYPTED = "encrypted"
    OAUTH = "oauth"


STORES = (SourceKind.KEYRING, SourceKind.ENCRYPTED)
"""Where mailctl itself keeps secrets."""


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Names where a secret is; never holds one.

    argument: the command's argument list for COMMAND, (variable,) for ENV, (path,) for FILE, () otherwise. OAUTH: the
    application's name, "" for the one of the server's provider, and where the tokens are, `keyring` or `encrypted`;
    () stands for ("", "keyring").
    """

    kind: SourceKind = SourceKind.KEYRING
    argument: tuple[str, ...] = ()

    @property
    def store(self) -> SourceKind | None:
        """In which of mailctl's two stores, KEYRING or ENCRYPTED, the secret or its tokens are; None: not mailctl's."""
        if self.kind is SourceKind.OAUTH:
            return SourceKind(self.argument[1]) if len(self.argument) > 1 else SourceKind.KEYRING
        return self.kind if self.kind in STORES else None


@dataclass(frozen=True, slots=True)
class Login:
    """Whom to sign in as (the authentication identity, RFC 4422), and where the secret is."""

    user: str
    secret: SecretSource = SecretSource()


class LoginRole(StrEnum):
    """Which login of a gateway: the main one (IMAP, POP3 and, unless it differs, SMTP), or SMTP's own."""

    LOGIN = "login"
    SMTP_LOGIN = "smtp_login"


@dataclass(frozen=True, slots=True)
class Inbound:
    """How mail comes in. Sizes in bytes, `interval` in seconds, `since` as ISO date or age such as `90d`.

    delete_after: seconds after which a message that is here goes from the server; None: never.
    """

    enabled: bool | None = None
    protocol: Protocol | None = None
    mode: Mode | None = None
    folders: tuple[str, ...] | None = None
    keep_on_server: bool | None = None
    delete_after: int | None = None
    mark_seen: bool | None = None
    propagate_deletes: bool | None = None
    since: str | None = None
    max_per_run: int | None = None
    max_size: int | None = None
    interval: int | None = None
    maildir: str | None = None


@dataclass(frozen=True, slots=True)
class Outbound:
    """How mail goes out. `attachment_limit` in bytes, `daily_limit` in messages."""

    enabled: bool | None = None
    upload_sent: bool | None = None
    attachment_limit: int | None = None
    daily_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Gateway:
    """One mailbox on one server. `smtp_login` is None where SMTP signs in like the rest."""

    name: str
    server: str
    email: str
    login: Login
    smtp_login: Login | None = None
    owner: str = ""
    shared: bool = False
    display_name: str = ""
    reply_to: str = ""
    order: int = 100
    enabled: bool = True
    allow_plaintext: bool = False
    inbound: Inbound = field(default_factory=Inbound)
    outbound: Outbound = field(default_factory=Outbound)

    def login_for(self, protocol: Protocol) -> Login:
        """The login that `protocol` uses."""
        return self.smtp_login if protocol is Protocol.SMTP and self.smtp_login else self.login

    def role_for(self, protocol: Protocol) -> LoginRole:
        """Which login `protocol` uses."""
        return LoginRole.SMTP_LOGIN if protocol is Protocol.SMTP and self.smtp_login else LoginRole.LOGIN

    @property
    def logins(self) -> dict[LoginRole, Login]:
        """The logins that this gateway has, the main one first."""
        found = {LoginRole.LOGIN: self.login}
        if self.smtp_login:
            found[LoginRole.SMTP_LOGIN] = self.smtp_login
        return found


INBOUND_DEFAULTS = Inbound(
    enabled=True,
    protocol=Protocol.IMAP,
    mode=Mode.ARCHIVE,
    folders=("*",),
    keep_on_server=True,
    mark_seen=False,
    propagate_deletes=False,
    interval=900,
)
OUTBOUND_DEFAULTS = Outbound(enabled=True, upload_sent=True)


def resolve_inbound(*layers: Inbound) -> Inbound:
    """The first value set for each field, looking through `layers` in order and then the built-in defaults.

    Order of layers: the gateway, its provider, config.toml.
    """
    return Inbound(**_first_set(*layers, INBOUND_DEFAULTS))  # type: ignore[arg-type]  # one value a field, typed by it


def resolve_outbound(*layers: Outbound) -> Outbound:
    """Like `resolve_inbound`, for the outbound side."""
    return Outbound(**_first_set(*layers, OUTBOUND_DEFAULTS))  # type: ignore[arg-type]  # as above


def _first_set(*layers: Inbound | Outbound) -> dict[str, object]:
    return {
        name: next((value for layer in layers if (value := getattr(layer, name)) is not None), None)
        for name in type(layers[0]).__dataclass_fields__
    }
