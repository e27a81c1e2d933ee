"""`mailctl gateway password`: set, check, clear, and where a gateway's passwords come from."""

from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import typer

from mailctl.cli.context import Context
from mailctl.cli.gateway_passwords import forget_replaced
from mailctl.cli.lazy import App
from mailctl.cli.password_options import (
    Encrypted,
    PasswordCommand,
    PasswordEnv,
    PasswordFile,
    PasswordStdin,
    PasswordWays,
    TakenPassword,
    take_password,
)
from mailctl.domain.gateway import STORES, Gateway, LoginRole, SecretSource, SourceKind
from mailctl.domain.record import dataclass
from mailctl.errors import SecretError, UsageError
from mailctl.output.emitter import Outcome
from mailctl.output.view import Cell, Styled, Table, columns

app = App(help="Passwords: set, check, clear, and where they come from.")

Name = Annotated[str, typer.Argument(metavar="GATEWAY", help="The gateway's name.")]
Imap = Annotated[bool, typer.Option("--imap", help="The main login, which IMAP and POP3 use.")]
Smtp = Annotated[bool, typer.Option("--smtp", help="SMTP's own login.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]


@dataclass(frozen=True, slots=True)
class PasswordSource:
    """Where a login's password comes from. where: the place in words."""

    gateway: str
    login: LoginRole
    user: str
    source: SourceKind
    argument: tuple[str, ...]
    where: str


@dataclass(frozen=True, slots=True)
class PasswordChange:
    """What became of a login's password. backend: of the keyring, "" elsewhere. changed: or would, with --dry-run."""

    gateway: str
    login: LoginRole
    source: SourceKind
    where: str
    backend: str
    changed: bool
    dry_run: bool


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """What the source of a login's password answered. age: seconds since `kept_at`. code, message: of the failure."""

    gateway: str
    login: LoginRole
    source: SourceKind
    where: str
    backend: str
    available: bool
    kept_at: datetime | None
    age: int | None
    code: str
    message: str


RESULTS: dict[str, Any] = {
    "gateway password set": PasswordChange,
    "gateway password check": list[PasswordCheck],
    "gateway password clear": list[PasswordChange],
    "gateway password source": list[PasswordSource],
}


@app.verb("set")
def set_password(
    ctx: typer.Context,
    name: Name,
    imap: Imap = False,
    smtp: Smtp = False,
    password_stdin: PasswordStdin = False,
    password_command: PasswordCommand = None,
    password_env: PasswordEnv = None,
    password_file: PasswordFile = None,
    keyring: Annotated[bool, typer.Option("--keyring", help="Keep it in the keyring, if it was elsewhere.")] = False,
    encrypted: Encrypted = False,
    dry_run: DryRun = False,
) -> None:
    """Give a gateway its password.

    It is asked for once, without echo, unless one of the options says where it comes from. `mailctl test` tries it.
    """
    context = Context.of(ctx)
    ways = PasswordWays(password_stdin, password_command, password_env, password_file)
    gateway = context.config.gateway(name)
    role = _one_role(gateway, imap, smtp)
    user, store = gateway.logins[role].user, _store(gateway, role, keyring, encrypted, ways)
    if dry_run and (password_stdin or not ways.given):  # a password is neither asked for nor read
        taken = TakenPassword(SecretSource(store))
    else:
        ask = f"Password of {user} for {'SMTP of ' if smtp else ''}{name}"
        taken = take_password(context, ways, role, ask=ask, store=store)
    source = taken.source or gateway.logins[role].secret
    if taken.secret and store is SourceKind.ENCRYPTED:
        context.encrypted.unlock()  # others wait for the lock below: not for a person who types
    backend = ""
    with nullcontext() if dry_run else context.config.locked():  # `secrets prune` sees both, or none
        if taken.secret:
            backend = context.secrets.set(name, role, taken.secret, store)
        notes, warnings = _save_source(context, name, role, source, dry_run=dry_run)
    where = context.secrets.where(name, role, source)
    tries = f"`mailctl test {name}` tries it." if backend else f"`mailctl gateway password check {name}` tries it."
    notes += [] if dry_run else [tries]
    change = PasswordChange(name, role, source.kind, where, backend, changed=True, dry_run=dry_run)
    context.emit(Outcome(change, _changes([change], "set"), notes=notes, warnings=[*taken.warnings, *warnings]))


@app.verb()
def check(ctx: typer.Context, name: Name, imap: Imap = False, smtp: Smtp = False) -> None:
    """Say which source answers, without the password."""
    context = Context.of(ctx)
    gateway = context.config.gateway(name)
    checks, errors = [], []
    for role in _roles(gateway, imap, smtp):
        found = context.secrets.check(name, role, gateway.logins[role].secret)
        age = int((context.now() - found.kept_at).total_seconds()) if found.kept_at else None
        code, message = (found.error.code, found.error.message) if found.error else ("", "")
        errors += [found.error] if found.error else []
        checks.append(
            PasswordCheck(
                *(name, role, found.source.kind, found.where, found.backend, found.available, found.kept_at),
                *(age, code, message),
            )
        )
    context.emit(Outcome(checks, _checked(checks), error=_joined(errors)))


@app.verb()
def clear(ctx: typer.Context, name: Name, imap: Imap = False, smtp: Smtp = False, dry_run: DryRun = False) -> None:
    """Remove passwords from the keyring, or the encrypted file.

    All of the gateway's, or those of one login; what other sources hold is left alone.
    """
    context = Context.of(ctx)
    gateway = context.config.gateway(name)
    roles = [role for role, asked in zip(LoginRole, (imap, smtp), strict=True) if asked] or list(LoginRole)
    changes = []
    for role in roles:
        source = gateway.logins[role].secret if role in gateway.logins else SecretSource()
        source = source if source.kind in STORES else SecretSource()
        removed = _kept(context, name, role, source) if dry_run else context.secrets.clear(name, role, source.kind)
        where = context.secrets.where(name, role, source)
        changes.append(PasswordChange(name, role, source.kind, where, "", changed=removed, dry_run=dry_run))
    done = [change for change in changes if change.changed]
    notes = [] if done else [f"There was no password of {name}."]
    notes += [
        f"The {role} of {name} takes its password from elsewhere, which stays: "
        f"{context.secrets.where(name, role, login.secret)}."
        for role, login in gateway.logins.items()
        if role in roles and login.secret.kind not in (*STORES, SourceKind.OAUTH)
    ]
    if any(role in roles and login.secret.kind is SourceKind.OAUTH for role, login in gateway.logins.items()):
        notes.append(f"The tokens of {name} stay: `mailctl auth logout {name}` revokes and forgets them.")
    context.emit(Outcome(changes, _changes(done, "removed"), notes=notes))


@app.verb()
def source(
    ctx: typer.Context,
    name: Name,
    imap: Imap = False,
    smtp: Smtp = False,
    keyring: Annotated[bool, typer.Option("--keyring", help="Take the password from the keyring.")] = False,
    encrypted: Annotated[bool, typer.Option("--encrypted", help="Take it from mailctl's encrypted file.")] = False,
    password_command: PasswordCommand = None,
    password_env: PasswordEnv = None,
    password_file: PasswordFile = None,
    dry_run: DryRun = False,
) -> None:
    """Show or change where passwords come from."""
    context = Context.of(ctx)
    gateway = context.config.gateway(name)
    ways = PasswordWays(command=password_command, env=password_env, file=password_file)
    if keyring + encrypted + ways.given > 1:
        raise UsageError("The password can come from one place only", hint="Give one of the options.")
    notes: list[str] = []
    warnings: list[str] = []
    roles = _roles(gateway, imap, smtp)
    if keyring or encrypted or ways.given:
        role = _one_role(gateway, imap, smtp)
        roles = [role]
        taken = take_password(context, ways, role)
        kept = SecretSource(SourceKind.ENCRYPTED if encrypted else SourceKind.KEYRING)
        new, warnings = taken.source or kept, [*taken.warnings]
        _check_there(context, gateway, role, new)
        notes, warned = _save_source(context, name, role, new, dry_run=dry_run)
        warnings += warned
        gateway = _with_source(gateway, role, new)
    found = [
        PasswordSource(
            *(name, role, gateway.logins[role].user, gateway.logins[role].secret.kind),
            *(gateway.logins[role].secret.argument, context.secrets.where(name, role, gateway.logins[role].secret)),
        )
        for role in roles
    ]
    rows: list[list[Cell]] = [[each.login, each.user, each.source, each.where] for each in found]
    view = Table(columns("login", "user", "source", "where", fold=["where"]), rows)
    context.emit(Outcome(found, view, notes=notes, warnings=warnings))


def _roles(gateway: Gateway, imap: bool, smtp: bool) -> list[LoginRole]:
    """The logins that the options mean; without any, all that the gateway has."""
    if smtp and not gateway.smtp_login:
        raise UsageError(
            f"The gateway {gateway.name!r} signs in to SMTP with its main login",
            hint=f"Leave out --smtp, or give SMTP its own: `mailctl gateway edit {gateway.name} --smtp-login USER`.",
            code="no_smtp_login",
        )
    asked = {LoginRole.LOGIN: imap, LoginRole.SMTP_LOGIN: smtp}
    return [role for role in gateway.logins if asked[role] or not (imap or smtp)]


def _one_role(gateway: Gateway, imap: bool, smtp: bool) -> LoginRole:
    """The one login that a change is for; the main one unless --smtp says otherwise."""
    if imap and smtp:
        raise UsageError("One password at a time", hint="Give --imap or --smtp.", code="one_login")
    return _roles(gateway, imap or not smtp, smtp)[0]


def _store(gateway: Gateway, role: LoginRole, keyring: bool, encrypted: bool, ways: PasswordWays) -> SourceKind:
    """Where a password that is given now is kept: as the options say, else where it was, else in the keyring."""
    if keyring + encrypted + (ways.given and not ways.stdin) > 1:
        raise UsageError(
            "The password can be in one place only", hint="Give one of the options.", code="password_twice"
        )
    had = gateway.logins[role].secret.kind
    if keyring or encrypted:
        return SourceKind.ENCRYPTED if encrypted else SourceKind.KEYRING
    return had if had in STORES else SourceKind.KEYRING


def _check_there(context: Context, gateway: Gateway, role: LoginRole, new: SecretSource) -> None:
    """SecretError if one store would be forgotten for the other, and that has nothing."""
    old = gateway.logins[role].secret.kind
    if new.kind not in STORES or old not in STORES or old is new.kind:
        return
    if error := context.secrets.check(gateway.name, role, new).error:
        error.hint = f"`mailctl secrets move --to {new.kind} {gateway.name}` moves it there."
        raise error


def _with_source(gateway: Gateway, role: LoginRole, source: SecretSource) -> Gateway:
    login = replace(gateway.logins[role], secret=source)
    return replace(gateway, smtp_login=login) if role is LoginRole.SMTP_LOGIN else replace(gateway, login=login)


def _save_source(
    context: Context, name: str, role: LoginRole, source: SecretSource, *, dry_run: bool
) -> tuple[list[str], list[str]]:
    """Write the source into the gateway's file if it differs, and forget what the old one kept; notes and warnings."""
    if dry_run:
        gateway = context.config.gateway(name)
        changed = context.config.check_gateway(_with_source(gateway, role, source))
        return forget_replaced(context, gateway, changed, dry_run=True)
    with context.config.locked():
        gateway = context.config.gateway(name)  # read again: it may have changed while a person typed
        if gateway.logins[role].secret == source:
            return [], []
        changed = _with_source(gateway, role, source)
        saved = context.config.save_gateway(changed)
        notes, warnings = forget_replaced(context, gateway, changed)
        return notes, [*saved.warnings, *warnings]


def _kept(context: Context, name: str, role: LoginRole, source: SecretSource) -> bool:
    """Whether a store has a password; SecretError if it can't be asked."""
    found = context.secrets.check(name, role, source)
    if found.error and found.error.code != "secret_missing":
        raise found.error
    return found.available


def _joined(errors: list[SecretError]) -> SecretError | None:
    """One error for all; the first one's hint and code."""
    if not errors:
        return None
    return SecretError("; ".join(error.message for error in errors), hint=errors[0].hint, code=errors[0].code)


def _changes(changes: list[PasswordChange], verb: str) -> Table:
    rows: list[list[Cell]] = [
        [
            each.gateway,
            each.login,
            Styled(f"would be {verb}" if each.dry_run else verb, "" if each.dry_run else "good"),
            f"{each.where} ({each.backend})" if each.backend else each.where,
        ]
        for each in changes
    ]
    return Table(columns("gateway", "login", "done", "where", fold=["where"]), rows)


def _checked(checks: list[PasswordCheck]) -> Table:
    from mailctl.domain.when import show_age

    rows: list[list[Cell]] = [
        [
            each.login,
            Styled("answers", "good") if each.available else Styled("not available", "bad"),
            f"{each.where} ({each.backend})" if each.backend else each.where,
            f"changed {show_age(each.age)} ago" if each.age is not None else None,
        ]
        for each in checks
    ]
    return Table(columns("login", "state", "where", "age", fold=["where"]), rows)
