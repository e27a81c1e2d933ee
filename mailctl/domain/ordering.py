"""Moving one thing in a list that is sorted by (order, name), with as few changed orders as can be. Pure."""

from collections.abc import Mapping, Sequence

STEP = 10  # room left for others before the first and after the last


def reorder(orders: Mapping[str, int], moved: str, anchor: str, *, before: bool) -> dict[str, int]:
    """New orders that put `moved` right before (or after) `anchor`; only those that change.

    orders: name → order of everything in the list. Both names must be in it and differ.
    """
    before_all = sorted(orders, key=lambda name: (orders[name], name))
    sequence = [name for name in before_all if name != moved]
    place = sequence.index(anchor) + (0 if before else 1)
    sequence.insert(place, moved)
    if sequence == before_all:
        return {}
    candidates = [_pushed(orders, sequence, place, start) for start in _starts(orders, sequence, place)]
    return min(candidates, key=len)


def _starts(orders: Mapping[str, int], sequence: Sequence[str], place: int) -> list[int]:
    """Orders worth trying for the moved one, best first: between its neighbours, next to the left, to the right."""
    left = orders[sequence[place - 1]] if place > 0 else None
    right = orders[sequence[place + 1]] if place + 1 < len(sequence) else None
    if left is None or right is None:
        return [right - STEP] if right is not None else [(left or 0) + STEP]
    starts = [left + (sequence[place] < sequence[place - 1]), right - (sequence[place] > sequence[place + 1])]
    return [(left + right) // 2, *starts] if right - left > 1 else starts


def _pushed(orders: Mapping[str, int], sequence: Sequence[str], place: int, start: int) -> dict[str, int]:
    """The changes if the moved one gets `start`, and whoever is in its way is pushed outwards."""
    new = dict(orders)
    new[sequence[place]] = start
    for index in range(place + 1, len(sequence)):
        left, name = sequence[index - 1], sequence[index]
        if (new[left], left) < (new[name], name):
            break
        new[name] = new[left] + (name < left)
    for index in range(place - 1, -1, -1):
        name, right = sequence[index], sequence[index + 1]
        if (new[name], name) < (new[right], right):
            break
        new[name] = new[right] - (name > right)
    return {name: order for name, order in new.items() if order != orders[name]}
