"""A connection that is made while the rest of a command is made ready."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import cast

import pytest

from mailctl.cli.ahead import LATELY, ahead, changed_lately
from mailctl.cli.context import Context
from mailctl.domain.gateway import Gateway, Inbound, Login, Mode
from mailctl.domain.mailbox import ImapMailbox
from mailctl.domain.secret import BearerToken, Secret
from mailctl.domain.server import Endpoint, Protocol, Security
from mailctl.errors import AuthError, MailctlError, NetworkError, ProtocolError, SecretError, StoppedError, TlsError
from mailctl.protocols.wire import Wire
from mailctl.sync.job import SyncJob, Task
from mailctl.sync.local.lock import Lock, held


class Box:
    """A mailbox that knows what was done with it."""

    def __init__(self, survey: Callable[[], object] = lambda: None) -> None:
        self._survey = survey
        self.surveyed = self.closed = self.inbox = False

    def survey_ahead(self, *, inbox: bool) -> None:
        self._survey()
        self.surveyed, self.inbox = True, inbox

    def close(self) -> None:
        self.closed = True


class Line:
    """A connection that knows whether it was closed."""

    closed = False

    def close(self) -> None:
        self.closed = True


class World:
    """A context that signs in when it is let, with these outcomes."""

    def __init__(self, *outcomes: Box | Exception) -> None:
        self.outcomes = list(outcomes)
        self.opened = 0
        self.lines: list[Line] = []
        self.used: list[Wire | None] = []
        self.shown: list[str] = []
        self.tokens = False
        self.dialing: Callable[[], Line] = Line
        self.asking: Callable[[], object] = lambda: None
        self.begun, self.let, self.stop = Event(), Event(), Event()
        self.let.set()

    def prepare_imap(self) -> None:
        pass

    def prepare_mailbox(self) -> None:
        pass

    def prepare_dial(self) -> None:
        pass

    def dial(self, job: SyncJob) -> Wire:
        line = self.dialing()
        self.lines.append(line)
        return cast(Wire, line)

    def secret_of(self, job: SyncJob) -> Callable[[str], Secret]:
        def secret(refused: str) -> Secret:
            self.asking()
            return BearerToken("fresh" if refused else "held") if self.tokens else Secret("canary")

        return secret

    def sign_in(self, job: SyncJob, secret: Secret, stop: Event, dialed: Wire | None) -> ImapMailbox:
        self.used.append(dialed)
        self.shown.append(secret.reveal())
        return self.open_imap(job)

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


def test_what_can_wait_is_done_when_the_server_takes_its_time_and_at_the_end_at_the_latest() -> None:
    done: list[str] = []
    for late in (False, True):
        world, wanted = World(Box()), job()
        if late:
            world.let.clear()

        def meanwhile(world: World = world) -> None:
            done.append("meanwhile")
            world.let.set()

        with ahead(world.context, [wanted], meanwhile) as connector:
            if not late:
                connector._thread.join(10)  # type: ignore[attr-defined]  # the server has answered
            connector.open_imap(wanted)
            done.append("connected")
    assert done == ["connected", "meanwhile", "meanwhile", "connected", "meanwhile"], "it does nothing twice by itself"
    with ahead(World().context, [], lambda: done.append("at once")):
        assert done[-1] == "at once"


@pytest.mark.parametrize(
    ("changed", "saved", "lately"),
    [(100.0, 100.0, True), (100.0, 100.0 + LATELY / 2, True), (100.0, 101.0 + LATELY, False), (101.0, 100.0, False)],
)
def test_whether_the_last_run_changed_inbox(tmp_path: Path, changed: float, saved: float, lately: bool) -> None:
    inbound = Inbound(mode=Mode.ARCHIVE)
    wanted = replace(job(), inbound=inbound, root=str(tmp_path / "mail"), state=str(tmp_path / "box.db"))
    assert not changed_lately(wanted), "there was none"
    (tmp_path / "box.db").touch()
    assert not changed_lately(wanted), "INBOX is not taken"
    for name, moment in (("new", 50.0), ("cur", changed)):
        (tmp_path / "mail/INBOX" / name).mkdir(parents=True)
        os.utime(tmp_path / "mail/INBOX" / name, (moment, moment))
    os.utime(tmp_path / "box.db", (saved, saved))
    assert changed_lately(wanted) is lately
    assert not changed_lately(replace(wanted, inbound=Inbound(mode=Mode.MIRROR)))
    for expected, where in ((lately, wanted), (False, job())):
        box = Box()
        with ahead(World(box).context, [where]) as connector:
            connector.open_imap(where)
        assert box.inbox is expected


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


@pytest.mark.parametrize("error", [ProtocolError("no IMAP"), NetworkError("gone", code="connection_lost")])
def test_what_is_wrong_with_inbox_does_not_end_the_sync(error: MailctlError, monkeypatch: pytest.MonkeyPatch) -> None:
    def survey() -> None:
        raise error

    broken, wanted = Box(survey), job()
    for lately in (True, False):
        monkeypatch.setattr("mailctl.cli.ahead.changed_lately", lambda job, lately=lately: lately)
        fresh = Box()
        with ahead(World(broken, fresh).context, [wanted]) as connector:
            if lately:
                assert connector.open_imap(wanted) is cast(object, fresh)
            else:
                with pytest.raises(type(error)):
                    connector.open_imap(wanted)
        assert broken.closed
        assert not fresh.closed


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


def test_the_connection_is_made_while_the_rest_is_loaded() -> None:
    world, wanted, dialed = World(Box()), job(), Event()

    def dial() -> Line:
        dialed.set()
        return Line()

    world.dialing = dial
    world.prepare_imap = lambda: None if dialed.wait(10) else pytest.fail("not dialed")  # type: ignore[method-assign]
    with ahead(world.context, [wanted]) as connector:
        connector.open_imap(wanted)
    assert cast(object, world.used) == world.lines
    assert not world.lines[0].closed


def test_who_waits_for_a_password_connects_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailctl.cli.ahead.PATIENCE", -1.0)
    world, wanted = World(Box()), job()
    with ahead(world.context, [wanted]) as connector:
        connector.open_imap(wanted)
    assert (world.used, [line.closed for line in world.lines]) == ([None], [True])


def test_why_tls_failed_is_found_out_by_the_sign_in() -> None:
    world, wanted = World(Box()), job()

    def refused() -> Line:
        raise TlsError("no", cause="tls_expired")

    world.dialing = refused
    with ahead(world.context, [wanted]) as connector:
        connector.open_imap(wanted)
    assert world.used == [None]


def test_no_second_try_is_made_where_nobody_answers() -> None:
    world, wanted = World(Box()), job()

    def silent() -> Line:
        raise NetworkError("no", cause="tcp_timeout")

    world.dialing = silent
    with ahead(world.context, [wanted]) as connector, pytest.raises(NetworkError):
        connector.open_imap(wanted)
    assert world.opened == 0


def test_without_a_password_the_connection_is_dropped() -> None:
    world, wanted = World(Box()), job()

    def none() -> object:
        raise SecretError("there is none")

    world.asking = none
    with ahead(world.context, [wanted]) as connector, pytest.raises(SecretError):
        connector.open_imap(wanted)
    assert [line.closed for line in world.lines] == [True]


def test_what_fails_while_the_rest_is_loaded_leaves_no_connection() -> None:
    box = Box()
    world = World(box)

    def broken() -> None:
        raise ImportError("mailctl.protocols.imap")

    world.prepare_imap = broken  # type: ignore[method-assign]
    with pytest.raises(ImportError), ahead(world.context, [job()]):
        pass
    for _ in range(1000):
        if world.lines and world.lines[0].closed:
            break
        Event().wait(0.01)
    assert [line.closed for line in world.lines] == [True]
    assert world.opened == 0, "and nobody is asked for a password"


def test_after_ctrl_c_nobody_waits_for_a_connection_that_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailctl.cli.ahead.LOOK_UP", 0.01)
    monkeypatch.setattr("mailctl.cli.ahead.GRACE", 0.05)
    box = Box()
    world, wanted = World(box), job()
    world.let.clear()
    with ahead(world.context, [wanted]) as connector:
        assert world.begun.wait(10)
        world.stop.set()
        thread = connector._thread  # type: ignore[attr-defined]  # what is waited for below
        with pytest.raises(StoppedError):
            connector.open_imap(wanted)
    world.let.set()
    thread.join(10)
    assert box.closed


def test_after_ctrl_c_nobody_is_asked_for_a_password() -> None:
    world, wanted = World(Box()), job()
    world.stop.set()
    with ahead(world.context, [wanted]) as connector, pytest.raises(StoppedError):
        connector.open_imap(wanted)
    assert (world.opened, [line.closed for line in world.lines]) == (0, [True])


def test_F11_a_fresh_token_in_place_of_a_refused_one_goes_over_a_connection_of_its_own() -> None:
    box = Box()
    world, wanted = World(AuthError("no", code="token_refused"), box), job()
    world.tokens = True
    with ahead(world.context, [wanted]) as connector:
        assert connector.open_imap(wanted) is cast(object, box)
    assert world.shown == ["held", "fresh"]
    assert [line is not None for line in world.used] == [True, False]
