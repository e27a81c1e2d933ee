"""Events of the mailer log: what a run did or failed to do."""

from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol as Interface

from mailctl.domain.record import dataclass


class Level(StrEnum):
    """How much an event matters, least first."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the mailer log.

    time: UTC, with microseconds. run: id of the run. gateway, protocol: "" where none is concerned.
    event: stable dotted name (`sync.message.skipped`). message: one sentence for people.
    fields: JSON values for programs.
    """

    time: datetime
    run: str
    event: str
    message: str
    level: Level = Level.INFO
    gateway: str = ""
    protocol: str = ""
    fields: Mapping[str, object] = field(default_factory=dict)


class Recorder(Interface):
    """Where a wing tells what happens; bound to one run."""

    run: str

    def record(
        self,
        event: str,
        message: str,
        *,
        level: Level = Level.INFO,
        gateway: str = "",
        protocol: str = "",
        **fields: object,
    ) -> None:
        """Keep one event. Never raises for what a message holds; thread-safe."""


def new_run_id(now: datetime, token: str) -> str:
    """Id of a run begun at `now` (aware): sortable by time, unique by `token` (a few random letters)."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%S}-{token}"
