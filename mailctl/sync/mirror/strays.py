"""What becomes of the files that don't bear their folder's name: new ones, moved ones, copied ones, renamed ones. Pure.

A stray is first looked for among the messages that its folder has on the server and that are not here yet: a run that
died after it uploaded or moved something finds it so, as does whoever brings a Maildir that another program filled.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

from mailctl.domain.record import dataclass

S = TypeVar("S", bound=Hashable)
T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a message is known by. identity: its Message-ID, or a digest of its octets; "" if neither is known.

    size: octets on the wire, as the server tells them too. date: INTERNALDATE, or the file's time, whole epoch seconds.
    """

    identity: str
    size: int | None
    date: int | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """The message that a file's name speaks of."""

    folder: str
    uid: int


@dataclass(frozen=True, slots=True)
class Stray:
    """A file in `folder` that doesn't bear a name of that folder. key: tells it from the others of the run.

    origin: the message that its name speaks of, if that is one of this account's, under the UIDVALIDITY of today.
    attempt: a run that was cut short was about to put it into this folder, which then gave UIDs from this one on: a
    message there that has its identity is it, whatever its size.
    """

    key: int
    folder: str
    likeness: Likeness
    origin: Origin | None = None
    attempt: Origin | None = None


class Way(StrEnum):
    """How a stray gets its name: it is a message that is there; its message was moved on the server, and it follows; it
    is moved or copied there on the server; uploaded."""

    IS = "is"
    FOLLOW = "follow"
    MOVE = "move"
    COPY = "copy"
    UPLOAD = "upload"


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one stray. source: the message that it is (in its own folder), or is moved or copied from."""

    stray: Stray
    way: Way
    source: Origin | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """arrivals: by folder, the messages on the server that are neither here nor agreed. there: of each folder, the UIDs
    on the server. here: messages that have their file where it belongs. lost: messages that the server has, that are
    agreed, and whose files are nowhere. fixed: folders from which nothing can be taken away."""

    arrivals: Mapping[str, Mapping[int, Likeness]]
    there: Mapping[str, "set[int]"]
    here: "set[Origin]"
    lost: Mapping[Origin, Likeness]
    fixed: "frozenset[str]" = frozenset()


def settle(strays: Sequence[Stray], around: Surroundings) -> list[Fate]:
    """A fate for each stray, copies before moves."""
    fates: list[Fate] = []
    rest: list[Stray] = []
    arrived = match_arrivals(strays, around.arrivals)
    for stray in strays:
        found = arrived.get(stray)
        if found is None:
            rest.append(stray)
        elif found.folder == stray.folder:
            fates.append(Fate(stray, Way.IS, found))
        else:  # it was put there, and then its file was moved on
            fates.append(Fate(stray, Way.COPY if found.folder in around.fixed else Way.MOVE, found))
    moved: set[Origin] = set()
    nameless = []
    for stray in rest:
        origin = stray.origin
        if origin is None or origin.uid not in around.there.get(origin.folder, ()):
            nameless.append(stray)
        elif origin in around.here or origin in moved or origin.folder in around.fixed:
            fates.append(Fate(stray, Way.COPY, origin))
        else:
            moved.add(origin)
            fates.append(Fate(stray, Way.MOVE, origin))
    renamed = pair(
        {stray: _key(stray.likeness) for stray in nameless},
        {origin: _key(like) for origin, like in around.lost.items() if origin not in moved and like.identity},
        prefer=lambda stray, origin: stray.folder == origin.folder,
    )
    for stray in nameless:
        source = renamed.get(stray)
        if source is None:
            fates.append(Fate(stray, Way.UPLOAD))
        elif source.folder == stray.folder:
            fates.append(Fate(stray, Way.IS, source))
        else:
            fates.append(Fate(stray, Way.COPY if source.folder in around.fixed else Way.MOVE, source))
    order = {Way.IS: 0, Way.COPY: 1, Way.MOVE: 2, Way.UPLOAD: 3}
    return sorted(fates, key=lambda fate: (order[fate.way], fate.stray.key))


def match_arrivals(strays: Sequence[Stray], arrivals: Mapping[str, Mapping[int, Likeness]]) -> dict[Stray, Origin]:
    """Stray → the message on the server that it is, each given once: by identity and size, or by what was attempted."""
    free = {Origin(folder, uid): like for folder, messages in arrivals.items() for uid, like in messages.items()}
    found: dict[Stray, Origin] = {}
    for stray in strays:
        attempt, identity = stray.attempt, stray.likeness.identity
        if attempt is None or not identity:
            continue
        alike = [o for o, like in free.items() if like.identity == identity and o.folder == attempt.folder]
        alike = [origin for origin in alike if origin.uid >= attempt.uid]
        if alike:
            found[stray] = min(alike, key=lambda origin: (free[origin].size != stray.likeness.size, origin.uid))
            del free[found[stray]]
    found |= pair(
        {stray: (stray.folder, *_key(stray.likeness)) for stray in strays if stray not in found},
        {origin: (origin.folder, *_key(like)) for origin, like in free.items() if like.identity},
    )
    return found


def _key(likeness: Likeness) -> tuple[str, int | None]:
    return likeness.identity, likeness.size


def pair(
    left: Mapping[S, Hashable],
    right: Mapping[T, Hashable],
    *,
    prefer: Callable[[S, T], bool] = lambda one, other: True,
) -> dict[S, T]:
    """Pairs of equal keys, each used once, in the order given; pairs that are preferred first."""
    free: dict[Hashable, list[T]] = defaultdict(list)
    for other, key in right.items():
        free[key].append(other)
    found: dict[S, T] = {}
    for only_preferred in (True, False):
        for one, key in left.items():
            others = free.get(key, []) if one not in found else []
            chosen = next((other for other in others if not only_preferred or prefer(one, other)), None)
            if chosen is not None:
                found[one] = chosen
                others.remove(chosen)
    return found
