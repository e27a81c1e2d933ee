"""Checks: one protocol tried on one gateway, as a value in (the job) and a value out (the report)."""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Protocol as Interface

from mailctl.domain.check_job import CheckJob as CheckJob
from mailctl.domain.record import dataclass
from mailctl.domain.server import Protocol
from mailctl.errors import ExitCode


class StageStatus(StrEnum):
    """What became of a stage of the ladder."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_REACHED = "not_reached"


@dataclass(frozen=True, slots=True)
class StageReport:
    """One rung. ms: wall time in milliseconds. detail: what was learned, JSON values only."""

    name: str
    status: StageStatus
    ms: float = 0.0
    detail: Mapping[str, object] = field(default_factory=dict)


class Level(StrEnum):
    """How much a finding matters."""

    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check learnt that neither passes nor fails it.

    name: stable, such as `certificate_expires_soon`. level: a warning is of what works today and should not stay so; a
    note, of what is good to know. text: one sentence, with what it costs.
    """

    name: str
    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class OtherCause:
    """A cause that a failure may have instead, less likely than the one named; fields as in the report."""

    cause: str
    confidence: str
    explanation: str
    remedy: tuple[str, ...]
    fixer: str
    doc_url: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What one check found.

    endpoint: host:port, "" if there is none. security: of the endpoint. stage: the stage that failed, "" if none.
    cause: name from the failure knowledge, "" if ok. fixer: "user", "admin", "provider" or "". retry: "yes", "no",
    "after-fix", "later" or "". evidence: what decided. alternatives: what else it may be, likeliest first.
    server_text: the server's own words, raw. message: the error in one sentence. transcript: lines of the conversation,
    secrets masked, if the job asked for a trace. findings: warnings first; warnings: their texts.
    """

    gateway: str
    address: str
    protocol: Protocol
    ok: bool
    endpoint: str = ""
    security: str = ""
    stage: str = ""
    cause: str = ""
    confidence: str = ""
    explanation: str = ""
    remedy: tuple[str, ...] = ()
    fixer: str = ""
    retry: str = ""
    doc_url: str = ""
    evidence: tuple[str, ...] = ()
    alternatives: tuple[OtherCause, ...] = ()
    server_text: str = ""
    message: str = ""
    warnings: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    stages: tuple[StageReport, ...] = ()
    transcript: tuple[str, ...] = ()
    exit_code: ExitCode = ExitCode.OK


class Session(Interface):
    """A connection to one endpoint, climbed stage by stage; what `protocols` offers and `diagnosis` climbs.

    stages: the names in order, from "dns" on. `climb` carries out the next stage and returns what was learned (JSON
    values); it raises a MailctlError whose `cause` is set where the failure itself tells it (TLS, TCP, DNS), and whose
    `server_text` holds the server's words otherwise. Every wait obeys the one deadline given when the session was made.
    """

    protocol: Protocol
    stages: tuple[str, ...]

    def climb(self, stage: str) -> Mapping[str, object]:
        """Carry out `stage`; the ones before it have been."""

    def late(self) -> Mapping[str, Mapping[str, object]]:
        """What came to light of a stage after it was climbed, by its name; asked once, at the end of the climb.

        May wait for half a second. Never raises.
        """

    def close(self) -> None:
        """End the connection politely if it can be done at once; never raises."""
