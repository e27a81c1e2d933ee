"""`mailctl auth logout`: tokens are revoked where the provider can, then forgotten."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailctl.cli.auth_logins import TokenLogin, note, token_logins
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
    from mailctl.domain.oauth import Token

SECONDS = 30.0
app = App()


@dataclass(frozen=True, slots=True)
class SignOut:
    """What became of a login's tokens. forgotten: whether there were any. revoked: null where the provider can't."""

    gateway: str
    login: LoginRole
    user: str
    forgotten: bool
    revoked: bool | None
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
    """Sign out: have the tokens revoked where the provider can, and forget them here."""
    context = Context.of(ctx)
    done: list[SignOut] = []
    failed: list[MailctlError] = []
    notes: list[str] = []
    for name in named(context, names or []):
        for login in token_logins(context, name):
            token = _kept(context, login)
            revoked = None
            if not dry_run:
                if token is not None:
                    try:
                        revoked = _revoke(context, login, token)
                    except MailctlError as fault:
                        failed.append(fault)
                        revoked = False
                context.tokens.forget(name, login.role, login.source)
                if token is not None:
                    note(context, login, "auth.signed_out", "Signed out", revoked=revoked)
            done.append(SignOut(name, login.role, login.user, token is not None, revoked, dry_run))
            notes.append(_said(done[-1]))
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


def _revoke(context: Context, login: TokenLogin, token: "Token") -> bool | None:
    """Whether the provider revoked it; None where it has no way to, or the application isn't there any more."""
    try:
        application = context.application_of(login.gateway, login.source)
    except SecretError:
        return None
    return context.tokens.client(application).revoke(token, Deadline(SECONDS)) or None


def _revoked(done: SignOut) -> bool | str | None:
    """Nothing where there was nothing to revoke, or nothing was done."""
    if done.dry_run or not done.forgotten:
        return None
    return "can't" if done.revoked is None else done.revoked


def _said(done: SignOut) -> str:
    who = f"{done.gateway} ({done.login})"
    if not done.forgotten:
        return f"{who}: nobody was signed in"
    if done.dry_run:
        return f"{who}: would be revoked where the provider can, and forgotten"
    if done.revoked is None:
        return f"{who}: forgotten here; the provider has no way to revoke"
    return f"{who}: {'revoked, and forgotten' if done.revoked else 'forgotten here, but not revoked'}"
