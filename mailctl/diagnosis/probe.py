"""Probes carried out: the mailbox opened, the message sent once, looked for, and removed.

The climb around it all is that of the mailbox, by the ladder of checks; sending is a climb of its own within it, so
that each failure gets its verdict from what was said where it happened.
"""

from collections.abc import Callable, Mapping, Sequence
from time import monotonic, sleep
from typing import cast

from mailctl.diagnosis.batch import run_checks
from mailctl.diagnosis.knowledge import Knowledge
from mailctl.diagnosis.ladder import SecretResolver, run_check
from mailctl.diagnosis.probe_look import Bounce, Found, ImapLooker, Looker, PopLooker
from mailctl.diagnosis.probe_report import probe_report
from mailctl.domain.check import CheckJob, CheckReport, Session
from mailctl.domain.deadline import Deadline
from mailctl.domain.probe import (
    Incoming,
    Lines,
    OpenOutgoing,
    Outgoing,
    ProbeJob,
    ProbeMailbox,
    ProbePopMailbox,
    ProbeReport,
    ProbeTools,
)
from mailctl.domain.secret import Secret
from mailctl.domain.server import Protocol
from mailctl.errors import MailctlError, NetworkError, RefusedError

REMOVAL = 15.0
"""Seconds for taking the message out again."""
THOROUGH = 5
"""Of so many looks one is thorough, and the last one."""


def run_probes(
    jobs: Sequence[ProbeJob],
    tools: ProbeTools,
    secret: SecretResolver,
    knowledge: Callable[[], Knowledge],
    parallel: int = 8,
    on_report: Callable[[ProbeReport], None] | None = None,
) -> list[ProbeReport]:
    """Carry out `jobs`, at most `parallel` at a time, and return their reports in the order of `jobs`.

    As `run_checks` does: a hard deadline for each, on_report called in this thread, KeyboardInterrupt passes at once.
    """
    probes = {(job.inbound.gateway, job.inbound.address): job for job in jobs}
    arrivals: dict[tuple[str, str], Arrival] = {}

    def open_arrival(job: CheckJob, secret_in: Secret, deadline: Deadline) -> tuple[Session, Lines]:
        key = (job.gateway, job.address)

        def send() -> tuple[CheckReport, bool]:
            return _send(probes[key], tools.open_outgoing, secret, knowledge)

        def reopen() -> Incoming:
            return tools.open_incoming(job, secret_in, deadline)[0]

        def judge(error: MailctlError) -> CheckReport:
            return _refused(probes[key], secret_in, error, knowledge)

        incoming, lines = tools.open_incoming(job, secret_in, deadline)
        arrivals[key] = Arrival(probes[key], incoming, reopen, send, judge)
        return arrivals[key], lines

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
        )

    whole = [_whole(job) for job in probes.values()]
    told = (lambda check: on_report(report(check))) if on_report else None
    return [report(check) for check in run_checks(whole, open_arrival, secret, knowledge, parallel, told)]


def _whole(job: ProbeJob) -> CheckJob:
    """The check around the probe: it may take as long as all of its parts."""
    from dataclasses import replace

    seconds = job.inbound.timeout + job.outbound.timeout + job.patience + REMOVAL
    return replace(job.inbound, timeout=seconds)


def _send(
    job: ProbeJob, open_outgoing: OpenOutgoing, secret: SecretResolver, knowledge: Callable[[], Knowledge]
) -> tuple[CheckReport, bool]:
    """Send the message, once → the report on that, and whether the whole message left."""
    opened: list[Outgoing] = []

    def open_session(check: CheckJob, secret_out: Secret, deadline: Deadline) -> tuple[Session, Lines]:
        session, lines = open_outgoing(check, secret_out, deadline, job.message)
        opened.append(session)
        return session, lines

    report = run_check(job.outbound, open_session, secret, knowledge)
    return report, any(session.handed_over for session in opened)


def _refused(job: ProbeJob, secret: Secret, error: MailctlError, knowledge: Callable[[], Knowledge]) -> CheckReport:
    """The verdict on a refusal that came back by mail: that of SMTP, as if the server had given it at once."""
    return run_check(job.outbound, lambda *_: (_Refusal(error), tuple), lambda _: secret, knowledge)


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


