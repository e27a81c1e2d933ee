"""Waiting for news: IDLE (RFC 2177) on the open folder, with NOTIFY (RFC 5465) for all folders where it is offered."""

import re
from contextlib import suppress
from time import monotonic

from mailctl.domain.deadline import Deadline
from mailctl.domain.pattern import pattern
from mailctl.errors import MailctlError, NetworkError, ProtocolError, RefusedError
from mailctl.protocols.imap.channel import STRING, Answer, Channel, Response
from mailctl.protocols.imap.connection import Connection
from mailctl.protocols.imap.status import refusal
from mailctl.protocols.imap.tokens import literal_size
from mailctl.protocols.tcp import keep_alive

PATIENCE = 10.0
"""Seconds in which the server must begin, and end, to wait."""
QUIET = 1 << 20
"""Octets that a server may send at once of which none are news."""
ROOM, WORKING_ROOM = 1 << 12, 1 << 18
"""Octets of the receive buffer while waiting, and while working."""
_EVENTS = b"(MessageNew MessageExpunge FlagChange%s)"
_NOTIFY = b"NOTIFY SET (selected %s) (personal %s)" % (
    _EVENTS % b"",
    _EVENTS % b" MailboxName SubscriptionChange",
)
_COUNT = pattern(rb"\* ([0-9]{1,10}) (EXISTS|EXPUNGE|FETCH)\b", re.IGNORECASE)
_NEWS = pattern(rb"\* (VANISHED|STATUS|LIST) ", re.IGNORECASE)


