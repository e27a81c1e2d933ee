"""What must hold after a sync, given what both sides were before it and what was done since the last one. Pure.

A token stands for a message. Where only one side did anything to a message, that side is followed; where both did, the
outcome may be one of several, but nothing is lost and nothing doubled. A sync that was cut short in between may have
carried over some of it, so that flags that were changed more than once since may be taken for the other side's.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from .there import Seen


class Side(StrEnum):
    """Of the gateway."""

    THERE = "there"
    HERE = "here"


class What(StrEnum):
    """What was done to a message. swept: deleted with its folder, which comes back if the other side changed it."""

    ADDED = "added"
    FLAGGED = "flagged"
    MOVED = "moved"
    DELETED = "deleted"
    SWEPT = "swept"


@dataclass(frozen=True)
class Touch:
    """Something done to a message. unclean: how many syncs had been cut short by then, since the last whole one."""

    side: Side
    what: What
    unclean: int


Messages = Sequence[Seen]
_State = Mapping[int, Sequence[tuple[str, tuple[str, ...]]]]  # token -> (folder, flags) of each copy


def by_token(messages: Messages) -> _State:
    """Token → where it is and its flags."""
    found: dict[int, list[tuple[str, tuple[str, ...]]]] = defaultdict(list)
    for message in messages:
        found[message.token].append((message.folder, message.flags))
    return found


@dataclass
class Epoch:
    """The time since the last whole sync: what both sides were then, and what was done since."""

    agreed: _State = field(default_factory=dict)
    touches: dict[int, list[Touch]] = field(default_factory=lambda: defaultdict(list))
    unclean: int = 0
    renamed: list[tuple[Side, str, str]] = field(default_factory=list)
    """Folders: where, from which name, to which."""

    def carried(self, folder: str, side: Side) -> str:
        """What becomes of the name of a folder of one side by what the other side renamed."""
        for where, old, new in self.renamed:
            if where is not side and (folder == old or folder.startswith(f"{old}/")):
                folder = new + folder.removeprefix(old)
        return folder

    def touch(self, token: int, side: Side, what: What) -> None:
        """Note it."""
        self.touches[token].append(Touch(side, what, self.unclean))


def mirrored(epoch: Epoch, there: Messages, here: Messages, after_there: Messages, after_here: Messages) -> list[str]:
    """What is wrong after a whole sync in mirror mode. there, here: just before it."""
    one, other = ([(m.folder, m.token, m.flags) for m in side] for side in (after_there, after_here))
    wrong = [f"only {'there' if each in one else 'here'}: {each}" for each in sorted(set(one) ^ set(other))]
    before = by_token(there), by_token(here)
    after = by_token(after_there)
    for token in sorted({*before[0], *before[1], *after, *epoch.agreed}):
        sides = {
            Side.THERE: sorted(before[0].get(token, [])),
            Side.HERE: sorted(before[1].get(token, [])),
        }
        said = _token(epoch, epoch.agreed.get(token, []), epoch.touches.get(token, []), sides, after.get(token, []))
        wrong += [f"token {token}: {text}; before {sides}, after {after.get(token, [])}" for text in said]
    return wrong


def _token(
    epoch: Epoch,
    agreed: Sequence[tuple[str, tuple[str, ...]]],
    touches: Sequence[Touch],
    before: Mapping[Side, Sequence[tuple[str, tuple[str, ...]]]],
    after: Sequence[tuple[str, tuple[str, ...]]],
) -> Iterator[str]:
    touched = {touch.side for touch in touches}
    places = {folder for copies in before.values() for folder, _ in copies}
    most = max(len(places), *(len(copies) for copies in before.values()))
    swept = any(touch.what is What.SWEPT for touch in touches)
    deleted = swept or any(touch.what is What.DELETED for touch in touches)
    if len(after) > most:
        yield "doubled"
    if not after and not deleted and (agreed or places):
        yield "lost"
    if len(agreed) > 1:
        return
    sure = not epoch.unclean or len(touches) < 2
    if not touched and sorted(after) != sorted(agreed):
        yield "changed by nobody"
    elif len(touched) == 1:
        (side,) = touched
        if swept and after and sorted(after) == sorted(before[Side.HERE if side is Side.THERE else Side.THERE]):
            return
        carried = [(epoch.carried(folder, side), flags) for folder, flags in before[side]]
        if _folders(after) not in (_folders(before[side]), _folders(carried)):
            yield f"only touched {side}, but not where that side had it"
        elif sure and not any(_as_said(after, said, agreed, touches) for said in (before[side], carried)):
            yield f"only touched {side}, but its flags are not those of that side"
    elif len(touched) == 2:
        yield from _both(agreed, touches, before, after, sure=not epoch.unclean)


def _as_said(
    after: Sequence[tuple[str, tuple[str, ...]]],
    said: Sequence[tuple[str, tuple[str, ...]]],
    agreed: Sequence[tuple[str, tuple[str, ...]]],
    touches: Sequence[Touch],
) -> bool:
    """Whether the flags are those of the only side that touched it.

    A file that was moved here says nothing of keywords that have no letter where it came to lie: they may stay.
    """
    if sorted(after) == sorted(said):
        return True
    moved = any((touch.side, touch.what) == (Side.HERE, What.MOVED) for touch in touches)
    if not (moved and len(after) == len(said) == len(agreed) == 1):
        return False
    more = set(after[0][1]) - set(said[0][1])
    keywords = {flag for flag in agreed[0][1] if not flag.startswith("\\")}
    return set(said[0][1]) <= set(after[0][1]) and more <= keywords


def _both(
    agreed: Sequence[tuple[str, tuple[str, ...]]],
    touches: Sequence[Touch],
    before: Mapping[Side, Sequence[tuple[str, tuple[str, ...]]]],
    after: Sequence[tuple[str, tuple[str, ...]]],
    *,
    sure: bool,
) -> Iterator[str]:
    there, here = before[Side.THERE], before[Side.HERE]
    if not there and not here:
        if after:
            yield "deleted on both sides, and back"
        return
    if not sure or not agreed or any(touch.what is What.SWEPT for touch in touches):
        return
    kinds = {side: {touch.what for touch in touches if touch.side is side} for side in Side}
    base = agreed[0][1]
    if all(What.MOVED in what for what in kinds.values()):
        return  # maybe under a new name and back: each side keeps it where it has put it
    if there and here:
        if len(there) == len(here) == 1 and (there[0][0] == agreed[0][0] or here[0][0] == agreed[0][0]):
            folder = here[0][0] if there[0][0] == agreed[0][0] else there[0][0]
            if _folders(after) != [folder]:
                yield "moved on one side, flagged on the other, and not where it was moved"
            elif set(after[0][1]) != merged(base, there[0][1], here[0][1]):
                yield f"flags changed on both sides from {base}, and not merged"
        return
    gone, kept = (Side.THERE, here) if not there else (Side.HERE, there)
    other = Side.HERE if gone is Side.THERE else Side.THERE
    changed = sorted(kept) != sorted(agreed)
    if changed and not after:
        yield f"deleted {gone}, changed {other}, and not kept"
    if not changed and after and kinds[other] <= {What.FLAGGED}:
        yield f"deleted {gone}, as it was before {other}, and kept"


def merged(base: Collection[str], one: Collection[str], other: Collection[str]) -> set[str]:
    """The flags of a message that both sides have, flag by flag: whoever changed it is followed."""
    return {
        flag
        for flag in {*base, *one, *other}
        if (flag in one if (flag in one) == (flag in other) else flag not in base)
    }


def _folders(copies: Sequence[tuple[str, tuple[str, ...]]]) -> list[str]:
    return sorted(folder for folder, _ in copies)


def kept(before: Messages, after: Messages) -> list[str]:
    """What an archive has lost by a sync, of whatever kind."""
    less = Counter(m.token for m in before) - Counter(m.token for m in after)
    return [f"token {token}: disappeared here" for token in less]


def archived(epoch: Epoch, there: Messages, here: Messages, incarnations: Mapping[int, int]) -> list[str]:
    """What is wrong after a whole sync in archive mode.

    epoch: since the beginning. incarnations: how often each token got a place on the server: as often it may be here.
    """
    wrong = []
    copies = Counter(m.token for m in here)
    by_place = {(m.folder, m.token): m for m in here}
    ours = {token for token, touches in epoch.touches.items() if any(t.side is Side.HERE for t in touches)}
    for message in there:
        mine = by_place.get((message.folder, message.token))
        if message.token in ours:
            continue
        if mine is None:
            wrong.append(f"token {message.token}: in {message.folder} there, and not here")
        elif mine.flags != message.flags and copies[message.token] == 1:
            wrong.append(f"token {message.token}: {message.flags} there, {mine.flags} here")
    for token, count in copies.items():
        if count > incarnations[token]:
            wrong.append(f"token {token}: {count} times here, {incarnations[token]} times there at most")
    for token, touches in epoch.touches.items():
        deleted = any(t.side is Side.HERE and t.what in (What.DELETED, What.SWEPT) for t in touches)
        if not deleted and token not in copies and any(m.token == token for m in there):
            wrong.append(f"token {token}: there, never deleted here, and not here")
    return wrong
