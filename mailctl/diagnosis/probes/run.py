"""Probes carried out: the mailbox opened, the message sent once, looked for, and removed.

The climb around it all is that of the mailbox, by the ladder of checks; sending is a climb of its own within it, so
that each failure gets its verdict from what was said where it happened.
"""

from collections.abc import Callable, Mapping, Sequence
from threading import Event
from time import monotonic

from mailctl.diagnosis.batch import run_checks
from mailctl.diagnosis.knowledge import Knowledge
from mailctl.diagnosis.ladder import SecretResolver, run_check
from mailctl.diagnosis.probes.arrival import Arrival
from mailctl.diagnosis.probes.report import probe_report
from mailctl.domain.check import CheckJob, CheckReport, Session
from mailctl.domain.deadline import Deadline
from mailctl.domain.probe import (
    Incoming,
    Lines,
    OpenOutgoing,
    Outgoing,
    ProbeJob,
    ProbeReport,
    ProbeTools,
)
from mailctl.domain.secret import Secret
from mailctl.domain.server import Protocol
from mailctl.errors import MailctlError, StoppedError

REMOVAL = 15.0
"""Seconds for taking the message out again, at most."""
LEAVING = 3.0
"""Seconds for that after an interruption."""
ONCE = 0.3
"""Seconds within which a second signal is the first one still: `timeout` sends it to the process and to its group."""
_NAMED = 5


def run_probes(
    jobs: Sequence[ProbeJob],
    tools: ProbeTools,
    secret: SecretResolver,
    knowledge: Callable[[], Knowledge],
    parallel: int = 8,
    on_report: Callable[[ProbeReport], None] | None = None,
) -> list[ProbeReport]:
    """Carry out `jobs`, at most `parallel` at a time, and return their reports in the order of `jobs`.

    As `run_checks` does: a hard deadline for each, on_report called in this thread. On KeyboardInterrupt nothing more
    is sent, what was sent is removed if that can be done within LEAVING seconds, and StoppedError tells of what may be
    left; a second KeyboardInterrupt leaves it at that.
    """
    stop = Event()
    probes = {(job.inbound.gateway, job.inbound.address): job for job in jobs}
    arrivals: dict[tuple[str, str], Arrival] = {}

    def open_arrival(job: CheckJob, secret_in: Secret, deadline: Deadline) -> tuple[Session, Lines]:
        key = (job.gateway, job.address)

        def send(may_send: Callable[[], None]) -> tuple[CheckReport, bool, float]:
            return _send(probes[key], tools.open_outgoing, secret, knowledge, may_send)

        def reopen() -> Incoming:
            session, its_lines = tools.open_incoming(job, secret_in, deadline)
            spoken.append(its_lines)
            return session

        def judge(error: MailctlError) -> CheckReport:
            return _refused(probes[key], secret_in, error, knowledge)

        incoming, lines = tools.open_incoming(job, secret_in, deadline)
        spoken: list[Lines] = [lines]
        arrivals[key] = Arrival(probes[key], incoming, reopen, send, judge, stop)
        return arrivals[key], lambda: [line for lines in spoken for line in lines()]

    def report(check: CheckReport) -> ProbeReport:
        key = (check.gateway, check.address)
        arrival = arrivals.get(key)
        if arrival is None:
            return probe_report(probes[key], None, check, handed_over=False, found=None, delay=None, left=None)
        return probe_report(
            probes[key],
            arrival.sending,
            check,
            returned=arrival.returned,
            handed_over=arrival.handed_over,
            found=arrival.found,
            delay=arrival.delay,
            left=arrival.left,
            times=arrival.times,
        )

    whole = [_whole(job) for job in probes.values()]
    told = (lambda check: on_report(report(check))) if on_report else None
    try:
        return [report(check) for check in run_checks(whole, open_arrival, secret, knowledge, parallel, told)]
    except KeyboardInterrupt:
        _let_end(stop, arrivals)
        sent = [(probes[key], arrival) for key, arrival in list(arrivals.items()) if arrival.begun]
        raise _stopped(sent) from None


