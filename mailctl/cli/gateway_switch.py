"""`mailctl gateway enable|disable|default|move`."""

from dataclasses import replace
from typing import Annotated, Any

import typer

from mailctl.cli.context import Context
from mailctl.cli.lazy import App
from mailctl.domain.record import dataclass
from mailctl.errors import UsageError
from mailctl.output.emitter import Outcome
from mailctl.output.view import Lines, Table, columns


@dataclass(frozen=True, slots=True)
class Switched:
    """A gateway that is enabled or not now (or, with dry_run, would be). changed: whether it wasn't before."""

    gateway: str
    enabled: bool
    changed: bool
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Default:
    """The default gateway, "" if there is none."""

    gateway: str
    changed: bool
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """A gateway that was moved. orders: the gateways whose order changed (or, with dry_run, would), and to what."""

    gateway: str
    orders: dict[str, int]
    dry_run: bool


RESULTS: dict[str, Any] = {
    "gateway enable": list[Switched],
    "gateway disable": list[Switched],
    "gateway default": Default,
    "gateway move": Moved,
}
app = App()

Names = Annotated[list[str], typer.Argument(metavar="GATEWAY...", help="The gateways.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")]


@app.verb()
def enable(ctx: typer.Context, names: Names, dry_run: DryRun = False) -> None:
    """Let sync, and test --all, use gateways."""
    _switch(Context.of(ctx), names, True, dry_run)


@app.verb()
def disable(ctx: typer.Context, names: Names, dry_run: DryRun = False) -> None:
    """Keep sync, and test --all, from using gateways."""
    _switch(Context.of(ctx), names, False, dry_run)


@app.verb()
def default(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="[GATEWAY]", help="The gateway to choose; left out, the one chosen is shown.")
    ] = "",
    none: Annotated[bool, typer.Option("--none", help="Choose none.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Show or choose the default gateway: the one meant when none is named. An only gateway needs no choosing."""
    context = Context.of(ctx)
    old = context.config.default_gateway
    if name and none:
        raise UsageError("--none and a gateway exclude each other")
    if not name and not none:
        view = Lines([old] if old else [])
        only = len(context.config.gateway_names()) == 1
        none_yet = "No default gateway is chosen; the only gateway is meant where none is named."
        several = "No default gateway; `mailctl gateway default NAME` chooses one."
        notes = [] if old else [none_yet if only else several]
        context.emit(Outcome(Default(old, False, dry_run), view, notes=notes))
        return
    if name:
        context.config.gateway(name)
    if not dry_run and name != old:
        context.config.set_default_gateway(name)
    said = f"{'Would choose' if dry_run else 'The default gateway is'} {name or 'none'}"
    context.emit(Outcome(Default(name, name != old, dry_run), Lines([said])))


@app.verb()
def move(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="GATEWAY", help="The gateway.")],
    before: Annotated[str, typer.Option(metavar="GATEWAY", help="Put it right before this one.")] = "",
    after: Annotated[str, typer.Option(metavar="GATEWAY", help="Put it right after this one.")] = "",
    dry_run: DryRun = False,
) -> None:
    """Put a gateway before or after another in lists."""
    from mailctl.domain.ordering import reorder

    context = Context.of(ctx)
    anchor = before or after
    if bool(before) == bool(after) or anchor == name:
        raise UsageError("Say where: --before OTHER or --after OTHER")
    config = context.config
    with config.locked():
        config.gateway(name)
        config.gateway(anchor)
        listing = config.gateways()
        found = {gateway.name: gateway for gateway in listing.objects}
        orders = reorder({each.name: each.order for each in listing.objects}, name, anchor, before=bool(before))
        warnings = [str(problem) for problem in listing.problems]
        if not dry_run:
            for each, order in orders.items():
                warnings += config.save_gateway(replace(found[each], order=order)).warnings
    said = [f"{each}: order {order}" for each, order in orders.items()] or ["Nothing to change"]
    records = Table(columns("gateway", "order"), list(orders.items()))
    context.emit(Outcome(Moved(name, orders, dry_run), Lines(said), records, warnings=warnings))


def _switch(context: Context, names: list[str], enabled: bool, dry_run: bool) -> None:
    config = context.config
    warnings: list[str] = []
    done: list[Switched] = []
    for name in dict.fromkeys(names):
        config.gateway(name)  # none is changed unless all are there
    for name in dict.fromkeys(names):
        if dry_run:
            changed = config.gateway(name).enabled != enabled
        else:
            with config.locked():
                saved = config.save_gateway(replace(config.gateway(name), enabled=enabled))
            changed = saved.changed
            warnings += saved.warnings
        done.append(Switched(name, enabled, changed, dry_run))
    word = "enabled" if enabled else "disabled"
    said = [f"{each.gateway}: {word}" + ("" if each.changed else ", as before") for each in done]
    records = Table(columns("gateway", "enabled", "changed"), [[each.gateway, enabled, each.changed] for each in done])
    context.emit(Outcome(done, Lines(said), records, warnings=warnings))
