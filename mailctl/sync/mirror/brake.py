"""The brake: a plan that would delete much, on either side, needs a person's word."""

from collections.abc import Callable, Sequence

from mailctl.sync.archive.plan import brakes
from mailctl.sync.deletions import stop
from mailctl.sync.mirror.work import Work
from mailctl.sync.run import Run

_EMPTIED = frozenset({"\\trash", "\\junk"})
"""Folders (RFC 6154) that people empty as a matter of course: they count in the whole, not by themselves."""


def brake(run: Run, works: Sequence[Work]) -> None:
    """SafetyError if a folder, or all of a side, would lose more than `plan.brakes` lets pass; nothing was done yet."""
    sides: tuple[tuple[str, Callable[[Work], int], Callable[[Work], int]], ...] = (
        ("were deleted here and would be deleted on the server too", _deletes_there, _held_there),
        ("are gone from the server and would be deleted here too", lambda w: len(w.plan.delete_here), _held_here),
    )
    for what, deletes, holds in sides:
        found = _too_many([(deletes(work), holds(work), _emptied(work)) for work in works])
        if found is not None:
            stop(run, f"{found[0]} of {found[1]} messages {what}")


def _too_many(folders: Sequence[tuple[int, int, bool]]) -> tuple[int, int] | None:
    """(deletions, messages) of the first folder, or of the whole, at which it brakes."""
    for deletions, messages, emptied in folders:
        if not emptied and brakes(deletions, messages):
            return deletions, messages
    whole = sum(deletions for deletions, *_ in folders), sum(messages for _, messages, _ in folders)
    return whole if brakes(*whole) else None


def _deletes_there(work: Work) -> int:
    return len(work.plan.delete_there)


def _held_there(work: Work) -> int:
    return len(work.agreed if work.still else work.server)


def _held_here(work: Work) -> int:
    return len(work.files)


def _emptied(work: Work) -> bool:
    return work.folder is not None and bool(work.folder.attributes & _EMPTIED)
