"""A provider: public facts on a mail service, and what follows from them. Facts come from `mailctl.providers`."""

from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from enum import StrEnum

from mailctl.domain.gateway import Inbound, Outbound
from mailctl.domain.record import dataclass
from mailctl.domain.server import Endpoint, Protocol, Server
from mailctl.errors import UsageError


class Status(StrEnum):
    """What a preset is good for."""

    ACTIVE = "active"
    ENDING = "ending"
    """Works until the date in `ends`."""
    LEGACY = "legacy"
    """Old host names, kept to recognise old configurations."""
    BRIDGE = "bridge"
    """Only through a program on the user's own machine."""
    TEMPLATE = "template"
    """Hosts have a part to fill in, such as `{domain}`."""
    UNSUPPORTED = "unsupported"
    """No IMAP, POP3 or SMTP at all."""
    GUIDE = "guide"
    """No provider but a way of finding one."""


class SignIn(StrEnum):
    """With what a mail program signs in."""

    PASSWORD = "password"  # noqa: S105
    """The account's own password."""
    APP_PASSWORD = "app_password"  # noqa: S105
    """A password made at the provider for one program."""
    MAIL_PASSWORD = "mail_password"  # noqa: S105
    """A password of the mailbox, apart from that of the customer's account."""
    AUTH_CODE = "auth_code"
    """The code that the provider shows when mail programs are switched on."""
    API_KEY = "api_key"
    """A key or SMTP credential issued by a sending service."""
    BRIDGE_PASSWORD = "bridge_password"  # noqa: S105
    """The password that the local bridge shows."""
    OAUTH = "oauth"
    """An OAuth 2.0 access token (SASL XOAUTH2 or OAUTHBEARER, RFC 7628)."""
    NONE = "none"
    """There is no way to sign in."""


class UsernameForm(StrEnum):
    """What the user name is made of."""

    EMAIL = "email"
    LOCAL_PART = "local_part"
    OTHER = "other"


class Confidence(StrEnum):
    """How sure the facts are."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    NONE = "none"
    """There is nothing to be sure of."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What the user does first. Links are "" where none is known."""

    steps: tuple[str, ...] = ()
    enable_url: str = ""
    app_password_url: str = ""
    help_url: str = ""