class Arrival:
    """A `domain.check.Session`: the mailbox up to sign-in, then send, find and remove.

    sending: the report on sending, once that was tried. found: the message. delay: seconds until it was found. left:
    where something of it is left, "" if nothing is, None as long as its removal was not tried. returned: the
    verdict on a refusal that came back by mail.
    """

    def __init__(
        self,
        job: ProbeJob,
        session: Incoming,
        reopen: Callable[[], Incoming],
        send: Callable[[], tuple[CheckReport, bool]],
        judge: Callable[[MailctlError], CheckReport],
        clock: Callable[[], float] = monotonic,
        wait: Callable[[float], None] = sleep,
    ) -> None:
        self.protocol = session.protocol
        entry = session.stages[: session.stages.index("authenticate") + 1]
        self.stages: tuple[str, ...] = (*entry, "send", "find", "remove")
        self.sending: CheckReport | None = None
        self.handed_over = False
        self.found: Found | None = None
        self.delay: float | None = None
        self.left: str | None = None
        self.returned: CheckReport | None = None
        self._job, self._session, self._reopen, self._submit, self._judge = job, session, reopen, send, judge
        self._clock, self._wait = clock, wait
        self._looker: Looker | None = None
        self._others: list[Incoming] = []
        self._sent_at = 0.0

    def climb(self, stage: str) -> Mapping[str, object]:
        """See `domain.check.Session`."""
        own: dict[str, Callable[[], Mapping[str, object]]] = {
            "send": self._send,
            "find": self._find,
            "remove": self._remove,
        }
        return own[stage]() if stage in own else self._session.climb(stage)

    def late(self) -> Mapping[str, Mapping[str, object]]:
        """See `domain.check.Session`."""
        return self._session.late()

    def close(self) -> None:
        """Let go of every connection; never raises."""
        if self._looker is not None:
            self._looker.close()
        for session in (self._session, *self._others):
            session.close()

    @property
    def looker(self) -> Looker:
        """Looks into the mailbox; there is one from "send" on."""
        assert self._looker is not None, "climbed out of order"  # noqa: S101
        return self._looker

    def _send(self) -> Mapping[str, object]:
        """Remember what is in the mailbox, then send. A message that may have been taken is looked for all the same."""
        mailbox, message_id = self._session.mailbox(), self._job.message.message_id
        if self.protocol is Protocol.IMAP:
            self._looker = ImapLooker(cast(ProbeMailbox, mailbox), message_id)
        else:
            self._looker = PopLooker(cast(ProbePopMailbox, mailbox), self._again, message_id)
        self._looker.begin()
        self.sending, self.handed_over = self._submit()
        self._sent_at = self._clock()
        if not self.sending.ok and not self.handed_over:
            raise RefusedError(self.sending.message)  # the report has the verdict on it
        return {}

    def _again(self) -> ProbePopMailbox:
        """A new POP3 session, signed in."""
        session = self._reopen()
        self._others.append(session)
        for stage in session.stages[: session.stages.index("authenticate") + 1]:
            session.climb(stage)
        return cast(ProbePopMailbox, session.mailbox())

    def _find(self) -> Mapping[str, object]:
        looks, patience = 0, self._job.patience
        while True:
            left = self._sent_at + patience - self._clock()
            self._wait(max(0.0, min(self.looker.pause(looks), left)))
            last = self._clock() - self._sent_at >= patience
            found = self.looker.look(thorough=last or looks % THOROUGH == THOROUGH - 1)
            if isinstance(found, Bounce):
                error = RefusedError(
                    "the message came back, with a report that stays in the mailbox", server_text=found.text
                )
                self.returned = self._judge(error)
                raise error
            if found:
                self.found, self.delay = found, self._clock() - self._sent_at
                return {"folder": found.folder, "looks": looks + 1}
            if last and self.looker.full(len(self._job.message.data)):
                raise RefusedError("the message did not arrive, and the mailbox has no room for it", cause="quota_full")
            if last:
                raise NetworkError(
                    f"the message did not arrive within {patience:g} s", code="not_arrived", cause="not_arrived"
                )
            looks += 1

    def _remove(self) -> Mapping[str, object]:
        """It has arrived, so whatever goes wrong here is told and fails nothing."""
        assert self.found is not None, "climbed out of order"  # noqa: S101
        try:
            self.left = self.looker.remove(self.found)
        except MailctlError as error:
            self.left = f"{self.found.folder or 'the mailbox'}: {error.message}"
        return {"removed": not self.left} | ({"left": self.left} if self.left else {})
