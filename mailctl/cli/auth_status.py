"""`mailctl auth status`: who is signed in, for what, and for how long."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailctl.cli.auth_logins import TokenLogin, account_of, certain_end, sign_in_ends, token_logins
from mailctl.cli.context import Context
from mailctl.cli.lazy import App
from mailctl.domain.gateway import LoginRole, SourceKind
from mailctl.domain.record import dataclass
from mailctl.domain.when import counted
from mailctl.errors import ConfigError, MailctlError, SecretError
from mailctl.output.emitter import Outcome
from mailctl.output.view import Styled, Table, columns

if TYPE_CHECKING:
    from mailctl.domain.oauth import Application, Token

app = App()


class State(StrEnum):
    """How a sign-in stands.

    SIGNED_IN: tokens are kept, and renewed when they are needed. BY_ITSELF: nobody has to sign in. SIGNED_OUT: nobody
    did. ENDED: the tokens have lapsed, the service refused to renew them, or they are another application's.
    NOT_SET_UP: there is no application. UNREADABLE: what keeps the tokens doesn't answer.
    """

    SIGNED_IN = "signed in"
    BY_ITSELF = "by itself"
    SIGNED_OUT = "signed out"
    ENDED = "ended"
    NOT_SET_UP = "not set up"
    UNREADABLE = "unreadable"


_COLUMNS = ("gateway", "login", "user", "account", "application", "state", "ends", "scopes", "next")
_FINE = (State.SIGNED_IN, State.BY_ITSELF)
SOON = 7
"""Days left from which on it is said that a sign-in ends."""


@dataclass(frozen=True, slots=True)
class AuthStatus:
    """How the sign-in of one login stands.

    account: of whom the token is, as far as it tells. expires: when the access token at hand lapses. lapses: when the
    sign-in ends unless it is used or made anew, null if not known; days_left: whole days until then. code, message: why
    it doesn't stand; next: what to do.
    """

    gateway: str
    login: LoginRole
    user: str
    application: str
    service: str
    account: str
    state: State
    scopes: list[str]
    expires: datetime | None
    lapses: datetime | None
    days_left: int | None
    code: str
    message: str
    next: str


RESULTS: dict[str, Any] = {"auth status": list[AuthStatus]}


@app.verb()
def status(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[GATEWAY]...", help="The gateways; all that use OAuth if left out.")
    ] = None,
) -> None:
    """Who is signed in, for which scopes, and for how long; asks no server.

    Ends with exit code 4 where somebody has to sign in.
    """
    context = Context.of(ctx)
    gateways, broken = context.load_gateways(names or ())
    found = []
    for gateway in gateways:
        if names or any(login.secret.kind is SourceKind.OAUTH for login in gateway.logins.values()):
            try:
                found += [_status(context, login) for login in token_logins(context, gateway.name)]
            except ConfigError as fault:  # its server's file is broken
                if names:
                    raise
                broken.append(fault.message)
    bad = [each for each in found if each.state not in _FINE]
    error: MailctlError | None = None
    if bad:
        message = bad[0].message if len(bad) == 1 else f"{counted(len(bad), 'sign-in')} of {len(found)} don't stand"
        error = SecretError(message, hint=bad[0].next, code=bad[0].code)
    table = Table(
        columns(*_COLUMNS, fold=("scopes", "next"), wide=("login", "application", "scopes")),
        [_row(each) for each in found],
        empty="No gateway signs in by OAuth.",
    )
    context.emit(Outcome(found, table, error=error, warnings=broken))


def _status(context: Context, login: TokenLogin) -> AuthStatus:
    application, token, error = None, None, None
    try:
        application = context.application_of(login.gateway, login.source)
        if application.grant.by_person:
            token = context.tokens.kept(login.gateway, login.role, login.source)
        state = _state(context, application, token)
    except MailctlError as failure:
        error = failure
        state = State.UNREADABLE if application else State.NOT_SET_UP
    again = f"mailctl auth login {login.gateway}"
    code, message, following = {
        State.SIGNED_OUT: ("oauth_not_signed_in", f"Nobody has signed in for {login.gateway!r} yet", again),
        State.ENDED: ("oauth_expired", f"The sign-in of {login.gateway!r} has ended", again),
    }.get(state, ("", "", ""))
    if error:
        code, message, following = error.code, error.message, error.hint
    ends = sign_in_ends(token, application) if token and application else None
    return AuthStatus(
        gateway=login.gateway,
        login=login.role,
        user=login.user,
        application=application.name if application else "",
        service=application.service.id if application else "",
        account=account_of(token) if token else "",
        state=state,
        scopes=list(token.scopes) if token else [],
        expires=token.expires if token else None,
        lapses=ends,
        days_left=max(0, (ends - context.now()).days) if ends else None,
        code=code,
        message=message,
        next=following,
    )


def _state(context: Context, application: "Application", token: "Token | None") -> State:
    if not application.grant.by_person:
        return State.BY_ITSELF
    if token is None:
        return State.SIGNED_OUT
    ends = certain_end(token)
    other = (token.client_id, token.tenant) != (application.client_id, application.tenant)
    over = ends is not None and ends <= context.now()
    return State.ENDED if other or token.refused or over else State.SIGNED_IN


def _row(found: AuthStatus) -> tuple[str | Styled | None, ...]:
    soon = found.days_left is not None and found.days_left < SOON
    ends: Styled | None = None
    if found.lapses is not None and found.days_left is not None:
        shown = f"in {counted(found.days_left, 'day')}" if found.days_left else "today"
        ends = Styled(shown, "warn" if soon else "", plain=found.lapses.isoformat(timespec="seconds"))
    state = Styled(found.state.value, "good" if found.state in _FINE else "bad")
    scopes = " ".join(found.scopes)
    unknown = Styled("not known", "dim") if found.expires or found.scopes else None  # a token that doesn't tell
    who = found.account or unknown
    return found.gateway, found.login.value, found.user, who, found.application, state, ends, scopes, found.next
