"""`mailctl secrets move`: passwords and tokens from one of mailctl's two stores to the other.

For each login: copied and read back, then its gateway's file changed, then the old copy removed. Killed anywhere, one
whole copy is where the file says, and the same command finishes the rest.
"""

from contextlib import ExitStack
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any

import typer

from mailctl.cli.context import Context
from mailctl.cli.gateway_files import at_rest
from mailctl.cli.lazy import App
from mailctl.domain.gateway import STORES, Gateway, LoginRole, SecretSource, SourceKind
from mailctl.domain.kept import users_of
from mailctl.domain.record import dataclass
from mailctl.domain.when import counted
from mailctl.errors import ExitCode, MailctlError, SecretError, combined_exit_code
from mailctl.output.emitter import Outcome
from mailctl.output.view import Cell, Styled, Table, columns


class Store(StrEnum):
    """Where secrets can be moved to."""

    KEYRING = "keyring"
    ENCRYPTED = "encrypted"


class Origin(StrEnum):
    """Where secrets can be taken from."""

    KEYRING = "keyring"
    ENCRYPTED = "encrypted"
    COMMAND = "command"
    ENV = "env"
    FILE = "file"


class MoveState(StrEnum):
    """What became of a login's secret. there: it was there already."""

    MOVED = "moved"
    WOULD = "would move"
    THERE = "there"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SecretMove:
    """One login's move. origin: where the secret was. code, message: of the failure, else ""."""

    gateway: str
    login: LoginRole
    kind: SourceKind
    origin: SourceKind
    to: SourceKind
    state: MoveState
    code: str = ""
    message: str = ""


RESULTS: dict[str, Any] = {"secrets move": list[SecretMove]}
app = App()


@app.verb()
def move(
    ctx: typer.Context,
    to: Annotated[Store, typer.Option("--to", help="Where they are to be.")],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[GATEWAY]...", help="Gateways; all if left out.")
    ] = None,
    origin: Annotated[
        Origin | None,
        typer.Option("--from", help="Only what is there; what a command, variable or file has is copied."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be moved, and move nothing.")] = False,
) -> None:
    """Move passwords and tokens to the keyring or to the encrypted file.

    Each is read back before its gateway's file changes, and before the old copy goes. Without --from, everything that
    mailctl itself keeps.
    """
    context = Context.of(ctx)
    gateways, warnings = context.load_gateways(names or [])
    target, only = SourceKind(to.value), SourceKind(origin.value) if origin else None
    wanted = [
        (gateway, role)
        for gateway in gateways
        for role, login in gateway.logins.items()
        if ((login.secret.store or login.secret.kind) is only if only else login.secret.store)
    ]
    if not dry_run:
        _unlock(context, target, [gateway.logins[role].secret for gateway, role in wanted])
    moves, errors = [], []
    for gateway, role in wanted:
        done, error = _moved(context, gateway, role, target, dry_run=dry_run)
        moves.append(done)
        errors += [error] if error else []
    notes = []
    if stayed := [each for each in moves if each.state is MoveState.MOVED and each.origin not in STORES]:
        notes.append(
            f"{counted(len(stayed), 'password')} can still be had from where it was, too; mailctl leaves that."
        )
    if not wanted:
        notes.append("There is nothing to move.")
    context.emit(Outcome(moves, _table(moves), error=_joined(errors), notes=notes, warnings=warnings))


def _unlock(context: Context, target: SourceKind, sources: list[SecretSource]) -> None:
    """Have the encrypted file's key before anything is locked or changed: a person may have to type it."""
    here = [source for source in sources if source.store is not target]
    if SourceKind.ENCRYPTED in {source.store for source in here} or (here and target is SourceKind.ENCRYPTED):
        context.encrypted.unlock()


def _moved(
    context: Context, gateway: Gateway, role: LoginRole, target: SourceKind, *, dry_run: bool
) -> tuple[SecretMove, MailctlError | None]:
    source = gateway.logins[role].secret
    at = source.store or source.kind
    row = SecretMove(gateway.name, role, source.kind, at, target, MoveState.WOULD)
    if dry_run:
        return (replace(row, state=MoveState.THERE) if at is target else row), None
    try:
        with ExitStack() as held:
            held.enter_context(context.config.locked())
            held.enter_context(at_rest(context, gateway.name))
            if source.kind is SourceKind.OAUTH:
                held.enter_context(context.tokens.held(gateway.name, role))
            now = context.config.gateway(gateway.name)  # its other login may just have been moved
            if now.logins.get(role) != gateway.logins[role]:
                raise SecretError("Another mailctl changed this login meanwhile", hint="Run it again.")
            state = _carry(context, now, role, target)
    except MailctlError as error:
        return replace(row, state=MoveState.FAILED, code=error.code, message=error.message), error
    return replace(row, state=state), None


def _carry(context: Context, gateway: Gateway, role: LoginRole, target: SourceKind) -> MoveState:
    """Copy, change the file, remove; or, where it is there, remove what an earlier run may have left."""
    secrets, source = context.secrets, gateway.logins[role].secret
    users = users_of(role, source)
    if source.store is target:
        other = next(store for store in STORES if store is not target)
        if other is SourceKind.KEYRING or context.encrypted.exists:
            try:
                secrets.drop(gateway.name, users, other, target)
            except SecretError:  # a store that isn't there has nothing left; `secrets prune` finds the rest
                return MoveState.THERE
        return MoveState.THERE
    if source.store is None:
        secrets.set(gateway.name, role, secrets.read(source), target)
    elif not secrets.transfer(gateway.name, users, source.store, target) and source.kind is not SourceKind.OAUTH:
        error = secrets.check(gateway.name, role, source).error
        raise error or SecretError(f"There is no password of {gateway.name!r} to move", code="secret_missing")
    context.config.save_gateway(_with(gateway, role, _at(source, target)))
    if source.store is not None:
        secrets.drop(gateway.name, users, source.store, target)
    return MoveState.MOVED


def _at(source: SecretSource, target: SourceKind) -> SecretSource:
    """The source that means the same in the other store."""
    if source.kind is not SourceKind.OAUTH:
        return SecretSource(target)
    name = source.argument[0] if source.argument else ""
    usual = not name and target is SourceKind.KEYRING
    return SecretSource(SourceKind.OAUTH, () if usual else (name, target.value))


def _with(gateway: Gateway, role: LoginRole, source: SecretSource) -> Gateway:
    login = replace(gateway.logins[role], secret=source)
    return replace(gateway, smtp_login=login) if role is LoginRole.SMTP_LOGIN else replace(gateway, login=login)


def _joined(errors: list[MailctlError]) -> MailctlError | None:
    """One error for all, the first one's words; its exit code is theirs if they agree."""
    if not errors:
        return None
    first = errors[0]
    more = f" (and {len(errors) - 1} more; the rows say which)" if errors[1:] else ""
    joined = MailctlError(first.message + more, hint=first.hint, code=first.code)
    joined.exit_code = combined_exit_code([ExitCode(error.exit_code) for error in errors])
    return joined


def _table(moves: list[SecretMove]) -> Table:
    style: dict[MoveState, Any] = {MoveState.MOVED: "good", MoveState.FAILED: "bad"}
    rows: list[list[Cell]] = [
        [each.gateway, each.login, each.origin, each.to, Styled(each.state, style.get(each.state, "")), each.message]
        for each in moves
    ]
    return Table(columns("gateway", "login", "from", "to", "state", "why not", fold=["why not"]), rows)
