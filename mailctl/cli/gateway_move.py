"""`mailctl gateway rename|remove`."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Annotated, Any

import typer

from mailctl.cli import gateway_files as disk
from mailctl.cli.context import Context
from mailctl.cli.gateway_tokens import NOTHING_KEPT
from mailctl.cli.lazy import App
from mailctl.domain.gateway import Gateway, Login, LoginRole, SourceKind
from mailctl.domain.names import check_name
from mailctl.domain.record import dataclass
from mailctl.errors import ConfigError, ExistsError, NotFoundError, SecretError, StorageError
from mailctl.output.emitter import Outcome
from mailctl.output.view import Lines


@dataclass(frozen=True, slots=True)
class GatewayRenamed:
    """A gateway's new name."""

    old: str
    new: str
    dry_run: bool


@dataclass(frozen=True, slots=True)
class GatewayRemoved:
    """The gateway that went. removed: False with dry_run, or where the user said no.

    secrets: the logins whose keyring entries were removed. mail: where its mail is, or was if mail_deleted; "" if it
    had none.
    """

    gateway: str
    removed: bool
    secrets: list[str]
    mail: str
    mail_deleted: bool
    dry_run: bool


RESULTS: dict[str, Any] = {"gateway rename": GatewayRenamed, "gateway remove": GatewayRemoved}
app = App()

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")]


@app.verb()
def rename(
    ctx: typer.Context,
    old: Annotated[str, typer.Argument(metavar="GATEWAY", help="The gateway.")],
    new: Annotated[str, typer.Argument(metavar="NAME", help="Its new name.")],
    dry_run: DryRun = False,
) -> None:
    """Rename a gateway; its secrets, state and mail follow.

    If it was interrupted, the same command finishes it, and the opposite one undoes it.
    """
    context = Context.of(ctx)
    config = context.config
    check_name(new, "gateway")
    roles, gateway = list(LoginRole), None
    if config.unfinished_rename() not in ((old, new), (new, old)):
        gateway = config.gateway(old)
        if config.gateway_exists(new):
            raise ExistsError(f"There is a gateway named {new!r} already", hint="`mailctl gateway list` shows all.")
        disk.check_room(context, gateway, new)
        roles = _by_token(gateway)
    if not dry_run:
        context.unlock_for([gateway] if gateway else [])  # others wait for the locks below: not for a person who types
        with disk.at_rest(context, old), _held(context, old, roles):
            config.rename_gateway(old, new, _Belongings(context))
    said = f"{'Would rename' if dry_run else 'Renamed'} gateway {old} to {new}"
    context.emit(Outcome(GatewayRenamed(old, new, dry_run), Lines([said])))


@app.verb()
def remove(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="GATEWAY", help="The gateway.")],
    delete_mail: Annotated[bool, typer.Option("--delete-mail", help="Delete its mail here as well.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask; needed where nobody can be asked.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Remove a gateway, its secrets and its sync state; its mail stays unless --delete-mail."""
    context = Context.of(ctx)
    gateway = _to_remove(context, name)
    mail = disk.check_deletable(context, gateway) if delete_mail else context.maildir(gateway)
    where = str(mail) if mail and mail.exists() else ""
    deleting = delete_mail and bool(where)
    if dry_run:
        said = [f"Would remove gateway {name}", *([f"Would delete {where}"] if deleting else [])]
        context.emit(Outcome(GatewayRemoved(name, False, [], where, False, True), Lines(said)))
        return
    question = f"Remove gateway {name} and delete its mail in {where}?" if deleting else f"Remove gateway {name}?"
    if not context.confirm(question, yes=yes):
        context.emit(Outcome(GatewayRemoved(name, False, [], where, False, False), Lines(["Nothing was removed"])))
        return
    context.unlock_for([gateway])
    with context.config.locked(), disk.at_rest(context, name), _held(context, name, _by_token(gateway)):
        secrets, warnings = _forget(context, gateway)
        disk.remove_state(context, name)
        if deleting and mail:
            disk.remove_mail(mail)
        context.config.remove_gateway(name)  # last, so that an interrupted removal can be run again
    said = [f"Removed gateway {name}", *([f"Deleted {where}"] if deleting else [])]
    notes = [f"Its mail stays in {where}"] if where and not deleting else []
    if any(login.secret.kind is SourceKind.OAUTH and role.value in secrets for role, login in gateway.logins.items()):
        notes.append("Its tokens were forgotten, not revoked: the account's settings show who has access, and end it")
    value = GatewayRemoved(name, True, secrets, where, deleting, False)
    context.emit(Outcome(value, Lines(said), notes=notes, warnings=warnings))


@dataclass(frozen=True)
class _Belongings:
    """A gateway's secrets, state, mail and events, when it is renamed."""

    context: Context

    def copy(self, gateway: Gateway, new: str) -> None:
        """Copy its secrets."""
        try:
            self.context.secrets.copy(gateway, new)
        except SecretError as error:
            if error.code not in NOTHING_KEPT:
                raise

    def carry(self, gateway: Gateway, new: str) -> None:
        """Move state and mail, and let its events be those of the new name."""
        disk.move(self.context, gateway, new)
        try:
            self.context.journal.rename_gateway(gateway.name, new)
        except StorageError:
            disk.move(self.context, replace(gateway, name=new), gateway.name)
            raise

    def forget(self, gateway: Gateway) -> None:
        """Remove its secrets."""
        _forget(self.context, gateway)


def _by_token(gateway: Gateway) -> list[LoginRole]:
    return [role for role, login in gateway.logins.items() if login.secret.kind is SourceKind.OAUTH]


@contextmanager
def _held(context: Context, name: str, roles: Iterable[LoginRole]) -> Iterator[None]:
    """Nobody renews a token of the gateway meanwhile: one kept after the rest was copied or removed would be lost."""
    with ExitStack() as held:
        for role in roles:
            held.enter_context(context.tokens.held(name, role))
        yield


def _forget(context: Context, gateway: Gateway) -> tuple[list[str], list[str]]:
    """Remove the keyring entries; which, and warnings. SecretError if some may be left."""
    try:
        return [role.value for role in context.secrets.forget(gateway)], []
    except SecretError as error:
        if error.code not in NOTHING_KEPT:
            error.hint = f"The gateway stays until its password can be removed. {error.hint}"
            raise
        return [], [f"No keyring was asked to forget its password: {error.message}"]


def _to_remove(context: Context, name: str) -> Gateway:
    """The gateway; one whose file is broken can be removed as well, with whatever secrets it may have had."""
    try:
        return context.config.gateway(name)
    except NotFoundError:
        raise
    except ConfigError as error:
        if error.code == "rename_unfinished":
            raise
        return Gateway(name, "", "", Login(""), Login(""))
