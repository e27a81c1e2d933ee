"""A connection that is made while the rest of a command is made ready."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import cast

import pytest

from mailctl.cli.ahead import ahead
from mailctl.cli.context import Context
from mailctl.domain.gateway import Gateway, Inbound, Login
from mailctl.domain.mailbox import ImapMailbox
from mailctl.domain.server import Endpoint, Protocol, Security
from mailctl.errors import AuthError, NetworkError
from mailctl.sync.job import SyncJob, Task
from mailctl.sync.local.lock import Lock, held


class Box:
    """A mailbox that knows what was done with it."""

    def __init__(self, survey: Callable[[], object] = lambda: None) -> None:
        self._survey = survey
        self.surveyed = self.closed = False

    def survey_ahead(self) -> None:
        self._survey()
        self.surveyed = True

    def close(self) -> None:
        self.closed = True


class World:
    """A context that signs in when it is let, with these outcomes."""

    def __init__(self, *outcomes: Box | Exception) -> None:
        self.outcomes = list(outcomes)
        self.opened = 0
        self.begun, self.let = Event(), Event()
        self.let.set()

    def prepare_imap(self) -> None:
        pass

    def prepare_reading(self) -> None:
        pass

    def open_imap(self, job: SyncJob) -> ImapMailbox:
        self.opened += 1
        self.begun.set()
        assert self.let.wait(10)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return cast(ImapMailbox, outcome)

    @property
    def context(self) -> Context:
        return cast(Context, self)


def job(protocol: Protocol = Protocol.IMAP, task: Task = Task.SYNC) -> SyncJob:
    endpoint = Endpoint("mail.example", 993, Security.TLS)
    return SyncJob(
        Gateway("box", server="s", email="me@mail.example", login=Login("me")),
        protocol,
        endpoint,
        Inbound(),
        "/r",
        "/s",
        task=task,
    )


def test_the_first_connection_is_made_before_it_is_asked_for_and_later_ones_as_usual() -> None:
    first, second = Box(), Box()
    world, wanted = World(first, second), job()
    with ahead(world.context, [wanted]) as connector:
        assert world.begun.wait(10)
        assert connector.open_imap(wanted) is cast(object, first)
        assert connector.open_imap(wanted) is cast(object, second)
    assert (first.surveyed, first.closed, second.surveyed, second.closed) == (True, False, False, False)


def test_what_went_wrong_is_raised_where_the_connection_is_asked_for() -> None:
    wanted = job()
    with ahead(World(AuthError("no")).context, [wanted]) as connector, pytest.raises(AuthError):
        connector.open_imap(wanted)


def test_a_connection_that_nobody_asked_for_is_dropped_also_if_it_comes_late() -> None:
    for late in (False, True):
        box = Box()
        world = World(box)
        if late:
            world.let.clear()
        with ahead(world.context, [job()]) as connector:
            assert world.begun.wait(10)
            thread = connector._thread  # type: ignore[attr-defined]  # what is waited for below
            if not late:
                thread.join(10)
        world.let.set()
        thread.join(10)
        assert box.closed


def test_a_connection_in_use_is_dropped_by_who_uses_it() -> None:
    begun, let = Event(), Event()

    def survey() -> None:
        begun.set()
        assert let.wait(10)

    box = Box(survey)
    with ahead(World(box).context, [job()]) as connector:
        assert begun.wait(10)
        thread = connector._thread  # type: ignore[attr-defined]  # what is waited for below
    assert not box.closed, "two threads would talk to the server at a time"
    let.set()
    thread.join(10)
    assert box.closed


def test_a_connection_that_broke_in_the_survey_is_dropped() -> None:
    def survey() -> None:
        raise NetworkError("broken", code="connection_lost")

    box, wanted = Box(survey), job()
    with ahead(World(box).context, [wanted]) as connector, pytest.raises(NetworkError):
        connector.open_imap(wanted)
    assert box.closed


def test_nothing_is_done_ahead_while_another_run_has_the_gateway(tmp_path: Path) -> None:
    wanted, world = replace(job(), state=str(tmp_path / "box.db")), World(Box())
    with Lock(tmp_path / "box.lock", "box", lambda: "another"), ahead(world.context, [wanted]) as connector:
        assert connector is cast(object, world)
    assert world.opened == 0
    with ahead(world.context, [wanted]) as connector:
        assert connector.open_imap(wanted) is not None
        with Lock(tmp_path / "box.lock", "box", lambda: "it"):
            assert held(tmp_path / "box.lock")
    assert not held(tmp_path / "box.lock")


@pytest.mark.parametrize(
    "jobs", [[], [job(), job()], [job(Protocol.POP3)], [job(task=Task.VERIFY)]], ids=["none", "two", "pop3", "verify"]
)
def test_nothing_is_done_ahead_where_it_may_be_in_vain(jobs: list[SyncJob]) -> None:
    world = World()
    with ahead(world.context, jobs) as connector:
        assert connector is cast(object, world)
    assert world.opened == 0
