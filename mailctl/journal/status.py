"""The status of each gateway, read off the mailer log."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from mailctl.domain.event import Event
from mailctl.domain.gateway import Gateway, Inbound
from mailctl.domain.heartbeat import Watched
from mailctl.domain.record import dataclass

CHECK_EVENTS = ("check.passed", "check.failed")
SYNC_EVENTS = ("sync.finished", "sync.failed", "sync.interrupted")


@dataclass(frozen=True, slots=True)
class LastCheck:
    """The last check of one protocol. cause: "" if it passed."""

    protocol: str
    ok: bool
    time: datetime
    cause: str


@dataclass(frozen=True, slots=True)
class LastSync:
    """The last sync. cause: the cause, or the error's code, if it failed; `interrupted` if somebody ended it."""

    ok: bool
    time: datetime
    fetched: int
    cause: str


@dataclass(frozen=True, slots=True)
class GatewayStatus:
    """One row. messages: held locally after the last good sync, None if never. errors: logged since that sync.

    ok: nothing that was tried last has failed. next_due: when `sync` is due next, None if inbound is off. watch: what a
    running watch does with it, None if none has it.
    """

    gateway: str
    email: str
    enabled: bool
    ok: bool
    checks: tuple[LastCheck, ...]
    last_sync: LastSync | None
    messages: int | None
    errors: int
    next_due: datetime | None
    watch: Watched | None = None


def gateway_status(
    gateway: Gateway,
    inbound: Inbound,
    latest: Iterable[Event],
    last_good: Event | None,
    errors: int,
    now: datetime,
    watch: Watched | None = None,
) -> GatewayStatus:
    """The status of `gateway`.

    latest: the newest check event of each protocol and the newest sync event, of this gateway. last_good: its newest
    `sync.finished`. errors: number of errors logged since then.
    """
    checks = tuple(
        LastCheck(event.protocol, event.event == "check.passed", event.time, _cause(event))
        for event in sorted(latest_of(latest, CHECK_EVENTS), key=lambda event: event.protocol)
    )
    synced = max(latest_of(latest, SYNC_EVENTS), key=lambda event: event.time, default=None)
    last_sync = None
    if synced:
        ok = synced.event == "sync.finished"
        last_sync = LastSync(ok, synced.time, _count(synced, "fetched") or 0, _cause(synced))
    due = None
    if gateway.enabled and inbound.enabled:
        due = max(synced.time + timedelta(seconds=inbound.interval or 0), now) if synced else now
    return GatewayStatus(
        gateway=gateway.name,
        email=gateway.email,
        enabled=gateway.enabled,
        ok=all(check.ok for check in checks) and (synced is None or synced.event != "sync.failed"),
        checks=checks,
        last_sync=last_sync,
        messages=_count(last_good, "messages") if last_good else None,
        errors=errors,
        next_due=watch.next if watch and watch.next else due,
        watch=watch,
    )


def latest_of(events: Iterable[Event], names: Sequence[str]) -> list[Event]:
    """Those events that have one of the names."""
    return [event for event in events if event.event in names]


def _cause(event: Event) -> str:
    if event.event in ("check.passed", "sync.finished"):
        return ""
    return str(event.fields.get("cause") or event.fields.get("code") or "")


def _count(event: Event, field: str) -> int | None:
    value = event.fields.get(field)
    return value if isinstance(value, int) else None
