"""One watch for a gateway: a lock for each, held as long as the watch has it."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mailctl.errors import LockedError
from mailctl.sync.local.lock import Lock


class WatchLocks:
    """The locks of one process, in `folder`. who: what a second watch is told ("process 12 on host h, since …")."""

    def __init__(self, folder: Path, who: Callable[[], str]) -> None:
        self._folder, self._who = folder, who
        self._held: dict[str, Lock] = {}

    def take(self, gateway: str) -> None:
        """Take a gateway's; LockedError (code watched) if another process watches it."""
        lock = Lock(self._path(gateway), gateway, self._who)
        try:
            self._held[gateway] = lock.__enter__()
        except LockedError as error:
            holder = error.message.partition(" is in use by ")[2]
            raise LockedError(
                f"{gateway} is being watched already, by {holder}",
                hint="`mailctl status` shows what it does. End it first, or disable the gateway and send it SIGHUP.",
                code="watched",
            ) from error

    def take_all(self, gateways: Iterable[str]) -> None:
        """Take all of them, or none."""
        try:
            for gateway in gateways:
                self.take(gateway)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def keep_out(self, gateway: str) -> Iterator[None]:
        """Keep watches away from a gateway meanwhile; LockedError (code watched) if one has it."""
        if not self._folder.is_dir():  # nothing was ever watched
            yield
            return
        self.take(gateway)
        try:
            yield
        finally:
            self.release(gateway)

    def release(self, gateway: str) -> None:
        """Give one back; nothing happens if it isn't held."""
        lock = self._held.pop(gateway, None)
        if lock is not None:
            with suppress(OSError):  # an empty file that stays does no harm
                os.unlink(self._path(gateway))
            lock.__exit__()

    def close(self) -> None:
        """Give all of them back."""
        for gateway in list(self._held):
            self.release(gateway)

    def _path(self, gateway: str) -> Path:
        return self._folder / f"{gateway}.lock"
