"""What becomes of the folders: made, kept or removed, here or there. Pure."""

from collections.abc import Collection
from enum import StrEnum

from mailctl.domain.pattern import pattern
from mailctl.sync.local.paths import level_of
from mailctl.sync.mirror.plan import MirrorPlan

_NEVER = pattern(r"[\r\n\0\ud800-\udfff]")


class FolderFate(StrEnum):
    """both: it is on both sides. new_there, new_here: the other side gets it. gone_there, gone_here: it was on both
    sides, and was removed on one. gone: it is remembered, and nowhere any more."""

    BOTH = "both"
    NEW_THERE = "new_there"
    NEW_HERE = "new_here"
    GONE_THERE = "gone_there"
    GONE_HERE = "gone_here"
    GONE = "gone"


def plan_folders(
    there: Collection[str], here: Collection[str], known: Collection[str], mirrored: Collection[str]
) -> dict[str, FolderFate]:
    """Name → what becomes of it.

    there, here: names of the folders that are. known: those that are remembered. mirrored: those of them that have been
    on both sides in mirror mode: what has not, was never deleted.
    """
    fates = {}
    for name in sorted({*there, *here, *known}):
        removed = name in known and name in mirrored
        if name in there and name in here:
            fates[name] = FolderFate.BOTH
        elif name in there:
            fates[name] = FolderFate.GONE_HERE if removed else FolderFate.NEW_THERE
        elif name in here:
            fates[name] = FolderFate.GONE_THERE if removed else FolderFate.NEW_HERE
        else:
            fates[name] = FolderFate.GONE
    return fates


def brought_back(plan: MirrorPlan) -> bool:
    """Whether a folder that was removed here must come back: the server has in it what was never here."""
    return bool(plan.fetch or plan.conflicts or plan.changed or plan.too_large or plan.too_old or plan.over_budget)


def kept(plan: MirrorPlan, strays: int) -> bool:
    """Whether a folder that was removed there must be made again: here is in it what was never there."""
    return bool(strays or plan.again or plan.conflicts or plan.ahead or plan.changed)


def name_of(parts: tuple[str, ...], delimiter: str | None, name_file: str) -> str | None:
    """The folder name that a path below the Maildir root stands for; None if it stands for none that can be sent."""
    if name_file:
        return name_file if _sendable(name_file) else None
    levels = [level_of(part) for part in parts]
    named = [level for level in levels if level]
    if not parts or len(named) < len(levels) or (len(levels) > 1 and not delimiter):
        return None
    if delimiter and any(delimiter in level for level in named):
        return None
    name = (delimiter or "").join(named)
    return name if _sendable(name) else None


def _sendable(name: str) -> bool:
    """Whether a server may be asked for it: neither line breaks nor NUL, nor octets that are no text."""
    return not _NEVER.search(name)
