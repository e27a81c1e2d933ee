"""How long one waits on a socket: as long as one may, and not for long when the user wants an end."""

import socket
from collections.abc import Callable
from threading import Event
from time import monotonic

from mailctl.errors import StoppedError

LOOK_UP = 1.0
"""Seconds between two looks, while nothing comes, for whether the user wants an end."""
GRACE = 5.0
"""Seconds that the step in hand has from then on."""


class Waits:
    """The timeouts of `connection`, which nobody else sets; `forget` if somebody did.

    stop: set when the user wants an end; None: nobody can want that.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.stop: Event | None = None
        self._stopped = 0.0
        """When it was first seen to be set."""
        self._limit: float | None = -1.0
        """Seconds that a wait of the socket may take, as it was told last."""

    def forget(self, connection: socket.socket) -> None:
        """It is `connection` from here on, whatever its timeout is."""
        self._connection, self._limit = connection, -1.0

    def set(self, seconds: float | None) -> None:
        """The next call may take so long; None: for ever."""
        if seconds != self._limit:  # which is a system call
            self._connection.settimeout(seconds)
            self._limit = seconds

    def receive(self, into: Callable[[memoryview], int], view: memoryview, seconds: float | None) -> int:
        """What `into` receives into `view`, within so many seconds.

        Raises TimeoutError, and StoppedError if the user wants an end and has waited GRACE seconds for it.
        """
        if self.stop is None:
            self.set(seconds)
            return into(view)
        end = None if seconds is None else monotonic() + seconds
        while True:
            self._heed(self.stop)
            limit = LOOK_UP if seconds is None else min(LOOK_UP, seconds)
            self.set(limit)
            try:
                return into(view)
            except TimeoutError as error:
                if limit == seconds or error.errno is not None:  # the system's own: the connection is dead
                    raise
                seconds = None if end is None else max(end - monotonic(), 0.001)

    def sendall(self, octets: bytes) -> None:
        """Send all of `octets` within the seconds that were `set`.

        Raises OSError, TimeoutError among them; StoppedError if the user wants an end and has waited GRACE seconds.
        """
        seconds = self._limit
        if self.stop is None or (seconds is not None and seconds <= 0):
            self._connection.sendall(octets)
            return
        end = None if seconds is None else monotonic() + seconds
        left = memoryview(octets)
        try:
            while left:
                self.set(LOOK_UP if end is None else max(min(LOOK_UP, end - monotonic()), 0.001))
                try:
                    left = left[self._connection.send(left) :]
                except TimeoutError as error:
                    if error.errno is not None or (end is not None and monotonic() > end):
                        raise
                    self._heed(self.stop)
        finally:
            self.set(seconds)

    def _heed(self, stop: Event) -> None:
        if stop.is_set():
            self._stopped = self._stopped or monotonic()
            if monotonic() - self._stopped > GRACE:
                raise StoppedError("interrupted; the server's answer was not waited for")
