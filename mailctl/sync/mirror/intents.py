"""What a run was about to put on the server, kept durably until its files bear the names they got there.

A run that finds such a note knows where to look for what the last one may have put there.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from mailctl.domain.record import dataclass
from mailctl.sync.mirror.strays import Likeness, Origin
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

    def settle(self, lying: Mapping[str, str], undone: Collection[str], whole: bool) -> None:
        """The run is over: forget what earlier ones were about to do, but for that which this one could not look into.

        lying: the files that it found under other names than their messages have: in which folders. undone: folders in
        which not all was done, or nothing. whole: whether no file can be missing because its folder is one of them.
        """
        seen = (intent for intent in self.old if intent.folder not in undone)
        self.done([i for i in seen if all(lying[f] not in undone if f in lying else whole for f in i.files)])

    def _save(self) -> None:
        self._state.set_meta(_KEY, json.dumps([asdict(intent) for intent in self._current]), durable=True)


class Attempts:
    """What earlier runs tried and may have done, for each stray.

    validities: UIDVALIDITY by folder; under another one nothing of an attempt is told any more. A file that is nowhere
    may have been renamed, and moved, by other programs since: any stray may be it that is like what arrived there, in
    size too: what was sent to oneself lies in two folders under one Message-ID.
    """

    def __init__(
        self,
        intents: Sequence[Intent],
        validities: Mapping[str, int],
        found: "Sequence[Found]",
        arrivals: Mapping[str, Mapping[int, Likeness]],
    ) -> None:
        told = [intent for intent in intents if validities.get(intent.folder) == intent.uidvalidity]
        borne = {one.base for one in found}
        self._by_file = {file: intent for intent in told for file in intent.files}
        self._missing = [intent for intent in told if not borne.issuperset(intent.files)]
        self._arrived = {
            (name, like.identity, like.size): uid
            for name in {intent.folder for intent in self._missing}
            for uid, like in sorted(arrivals.get(name, {}).items())
        }

    def of(self, one: "Found") -> Origin | None:
        """Where a message may be that a run put on the server for this file: its folder, and from which UID on."""
        intent = self._by_file.get(one.base)
        if intent is None:
            alike = (intent for intent in self._missing if self._last(one, intent.folder) >= intent.uidnext)
            intent = min(alike, key=lambda intent: intent.folder != one.work.name, default=None)
        return Origin(intent.folder, intent.uidnext) if intent else None

    def _last(self, one: "Found", folder: str) -> int:
        """The highest UID of what arrived in a folder and is like this file; 0: nothing is."""
        like = one.stray.likeness
        return self._arrived.get((folder, like.identity, like.size), 0)


def _parse(text: str) -> list[Intent]:
    """The intents that `text` holds; none if it isn't what `Intents` writes."""
    try:
        return [
            Intent(str(row["folder"]), int(row["uidvalidity"]), int(row["uidnext"]), tuple(map(str, row["files"])))
            for row in json.loads(text or "[]")
        ]
    except (ValueError, TypeError, KeyError):
        return []
