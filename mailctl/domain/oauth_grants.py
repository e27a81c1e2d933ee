"""What a token grants, compared with what a login needs of it, before any mail server is asked. Pure.

A shortfall that is certain keeps the token from being sent: it could only be refused. Others explain a refusal.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from mailctl.domain.oauth import Application, Grant, Token, Use
from mailctl.domain.oauth_claims import Claims, read_claims
from mailctl.domain.record import dataclass
from mailctl.domain.secret import BearerToken
from mailctl.domain.server import Protocol
from mailctl.errors import SecretError

PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""The tenant of all personal Microsoft accounts."""
TESTING = timedelta(days=7)
"""How long refresh tokens live of an application in Google's state Testing.

https://developers.google.com/identity/protocols/oauth2#expiration
"""
SOON = timedelta(days=3)
"""How long before its end a sign-in is said to end."""
_ABOUT = timedelta(hours=1)
_NOT_OF_MAIL = frozenset({"openid", "profile", "email", "address", "phone", "offline_access"})
"""Scopes of OpenID Connect: no mail server asks for them, and not every answer lists them."""
_ALSO = {"https://mail.google.com": frozenset({"https://www.googleapis.com/auth/gmail.imap_admin"})}
"""Scopes that serve as well."""
_CERTAIN = {
    "google": frozenset({"https://mail.google.com"}),
    "microsoft": frozenset({"imap.accessasuser.all", "pop.accessasuser.all", "smtp.send"}),
}
"""Scopes without which the service's mail servers take no token, as `_plain` has them; others are the user's own."""
_GRAPH = frozenset({"00000003-0000-0000-c000-000000000000", "https://graph.microsoft.com"})
"""Microsoft Graph, whose permissions bear the same names as Outlook's; its tokens open no mailbox."""
_ROLES = {Protocol.IMAP: "IMAP.AccessAsApp", Protocol.POP3: "POP.AccessAsApp", Protocol.SMTP: "SMTP.SendAsApp"}
"""Application permissions of Exchange Online."""
_GMAIL = frozenset({"gmail.com", "googlemail.com"})
_MICROSOFTS = ("outlook.com", "hotmail.com", "live.com", "msn.com")
"""Domains of personal accounts alone."""


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What a token lacks. cause: of the failure knowledge. message: one sentence. certain: no server can take it."""

    cause: str
    message: str
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Lapse:
    """When a sign-in ends by itself. cause: of the failure knowledge. message: one sentence. at: None if not known."""

    cause: str
    message: str
    at: datetime | None = None

    @property
    def text(self) -> str:
        """One sentence with the day."""
        return f"{self.message} ({self.at:%Y-%m-%d %H:%M} UTC)" if self.at else self.message


def fit(token: Token, application: Application, use: Use, user: str, gateway: str, now: datetime) -> BearerToken:
    """The access token of `token` with what is known of it, to sign `user` in.

    Raises SecretError (oauth_lacks) with a cause of the failure knowledge where it can't be good for that.
    """
    lacking = shortfalls(token, application, use.protocol, user, shared=use.shared)
    if lacking and lacking[0].certain:
        again = f"Sign in with the right account and permissions: `mailctl auth login {gateway}`."
        hint = again if application.grant.by_person else ""
        raise SecretError(lacking[0].message, hint=hint, code="oauth_lacks", cause=lacking[0].cause)
    return BearerToken(
        token.access_token.reveal(),
        facts=(
            *(f"lacks:{each.cause}" for each in lacking),
            *(() if application.grant.by_person else ("by_itself",)),
        ),
        warnings=(each.text for each in lapses(token, application, now)),
        mechanisms=application.service.sasl,
    )


def shortfalls(
    token: Token, application: Application, protocol: Protocol, user: str, *, shared: bool = False
) -> list[Shortfall]:
    """What `token` lacks to sign `user` in by `protocol`; what is certain first, none if nothing tells.

    shared: the mailbox is not the user's own, so another account's token is what opens it.
    """
    claims = read_claims(token.access_token) or Claims()
    found = [
        *_audience(claims, application),
        *_tenant(claims, application),
        *_rights(token, claims, application, protocol),
    ]
    if not shared and application.grant.by_person:
        found += _account(token, claims, application, user)
    return sorted(found, key=lambda each: not each.certain)


def lapses(token: Token, application: Application, now: datetime) -> list[Lapse]:
    """What will end this sign-in, the soonest first; empty for one that goes on, or is made anew by itself."""
    if not application.grant.by_person:
        return []
    if token.refresh_token is None:
        text = "The sign-in has no refresh token: it ends with its access token"
        return [Lapse("offline_access_missing", text, token.expires)]
    ends = token.refresh_expires
    if _in_testing(token, application):
        text = "The application is in the state Testing at Google: sign-ins end after seven days"
        return [Lapse("app_in_testing", text, ends)]
    if ends is not None and ends - now < SOON:
        return [Lapse("token_expired", "The sign-in ends unless it is renewed by signing in again", ends)]
    return []


def lapsed(token: Token, application: Application, now: datetime) -> str:
    """The cause of the failure knowledge for a sign-in that can't be renewed any more, "" if nothing tells."""
    if token.refresh_token is None:
        return "offline_access_missing"
    over = token.refresh_expires is not None and token.refresh_expires <= now + _ABOUT
    return "app_in_testing" if over and _in_testing(token, application) else ""


