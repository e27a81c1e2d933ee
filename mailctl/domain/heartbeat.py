"""What a running watch tells of itself, for others to see: the words, and how old they may be."""

from datetime import datetime, timedelta
from enum import StrEnum

from mailctl.domain.record import dataclass

FRESH = timedelta(minutes=2)
"""A watch that has said nothing for longer is not at work any more, or hangs."""


class WatchState(StrEnum):
    """What a watch is doing with a gateway.

    notify, idle: waiting, the server tells by itself (RFC 5465; RFC 2177). poll: waiting until the next sync is due.
    due: a sync will begin as soon as one may. backing_off: failed, tries again. busy: another process syncs it.
    stopped: given up until the watch reads its configuration again. dead: the watch ended without a word, or hangs.
    """

    NOTIFY = "notify"
    IDLE = "idle"
    POLL = "poll"
    DUE = "due"
    SYNCING = "syncing"
    BACKING_OFF = "backing_off"
    BUSY = "busy"
    STOPPED = "stopped"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Watched:
    """A gateway's part. since: when that state began. next: when it is synced next at the latest, None: not by itself.

    error: why it is so, in one sentence, or "".
    """

    state: WatchState
    since: datetime
    next: datetime | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One process. time: of this heartbeat. gateways: by name."""

    pid: int
    host: str
    started: datetime
    time: datetime
    gateways: dict[str, Watched]
