"""`mailctl auth token`: an access token for another program."""

from datetime import datetime
from typing import Annotated, Any

import typer

from mailctl.cli.auth_logins import token_logins
from mailctl.cli.chosen import named
from mailctl.cli.context import Context
from mailctl.cli.lazy import App
from mailctl.domain.gateway import LoginRole
from mailctl.domain.record import dataclass
from mailctl.errors import MailctlError
from mailctl.output.emitter import Outcome

app = App()


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token's facts, never itself: JSON goes into logs. expires: null where that is not known."""

    gateway: str
    login: LoginRole
    user: str
    scopes: list[str]
    expires: datetime | None


RESULTS: dict[str, Any] = {"auth token": AccessToken}


@app.verb()
def token(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="[GATEWAY]", help="The gateway; the default one if left out.")] = "",
    smtp: Annotated[bool, typer.Option("--smtp", help="The login of SMTP, which may be the main one.")] = False,
) -> None:
    """Print a fresh access token and nothing else, for programs such as mutt, msmtp and mbsync.

    It is renewed first where it would lapse soon. With --json only what is known of it.
    """
    context = Context.of(ctx)
    (name,) = named(context, [name] if name else [])
    login = token_logins(context, name, [LoginRole.SMTP_LOGIN] if smtp else [])[0]
    try:
        secret = context.tokens.access_token(name, login.role, login.source)
    except MailctlError as error:
        error.detail.setdefault("gateway", name)
        raise
    again = not context.application_of(name, login.source).grant.by_person
    kept = context.tokens.kept(name, login.role, login.source, again=again)
    scopes, expires = (list(kept.scopes), kept.expires) if kept else ([], None)
    context.emit(Outcome(AccessToken(name, login.role, login.user, scopes, expires), text=secret.reveal()))
