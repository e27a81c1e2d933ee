"""The brake: a plan that would delete much, on either side, needs a person's word."""

from collections.abc import Callable, Collection, Sequence

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
        counts = [(work.name, deletes(work), holds(work)) for work in works]
        found = _too_many(counts, {work.name for work in works if _emptied(work)})
        if found:
            stop(run, f"{found} {what}")


def _too_many(folders: Sequence[tuple[str, int, int]], emptied: Collection[str]) -> str:
    """How many messages of which folder, or of the whole, at which it brakes; "" if it doesn't.

    folders: (name, deletions, messages).
    """
    for name, deletions, messages in folders:
        if name not in emptied and brakes(deletions, messages):
            return f"{name}: {deletions} of {messages} messages"
    deletions, messages = sum(count for _, count, _ in folders), sum(count for *_, count in folders)
    return f"{deletions} of {messages} messages" if brakes(deletions, messages) else ""


def _deletes_there(work: Work) -> int:
    return len(work.plan.delete_there)


def _held_there(work: Work) -> int:
    return work.local.messages if work.local.stands else len(work.agreed if work.still else work.server)


def _held_here(work: Work) -> int:
    return work.local.messages if work.local.stands else len(work.files)


def _emptied(work: Work) -> bool:
    return work.folder is not None and bool(work.folder.attributes & _EMPTIED)
