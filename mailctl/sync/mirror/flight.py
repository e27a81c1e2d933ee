"""The look at many folders of the server at once: each SELECT, and what is asked of it, is sent before answers come.

Of a folder that was settled, the server tells what changed since (QRESYNC, RFC 7162), and the rows of what is new; of
one that is new, or small, it shows all rows. A view that comes of it holds exactly as many messages as the server says
that the folder has. Whatever doesn't fit is no view: such a folder is looked at by itself (`there.look_there`).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from mailctl.domain.mailbox import BodySink, FolderStatus, MessageMeta
from mailctl.domain.record import dataclass
from mailctl.domain.visits import Closed, ImapPipeline, Opened, Shown, Visit
from mailctl.errors import ProtocolError
from mailctl.sync.archive.plan import as_meta
from mailctl.sync.archive.still import grew, same_there
from mailctl.sync.mirror.work import Work, fingerprint
from mailctl.sync.run import Run
from mailctl.sync.state import Agreed

FEW_ROWS = 2_000
"""Messages of a known folder up to which all its rows cost less than the round trips that would tell what changed."""


@dataclass(frozen=True, slots=True)
class View:
    """What a folder has on the server: its state, and all its messages by UID."""

    status: FolderStatus
    server: dict[int, MessageMeta]


def look_at_once(
    run: Run, mailbox: ImapPipeline, works: Iterable[Work], statuses: Mapping[str, FolderStatus]
) -> dict[str, View]:
    """Views of those folders that can be looked at so, by name; no folder is open afterwards.

    statuses: what the survey told. NetworkError, ProtocolError, StoppedError end it.
    """
    policy, read_only = fingerprint(run.job), run.job.dry_run
    wanted: dict[str, tuple[Work, Visit]] = {}
    for work in works:
        visit = _visit(work, statuses.get(work.name), policy, quick=mailbox.quick, read_only=read_only)
        if visit is not None:
            wanted[work.name] = work, visit
    views: dict[str, View] = {}
    opened: Opened | None = None
    rows: dict[int, MessageMeta] = {}
    for event in mailbox.visit([visit for _, visit in wanted.values()], _no_body) if wanted else ():
        match event:
            case Opened():
                opened, rows = event, {}
            case Shown(meta=meta):
                rows[meta.uid] = meta
            case Closed(visit=visit, error=error):
                view = _view(wanted[visit.folder.name][0], opened, rows) if opened and error is None else None
                if view is not None:
                    views[visit.folder.name] = view
                opened = None
                run.check_stop()
    return views


def _visit(work: Work, status: FolderStatus | None, policy: str, *, quick: bool, read_only: bool) -> Visit | None:
    """What to ask of a folder."""
    seen = work.seen
    if work.folder is None or status is None or not status.uidvalidity:
        return None
    everything = Visit(work.folder, rows_from=1 if status.messages else None, read_only=read_only)
    if seen is None or not seen.uidvalidity:
        return everything
    if not grew(seen, status):
        return None
    if quick and seen.settled == policy and len(work.agreed) == seen.messages:
        rows_from = None if same_there(seen, status) else seen.uidnext
        since = seen.uidvalidity, seen.highestmodseq or 0
        return Visit(work.folder, since, rows_from=rows_from, read_only=read_only)
    return everything if status.messages <= FEW_ROWS else None


def _no_body(visit: Visit, octets: int) -> BodySink:
    raise ProtocolError("the server sent a body that nobody asked for", code="bad_fetch")


def _view(work: Work, opened: Opened, rows: Mapping[int, MessageMeta]) -> View | None:
    """What the folder has, if what the server told is enough to know it."""
    status, seen, since = opened.status, work.seen, opened.visit.since
    uidnext = status.uidnext or 1 << 32  # what came after that is the next run's
    if not status.uidvalidity or any(row.size is None for row in rows.values()):
        return None
    new = {uid: row for uid, row in rows.items() if uid < uidnext}
    server: dict[int, MessageMeta] | None = new
    if since is not None:
        server = changed(work.agreed, opened, new) if seen is not None and grew(seen, status) else None
    elif seen is not None and seen.uidvalidity and seen.uidvalidity != status.uidvalidity:
        return None
    return View(status, server) if server is not None and len(server) == status.messages else None


def changed(
    agreed: Mapping[int, Agreed], opened: Opened, new: Mapping[int, MessageMeta]
) -> dict[int, MessageMeta] | None:
    """All messages by UID, from what was agreed, what changed since, and the rows of what is new. Pure.

    None if the server tells of a message that is neither.
    """
    gone = within(sorted(agreed), opened.vanished)
    server = {uid: as_meta(uid, message) for uid, message in agreed.items() if uid not in gone} | {**new}
    uidnext = opened.status.uidnext or 1 << 32
    for meta in opened.changed:
        known = server.get(meta.uid)
        if meta.uid in new or meta.uid in gone or meta.uid >= uidnext:
            continue
        if known is None:
            return None
        date = known.internaldate if meta.internaldate is None else meta.internaldate
        server[meta.uid] = replace(meta, size=known.size if meta.size is None else meta.size, internaldate=date)
    return server


def within(uids: Sequence[int], ranges: Iterable[tuple[int, int]]) -> set[int]:
    """Those of the ascending `uids` that lie in inclusive ranges. Pure."""
    return {uid for low, high in ranges for uid in uids[bisect_left(uids, low) : bisect_right(uids, high)]}
