"""The heartbeat of `mailctl watch`: a small file for `status`, and a word to the service manager."""

import os
from collections.abc import Mapping
from datetime import timedelta
from math import isinf
from time import monotonic
from typing import TYPE_CHECKING

from mailctl.cli.context import Context
from mailctl.errors import StorageError

if TYPE_CHECKING:
    from mailctl.domain.heartbeat import Watched
    from mailctl.journal.heartbeat import HeartbeatFile
    from mailctl.sync.watch.plan import Standing

BEAT = 30.0
"""Seconds between two heartbeats at most."""
REST = 1.0
"""Seconds between two at least, however much changes."""


class Heart:
    """Tells what the watch does; made when it begins."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._folder = context.paths.state / "watch"
        self._started = context.now()
        self._supervisor = context.supervisor()
        self._told: Mapping[str, tuple[object, ...]] = {}
        self._time = -BEAT
        self._complained = False
        self._ready = False

    def begin(self) -> None:
        """Sweep up what watches left that ended without a word."""
        from mailctl.journal.heartbeat import remove_dead

        remove_dead(self._folder, self._started, is_alive)

    def beat(self, standings: "Mapping[str, Standing]") -> float:
        """Tell where every gateway stands, if that changed or it is time → seconds until it is to be called again."""
        now = monotonic()
        told = {name: (each.state, each.since, each.at, each.error) for name, each in standings.items()}
        rest = now - self._time
        if rest < REST or (rest < BEAT and told == self._told):
            return BEAT - rest if told == self._told else REST - rest
        from mailctl.sync.watch.words import summary

        self._time, self._told = now, told
        ready, self._ready = "" if self._ready else "READY=1\n", True
        self._supervisor(f"{ready}STATUS={summary(standings)}\nWATCHDOG=1")
        self._write({name: self._watched(each, now) for name, each in standings.items()})
        return BEAT

    def reloading(self) -> None:
        """The configuration is being read again; the next heartbeat says that this is done."""
        self._supervisor(f"RELOADING=1\nMONOTONIC_USEC={int(monotonic() * 1e6)}")
        self._ready, self._time = False, -BEAT

    def ending(self) -> None:
        """The watch ends by itself."""
        self._supervisor("STOPPING=1")

    def close(self) -> None:
        """The watch has ended."""
        self._file().remove()

    def _watched(self, standing: "Standing", now: float) -> "Watched":
        from mailctl.domain.heartbeat import Watched
        from mailctl.domain.secret import mask_own

        moment = self._context.now()
        due = None if isinf(standing.at) else moment + timedelta(seconds=standing.at - now)
        since = moment - timedelta(seconds=max(now - standing.since, 0))
        return Watched(standing.state, since, due, mask_own(standing.error.message) if standing.error else "")

    def _write(self, gateways: "dict[str, Watched]") -> None:
        from mailctl.domain.heartbeat import Heartbeat

        beat = Heartbeat(os.getpid(), os.uname().nodename, self._started, self._context.now(), gateways)
        try:
            self._file().write(beat)
        except StorageError as error:
            if not self._complained:
                self._complained = True
                self._context.emitter.warn(error.message)

    def _file(self) -> "HeartbeatFile":
        from mailctl.journal.heartbeat import HeartbeatFile

        return HeartbeatFile(self._folder, os.uname().nodename, os.getpid())


def given_up_by(context: Context, gateway: str) -> list[int]:
    """The processes of watches on this machine that have given a gateway up until they are told to reload."""
    from mailctl.domain.heartbeat import WatchState
    from mailctl.journal.heartbeat import at_work, read_heartbeats

    return [
        beat.pid
        for beat in read_heartbeats(context.paths.state / "watch")
        if beat.host == os.uname().nodename
        and at_work(beat, context.now(), is_alive)
        and gateway in beat.gateways
        and beat.gateways[gateway].state is WatchState.STOPPED
    ]


def is_alive(host: str, pid: int) -> bool:
    """Whether that process may be running; of another host nobody knows."""
    if host != os.uname().nodename:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
