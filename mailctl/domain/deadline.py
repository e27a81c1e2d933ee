"""One deadline for the whole of a piece of work: every wait asks it how long it may still take."""

from collections.abc import Callable
from time import monotonic

from mailctl.errors import NetworkError


class Deadline:
    """Ends `seconds` after it was made; None never ends.

    clock: gives seconds on a monotonic scale.
    """

    __slots__ = ("_clock", "_end", "seconds")

    def __init__(self, seconds: float | None, clock: Callable[[], float] = monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._end = None if seconds is None else clock() + seconds

    def remaining(self, most: float | None = None) -> float | None:
        """Seconds left, at most `most`; None for no bound. NetworkError (tcp_timeout) when none are left."""
        if self._end is None:
            return most
        left = self._end - self._clock()
        if left <= 0:
            raise NetworkError(f"no answer within {self.seconds:g} s", code="timeout", cause="tcp_timeout")
        return left if most is None else min(left, most)
