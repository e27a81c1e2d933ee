"""What a run was about to put on the server, kept durably until its files bear the names they got there.

A run that finds such a note knows where to look for what the last one may have put there.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict

from mailctl.domain.record import dataclass
from mailctl.sync.state import State

_KEY = "intents"


@dataclass(frozen=True, slots=True)
class Intent:
    """Files (their names up to the flags) on their way into `folder`, whose UIDNEXT was `uidnext` (1: not known)."""

    folder: str
    uidvalidity: int
    uidnext: int
    files: tuple[str, ...]


class Intents:
    """Those that the state holds: `old` ones of earlier runs, and this run's."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.old = tuple(_parse(state.meta(_KEY)))
        self._current: list[Intent] = list(self.old)

    def add(self, intent: Intent) -> Intent:
        """Keep it, durably, before the server is told anything."""
        self._current.append(intent)
        self._save()
        return intent

    def done(self, intents: Sequence[Intent]) -> None:
        """All files of these bear their names, or never left."""
        left = [intent for intent in self._current if intent not in intents]
        if left != self._current:
            self._current = left
            self._save()

    def _save(self) -> None:
        self._state.set_meta(_KEY, json.dumps([asdict(intent) for intent in self._current]), durable=True)


def _parse(text: str) -> list[Intent]:
    """The intents that `text` holds; none if it isn't what `Intents` writes."""
    try:
        return [
            Intent(str(row["folder"]), int(row["uidvalidity"]), int(row["uidnext"]), tuple(map(str, row["files"])))
            for row in json.loads(text or "[]")
        ]
    except (ValueError, TypeError, KeyError):
        return []
