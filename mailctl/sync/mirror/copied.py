"""Messages that were moved here, on a server without MOVE: copied there, and removed from where they were.

One that another client flags after it was copied is no conflict, as it would be had it been deleted here: it goes all
the same, and the copy gets what changed. Else it would be in both folders from then on.
"""

from collections.abc import Collection, Mapping

from mailctl.domain.changes import FlagChange
from mailctl.domain.mailbox import MessageMeta
from mailctl.errors import RefusedError
from mailctl.sync.archive.plan import as_meta
from mailctl.sync.local.flags import canonical
from mailctl.sync.mirror.connection import Connection
from mailctl.sync.mirror.work import Work

_TRIES = 5
_NEVER = frozenset({"\\Deleted", "\\Recent"})
"""Tell of the message where it was, not of its copy."""


def remove_copied(connection: Connection, work: Work, uids: Collection[int]) -> set[int]:
    """Remove those of `uids` that were copied elsewhere, and changed since they were looked at → those that are left.

    What stays changed each time between the look and the removal, or its copy could not be given its flags.
    """
    left = set(uids)
    for _ in range(_TRIES):
        copied = sorted(left & work.copied.keys())
        if not copied:
            break
        connection.select(work)
        now = {meta.uid: meta for meta in connection.mailbox.scan(copied)}
        left -= set(copied) - now.keys()  # somebody else removed them
        modseqs = [meta.modseq for meta in now.values() if meta.modseq is not None]
        if not now or len(modseqs) < len(now):
            break
        try:
            _flag_copies(connection, work, now)
            connection.select(work)
        except RefusedError:
            break
        work.server |= now
        left = left - now.keys() | set(connection.mailbox.expunge(sorted(now), unchanged_since=max(modseqs)))
    return left


def _flag_copies(connection: Connection, work: Work, now: Mapping[int, MessageMeta]) -> None:
    """Give copies the flags that their messages got since they were looked at."""
    changes: dict[str, tuple[Work, list[FlagChange]]] = {}
    for uid, meta in now.items():
        target, copy = work.copied[uid]
        before = canonical((work.server.get(uid) or as_meta(uid, work.agreed[uid])).flags)
        there = canonical(meta.flags)
        for flags, add in ((there - before, True), (before - there, False)):
            storable = target.rules.storable(flags - _NEVER)
            if storable:
                changes.setdefault(target.name, (target, []))[1].append(FlagChange((copy,), storable, add))
    for target, wanted in changes.values():
        connection.select(target)
        connection.mailbox.change_flags(wanted)
