"""Which messages have been here so long that they go from the server (delete_after). The time is kept in the state.

It counts from when a message was first seen to be here, durably, with this setting on; if the state is lost, anew. So
nothing goes earlier than asked for. A message that was deleted here is not here: it stays on the server, as without the
setting, unless propagate_deletes says otherwise.
"""

from collections.abc import Iterable

from mailctl.sync.run import Run
from mailctl.sync.state import State

HERE = "here"


class Due:
    """Of one IMAP folder under one UIDVALIDITY; nothing is due, and nothing kept, without delete_after."""

    def __init__(self, run: Run, state: State, folder: str, uidvalidity: int) -> None:
        self._state, self._folder, self._prefix = state, folder, f"{uidvalidity}."
        self._after = run.job.inbound.delete_after
        self._now = int(run.tools.clock())
        self._since = state.moments(folder, HERE) if self._after is not None else {}

    def uids(self) -> frozenset[int]:
        """The UIDs whose time has come."""
        if self._after is None:
            return frozenset()
        until = self._now - self._after
        due = (key for key, at in self._since.items() if at <= until and key.startswith(self._prefix))
        return frozenset(int(key.removeprefix(self._prefix)) for key in due)

    def note(self, here: Iterable[int], there: Iterable[int]) -> None:
        """Keep since when the messages `here` are, and forget those that are not `there` any more."""
        if self._after is None:
            return
        keys = {f"{self._prefix}{uid}" for uid in here}
        gone = self._since.keys() - {f"{self._prefix}{uid}" for uid in there}
        with self._state.together():
            self._state.save_moments(self._folder, HERE, dict.fromkeys(keys - self._since.keys(), self._now))
            self._state.forget_moments(self._folder, HERE, gone)
