"""What is to be brought, how it is cut into shares, and by how many connections. Pure."""

from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from threading import Lock

from mailctl.domain.mailbox import Folder
from mailctl.domain.record import dataclass
from mailctl.sync.local.paths import FolderPath

WORTH_OCTETS = 100_000_000
WORTH_MESSAGES = 5_000
"""From here on a second connection wins; below, its start takes longer than it saves."""
WORTH_UNSIZED = 2_000
"""The same where only their number is known."""
LONG_TURN = 0.015
"""Seconds of a round trip from which on a third connection wins: the others wait for the server most of the time."""
LEAST = 100
"""Messages of the smallest share: each is a command."""
MOST = 2_000
"""Messages of the largest share."""
PARTS = 4
"""Shares of each connection into which what is left is cut: two are on the way, and one is waiting."""


@dataclass(frozen=True, slots=True)
class Load:
    """Messages of one folder that are to be brought.

    path: of the Maildir folder. hash: stands for the folder in file names. uids: ascending; what is gone by now is
    passed over. sizes: octets by UID, as far as known. max_size: octets above which a body is left there, or None.
    """

    folder: Folder
    path: FolderPath
    hash: str
    uidvalidity: int
    uids: Sequence[int]
    sizes: Mapping[int, int] = field(default_factory=dict)
    max_size: int | None = None

    @property
    def octets(self) -> int | None:
        """Of all of them; None if that is not known."""
        return sum(self.sizes[uid] for uid in self.uids) if all(uid in self.sizes for uid in self.uids) else None


def connections(load: Load, turn: float, processors: int, allowed: int | None) -> int:
    """Over how many connections `load` is best brought, the one that is there included, if the line is what is slow.

    turn: seconds of a round trip. allowed: how many it may be, None: not known.
    """
    octets = load.octets
    much = len(load.uids) >= WORTH_UNSIZED if octets is None else octets >= WORTH_OCTETS
    if not much and len(load.uids) < WORTH_MESSAGES:
        return 1
    wanted = 3 if turn >= LONG_TURN else 2
    if processors < 2 and turn < LONG_TURN:
        return 1
    return min(wanted, len(load.uids), allowed if allowed is not None else wanted)


def worth_sharing(load: Load) -> bool:
    """Whether workers that are there already should take part."""
    return len(load.uids) >= 5 * LEAST


class Shares:
    """UIDs that nobody has taken yet, in shares that get smaller towards the end, so that all come to it together.

    For several threads. `crowd`: how many take from it.
    """

    def __init__(self, uids: Sequence[int], sizes: Mapping[int, int]) -> None:
        self._left, self._sizes = array("L", uids), sizes
        self.crowd = 1
        self._left.reverse()  # the next ones last, where they are cheap to take
        typical = sorted(sizes[uid] for uid in uids if uid in sizes)
        self._typical = typical[len(typical) // 2] if typical else 0
        self._weight = sum(map(self._weigh, self._left))
        self._lock = Lock()

    def _weigh(self, uid: int) -> int:
        return self._sizes.get(uid, self._typical) + 20_000  # what a message costs besides its octets

    def take(self, most: int = MOST) -> list[int]:
        """The next share, ascending, at most `most` messages; empty when there is none left."""
        with self._lock:
            goal = self._weight // (PARTS * self.crowd) if self.crowd > 1 else self._weight
            share: list[int] = []
            while self._left and len(share) < most and (goal > 0 or len(share) < LEAST):
                uid = self._left.pop()
                weight = self._weigh(uid)
                self._weight -= weight
                goal -= weight
                share.append(uid)
            return share

    def give_back(self, uids: Collection[int]) -> None:
        """What was taken and not brought."""
        with self._lock:
            self._left = array("L", sorted([*self._left, *uids], reverse=True))
            self._weight = sum(map(self._weigh, self._left))

    def __bool__(self) -> bool:
        return bool(self._left)
