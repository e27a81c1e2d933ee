"""`mailctl secrets move`: passwords and tokens from one of mailctl's two stores to the other.

For each login: copied and read back, then its gateway's file changed, then the old copy removed. Killed anywhere, one
whole copy is where the file says, and the same command finishes the rest.
"""

from contextlib import ExitStack, suppress
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any

import typer

from mailctl.cli.context import Context
from mailctl.cli.gateway_files import at_rest
from mailctl.cli.gateway_tokens import NOTHING_KEPT
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
    """One login's move. origin: where the secret was. code, message: of the failure, else "".

    left: why there may still be a copy in the other store, else "".
    """

    gateway: str
    login: LoginRole
    kind: SourceKind
    origin: SourceKind
    to: SourceKind
    state: MoveState
    code: str = ""
    message: str = ""
    left: str = ""


_CALLED = {SourceKind.KEYRING: "keyring", SourceKind.ENCRYPTED: "encrypted file"}

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
    if lefts := [each for each in moves if each.left]:
        other = next(store for store in STORES if store is not target)
        warnings = [
            *warnings,
            f"The {_CALLED[other]} may still have a copy for {counted(len(lefts), 'login')}: {lefts[0].left}. "
            "`mailctl secrets prune` removes what nobody uses.",
        ]
    if not wanted:
        notes.append("There is nothing to move.")
    context.emit(Outcome(moves, _table(moves), error=_joined(errors), notes=notes, warnings=warnings))


def _unlock(context: Context, target: SourceKind, sources: list[SecretSource]) -> None:
    """Have the encrypted file's key before anything is locked or changed: a person may have to type it."""
    here = [source for source in sources if source.store is not target]
    if SourceKind.ENCRYPTED in {source.store for source in here} or (here and target is SourceKind.ENCRYPTED):
        context.encrypted.unlock()
    elif sources and target is SourceKind.KEYRING and context.encrypted.exists:  # an earlier run may have left some
        with suppress(SecretError):
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
            state, left = _carry(context, now, role, target)
    except MailctlError as error:
        if error.code.startswith("keyring_"):
            error.hint = _hint(gateway.name, at, target)
        return replace(row, state=MoveState.FAILED, code=error.code, message=error.message), error
    return replace(row, state=state, left=left.message if left else ""), None


def _hint(name: str, at: SourceKind, target: SourceKind) -> str:
    """What to do where the keyring can't be had."""
    if at is not SourceKind.KEYRING:
        return "It stays where it is. Unlock or start a keyring, then run it again."
    again = f"; or give it again: `mailctl gateway password set {name} --encrypted`"
    return f"Unlock or start the keyring that has it, then run it again{again if target is not at else ''}."


def _carry(
    context: Context, gateway: Gateway, role: LoginRole, target: SourceKind
) -> tuple[MoveState, SecretError | None]:
    """Copy, change the file, remove; or, where it is there, remove what an earlier run may have left.

    Returns, too, why an old copy may be left.
    """
    secrets, source = context.secrets, gateway.logins[role].secret
    users = users_of(role, source)
    if source.store is target:
        error = secrets.peek(gateway.name, role, source).error
        if error and not (source.kind is SourceKind.OAUTH and error.code == "secret_missing"):
            raise error
        other = next(store for store in STORES if store is not target)
        looks = other is SourceKind.KEYRING or context.encrypted.exists
        return MoveState.THERE, _dropped(context, gateway, users, other, target) if looks else None
    if source.store is None:
        secrets.set(gateway.name, role, secrets.read(source), target)
    elif not secrets.transfer(gateway.name, users, source.store, target) and source.kind is not SourceKind.OAUTH:
        error = secrets.check(gateway.name, role, source).error
        raise error or SecretError(f"There is no password of {gateway.name!r} to move", code="secret_missing")
    try:
        context.config.save_gateway(_with(gateway, role, _at(source, target)))
    except MailctlError:
        _take_back(context, gateway, role, target)
        raise
    if source.store is None:
        return MoveState.MOVED, None
    return MoveState.MOVED, _dropped(context, gateway, users, source.store, target)


def _dropped(
    context: Context, gateway: Gateway, users: tuple[str, ...], old: SourceKind, new: SourceKind
) -> SecretError | None:
    """Remove the old copy; why it may still be there. A store that isn't there has none."""
    try:
        context.secrets.drop(gateway.name, users, old, new)
    except SecretError as error:
        return None if error.code in NOTHING_KEPT else error
    return None


def _take_back(context: Context, gateway: Gateway, role: LoginRole, target: SourceKind) -> None:
    """Remove the new copy, unless the gateway's file names it after all."""
    source = gateway.logins[role].secret
    with suppress(MailctlError):  # the first error is the one to report; `secrets prune` finds the rest
        if context.config.gateway(gateway.name).logins[role].secret != source:
            return
        if source.store is None:
            context.secrets.clear(gateway.name, role, target)
        else:
            context.secrets.drop(gateway.name, users_of(role, source), target, source.store)


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
