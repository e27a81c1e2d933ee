"""A folder that is to be synced: what is known of it before anything is asked of the server but its numbers. Pure."""

from typing import TYPE_CHECKING

from mailctl.domain.mailbox import Folder, FolderStatus
from mailctl.domain.record import dataclass
from mailctl.sync.archive.still import same_there
from mailctl.sync.local.paths import FolderPath
from mailctl.sync.state import FolderState

if TYPE_CHECKING:
    from array import array

    from mailctl.domain.visits import Visit


@dataclass(slots=True)
class FolderTask:
    """A folder that is to be synced. hash: stands for it in file names. status: as the survey told it.

    seen: what was seen of it last, None if it never was. ahead: its state and its UIDs, where they were asked for ahead
    of its turn.
    """

    folder: Folder
    path: FolderPath
    hash: str
    status: FolderStatus | None
    seen: FolderState | None = None
    done: bool = False
    ahead: "tuple[FolderStatus, array[int]] | None" = None

    @property
    def name(self) -> str:
        """The folder's."""
        return self.folder.name

    @property
    def expected(self) -> int:
        """How many messages may come, at most."""
        if self.status is None or self.seen is None:
            return self.status.messages if self.status else 0
        return (self.status.uidnext or 0) - (self.seen.uidnext or 0)

    def visit(self) -> "Visit | None":
        """What is to be asked in the fast lane; None: nothing."""
        from mailctl.domain.visits import Visit

        status, seen = self.status, self.seen
        if status is None or seen is None:
            return Visit(self.folder, None, 1) if status and status.messages else None
        if same_there(seen, status):
            return None
        return Visit(self.folder, (seen.uidvalidity, seen.highestmodseq or 0), seen.uidnext if self.expected else None)


def messages(task: FolderTask) -> int:
    """How many the survey told of."""
    return task.status.messages if task.status else 0
