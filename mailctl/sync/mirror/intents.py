"""What a run was about to put on the server, kept durably until its files bear the names they got there.

A run that finds such a note knows where to look for what the last one may have put there.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from mailctl.domain.record import dataclass
from mailctl.sync.mirror.strays import Origin
from mailctl.sync.state import State

if TYPE_CHECKING:
    from mailctl.sync.mirror.work import Found

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


class Attempts:
    """What earlier runs tried and may have done, for each stray.

    validities: UIDVALIDITY by folder; under another one nothing of an attempt is told any more. A file that is nowhere
    may have been renamed, and moved, by other programs since: any stray may be it, whose identity then tells.
    """

    def __init__(self, intents: Sequence[Intent], validities: Mapping[str, int], found: "Sequence[Found]") -> None:
        told = [intent for intent in intents if validities.get(intent.folder) == intent.uidvalidity]
        borne = {one.base for one in found}
        self._by_file = {file: intent for intent in told for file in intent.files}
        self._missing = [intent for intent in told if not borne.issuperset(intent.files)]

    def of(self, one: "Found") -> Origin | None:
        """Where a message may be that a run put on the server for this file: its folder, and from which UID on."""
        here = (intent for intent in self._missing if intent.folder == one.work.name)
        intent = self._by_file.get(one.base) or next(here, None) or next(iter(self._missing), None)
        return Origin(intent.folder, intent.uidnext) if intent else None


def _parse(text: str) -> list[Intent]:
    """The intents that `text` holds; none if it isn't what `Intents` writes."""
    try:
        return [
            Intent(str(row["folder"]), int(row["uidvalidity"]), int(row["uidnext"]), tuple(map(str, row["files"])))
            for row in json.loads(text or "[]")
        ]
    except (ValueError, TypeError, KeyError):
        return []
