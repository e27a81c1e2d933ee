"""What a watch says of a gateway when something happened. Pure."""

from collections.abc import Iterator, Mapping
from math import inf

from mailctl.domain.event import Level
from mailctl.domain.heartbeat import WatchState
from mailctl.domain.when import counted, show_age
from mailctl.sync.report import Failure, SyncReport
from mailctl.sync.watch.plan import WAITING, Standing

_WAITS = {
    WatchState.NOTIFY: "waiting for news of all folders (NOTIFY)",
    WatchState.IDLE: "waiting for news of one folder (IDLE), looking at all",
    WatchState.POLL: "looking at it",
}

_COUNTS = ("fetched", "flagged", "removed", "uploaded", "moved")

Happened = tuple[str, str, Level, Mapping[str, object]]
"""Event, sentence, level, fields."""


def happened(before: Standing, now: Standing, report: SyncReport | None, t: float) -> Iterator[Happened]:
    """What is worth a line, given where the gateway stood before, where it stands now, and the sync between, if any."""
    if report is not None:
        counts = {name: getattr(report, name) for name in _COUNTS}
        said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        if said:
            fields = {**counts, "bytes": report.bytes, "seconds": report.seconds}
            yield "watch.synced", f"{said} in {report.seconds:.1f} s", Level.INFO, fields
    again = f"in {show_age(max(now.at - t, 0))}" if now.at < inf else ""
    error = now.error
    if now.state is WatchState.STOPPED and error is not None:
        yield "watch.stopped", f"given up until the watch is reloaded: {error.message}", Level.ERROR, _fields(error)
    elif now.state is WatchState.BUSY and before.state is not WatchState.BUSY and error is not None:
        yield "watch.busy", f"{error.message}; tried again until it is free", Level.INFO, {}
    elif now.state is WatchState.BACKING_OFF:
        said = error.message if error else "the connection has ended"
        yield "watch.failed", f"{said}; next try {again}", Level.WARNING, _fields(error)
    elif now.state in WAITING:
        if error is not None and (before.error is None or before.error.message != error.message):
            yield "watch.failed", f"{error.message}; next try {again}", Level.WARNING, _fields(error)
        if before.state is not now.state and before.state not in (WatchState.BUSY,):
            how = _WAITS[now.state]
            known = now.state is not WatchState.NOTIFY and not now.called
            every = f" every {show_age(now.at - now.since)}" if known else ""
            yield "watch.waiting", how + every, Level.INFO, {"how": now.state.value}


def _fields(error: Failure | None) -> dict[str, object]:
    if error is None:
        return {}
    return {
        "code": error.code,
        "cause": error.cause,
        "hint": error.hint,
        "exit_code": int(error.exit_code),
        "server_text": error.server_text,
    }


def summary(standings: Mapping[str, Standing]) -> str:
    """One line on all of them: `12 gateways: 10 idle, 1 syncing, 1 stopped`."""
    counts: dict[WatchState, int] = {}
    for standing in standings.values():
        counts[standing.state] = counts.get(standing.state, 0) + 1
    said = ", ".join(f"{counts[state]} {state.value.replace('_', ' ')}" for state in WatchState if state in counts)
    return f"{counted(len(standings), 'gateway')}{': ' if said else ''}{said}"
