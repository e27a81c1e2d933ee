"""A large folder that is new, or of which a run that was cut short brought a part: brought by its UIDs alone.

What each message is like (size, flags, date) comes with its body, so that nothing of what the folder holds is kept in
memory but numbers. For gateways that simply take each message (`still.takes_all`).
"""

from array import array
from collections.abc import Callable, Mapping, Set
from dataclasses import replace

from mailctl.domain.mailbox import Folder, FolderStatus, ImapMailbox
from mailctl.domain.record import dataclass
from mailctl.errors import RefusedError
from mailctl.sync.archive.stay import LAST_UID
from mailctl.sync.archive.still import fingerprint, folder_state, write_left_out
from mailctl.sync.bulk.load import WORTH_UNSIZED, Load
from mailctl.sync.fetch import fetch, tell_missing
from mailctl.sync.job import FolderTally
from mailctl.sync.local.maildir import MaildirFolder
from mailctl.sync.run import Run
from mailctl.sync.state import AT_WORK, Agreed, FolderState, State


@dataclass(frozen=True, slots=True)
class ByUids:
    """Brings the folder that is selected on `mailbox`, or is to be. root: see `bring`.

    Its methods raise MailctlErrors; what came whole before is kept.
    """

    run: Run
    mailbox: ImapMailbox
    state: State
    maildir: MaildirFolder
    folder: Folder
    hash: str
    tally: FolderTally
    root: int | None

    def bring_all(self, status: FolderStatus, others: int) -> bool:
        """Bring all, and remember the folder; False if the server can't tell its UIDs: nothing was done.

        others: files in the Maildir folder that aren't this folder's.
        """
        try:
            uids = array("L", self.mailbox.uids())  # a fifth of a list's memory
        except RefusedError:
            return False
        if len(uids) < status.messages:  # it hides some, or they have just gone: a scan tells more
            return False
        self.bring_known(status, uids, others)
        return True

    def bring_known(
        self, status: FolderStatus, uids: "array[int]", others: int, enter: Callable[[], None] = lambda: None
    ) -> None:
        """The same where the UIDs are known. enter: see `bring`."""
        state, tally, name = self.state, self.tally, self.folder.name
        state.begin([name])
        state.save_folder(name, FolderState(status.uidvalidity or 0, cur=AT_WORK, new=AT_WORK))
        wanted = array("L", tally.around(uids))
        self._fetch(status.uidvalidity or 0, wanted, enter)
        came = state.known(name)
        if came != len(wanted):
            tell_missing(wanted, set(state.within(name, [(1, LAST_UID)])), tally)
        left_out = None if tally.warnings else write_left_out(tally.skipped)
        settled = "" if left_out is None else fingerprint(self.run.job)
        now = folder_state(status, str(self.maildir.path), settled)
        state.save_folder(name, replace(now, files=others + came, left_out=left_out or ""))

    def bring_rest(self, validity: int, known: Set[int]) -> bool:
        """Bring what is not among `known`, the UIDs that are here, or were; whether that was much.

        A full look is to follow. Workers are let go: what they need and what the look needs would be much together.
        """
        try:
            wanted = array("L", (uid for uid in self.mailbox.uids() if uid not in known))
        except RefusedError:
            return False
        if len(wanted) <= WORTH_UNSIZED:
            return False
        self._fetch(validity, array("L", self.tally.around(wanted)))
        self.run.close()
        return True

    def _fetch(self, validity: int, wanted: "array[int]", enter: Callable[[], None] = lambda: None) -> None:
        def keep(new: Mapping[int, Agreed], places: Mapping[int, str | None]) -> None:
            self.state.save_messages(self.folder.name, new, places)

        load = Load(self.folder, self.maildir.path, self.hash, validity, wanted)
        fetch(self.run, self.mailbox, self.maildir, load, None, self.tally, keep, root=self.root, enter=enter)