def _let_end(stop: Event, arrivals: Mapping[tuple[str, str], Arrival]) -> None:
    """Have all come to their end, and wait for it: LEAVING seconds at most, or till the next KeyboardInterrupt."""
    began = monotonic()
    while True:
        try:
            stop.set()
            for arrival in [each for each in list(arrivals.values()) if each.begun]:
                arrival.over.wait(max(0.0, began + LEAVING - monotonic()))
        except KeyboardInterrupt:
            if monotonic() - began > ONCE:
                return
        else:
            return


def _stopped(sent: Sequence[tuple[ProbeJob, Arrival]]) -> StoppedError:
    """What an interruption leaves behind."""
    left = [job for job, arrival in sent if arrival.may_be_left]
    if not left:
        return StoppedError("interrupted" + ("; what was sent is removed again" if sent else ""))
    places = [f"`{job.message.subject}` to {job.inbound.address}" for job in left[:_NAMED]]
    more = [f"{len(left) - _NAMED} more"] if len(left) > _NAMED else []
    return StoppedError(
        f"interrupted; what was sent may still arrive, or be left there: {', '.join([*places, *more])}",
        hint="A message of that subject can be deleted.",
    )


def _whole(job: ProbeJob) -> CheckJob:
    """The check around the probe: it may take as long as all of its parts."""
    from dataclasses import replace

    seconds = job.inbound.timeout + job.outbound.timeout + job.patience + min(REMOVAL, max(LEAVING, job.patience))
    return replace(job.inbound, timeout=seconds)


def _send(
    job: ProbeJob,
    open_outgoing: OpenOutgoing,
    secret: SecretResolver,
    knowledge: Callable[[], Knowledge],
    may_send: Callable[[], None],
) -> tuple[CheckReport, bool, float]:
    """See `arrival.Submit`."""
    opened: list[_Asking] = []

    def open_session(check: CheckJob, secret_out: Secret, deadline: Deadline) -> tuple[Session, Lines]:
        session, lines = open_outgoing(check, secret_out, deadline, job.message)
        opened.append(_Asking(session, may_send))
        return opened[-1], lines

    report = run_check(job.outbound, open_session, secret, knowledge)
    at = next((session.answered for session in opened if session.answered), None)
    return report, any(session.outgoing.handed_over for session in opened), at or monotonic()


def _refused(job: ProbeJob, secret: Secret, error: MailctlError, knowledge: Callable[[], Knowledge]) -> CheckReport:
    """The verdict on a refusal that came back by mail: that of SMTP, as if the server had given it at once."""
    return run_check(job.outbound, lambda *_: (_Refusal(error), tuple), lambda _: secret, knowledge)


class _Asking:
    """A `domain.check.Session`: `outgoing`, which asks before it sends the message itself.

    answered: when the server had taken it, in monotonic seconds.
    """

    protocol = Protocol.SMTP

    def __init__(self, outgoing: Outgoing, may_send: Callable[[], None]) -> None:
        self.stages, self.late, self.close = outgoing.stages, outgoing.late, outgoing.close
        self.outgoing, self._may_send = outgoing, may_send
        self.answered: float | None = None

    def climb(self, stage: str) -> Mapping[str, object]:
        """See `domain.check.Session`."""
        if stage == "data":
            self._may_send()
        learned = self.outgoing.climb(stage)
        if stage == "data":
            self.answered = monotonic()
        return learned


class _Refusal:
    """A `domain.check.Session` that is refused once the message was sent."""

    protocol = Protocol.SMTP
    stages: tuple[str, ...] = ("data",)

    def __init__(self, error: MailctlError) -> None:
        self._error = error

    def climb(self, stage: str) -> Mapping[str, object]:
        """See `domain.check.Session`."""
        raise self._error

    def late(self) -> Mapping[str, Mapping[str, object]]:
        """See `domain.check.Session`."""
        return {}

    def close(self) -> None:
        """See `domain.check.Session`."""
