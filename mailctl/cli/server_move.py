"""`mailctl server rename|remove`."""

from typing import Annotated, Any

import typer

from mailctl.cli.context import Context
from mailctl.cli.lazy import App
from mailctl.domain.names import check_name
from mailctl.domain.record import dataclass
from mailctl.domain.when import counted
from mailctl.errors import ExistsError
from mailctl.output.emitter import Outcome
from mailctl.output.view import Lines


@dataclass(frozen=True, slots=True)
class ServerRenamed:
    """A server's new name, and the gateways that followed (or, with dry_run, would)."""

    old: str
    new: str
    gateways: list[str]
    dry_run: bool


@dataclass(frozen=True, slots=True)
class ServerRemoved:
    """The server that went. removed: False with dry_run, or where the user said no."""

    server: str
    removed: bool
    dry_run: bool


RESULTS: dict[str, Any] = {"server rename": ServerRenamed, "server remove": ServerRemoved}
app = App()

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")]


@app.verb()
def rename(
    ctx: typer.Context,
    old: Annotated[str, typer.Argument(metavar="SERVER", help="The server.")],
    new: Annotated[str, typer.Argument(metavar="NAME", help="Its new name.")],
    dry_run: DryRun = False,
) -> None:
    """Rename a server; its gateways follow.

    If it was interrupted, the same command finishes it, and the opposite one undoes it.
    """
    context = Context.of(ctx)
    config = context.config
    warnings: list[str] = []
    if dry_run:
        config.server(old)
        if config.server_exists(check_name(new, "server")):
            raise ExistsError(f"There is a server named {new!r} already")
        gateways = config.server_users(old)
    else:
        gateways, warnings = config.rename_server(old, new)
    said = f"{'Would rename' if dry_run else 'Renamed'} server {old} to {new}"
    more = f"; {counted(len(gateways), 'gateway')} {'would follow' if dry_run else 'followed'}" if gateways else ""
    context.emit(Outcome(ServerRenamed(old, new, gateways, dry_run), Lines([said + more]), warnings=warnings))


@app.verb()
def remove(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="SERVER", help="The server.")],
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask; needed where nobody can be asked.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Remove a server that no gateway uses."""
    context = Context.of(ctx)
    context.config.check_removable(name)
    if dry_run:
        context.emit(Outcome(ServerRemoved(name, False, True), Lines([f"Would remove server {name}"])))
        return
    agreed = context.confirm(f"Remove server {name}?", yes=yes)
    if agreed:
        context.config.remove_server(name)
    said = f"Removed server {name}" if agreed else "Nothing was removed"
    context.emit(Outcome(ServerRemoved(name, agreed, False), Lines([said])))
