"""New, large folders whose UIDs are known before they are opened: one round trip tells those of all of them.

So workers can begin with one while the connection that asked is still busy with other folders.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mailctl.domain.mailbox import FolderStatus, ImapMailbox
from mailctl.domain.visits import ImapPipeline
from mailctl.sync.archive.folder_task import FolderTask, messages
from mailctl.sync.archive.fresh import ByUids
from mailctl.sync.archive.look import read_names
from mailctl.sync.job import FolderTally
from mailctl.sync.local.maildir import MaildirFolder
from mailctl.sync.local.root import Root
from mailctl.sync.run import Run
from mailctl.sync.state import State

if TYPE_CHECKING:
    from array import array

MOST = 8
"""Folders of which the UIDs are in memory at a time: the largest ones."""
MOST_MESSAGES = 500_000
"""Messages in all of them, unless it is one folder: 4 MB."""


def look_ahead(mailbox: ImapPipeline, tasks: Sequence[FolderTask]) -> None:
    """Ask for what is in the folders; those of which it is not told are left for the full look."""
    largest = sorted(tasks, key=messages, reverse=True)[:MOST]
    while len(largest) > 1 and sum(map(messages, largest)) > MOST_MESSAGES:
        largest.pop()
    for task, found in zip(largest, mailbox.look_ahead([task.folder for task in largest]), strict=True):
        if found is not None and found[0].uidvalidity and len(found[1]) >= found[0].messages:
            task.ahead = found


def bring_ahead(
    run: Run,
    mailbox: ImapMailbox,
    state: State,
    root: Root,
    task: FolderTask,
    tally: FolderTally,
    ahead: "tuple[FolderStatus, array[int]]",
    enter: Callable[[], None],
) -> bool:
    """Bring all of a folder in whose Maildir nothing is; False if there is by now: nothing was done.

    ahead: what the server told of it. enter: see `bulk.bring.bring`. Raises MailctlErrors; what came whole is kept.
    """
    status, uids = ahead
    assert root.descriptor is not None  # noqa: S101 - only a dry run may have none
    state.begin([task.name])
    with MaildirFolder(root.files, root.descriptor, task.path, create=True) as maildir:
        if any(read_names(maildir)):
            return False
        maildir.clean(run.tools.clock())
        tally.messages = status.messages
        by_uids = ByUids(run, mailbox, state, maildir, task.folder, task.hash, tally, root.descriptor)
        by_uids.bring_known(status, uids, 0, enter)
    return True
