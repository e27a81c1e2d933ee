"""Whether something changed in a Maildir, by the times of its directories: a look that can be afforded often."""

import os
from collections.abc import Callable, Mapping
from threading import Event, Thread
from time import monotonic

LOOK = 5.0
"""Seconds between two looks."""
SHARE = 50
"""A look that took long is followed by so many times its duration of rest."""
_PARTS = ("cur", "new", "tmp")

Times = Mapping[str, object]
"""By path: of `cur` and `new` the modification time in ns, of what holds folders their names."""


def directory_times(root: str) -> Times:
    """Of the root, its folders, and their `cur` and `new`; what can't be read is left out. Follows no symbolic link."""
    found: dict[str, object] = {}
    waiting = [root]
    while waiting:
        path = waiting.pop()
        try:
            with os.scandir(path) as entries:
                folders = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
            found[path] = sorted(folder.name for folder in folders)
            for folder in folders:
                if folder.name not in _PARTS:
                    waiting.append(folder.path)
                elif folder.name != "tmp":
                    found[folder.path] = folder.stat(follow_symlinks=False).st_mtime_ns
        except OSError:
            continue
    return found


class LocalLooks:
    """Looks at Maildirs in a thread of its own: a disk that hangs must not hold up the watch.

    roots: gives those to look at, by gateway. tell: called with the gateway and the times after each look.
    """

    def __init__(self, roots: Callable[[], Mapping[str, str]], tell: Callable[[str, Times], None]) -> None:
        self._roots, self._tell = roots, tell
        self._end = Event()
        self._thread = Thread(target=self._run, name="local looks", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> bool:
        """End; whether it has: a look in hand may hang, and then `tell` may be called later still."""
        self._end.set()
        self._thread.join(1.0)
        return not self._thread.is_alive()

    def _run(self) -> None:
        rest = LOOK
        while not self._end.wait(rest):
            began = monotonic()
            for gateway, root in self._roots().items():
                self._tell(gateway, directory_times(root))
            rest = max(LOOK, SHARE * (monotonic() - began))
