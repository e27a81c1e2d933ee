"""A probe's way into the mailbox: signed in, the message sent, looked for, and removed, stage by stage."""

from collections.abc import Callable, Mapping
from threading import Event
from time import monotonic, sleep
from typing import cast

from mailctl.diagnosis.probes.look import Bounce, Found, ImapLooker, Looker, PopLooker
from mailctl.domain.check import CheckReport
from mailctl.domain.probe import Incoming, ProbeJob, ProbeMailbox, ProbePopMailbox
from mailctl.domain.server import Protocol
from mailctl.errors import MailctlError, NetworkError, RefusedError, StoppedError

THOROUGH = 5
"""Of so many looks one is thorough, and the last one."""
LOST = 3
"""Looks that may fail, by a lost connection or a refusal, before the probe does."""
LAST_LOOKS = ((0.0, False), (0.5, False), (0.5, True))
"""The looks after an interruption: seconds to wait before, and whether it is thorough."""

Submit = Callable[[Callable[[], None]], tuple[CheckReport, bool, float]]
"""Sends the message, once → the report on that, whether the whole message left, and when, in monotonic seconds.

It calls what it is given just before the message itself is sent, and sends none if that raises.
"""


class Arrival:
    """A `domain.check.Session`: the mailbox up to sign-in, then send, find and remove.

    sending: the report on sending, once that was tried. begun: whether the message itself began to be sent. found: the
    message. delay: seconds until it was found. left: where something of it is left, "" if nothing is, None as long as
    its removal was not tried. times: how often it had arrived. returned: the verdict on a refusal that came back by
    mail. over: set when all has ended. stop: once that is set nothing is sent any more, and what was sent is looked for
    shortly and removed.
    """

    def __init__(
        self,
        job: ProbeJob,
        session: Incoming,
        reopen: Callable[[], Incoming],
        send: Submit,
        judge: Callable[[MailctlError], CheckReport],
        stop: Event,
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
        self.begun = False
        self.times = 0
        self.over = Event()
        self._job, self._session, self._reopen, self._submit, self._judge = job, session, reopen, send, judge
        self._stop = stop
        self._looker: Looker | None = None
        self._others: list[Incoming] = []
        self._sent_at = 0.0
        self._lost = 0
        self._cut = False

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
        self.over.set()

    @property
    def may_be_left(self) -> bool:
        """Whether the message, or something of it, may be in the mailbox, now or later."""
        refused = self.sending is not None and not self.sending.ok and not self.handed_over
        return self.begun and not refused and self.left != "" and self.returned is None

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
            again = cast(Callable[[], ProbePopMailbox], self._again)
            self._looker = PopLooker(cast(ProbePopMailbox, mailbox), again, message_id)
        self._looker.begin()
        self.sending, self.handed_over, self._sent_at = self._submit(self._may_send)
        if not self.sending.ok and not self.handed_over:
            raise RefusedError(self.sending.message)  # the report has the verdict on it
        return {}

    def _may_send(self) -> None:
        self.begun = True  # before the look at `stop`: who sets that looks here next
        if self._stop.is_set():
            self.begun = False
            raise StoppedError("interrupted before the message was sent")

    def _again(self) -> ProbeMailbox | ProbePopMailbox:
        """A new session, signed in."""
        session = self._reopen()
        self._others.append(session)
        for stage in session.stages[: session.stages.index("authenticate") + 1]:
            session.climb(stage)
        return session.mailbox()

    def _find(self) -> Mapping[str, object]:
        looks, patience = 0, self._job.patience
        while True:
            left = self._sent_at + patience - monotonic()
            if self._stop.wait(max(0.0, min(self.looker.pause(looks), left))):
                return self._find_before_going()
            last = monotonic() - self._sent_at >= patience
            found = self._look(thorough=last or looks % THOROUGH == THOROUGH - 1, last=last)
            if isinstance(found, Bounce):
                error = RefusedError(
                    "the message came back, with a report that stays in the mailbox", server_text=found.text
                )
                self.returned = self._judge(error)
                raise error
            if found:
                lost = {"looks_failed": self._lost} if self._lost else {}
                return self._keep(found) | {"looks": looks + 1} | lost
            if last and self.looker.full(len(self._job.message.data)):
                raise RefusedError("the message did not arrive, and the mailbox has no room for it", cause="quota_full")
            if last:
                raise NetworkError(
                    f"the message `{self._job.message.subject}` did not arrive within {patience:g} s",
                    code="not_arrived",
                    cause="not_arrived",
                )
            looks += 1

    def _keep(self, found: Found) -> dict[str, object]:
        self.found, self.delay = found, monotonic() - self._sent_at
        return {"folder": found.folder}

    def _look(self, *, thorough: bool, last: bool) -> Found | Bounce | None:
        """A look. A lost connection to an IMAP server is made anew, and what it refuses asked again: LOST times."""
        try:
            if self._cut:
                self.looker.resume(self._again())
                self._cut = False
            return self.looker.look(thorough=thorough, last=last)
        except (NetworkError, RefusedError) as error:
            if last or self.protocol is not Protocol.IMAP or self._lost >= LOST:
                raise
            self._lost, self._cut = self._lost + 1, isinstance(error, NetworkError)
            return None

    def _find_before_going(self) -> Mapping[str, object]:
        for pause, thorough in LAST_LOOKS:
            sleep(pause)
            found = self.looker.look(thorough=thorough, last=thorough)
            if isinstance(found, Found):
                return self._keep(found)
        raise StoppedError("interrupted before the message had arrived")

    def _remove(self) -> Mapping[str, object]:
        """It has arrived, so whatever goes wrong here is told and fails nothing."""
        assert self.found is not None, "climbed out of order"  # noqa: S101
        try:
            try:
                self.left = self.looker.remove(self.found)
            except NetworkError:
                if self.protocol is not Protocol.IMAP or self._lost >= LOST:
                    raise
                self.looker.resume(self._again())
                self.left = self.looker.remove(self.found)
        except MailctlError as error:
            self.left = f"{self.found.folder or 'the mailbox'}: {error.message}"
        self.times = self.looker.times
        return {"removed": not self.left} | ({"left": self.left} if self.left else {})
