"""Which folders need nothing, which can be brought up to date by what changed alone, and which need a full look. Pure.

A folder is still when the server shows the numbers that it showed (RFC 7162: HIGHESTMODSEQ grows with every change),
its directories have the times that they had, and the policy asks for what it asked for.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from mailctl.domain.gateway import Mode
from mailctl.domain.mailbox import FolderStatus
from mailctl.sync.job import SyncJob
from mailctl.sync.state import FolderState

if TYPE_CHECKING:
    from mailctl.sync.report import Skipped

_STAYING = frozenset({"too_large", "too_old"})
"""Why messages are left out for as long as the policy stays; others are tried again."""
_MOST_LEFT_OUT = 1000


def fingerprint(job: SyncJob) -> str:
    """The policy as one word: what was left alone under one policy may be wanted under another."""
    i = job.inbound
    wanted = [i.mark_seen, i.keep_on_server, i.propagate_deletes, i.max_size, job.since]
    if i.delete_after is not None:
        wanted.append(i.delete_after)
    if i.mode is Mode.MIRROR:
        wanted.append(i.mode.value)
    return ",".join(str(value) for value in wanted)


def changes_server(job: SyncJob) -> bool:
    """Whether archive mode is asked to change anything on the server."""
    wanted = job.inbound
    leaving = not wanted.keep_on_server or wanted.delete_after is not None
    return bool(wanted.mark_seen or wanted.propagate_deletes or leaving)


def takes_all(job: SyncJob) -> bool:
    """Whether each message is simply brought, and nothing else is to be done: what the fast lane knows."""
    wanted = job.inbound
    limited = bool(job.since) or wanted.max_size is not None or wanted.max_per_run is not None
    return not (job.dry_run or changes_server(job) or limited or wanted.mode is Mode.MIRROR)


def folder_state(status: FolderStatus, path: str, settled: str) -> FolderState:
    """What is to be remembered of a folder; nothing of its directories yet."""
    return FolderState(
        status.uidvalidity or 0,
        status.uidnext,
        status.highestmodseq,
        status.messages,
        settled,
        path,
        mailbox_id=status.mailbox_id,
    )


def same_there(seen: FolderState, status: FolderStatus | None) -> bool:
    """Whether nothing changed on the server, as far as STATUS can tell."""
    if status is None or not status.highestmodseq or not status.uidvalidity or status.uidnext is None:
        return False
    now = (status.uidvalidity, status.uidnext, status.highestmodseq, status.messages)
    return now == (seen.uidvalidity, seen.uidnext, seen.highestmodseq, seen.messages)


def grew(seen: FolderState, status: FolderStatus) -> bool:
    """Whether the server's numbers are those of the same folder, some time later."""
    return (
        bool(status.uidvalidity)
        and status.uidvalidity == seen.uidvalidity
        and bool(seen.uidnext and seen.highestmodseq and status.uidnext and status.highestmodseq)
        and (status.uidnext or 0) >= (seen.uidnext or 0)
        and (status.highestmodseq or 0) >= (seen.highestmodseq or 0)
    )


def nothing_asked(seen: FolderState, status: FolderStatus, path: str, policy: str) -> bool:
    """Whether nothing is to be done but for what changed here: the server's side stands still, and so do our wishes.

    policy: see `fingerprint`. path: where the folder's Maildir is now.
    """
    return not seen.at_work and same_there(seen, status) and seen.settled == policy and seen.path == path


def write_left_out(skipped: "Sequence[Skipped]") -> str | None:
    """What a still folder leaves out, for the state; None if the next run should look at the folder again."""
    if not all(each.code in _STAYING for each in skipped) or len(skipped) > _MOST_LEFT_OUT:
        return None
    if not skipped:
        return ""
    import json

    return json.dumps([{**asdict(each), "folder": ""} for each in skipped])


def read_left_out(folder: str, text: str) -> "list[Skipped]":
    """What `write_left_out` wrote; nothing of what can't be read."""
    if not text:
        return []
    import json

    from mailctl.sync.report import Skipped

    try:
        return [replace(Skipped(**each), folder=folder) for each in json.loads(text)]
    except (ValueError, TypeError):
        return []
