"""The logins that sign in by token, and what their tokens tell of themselves."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mailctl.cli.context import Context
from mailctl.domain.gateway import LoginRole, SecretSource, SourceKind
from mailctl.domain.record import dataclass
from mailctl.domain.server import Protocol
from mailctl.errors import MailctlError, UsageError

if TYPE_CHECKING:
    from mailctl.domain.oauth import Application, Token


@dataclass(frozen=True, slots=True)
class TokenLogin:
    """One login of a gateway whose source is OAUTH. protocols: those in use for which it signs in."""

    gateway: str
    role: LoginRole
    user: str
    source: SecretSource
    protocols: tuple[Protocol, ...]
    shared: bool


def token_logins(context: Context, name: str, roles: Sequence[LoginRole] = ()) -> list[TokenLogin]:
    """Those of a gateway, of all its logins or of `roles`; SMTP's is the main one where it has none of its own.

    UsageError (not_oauth) if there is none.
    """
    joined = context.gateway(name)
    gateway = joined.gateway
    roles = [role if role in gateway.logins else LoginRole.LOGIN for role in roles]
    found = [
        TokenLogin(
            name,
            role,
            login.user,
            login.secret,
            tuple(each for each in joined.protocols if gateway.role_for(each) is role),
            gateway.shared,
        )
        for role, login in gateway.logins.items()
        if login.secret.kind is SourceKind.OAUTH and (not roles or role in roles)
    ]
    if not found:
        raise UsageError(
            f"{name} doesn't sign in by OAuth{' there' if roles else ''}, but with a password",
            hint=f"To change that: mailctl gateway edit {name} --secret oauth",
            code="not_oauth",
        )
    return found


def account_of(token: "Token") -> str:
    """Of whom a token is, as far as it tells; "" if it doesn't."""
    from mailctl.domain.oauth_claims import read_claims

    claims = read_claims(token.access_token)
    return token.user or (claims.user if claims else "")


def sign_in_ends(token: "Token", application: "Application") -> datetime | None:
    """When a sign-in ends if it isn't used any more, None if not known.

    It is when the refresh token lapses: as the service said; or so many days after it was last used, which the access
    token's end tells, as the service is known for. Without a refresh token it ends with the access token.
    """
    if known := certain_end(token):
        return known
    days, used = application.service.refresh_days, token.expires or token.refreshed
    return used + timedelta(days=days) if token.refresh_token and days and used else None


def certain_end(token: "Token") -> datetime | None:
    """The same as far as the service said it."""
    return token.refresh_expires if token.refresh_token else token.expires


def check_store(context: Context, login: TokenLogin) -> None:
    """SecretError or StorageError where the tokens could not be kept, before anybody signs in for nothing."""
    if login.source.store is SourceKind.ENCRYPTED:
        context.encrypted.make_ready()
    context.tokens.try_out(login.gateway, login.role, login.source)


def kept_for(context: Context, application: "Application") -> bool:
    """Whether a token of that client may be kept for any gateway; so, too, where that can't be told.

    Revoking one token may end all that the account has granted to the client (Google's does).
    """
    for gateway in context.load_gateways()[0]:
        for role, login in gateway.logins.items():
            if login.secret.kind is not SourceKind.OAUTH:
                continue
            try:
                token = context.tokens.kept(gateway.name, role, login.secret)
            except MailctlError:
                return True
            if token and token.client_id == application.client_id:
                return True
    return False


def sharing(context: Context, login: TokenLogin, application: "Application") -> list[str]:
    """The other gateways that sign in the same user by the same client."""
    found = []
    for gateway in context.load_gateways()[0]:
        for each in gateway.logins.values():
            if gateway.name == login.gateway or each.secret.kind is not SourceKind.OAUTH:
                continue
            with suppress(MailctlError):  # one whose application isn't there shares none
                other = context.application_of(gateway.name, each.secret)
                if (other.client_id, each.user.lower()) == (application.client_id, login.user.lower()):
                    found.append(gateway.name)
    return list(dict.fromkeys(found))


def note(context: Context, login: TokenLogin, event: str, message: str, **fields: object) -> None:
    """Put into the mailer log who signed in or out; never a token."""
    from mailctl.domain.event import Level

    level = Level.ERROR if event.endswith("failed") else Level.INFO
    about = {"login": login.role.value, "user": login.user, **fields}
    context.recorder.record(event, message, level=level, gateway=login.gateway, protocol="", **about)