class Waiting(Connection):
    """The part of `mailbox.Mailbox` that waits for news; see `domain.changes.ImapWaiting`."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self._refused: set[str] = set()
        self._idle = b""
        """Tag of the IDLE that is going on."""
        self._notified = False
        self._exists: int | None = None
        """How many messages the open folder has, as far as told: some servers repeat that while nothing happens."""
        self._heard = False
        """Whether there was news that `news` has not told yet."""
        self._told = False

    @property
    def waits(self) -> str:
        """How it can wait: `notify`, `idle`, or "". What the server offered and then refused is not offered."""
        offers = self._channel.offers
        if not offers("IDLE") or "IDLE" in self._refused:
            return ""
        return "notify" if "NOTIFY" in self.capabilities and "NOTIFY" not in self._refused else "idle"

    def begin_waiting(self) -> None:
        """NOTIFY SET (if not refused) and IDLE in one flight, answered within PATIENCE seconds."""
        selected, channel = self._folder(), self._channel
        if not self.waits:
            raise RefusedError("the server tells no news by itself (it lacks IDLE)", code="no_idle")
        commands = ([_NOTIFY] if self.waits == "notify" else []) + [b"IDLE"]
        self._exists, self._told = selected.messages, False
        channel.wire.allowance = 0
        *notify, idle = channel.send_more(*commands, most=QUIET)
        with channel.guarded():
            answers = self._begun({*notify, idle}, idle)
        if notify:
            self._notified = answers[notify[0]].status.ok
            if not self._notified:
                self._refused.add("NOTIFY")
        if idle in answers:
            self._refused.add("IDLE")
            what = "the server refused to wait for news (IDLE)"
            raise RefusedError(what, code="no_idle", server_text=answers[idle].status.raw)
        self._idle = idle
        channel.wire.deadline = Deadline(None)
        channel.wire.resize(ROOM)
        keep_alive(channel.wire.connection)

    def _begun(self, waiting: set[bytes], idle: bytes) -> dict[bytes, Answer]:
        """What answered the commands that begin the waiting: IDLE only if it was refused, with no `+`."""
        channel = self._channel
        channel.wire.deadline = Deadline(PATIENCE)
        answers: dict[bytes, Answer] = {}
        while waiting:
            response = channel.read(STRING)
            if response.tag == b"+" and idle in waiting:
                waiting.remove(idle)
            elif response.tag in waiting:
                waiting.remove(response.tag)
                answers[response.tag] = Answer()
                channel.conclude(response, answers[response.tag])
                if response.tag == idle and answers[idle].status.ok:
                    raise ProtocolError("the server ended the waiting before it began", code="unasked")
            else:
                self._heard = self._is_news(response) or self._heard
        return answers

    def fileno(self) -> int:
        """The socket."""
        return self._channel.wire.fileno()

    def news(self, seconds: float) -> bool:
        """Whether anything changed since the last time it was asked, waiting at most so long; never for half a line."""
        if self._channel.dead:
            raise NetworkError("the connection has ended already", code="closed", cause="connection_lost")
        end = monotonic() + seconds
        with self._channel.guarded():
            self._channel.wire.allowance = QUIET
            while not self._heard:
                if self._whole():
                    self._hear(self._channel.read(STRING))
                    continue
                left = max(0.0, end - monotonic())
                if not self._channel.wire.arrived(left) and left <= 0:
                    return False
        self._heard, self._told = False, True
        return True

    def end_waiting(self) -> None:
        """DONE, and NOTIFY NONE if NOTIFY is on; answered within PATIENCE seconds, or the connection is dropped.

        News that comes meanwhile is told by the next `news`, unless there was some before: then it is known already
        that something changed.
        """
        if not self._idle:
            return
        channel, waiting = self._channel, {self._idle}
        self._idle = b""
        with channel.guarded():
            channel.wire.deadline, channel.wire.allowance = Deadline(PATIENCE), 0
            channel.wire.send(b"DONE\r\n")
        if self._notified:
            waiting.update(channel.send_more(b"NOTIFY NONE", most=QUIET))
            self._notified = False
        with channel.guarded():
            channel.wire.deadline, channel.wire.allowance = Deadline(PATIENCE), QUIET
            while waiting:
                response = channel.read(STRING)
                if response.tag in waiting:
                    waiting.remove(response.tag)
                else:
                    self._heard = self._is_news(response) or self._heard
            channel.wire.resize(WORKING_ROOM)
        self._heard = self._heard and not self._told

    def close(self) -> None:
        """DONE if it waits, and LOGOUT; never raises."""
        if self._idle and not self._channel.dead:
            with suppress(MailctlError), self._channel.guarded():
                self._channel.wire.deadline = Deadline(PATIENCE)
                self._channel.wire.send(b"DONE\r\n")
        super().close()

    def _hear(self, response: Response) -> None:
        if response.tag != b"*" and response.tag != b"+":
            raise NetworkError("the server does not wait any longer", code="idle_ended", cause="connection_lost")
        self._heard = self._is_news(response)

    def _is_news(self, response: Response) -> bool:
        """Whether an untagged response tells that something changed. NetworkError for a BYE."""
        if response.tag == b"+":
            raise ProtocolError("the server asked for more where nothing was going on", code="unasked")
        status = response.status
        if status is not None:
            if status.kind == "BYE":
                raise refusal(status, "waiting for news")
            if status.code == "NOTIFICATIONOVERFLOW":  # it was too much: from now on nothing of other folders is told
                self._refused.add("NOTIFY")
                self._notified = False
                return True
            return False
        found = _COUNT.match(response.line)
        if found is None:
            return _NEWS.match(response.line) is not None
        if found[2].upper() == b"EXISTS":
            before, self._exists = self._exists, int(found[1])
            self._channel.exists = max(self._channel.exists, self._exists)
            return before != self._exists
        if found[2].upper() == b"EXPUNGE" and self._exists:
            self._exists -= 1
        return True

    def _whole(self) -> bool:
        """Whether a response lies whole in the buffer, so that reading it waits for nothing."""
        wire = self._channel.wire
        start = wire.lo
        while (end := wire.find(b"\n", start)) >= 0:
            octets = literal_size(bytes(wire.view[start:end]).rstrip(b"\r"), STRING)
            if octets is None:
                return True
            start = end + 1 + octets
            if start > wire.hi:
                break
        if wire.hi - wire.lo > 2 * STRING:
            raise ProtocolError("the server sent a response without end", code="response_too_long")
        return False
