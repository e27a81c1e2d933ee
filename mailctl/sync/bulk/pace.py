"""Whether a connection is so slow that compressing it helps (COMPRESS=DEFLATE, RFC 4978): measured, then decided once.

Compressing costs the server more than us: where the line is fast, it makes everything slower. What says so is a line
that brings little while this process has nothing to do.
"""

from time import monotonic, process_time

from mailctl.domain.mailbox import ImapMailbox
from mailctl.domain.server import Endpoint, is_local

SLOW = 8e6
"""Octets a second below which a line is slow."""
IDLE = 0.5
"""The part of the time that this process may work, at most, for the line to be what holds it up."""
ENOUGH_OCTETS, ENOUGH_SECONDS = 1_000_000, 0.5
LONG, IDLE_ALL_ALONG = 1.0, 0.25
"""Seconds after which it is known whether the line is what is slow, and the part of them that this process may work:
where the processors are what is slow, they are shared with a worker, and with the server if it is on this machine."""
PROBE = 50
"""Messages that are asked for at first, until there is enough to judge by."""


def worth_compressing(octets: int, seconds: float, busy: float) -> bool | None:
    """Whether compressing helps, by what came in some time, of which this process worked `busy` seconds; None: too
    little to judge by. Pure."""
    if octets < ENOUGH_OCTETS and seconds < 4 * ENOUGH_SECONDS:
        return None
    if octets >= SLOW * seconds or busy > IDLE * seconds:
        return False
    return True if seconds >= ENOUGH_SECONDS else None


class Pace:
    """Of one connection. Counts only the time between `go` and `halt`: neither the disk's nor the state's."""

    def __init__(self, mailbox: ImapMailbox, endpoint: Endpoint) -> None:
        self.mailbox = mailbox
        self.open = "COMPRESS=DEFLATE" in mailbox.capabilities and not is_local(endpoint.host)
        """Whether it is still to be decided."""
        self._octets = 0
        self._seconds = self._busy = 0.0
        self._began: tuple[float, float] | None = None

    def go(self) -> None:
        """From here on it is the line's time."""
        self._began = (monotonic(), process_time())

    def halt(self) -> None:
        """From here on it isn't."""
        if self._began is not None:
            self._seconds += monotonic() - self._began[0]
            self._busy += process_time() - self._began[1]
            self._began = None

    def count(self, octets: int) -> None:
        """Octets came."""
        self._octets += octets

    @property
    def waits(self) -> bool:
        """Whether it is known that this process has nothing to do most of the time: the line, or the server, has."""
        return self._seconds >= LONG and self._busy <= IDLE_ALL_ALONG * self._seconds

    def decide(self) -> None:
        """Between two commands: compress from here on, if that is worth it."""
        if not self.open:
            return
        worth = worth_compressing(self._octets, self._seconds, self._busy)
        self.open = worth is None
        if worth:
            self.mailbox.compress()