@dataclass(frozen=True, slots=True)
class ProviderLimits:
    """Published or measured limits; None is "not known". Sizes in bytes or, by name, in MB of 10^6 bytes."""

    imap_connections: int | None = None
    imap_download_mb_per_day: int | None = None
    imap_upload_mb_per_day: int | None = None
    pop3_download_mb_per_day: int | None = None
    append_bytes: int | None = None
    smtp_message_bytes: int | None = None
    attachment_mb: int | None = None
    messages_visible_per_folder: int | None = None
    folders: int | None = None
    recipients_per_message: int | None = None
    messages_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class OAuthService:
    """How access tokens for mail are had (RFC 6749, 8252, 8628). `{tenant}` in a URL stands for one of `tenants`.

    scopes: by protocol, plus named variants such as `imap_readonly`.
    device_flow: "yes", "no", "conditional" or "unknown": whether the device grant yields tokens good for mail.
    pkce: None if not known.
    sasl: mechanisms that take the token, the preferred one first.
    registration: how a user comes by a client id.
    revocation_endpoint: where tokens are revoked (RFC 7009), "" if nowhere.
    redirect: the redirect URI to register, "" for `http://127.0.0.1`.
    steps: what to click to register a client, by grant (`authorization_code`...); `{redirect}` and `{scopes}` stand for
    what to enter.
    client_id_form: a regular expression that client ids match, "" if none is known; client_id_example: one in words.
    wants_secret: whether a program on a desktop has a client secret; None if some have.
    others: client ids that belong to others, by the first 16 hex digits of their SHA-256: id → whose.
    names_issuer: whether every answer to a sign-in names the issuer (RFC 9207), so that one without is refused.
    refresh_days: days after which a refresh token that isn't used lapses, None if not known.
    """

    id: str
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    device_authorization_endpoint: str = ""
    scopes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    app_only_scope: str = ""
    tenants: dict[str, str] = field(default_factory=dict)
    device_flow: str = "unknown"
    device_flow_note: str = ""
    pkce: bool | None = None
    sasl: tuple[str, ...] = ()
    registration: str = ""
    registration_url: str = ""
    other_endpoints: tuple[str, ...] = ()
    revocation_endpoint: str = ""
    redirect: str = ""
    steps: dict[str, tuple[str, ...]] = field(default_factory=dict)
    client_id_form: str = ""
    client_id_example: str = ""
    wants_secret: bool | None = None
    others: dict[str, str] = field(default_factory=dict)
    names_issuer: bool = False
    refresh_days: int | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """Everything known of one mail service.

    domains: address domains it serves, A-labels; `*.example.org` stands for every subdomain.
    mx: regular expressions; each matches the whole of an MX host name in lower case without the last dot.
    mx_certain: False where the same MX hosts serve other products too.
    endpoints: candidates by protocol, the preferred one first; a host may hold `{domain}` or `{region}`.
    sign_in: methods by protocol, the preferred one first.
    files_sent_mail: whether the SMTP server puts a copy in the Sent folder by itself; None if not known.
    ends: ISO date after which the service is gone, or "".
    as_of: ISO date of the facts. unverified: what of them nobody has confirmed.
    """

    id: str
    name: str
    family: str
    status: Status
    as_of: str
    aliases: tuple[str, ...] = ()
    ends: str = ""
    domains: tuple[str, ...] = ()
    mx: tuple[str, ...] = ()
    mx_certain: bool = True
    endpoints: dict[Protocol, tuple[Endpoint, ...]] = field(default_factory=dict)
    endpoints_confidence: Confidence = Confidence.NONE
    username: UsernameForm = UsernameForm.EMAIL
    username_note: str = ""
    sign_in: dict[Protocol, tuple[SignIn, ...]] = field(default_factory=dict)
    sign_in_note: str = ""
    sign_in_confidence: Confidence = Confidence.NONE
    oauth: str = ""
    files_sent_mail: bool | None = None
    setup: Setup = Setup()
    limits: ProviderLimits = ProviderLimits()
    quirks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    links: tuple[str, ...] = ()

    def endpoint(self, protocol: Protocol) -> Endpoint | None:
        """The preferred endpoint of `protocol`, or None."""
        return next(iter(self.endpoints.get(protocol, ())), None)

    def needs(self, protocol: Protocol | None = None) -> SignIn:
        """What a user needs to sign in by `protocol`; if None, to read mail, or to send it where nothing can be read.

        The preferred method that isn't OAuth, since OAuth needs a registered client as well; OAuth where only that
        is taken; NONE where nothing is.
        """
        wanted = [protocol] if protocol else [Protocol.IMAP, Protocol.POP3, Protocol.SMTP]
        methods: tuple[SignIn, ...] = next((found for p in wanted if (found := self.sign_in.get(p, ()))), ())
        return next((m for m in methods if m is not SignIn.OAUTH), SignIn.OAUTH if methods else SignIn.NONE)

    def placeholders(self) -> tuple[str, ...]:
        """Names of the parts of its hosts that have to be filled in: `domain`, `region`."""
        hosts = [endpoint.host for endpoints in self.endpoints.values() for endpoint in endpoints]
        return tuple(name for name in ("domain", "region") if any("{" + name + "}" in host for host in hosts))


def filled(provider: Provider, values: Mapping[str, str]) -> Provider:
    """`provider` with the placeholders of its hosts replaced by `values` (`{"domain": "example.org"}`)."""

    def fill(endpoint: Endpoint) -> Endpoint:
        host = endpoint.host
        for name, value in values.items():
            host = host.replace("{" + name + "}", value)
        return replace(endpoint, host=host)

    endpoints = {protocol: tuple(map(fill, found)) for protocol, found in provider.endpoints.items()}
    return replace(provider, endpoints=endpoints)


def unusable(provider: Provider) -> str:
    """Why no server can be made of `provider` as it is, in one sentence; "" if one can."""
    missing = provider.placeholders()
    if missing:
        return f"The hosts of {provider.name} depend on your {' and '.join(missing)}"
    if provider.endpoints:
        return ""
    if provider.status is Status.GUIDE:
        return f"{provider.name} is no mail service but a way of finding one"
    return f"{provider.name} offers neither IMAP nor POP3 nor SMTP"


