"""What can happen in a history, as values: `Step`, `history`. Pure.

A step names no message and no folder: its numbers pick among those there are when it is taken, so that any step can be
left out of a history and the rest still means something.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """there: on the server, by another client. here: in the Maildir, as mail clients do it."""

    APPEND_THERE = "append there"
    FLAG_THERE = "flag there"
    MOVE_THERE = "move there"
    DELETE_THERE = "delete there"
    CREATE_THERE = "create folder there"
    RENAME_THERE = "rename folder there"
    REMOVE_THERE = "remove folder there"
    APPEND_HERE = "append here"
    FLAG_HERE = "flag here"
    READ_HERE = "read here"
    MOVE_HERE = "move here"
    DELETE_HERE = "delete here"
    CREATE_HERE = "create folder here"
    RENAME_HERE = "rename folder here"
    REMOVE_HERE = "remove folder here"
    SYNC = "sync"
    KILL = "sync, killed"
    CUT = "sync, cut off"


_WEIGHTS = {
    Kind.APPEND_THERE: 12,
    Kind.FLAG_THERE: 10,
    Kind.MOVE_THERE: 6,
    Kind.DELETE_THERE: 6,
    Kind.CREATE_THERE: 2,
    Kind.RENAME_THERE: 1,
    Kind.REMOVE_THERE: 1,
    Kind.FLAG_HERE: 8,
    Kind.READ_HERE: 4,
    Kind.MOVE_HERE: 6,
    Kind.DELETE_HERE: 6,
    Kind.SYNC: 9,
    Kind.KILL: 5,
    Kind.CUT: 5,
}
ARCHIVE: Mapping[Kind, int] = _WEIGHTS
MIRROR: Mapping[Kind, int] = _WEIGHTS | {
    Kind.APPEND_HERE: 8,
    Kind.CREATE_HERE: 2,
    Kind.RENAME_HERE: 1,
    Kind.REMOVE_HERE: 1,
}
PLAIN: Mapping[Kind, int] = {
    kind: weight
    for kind, weight in MIRROR.items()
    if kind not in (Kind.KILL, Kind.CUT) and "FOLDER" not in kind.upper() and kind is not Kind.APPEND_HERE
} | {Kind.CREATE_THERE: 2, Kind.APPEND_HERE: 6, Kind.SYNC: 12}
"""What peers do alike, so that the outcomes can be compared."""
FOLDERS = ("Archive", "Work", "Été/Müller", "a.b", "Lists", "Lists/dev", "[x] & y")


@dataclass(frozen=True)
class Step:
    """kind, and numbers from 0 to 1 that choose whatever is to be chosen."""

    kind: Kind
    numbers: tuple[float, ...]

    def __str__(self) -> str:
        return f"Step(Kind.{self.kind.name}, {self.numbers})"


def history(seed: int, weights: Mapping[Kind, int], length: int = 24) -> Sequence[Step]:
    """The steps that belong to a seed: some messages first, then anything."""
    made = random.Random(seed)
    kinds = [Kind.CREATE_THERE] + [Kind.APPEND_THERE] * 4 + [Kind.SYNC]
    kinds += made.choices(list(weights), list(weights.values()), k=length)
    return [Step(kind, tuple(round(made.random(), 3) for _ in range(4))) for kind in kinds]
