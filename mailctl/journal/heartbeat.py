"""The heartbeat of a running watch: one small file a process, replaced whole, and what is left of those that died."""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from mailctl.domain.heartbeat import FRESH, Heartbeat, Watched, WatchState
from mailctl.errors import StorageError

_LARGEST = 1 << 24


class HeartbeatFile:
    """The file of this process, in `folder`. StorageError if it can't be written."""

    def __init__(self, folder: Path, host: str, pid: int) -> None:
        safe = "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in host)
        self._path = folder / f"{safe}-{pid}.json"

    def write(self, beat: Heartbeat) -> None:
        """Put `beat` in the place of the one before."""
        part = self._path.with_suffix(".part")
        try:
            with suppress(FileNotFoundError):  # of a process that had this number before
                os.unlink(part)
            fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with open(fd, "w", encoding="ascii") as out:
                json.dump(_plain(beat), out)
            os.replace(part, self._path)
        except OSError as error:
            raise StorageError(f"{self._path} can't be written: {error.strerror or error}") from error

    def remove(self) -> None:
        """The watch has ended, and said so."""
        with suppress(OSError):
            os.unlink(self._path)


def read_heartbeats(folder: Path) -> list[Heartbeat]:
    """The heartbeats that lie in `folder`, oldest first; what can't be read is passed over."""
    found = []
    for path in folder.glob("*.json"):
        try:
            with path.open("rb") as file:
                found.append(_heartbeat(json.loads(file.read(_LARGEST))))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):  # replaced, or not ours
            continue
    return sorted(found, key=lambda beat: beat.time)


def remove_dead(folder: Path, now: datetime, alive: Callable[[str, int], bool]) -> None:
    """Remove the files of watches that ended without a word; a later watch tells more than they."""
    for beat in read_heartbeats(folder):
        if not at_work(beat, now, alive):
            HeartbeatFile(folder, beat.host, beat.pid).remove()


def watched(beats: Iterable[Heartbeat], now: datetime, alive: Callable[[str, int], bool]) -> dict[str, Watched]:
    """What watches do, by gateway. alive: whether a process of that host and number may be running.

    A gateway of a watch that is not at work any more is `dead`, unless another watch has it.
    """
    found: dict[str, Watched] = {}
    for beat in sorted(beats, key=lambda beat: (at_work(beat, now, alive), beat.time)):
        if at_work(beat, now, alive):
            found |= beat.gateways
            continue
        gone = not alive(beat.host, beat.pid)
        what = "has ended without a word" if gone else "has said nothing since"
        dead = Watched(WatchState.DEAD, beat.time, None, f"the watch (process {beat.pid} on {beat.host}) {what}")
        found |= dict.fromkeys(beat.gateways, dead)
    return found


def at_work(beat: Heartbeat, now: datetime, alive: Callable[[str, int], bool]) -> bool:
    """Whether the watch lives: its process may be there, and it spoke not long ago."""
    return abs(now - beat.time) <= FRESH and alive(beat.host, beat.pid)


def _plain(beat: Heartbeat) -> dict[str, Any]:
    def moment(value: datetime | None) -> str | None:
        return value.isoformat() if value else None

    return {
        "pid": beat.pid,
        "host": beat.host,
        "started": moment(beat.started),
        "time": moment(beat.time),
        "gateways": {
            name: {"state": one.state.value, "since": moment(one.since), "next": moment(one.next), "error": one.error}
            for name, one in beat.gateways.items()
        },
    }


def _heartbeat(plain: Mapping[str, Any]) -> Heartbeat:
    beat = Heartbeat(
        pid=int(plain["pid"]),
        host=str(plain["host"]),
        started=datetime.fromisoformat(plain["started"]),
        time=datetime.fromisoformat(plain["time"]),
        gateways={
            str(name): Watched(
                WatchState(one["state"]),
                datetime.fromisoformat(one["since"]),
                datetime.fromisoformat(one["next"]) if one["next"] else None,
                str(one["error"]),
            )
            for name, one in plain["gateways"].items()
        },
    )
    if any(moment.tzinfo is None for moment in (beat.time, beat.started)):
        raise ValueError("a moment without its zone")
    for name, one in beat.gateways.items():
        if one.since.tzinfo is None or (one.next and one.next.tzinfo is None):
            raise ValueError(f"a moment of {name} without its zone")
        beat.gateways[name] = replace(one, error=one.error[:1000])
    return beat