def server_of(provider: Provider, name: str, values: Mapping[str, str] | None = None) -> Server:
    """The server `name` made from the preferred endpoints of `provider`.

    values: for the placeholders of a template. Raises UsageError, saying why, where `unusable` does.
    """
    if values:
        provider = filled(provider, values)
    reason = unusable(provider)
    if reason:
        options = " ".join(f"--{each} {each.upper()}" for each in provider.placeholders())
        say = f"Say it: mailctl server add {name} --preset {provider.id} {options}" if options else ""
        hint = say or next(iter(provider.notes), "")
        raise UsageError(reason, hint=hint, code="preset_unusable")
    return Server(name, provider.id, {protocol: found[0] for protocol, found in provider.endpoints.items()})


def user_name(form: UsernameForm, email: str) -> str:
    """The user name to try first for the mailbox `email`."""
    return email.rpartition("@")[0] if form is UsernameForm.LOCAL_PART else email


def inbound_defaults(provider: Provider) -> Inbound:
    """What the provider decides about incoming mail where the gateway doesn't."""
    if Protocol.IMAP in provider.endpoints or not provider.endpoints:
        return Inbound()
    if Protocol.POP3 in provider.endpoints:
        return Inbound(protocol=Protocol.POP3)
    return Inbound(enabled=False)


def outbound_defaults(provider: Provider) -> Outbound:
    """What the provider decides about outgoing mail where the gateway doesn't."""
    limits = provider.limits
    return Outbound(
        enabled=False if provider.endpoints and Protocol.SMTP not in provider.endpoints else None,
        upload_sent=False if provider.files_sent_mail or _only_sends(provider) else None,
        attachment_limit=limits.attachment_mb * 1_000_000 if limits.attachment_mb else None,
        daily_limit=limits.messages_per_day,
    )


def _only_sends(provider: Provider) -> bool:
    return set(provider.endpoints) == {Protocol.SMTP}


_NEED: dict[SignIn, str] = {
    SignIn.OAUTH: "{name} takes no password {where}, only OAuth.",
    SignIn.APP_PASSWORD: "{name} wants an app password {where}, not the password of the account.",
    SignIn.MAIL_PASSWORD: "{name} wants the password made for the mailbox {where}, not that of the customer account.",
    SignIn.AUTH_CODE: "{name} wants its authorization code {where} instead of the password.",
    SignIn.API_KEY: "{name} wants an SMTP credential or API key {where}, not the password of the account.",
    SignIn.BRIDGE_PASSWORD: "{name} wants the password that its bridge shows {where}, not the account's.",
}


def sign_in_advice(provider: Provider, protocol: Protocol | None = None) -> tuple[str, ...]:
    """Sentences for whoever adds a server or gateway: what is needed to sign in, where to get it, what to switch on.

    protocol: says it for that protocol alone. Empty where the account's password does and nothing is to be done first.
    """
    return tuple(_advice(provider, protocol))


def _advice(provider: Provider, protocol: Protocol | None) -> Iterator[str]:
    if not provider.endpoints:
        yield f"{unusable(provider)}."
        yield from provider.notes[:1]
        return
    if provider.status is Status.ENDING:
        yield f"{provider.name} ends on {provider.ends}."
    if provider.status is Status.LEGACY:
        yield from provider.notes[:1]
    name = provider.name.partition(" (")[0]
    wanted = [protocol] if protocol else [p for p in Protocol if provider.sign_in.get(p)]
    for need in dict.fromkeys(provider.needs(p) for p in wanted):
        protocols = [p for p in wanted if provider.needs(p) is need]
        where = "for " + " and ".join(", ".join(p.upper() for p in protocols).rsplit(", ", 1))
        if need in _NEED:
            yield _NEED[need].format(name=name, where=where)
        elif any(SignIn.APP_PASSWORD in provider.sign_in.get(p, ()) for p in protocols):
            yield f"With two-factor sign-in {name} wants an app password {where}."
    if provider.sign_in_note:
        yield provider.sign_in_note
    if provider.setup.app_password_url and any(SignIn.OAUTH is not provider.needs(p) for p in wanted):
        yield f"Get it at {provider.setup.app_password_url}"
    yield from provider.setup.steps
    if provider.setup.enable_url:
        yield f"Switch it on at {provider.setup.enable_url}"
    if provider.setup.help_url:
        yield f"Help: {provider.setup.help_url}"
