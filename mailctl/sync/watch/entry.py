"""A gateway as the watcher keeps it."""

from mailctl.domain.record import dataclass
from mailctl.sync.job import SyncJob
from mailctl.sync.watch.connection import Parked
from mailctl.sync.watch.local import Times
from mailctl.sync.watch.plan import Standing


@dataclass
class Entry:
    """What is known of it.

    before: where it stood before the work in hand (`busy`). registered: the descriptor that the watch listens on. seen:
    the Maildir's times that need no sync any more. next_job: takes the job's place after the work in hand; gone:
    nothing does.
    """

    job: SyncJob
    parked: Parked
    standing: Standing
    before: Standing
    busy: bool = False
    registered: int | None = None
    seen: Times | None = None
    next_job: SyncJob | None = None
    gone: bool = False
