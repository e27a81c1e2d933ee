"""A large folder that is new, and of which nothing is here: brought by its UIDs alone.

What each message is like (size, flags, date) comes with its body, so that nothing of what the folder holds is kept in
memory but numbers. For gateways that simply take each message (`still.takes_all`).
"""

from array import array
from collections.abc import Mapping
from dataclasses import replace

from mailctl.domain.mailbox import Folder, FolderStatus, ImapMailbox
from mailctl.errors import RefusedError
from mailctl.sync.archive.stay import LAST_UID, folder_state
from mailctl.sync.archive.still import fingerprint, write_left_out
from mailctl.sync.bulk.load import Load
from mailctl.sync.fetch import fetch, tell_missing
from mailctl.sync.job import FolderTally
from mailctl.sync.local.maildir import MaildirFolder
from mailctl.sync.run import Run
from mailctl.sync.state import AT_WORK, Agreed, FolderState, State


def bring_fresh(
    run: Run,
    mailbox: ImapMailbox,
    state: State,
    maildir: MaildirFolder,
    folder: Folder,
    folder_hash: str,
    status: FolderStatus,
    tally: FolderTally,
    *,
    root: int | None,
    others: int,
) -> bool:
    """Bring all of the selected folder, and remember it; False if the server can't tell its UIDs: nothing was done.

    others: files in the Maildir folder that aren't this folder's. root: see `bring`. Raises MailctlErrors; what came
    whole before is kept.
    """
    try:
        uids = mailbox.uids()
    except RefusedError:
        return False
    if len(uids) < status.messages:  # it hides some, or they have just gone: a scan tells more
        return False
    name, validity = folder.name, status.uidvalidity or 0
    state.begin([name])
    state.save_folder(name, FolderState(validity, cur=AT_WORK, new=AT_WORK))

    def keep(new: Mapping[int, Agreed], places: Mapping[int, str | None]) -> None:
        state.save_messages(name, new, places)

    wanted = array("L", tally.around(uids))  # a fifth of a list's memory
    uids.clear()
    load = Load(folder, maildir.path, folder_hash, validity, wanted)
    fetch(run, mailbox, maildir, load, None, tally, keep, root=root)
    came = state.known(name)
    if came != len(wanted):
        tell_missing(wanted, set(state.within(name, [(1, LAST_UID)])), tally)
    left_out = None if tally.warnings else write_left_out(tally.skipped)
    settled = "" if left_out is None else fingerprint(run.job)
    now = folder_state(status, str(maildir.path), settled)
    state.save_folder(name, replace(now, files=others + came, left_out=left_out or ""))
    return True
