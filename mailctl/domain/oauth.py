"""Words of OAuth 2.0 (RFC 6749): the application that signs in, how it does, and the token that comes of it."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol as Interface

from mailctl.domain.deadline import Deadline
from mailctl.domain.gateway import SecretSource
from mailctl.domain.provider import OAuthService
from mailctl.domain.record import dataclass
from mailctl.domain.secret import BearerToken, Secret
from mailctl.domain.server import Protocol

EARLY = timedelta(minutes=5)
"""How long before its end a token is not used any more: a sign-in takes time, and clocks differ.

It is a fifth of the lifetime of those that live for less than 25 minutes: Keycloak's have five.
"""


class Grant(StrEnum):
    """How an application comes by a token.

    AUTHORIZATION_CODE: a person agrees in a browser (RFC 6749 section 4.1, with RFC 7636 and RFC 8252).
    DEVICE_CODE: a person agrees on another device (RFC 8628).
    CLIENT_CREDENTIALS: nobody is asked; the application acts for itself (RFC 6749 section 4.4; Microsoft 365).
    SERVICE_ACCOUNT: the same by a signed assertion (RFC 7523; Google Workspace's domain-wide delegation).
    """

    AUTHORIZATION_CODE = "authorization_code"
    DEVICE_CODE = "device_code"
    CLIENT_CREDENTIALS = "client_credentials"
    SERVICE_ACCOUNT = "service_account"

    @property
    def by_person(self) -> bool:
        """Whether somebody has to agree first (`auth login`); else a token is fetched whenever one is needed."""
        return self in (Grant.AUTHORIZATION_CODE, Grant.DEVICE_CODE)


@dataclass(frozen=True, slots=True)
class Application:
    """A client (RFC 6749 section 2) registered with a service: `[oauth.NAME]` of the configuration.

    service: its endpoints and scopes, `{tenant}` filled in. redirect: the redirect URI as registered, without a port
    where the service takes any (RFC 8252 section 7.3). client_secret: where it is, None for a public client.
    key: where a service account's key file (JSON) is.
    """

    name: str
    service: OAuthService
    client_id: str
    grant: Grant = Grant.AUTHORIZATION_CODE
    tenant: str = ""
    redirect: str = "http://127.0.0.1"
    client_secret: SecretSource | None = None
    key: SecretSource | None = None

    @property
    def wanted_scopes(self) -> tuple[str, ...]:
        """What to ask for: all that mail needs at this service, each once."""
        if self.grant is Grant.CLIENT_CREDENTIALS and self.service.app_only_scope:
            return (self.service.app_only_scope,)
        asked = (self.service.scopes.get(protocol, ()) for protocol in ("imap", "pop3", "smtp"))
        return tuple(dict.fromkeys(scope for scopes in asked for scope in scopes))


@dataclass(frozen=True, slots=True)
class Token:
    """What a token endpoint gave (RFC 6749 section 5.1), and to whom.

    expires: when the access token lapses, None if the service didn't say. scopes: what was granted. refresh_token: None
    where there is none. refreshed: when the refresh token came; refresh_expires: when it lapses, None if not known.
    application, client_id, tenant: with which it was had. user: the account that it is for, "" if nothing tells.
    issued: when the access token came, by the clock of this machine. refused: when the service refused to renew it.
    """

    access_token: BearerToken
    expires: datetime | None = None
    scopes: tuple[str, ...] = ()
    refresh_token: Secret | None = None
    refreshed: datetime | None = None
    refresh_expires: datetime | None = None
    application: str = ""
    client_id: str = ""
    tenant: str = ""
    user: str = ""
    issued: datetime | None = None
    refused: datetime | None = None

    def usable(self, now: datetime) -> bool:
        """Whether the access token may be used from `now` on, for long enough to sign in.

        Not one whose renewal was refused: it was tried since a mail server had refused the token.
        """
        early = min(EARLY, (self.expires - self.issued) / 5) if self.expires and self.issued else EARLY
        return self.refused is None and self.good(now + early) and self._of_the_past(now)

    def good(self, now: datetime) -> bool:
        """Whether it has not lapsed yet."""
        return self.expires is None or now < self.expires

    def _of_the_past(self, now: datetime) -> bool:
        """False where the clock was set back since the token came: then `expires` says nothing."""
        return self.issued is None or self.issued <= now + EARLY


@dataclass(frozen=True, slots=True)
class Use:
    """What a token is wanted for. shared: the mailbox is not the signed-in user's own."""

    protocol: Protocol
    shared: bool = False


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What a web server answered. content_type: in lower case, without parameters."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class HttpPoster(Interface):
    """Sends one form (application/x-www-form-urlencoded) over HTTPS, or HTTP to a loopback address."""

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str], deadline: Deadline) -> HttpAnswer:
        """The answer, whatever its status; redirects aren't followed.

        Raises NetworkError, TlsError, or ProtocolError for what is no HTTP or is too large.
        """
