"""`mailctl auth logout`: tokens are revoked where the provider can, then forgotten."""

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailctl.cli.auth_logins import TokenLogin, note, sharing, token_logins
from mailctl.cli.chosen import named
from mailctl.cli.context import Context
from mailctl.cli.lazy import App
from mailctl.domain.deadline import Deadline
from mailctl.domain.gateway import LoginRole
from mailctl.domain.record import dataclass
from mailctl.errors import MailctlError, SecretError
from mailctl.output.emitter import Outcome
from mailctl.output.view import Table, columns

if TYPE_CHECKING:
    from mailctl.domain.oauth import Application, Token

SECONDS = 30.0
app = App()


@dataclass(frozen=True, slots=True)
class SignOut:
    """What became of a login's tokens. forgotten: whether there were any. revoked: null where nobody could be asked to.

    sharing: other gateways that sign in the same user by the same application, and may have been signed out with it.
    """

    gateway: str
    login: LoginRole
    user: str
    forgotten: bool
    revoked: bool | None
    sharing: list[str]
    dry_run: bool


RESULTS: dict[str, Any] = {"auth logout": list[SignOut]}


@app.verb()
def logout(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[GATEWAY]...", help="The gateways; the default one if left out.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be forgotten, and do nothing.")] = False,
) -> None:
    """Sign out: have the tokens revoked where the provider can, and forget them here.

    A provider may withdraw all that the account granted to the application: other gateways that sign in the same user
    by it are named, and may have to sign in again.
    """
    context = Context.of(ctx)
    done: list[SignOut] = []
    failed: list[MailctlError] = []
    notes: list[str] = []
    asked = named(context, names or [])
    for name in asked:
        for login in token_logins(context, name):
            token = _kept(context, login)
            application, revoked = _application(context, login), None
            others = [each for each in sharing(context, login, application) if each not in asked] if application else []
            if not dry_run:
                if token is not None:
                    try:
                        revoked = _revoke(context, application, token) if application else None
                    except MailctlError as fault:
                        failed.append(fault)
                        revoked = False
                gone = context.tokens.forget(name, login.role, login.source)
                if revoked and application and gone and token and gone.access_token != token.access_token:
                    with suppress(MailctlError):  # it was renewed meanwhile, by another process
                        _revoke(context, application, gone)
                if token is not None:
                    note(context, login, "auth.signed_out", "Signed out", revoked=revoked)
            done.append(SignOut(name, login.role, login.user, token is not None, revoked, others, dry_run))
            notes.append(_said(done[-1], known=application is not None))
            if others and token is not None and (revoked or dry_run):
                notes.append(
                    f"{', '.join(others)}: the same user and application; a provider may have ended "
                    "that sign-in with it, which `mailctl test` tells"
                    if revoked
                    else f"{', '.join(others)}: the same user and application; a provider may end that sign-in with it"
                )
    error = failed[0] if failed else None
    if error:
        error.hint = "The tokens are forgotten here. Remove the application's access in the account's settings."
    rows = [(each.gateway, each.login.value, each.user, each.forgotten, _revoked(each)) for each in done]
    table = Table(columns("gateway", "login", "user", "forgotten", "revoked"), rows)
    context.emit(Outcome(done, table, error=error, notes=notes))


def _kept(context: Context, login: TokenLogin) -> "Token | None":
    """What is kept; None also where that can't be read, so that it can be forgotten all the same."""
    try:
        return context.tokens.kept(login.gateway, login.role, login.source)
    except SecretError as error:
        if error.code != "oauth_unreadable":
            raise
        return None


def _application(context: Context, login: TokenLogin) -> "Application | None":
    """The login's application, None where it isn't there any more."""
    try:
        return context.application_of(login.gateway, login.source)
    except SecretError:
        return None


def _revoke(context: Context, application: "Application", token: "Token") -> bool | None:
    """Whether the provider revoked it; None where it has no way to."""
    return context.tokens.client(application).revoke(token, Deadline(SECONDS)) or None


def _revoked(done: SignOut) -> bool | str | None:
    """Nothing where there was nothing to revoke, or nothing was done."""
    if done.dry_run or not done.forgotten:
        return None
    return "can't" if done.revoked is None else done.revoked


def _said(done: SignOut, *, known: bool) -> str:
    """known: whether its application is there."""
    who = f"{done.gateway} ({done.login})"
    if not done.forgotten:
        return f"{who}: nobody was signed in"
    if not known:
        would = "would be " if done.dry_run else ""
        return f"{who}: {would}forgotten here, but not revoked: its application isn't set up any more"
    if done.dry_run:
        return f"{who}: would be revoked where the provider can, and forgotten"
    if done.revoked is None:
        return f"{who}: forgotten here; the provider has no way to revoke"
    return f"{who}: {'revoked, and forgotten' if done.revoked else 'forgotten here, but not revoked'}"
