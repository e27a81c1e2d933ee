"""`mailctl status`: one row for each gateway."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailctl.cli.context import Context
from mailctl.cli.lazy import App
from mailctl.domain.event import Event
from mailctl.domain.heartbeat import WatchState
from mailctl.domain.when import show_age
from mailctl.journal.status import CHECK_EVENTS, SYNC_EVENTS, GatewayStatus, gateway_status
from mailctl.output.emitter import Outcome
from mailctl.output.view import Cell, Styled, Table, columns

if TYPE_CHECKING:
    from mailctl.domain.heartbeat import Watched

app = App()
RESULTS: dict[str, Any] = {"status": list[GatewayStatus]}


@app.verb()
def status(
    ctx: typer.Context,
    gateways: Annotated[list[str] | None, typer.Argument(metavar="[GATEWAY]...", help="Only these gateways.")] = None,
) -> None:
    """One row for each gateway: enabled, last check by protocol, last sync, messages, errors, next due, watch."""
    context = Context.of(ctx)
    rows, warnings = _rows(context, gateways or [])
    now = context.now()
    titles = columns(
        *("gateway", "enabled", "checks", "last sync", "messages", "errors", "next due", "watch"),
        right=("messages", "errors"),
        fold=("checks", "last sync", "watch"),
    )
    view = Table(titles, [_cells(row, now) for row in rows], empty="No gateways; `mailctl gateway add` makes one.")
    context.emit(Outcome(rows, view, warnings=warnings))


def _rows(context: Context, names: list[str]) -> tuple[list[GatewayStatus], list[str]]:
    """The rows of the gateways `names` (of all if empty), and a warning for each that can't be read."""
    gateways, warnings = context.load_gateways(names)
    events: dict[str, list[Event]] = {}
    for event in context.journal.latest(CHECK_EVENTS) + context.journal.latest(SYNC_EVENTS):
        events.setdefault(event.gateway, []).append(event)
    good = {event.gateway: event for event in context.journal.latest(("sync.finished",))}
    errors = context.journal.count_errors({name: event.time for name, event in good.items()})
    now = context.now()
    watches = _watches(context, now)
    rows = []
    for gateway in sorted(gateways, key=lambda each: (each.order, each.name)):
        name, inbound = gateway.name, context.inbound_of(gateway)
        latest, failed = events.get(name, []), errors.get(name, 0)
        rows.append(gateway_status(gateway, inbound, latest, good.get(name), failed, now, watches.get(name)))
    return rows, warnings


def _watches(context: Context, now: datetime) -> "dict[str, Watched]":
    """What running watches do, by gateway."""
    folder = context.paths.state / "watch"
    if not folder.is_dir():
        return {}
    from mailctl.cli.heart import is_alive
    from mailctl.journal.heartbeat import read_heartbeats, watched

    return watched(read_heartbeats(folder), now, is_alive)


def _cells(row: GatewayStatus, now: datetime) -> list[Cell]:
    checks = " ".join(f"{check.protocol}:{check.cause or 'ok'}" for check in row.checks)
    sync: Cell = None
    if row.last_sync:
        age = show_age((now - row.last_sync.time).total_seconds())
        said = row.last_sync.cause or "ok"
        exact = f"{said} {row.last_sync.time.isoformat(timespec='seconds')}"
        fine = row.last_sync.ok or said == "interrupted"
        sync = Styled(f"{said}, {age} ago", "" if fine else "bad", plain=exact)
    due: Cell = None
    if row.next_due:
        wait = (row.next_due - now).total_seconds()
        due = Styled("now" if wait <= 0 else f"in {show_age(wait)}", plain=row.next_due.isoformat(timespec="seconds"))
    watch: Cell = None
    if row.watch:
        said = row.watch.state.value.replace("_", " ")
        bad = row.watch.state in (WatchState.STOPPED, WatchState.DEAD)
        shown = f"{said}: {row.watch.error}" if row.watch.error else said
        watch = Styled(shown, "bad" if bad else "", plain=row.watch.state.value)
    bad = any(not check.ok for check in row.checks)
    shown_checks = Styled(checks, "bad" if bad else "")
    return [row.gateway, row.enabled, shown_checks, sync, row.messages, row.errors, due, watch]
