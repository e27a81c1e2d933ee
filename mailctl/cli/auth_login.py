"""`mailctl auth login`: a person signs in, what was granted is checked, and the tokens are kept."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailctl.cli.auth_logins import TokenLogin, check_store, kept_for, note, token_logins
from mailctl.cli.chosen import named
from mailctl.cli.context import Context
from mailctl.cli.lazy import App
from mailctl.domain.gateway import LoginRole
from mailctl.domain.record import dataclass
from mailctl.domain.units import seconds_of
from mailctl.errors import AuthError, MailctlError, UsageError
from mailctl.output.emitter import Outcome
from mailctl.output.view import Cell, Fields, Stack

if TYPE_CHECKING:
    from mailctl.cli.auth_flows import Flows
    from mailctl.domain.oauth import Application, Token
    from mailctl.domain.oauth_grants import Shortfall

GATEWAY = Annotated[str, typer.Argument(metavar="[GATEWAY]", help="The gateway; the default one if left out.")]


@dataclass(frozen=True, slots=True)
class SignIn:
    """A login that somebody signed in for, or with dry_run would.

    account: of whom the token is, as far as it tells; "" if not. scopes: granted; with dry_run, asked for.
    expires: when the access token lapses; it is renewed if `renews`. lapses: when the sign-in ends, null if not known.
    kept_in: the backend that holds the tokens. lacks: what the token lacks, as sentences.
    """

    gateway: str
    login: LoginRole
    user: str
    application: str
    service: str
    account: str
    scopes: list[str]
    expires: datetime | None
    renews: bool
    lapses: datetime | None
    kept_in: str
    lacks: list[str]
    dry_run: bool


RESULTS: dict[str, Any] = {"auth login": list[SignIn]}
app = App()


@app.verb()
def login(
    ctx: typer.Context,
    name: GATEWAY = "",
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the link, and take the address to which it led; for SSH.")
    ] = False,
    device: Annotated[
        bool, typer.Option("--device", help="Show a code to enter on another device, where the provider allows it.")
    ] = False,
    imap: Annotated[bool, typer.Option("--imap", help="The main login, which IMAP and POP3 use.")] = False,
    smtp: Annotated[bool, typer.Option("--smtp", help="The login of SMTP, which may be the main one.")] = False,
    timeout: Annotated[str, typer.Option(metavar="TIME", help="How long the browser is waited for.")] = "5m",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say who would sign in with what, and do nothing.")
    ] = False,
) -> None:
    """Sign in to a gateway by OAuth.

    The browser opens; without one, as over SSH, the link is printed. The tokens are kept in the keyring and renewed
    from then on.
    """
    from mailctl.cli.auth_flows import Flows

    context = Context.of(ctx)
    if no_browser and device:
        raise UsageError("--no-browser and --device exclude each other")
    (name,) = named(context, [name] if name else [])
    roles = [role for role, asked in zip(LoginRole, (imap, smtp), strict=True) if asked]
    seconds = seconds_of(timeout)
    done, warnings = [], []
    error: MailctlError | None = None
    for each in token_logins(context, name, roles):
        application = context.application_of(name, each.source)
        _needs_person(application, name)
        if dry_run:
            done.append(_sign_in(each, application, None, "", []))
            continue
        check_store(context, each)
        flows = Flows(context, application, each.user, seconds)
        try:
            one, said = _signed_in(context, each, flows, no_browser=no_browser, device=device)
        except MailctlError as failure:
            note(context, each, "auth.failed", failure.message, code=failure.code, cause=failure.cause)
            failure.detail.setdefault("gateway", name)
            if not done:
                raise
            error = failure  # of the second login, after the first
            break
        note(context, each, "auth.signed_in", f"Signed in by {one.application}", account=one.account, scopes=one.scopes)
        done.append(one)
        warnings += said
    notes = (
        [f"Nobody signed in; `mailctl auth login {name}` does it."]
        if dry_run
        else _next(context, name)
        if not error
        else []
    )
    view = Stack([_fields(each) for each in done])
    context.emit(Outcome(done, view, error=error, notes=notes, warnings=warnings))


def _signed_in(
    context: Context, login: TokenLogin, flows: "Flows", *, no_browser: bool, device: bool
) -> tuple[SignIn, list[str]]:
    """Let the person sign in, look at what was granted, keep it; and what there is to warn of."""
    application = flows.application
    redeem = flows.chosen(no_browser=no_browser, device=device)
    got: list[Token] = []

    def finish() -> "tuple[Token, Sequence[Shortfall], str]":
        got.append(token := redeem())
        lacks = _shortfalls(login, application, token)
        if lacks and lacks[0].certain:
            raise AuthError(
                f"{lacks[0].message}; the sign-in was not kept",
                hint=_remedy(context, lacks[0].cause, login.gateway),
                code="oauth_grant",
                cause=lacks[0].cause,
            )
        return token, lacks, context.tokens.keep(login.gateway, login.role, login.source, token)

    try:
        token, lacks, kept_in = context.steadily(finish)
    except MailctlError:
        if got and not kept_for(context, application):  # what is kept might end with it
            flows.give_back(got[0])
        raise
    warnings = [*(shortfall.message for shortfall in lacks), *_lapses(context, application, token)]
    return _sign_in(login, application, token, kept_in, lacks), warnings


def _needs_person(application: "Application", name: str) -> None:
    if not application.grant.by_person:
        raise UsageError(
            f"The application {application.name!r} signs in by itself ({application.grant}); nobody has to",
            hint=f"`mailctl test {name}` tries it.",
        )


def _shortfalls(login: TokenLogin, application: "Application", token: "Token") -> "Sequence[Shortfall]":
    """What the token lacks for the protocols that the login serves, what is certain first."""
    from mailctl.domain.oauth_grants import shortfalls

    found = {
        each.message: each
        for protocol in login.protocols
        for each in shortfalls(token, application, protocol, login.user, shared=login.shared)
    }
    return sorted(found.values(), key=lambda each: not each.certain)


def _lapses(context: Context, application: "Application", token: "Token") -> list[str]:
    from mailctl.domain.oauth_grants import lapses

    return [each.message for each in lapses(token, application, context.now())]


def _remedy(context: Context, cause: str, name: str) -> str:
    """The first thing to do about a cause."""
    known = context.knowledge.causes.get(cause)
    first = next(iter(known.remedy), "") if known else "Sign in anew: `mailctl auth login {gateway}`"
    return first.replace("{gateway}", name)


def _next(context: Context, name: str) -> list[str]:
    from mailctl.cli.heart import given_up_by

    again = [f"A watch had given {name} up; `kill -HUP {pid}` makes it go on." for pid in given_up_by(context, name)]
    return [f"Signed in. `mailctl test {name}` tries it.", *again]


def _sign_in(
    login: TokenLogin,
    application: "Application",
    token: "Token | None",
    kept_in: str,
    lacks: "Sequence[Shortfall]",
) -> SignIn:
    from mailctl.cli.auth_logins import account_of, sign_in_ends

    return SignIn(
        gateway=login.gateway,
        login=login.role,
        user=login.user,
        application=application.name,
        service=application.service.id,
        account=account_of(token) if token else "",
        scopes=list(token.scopes if token else application.wanted_scopes),
        expires=token.expires if token else None,
        renews=bool(token and token.refresh_token),
        lapses=sign_in_ends(token, application) if token else None,
        kept_in=kept_in,
        lacks=[each.message for each in lacks],
        dry_run=token is None,
    )


def _fields(done: SignIn) -> Fields:
    pairs: list[tuple[str, Cell]] = [
        ("gateway", done.gateway),
        ("login", done.login.value),
        ("user", done.user),
        ("application", done.application),
        ("account", done.account or None),
        ("scopes", " ".join(done.scopes) or None),
        ("expires", done.expires.isoformat(timespec="seconds") if done.expires else None),
        ("renews", None if done.dry_run else done.renews),
        ("kept in", done.kept_in or None),
    ]
    return Fields([pair for pair in pairs if pair[1] is not None])
