"""Looking for a probe goes on after a refusal, and ends soon once it is to stop."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from threading import Event
from time import monotonic

import pytest

from mailctl.diagnosis.probes.arrival import LOST, Arrival
from mailctl.domain.check import CheckReport
from mailctl.domain.mailbox import Folder, FolderStatus
from mailctl.domain.server import Protocol
from mailctl.errors import RefusedError, StoppedError
from tests.unit.test_probe_look import ID, OURS, FakeImap
from tests.unit.test_probe_report import JOB, SENT


class Refusing(FakeImap):
    """Refuses to open a folder `refusals` times, once there is a message."""

    refusals = 0

    def select(self, folder: Folder, *, read_only: bool) -> FolderStatus:
        if self.refusals and self.held["INBOX"]:
            self.refusals -= 1
            raise RefusedError("in use", server_text="NO [INUSE] later")
        return super().select(folder, read_only=read_only)


class Open:
    """A session that is signed in to `held`."""

    protocol = Protocol.IMAP
    stages: tuple[str, ...] = ("authenticate",)

    def __init__(self, held: FakeImap) -> None:
        self.held = held

    def climb(self, stage: str) -> Mapping[str, object]:
        return {}

    def late(self) -> Mapping[str, Mapping[str, object]]:
        return {}

    def close(self) -> None:
        """Nothing to do."""

    def mailbox(self) -> FakeImap:
        return self.held


def arrival(held: FakeImap, stop: Event) -> Arrival:
    def send(may_send: Callable[[], None]) -> tuple[CheckReport, bool, float]:
        may_send()
        held.held["INBOX"][1] = OURS
        return SENT, True, monotonic()

    def judge(error: object) -> CheckReport:
        raise AssertionError(error)

    job = replace(JOB, message=replace(JOB.message, message_id=ID))
    return Arrival(job, Open(held), lambda: Open(held), send, judge, stop)


def test_a_refusal_that_passes_ends_nothing() -> None:
    held = Refusing()
    held.refusals = LOST
    probe = arrival(held, Event())
    for stage in probe.stages:
        probe.climb(stage)
    assert (probe.left, held.held["INBOX"]) == ("", {})
    assert not probe.may_be_left


def test_a_refusal_that_stays_is_the_reason() -> None:
    held = Refusing()
    held.refusals = 99
    probe = arrival(held, Event())
    probe.climb("send")
    with pytest.raises(RefusedError, match="in use"):
        probe.climb("find")
    assert probe.may_be_left


def test_nothing_is_sent_any_more_once_it_is_to_stop() -> None:
    stop, held = Event(), FakeImap()
    stop.set()
    probe = arrival(held, stop)
    with pytest.raises(StoppedError):
        probe.climb("send")
    assert (probe.begun, probe.may_be_left, held.held["INBOX"]) == (False, False, {})


def test_what_was_sent_is_removed_once_it_is_to_stop() -> None:
    stop, held = Event(), FakeImap()
    probe = arrival(held, stop)
    probe.climb("send")
    stop.set()
    for stage in ("find", "remove"):
        probe.climb(stage)
    assert held.held["INBOX"] == {}
    assert not probe.may_be_left
    assert not probe.over.is_set()
    probe.close()
    assert probe.over.is_set()