def _in_testing(token: Token, application: Application) -> bool:
    """Google tells the end of a refresh token (`refresh_token_expires_in`) only where there is one."""
    if application.service.id != "google" or token.refresh_expires is None or token.refreshed is None:
        return False
    return token.refresh_expires - token.refreshed <= TESTING + _ABOUT


def _audience(claims: Claims, application: Application) -> Iterator[Shortfall]:
    if application.service.id == "microsoft" and {each.lower().rstrip("/") for each in claims.audience} & _GRAPH:
        yield Shortfall("wrong_audience", "The token is for Microsoft Graph, which opens no mailbox by mail protocols")


def _tenant(claims: Claims, application: Application) -> Iterator[Shortfall]:
    wanted, given = application.tenant.lower(), claims.tenant
    if application.service.id != "microsoft" or not given:
        return
    if wanted == "consumers" and given != PERSONAL:
        yield Shortfall("wrong_tenant", "The token is of a work or school account, not of a personal one")
    elif wanted == "organizations" and given == PERSONAL:
        yield Shortfall("wrong_tenant", "The token is of a personal account, not of a work or school account")
    elif _is_id(wanted) and wanted != given:
        yield Shortfall("wrong_tenant", f"The token is of the tenant {given}, the application's is {wanted}")


def _is_id(tenant: str) -> bool:
    digits = tenant.replace("-", "")
    return len(tenant) == 36 and len(digits) == 32 and not digits.strip("0123456789abcdef")


def _rights(token: Token, claims: Claims, application: Application, protocol: Protocol) -> Iterator[Shortfall]:
    """The application's roles, or the scopes that a person agreed to."""
    service = application.service
    if application.grant is Grant.CLIENT_CREDENTIALS:
        role = _ROLES[protocol]
        if service.id == "microsoft" and claims.issuer and role.lower() not in {each.lower() for each in claims.roles}:
            given = ", ".join(claims.roles) or "nothing"
            yield Shortfall(
                "role_missing", f"The token's application permissions are {given}; {role} is not among them"
            )
        return
    given_scopes = claims.scopes or token.scopes
    asked = (scope for scope in service.scopes.get(protocol.value, ()) if scope.lower() not in _NOT_OF_MAIL)
    needed = [scope for scope in asked if not scope.lower().endswith("/.default")]  # stands for what it doesn't name
    if not given_scopes or not needed:
        return
    granted = {_plain(scope, service.id) for scope in given_scopes}
    missing = [
        scope for scope in needed if not granted & {_plain(scope, service.id), *_ALSO.get(scope.rstrip("/"), ())}
    ]
    if missing:
        text = f"The token doesn't grant {', '.join(missing)}, which {protocol.upper()} needs"
        yield Shortfall(
            "scope_missing",
            text,
            certain={_plain(each, service.id) for each in missing} <= _CERTAIN.get(service.id, frozenset()),
        )


def _plain(scope: str, service: str) -> str:
    """A scope as it is compared: Microsoft's without its resource, which answers name otherwise or not at all."""
    whole = scope.lower().rstrip("/")
    return whole.rpartition("/")[2] if service == "microsoft" else whole


def _account(token: Token, claims: Claims, application: Application, user: str) -> Iterator[Shortfall]:
    """Whether somebody else is signed in. Addresses may be aliases of one account, so that little is certain."""
    service, owner = application.service.id, token.user or claims.user
    at_home = _domain(user) in _MICROSOFTS
    if service == "microsoft" and at_home and claims.tenant not in ("", PERSONAL):
        yield Shortfall("other_account", f"The token is of a work or school account, not of {user}")
    elif "@" in owner and "@" in user and _mailbox(owner) != _mailbox(user):
        certain = service == "google" and bool({_domain(owner), _domain(user)} & _GMAIL)
        yield Shortfall("other_account", f"The token is of {owner}, not of {user}", certain)


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()


def _mailbox(address: str) -> str:
    """An address as it is compared; in Gmail's own, dots and what follows a plus sign don't count."""
    local, _, domain = address.strip().lower().rpartition("@")
    if domain in _GMAIL:
        return f"{local.partition('+')[0].replace('.', '')}@gmail.com"
    return f"{local}@{domain}"
