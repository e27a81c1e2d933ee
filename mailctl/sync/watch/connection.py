"""A gateway's connection while it is watched: lent to a sync, then kept, waiting for news, instead of ended.

So a sync begins without signing in, and the server counts one connection for a gateway.
"""

from threading import Lock
from typing import TYPE_CHECKING, cast
from typing import Protocol as Interface

from mailctl.domain.changes import ImapWaiting
from mailctl.domain.heartbeat import WatchState
from mailctl.domain.mailbox import Folder, FolderStatus, ImapMailbox, PopMailbox
from mailctl.domain.server import Protocol
from mailctl.errors import MailctlError, RefusedError
from mailctl.sync.choose import choose
from mailctl.sync.job import Connector, SyncJob
from mailctl.sync.local.names import canonical_folder

if TYPE_CHECKING:
    from mailctl.sync.state import FolderState


class WatchedMailbox(ImapMailbox, ImapWaiting, Interface):
    """A signed-in connection that reads and waits."""


class Parked:
    """The `Connector` of one gateway's syncs, and the connection that waits between them.

    Used by one thread at a time, but for `lend` and `take_back`, which syncs with several connections may call from
    several.
    """

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._lock = Lock()
        self._kept: WatchedMailbox | None = None
        self._waiting = False
        self._folder: Folder | None = None

    # -- as a connector

    def open_imap(self, job: SyncJob) -> ImapMailbox:
        """The connection that is kept, if there is one that is not lent; else a new one."""
        with self._lock:
            kept, self._kept = self._kept, None
        mailbox = kept or cast(WatchedMailbox, self._connector.open_imap(job))
        return cast(ImapMailbox, _Lent(mailbox, self))

    def open_pop3(self, job: SyncJob) -> PopMailbox:
        """A new connection: a maildrop shows what was there when it was opened (RFC 1939)."""
        return self._connector.open_pop3(job)

    def take_back(self, mailbox: WatchedMailbox) -> None:
        """A sync is done with a connection: it is kept if it works and none is kept yet."""
        with self._lock:
            if self._kept is None and mailbox.alive:
                self._kept = mailbox
                return
        mailbox.close()

    # -- between syncs

    @property
    def connected(self) -> bool:
        """Whether a connection is kept."""
        return self._kept is not None

    def fileno(self) -> int:
        """The socket of the connection that waits."""
        return self._mailbox.fileno()

    def wait(self, job: SyncJob, seen: "dict[str, FolderState]") -> tuple[WatchState, bool]:
        """Begin to wait: how, and whether the watched folder has moved since `seen`, what the sync saw of each.

        A server that tells nothing by itself, or not of that folder, is polled. MailctlErrors: the connection is gone.
        """
        if job.protocol is not Protocol.IMAP:
            return WatchState.POLL, False
        try:
            if self._kept is None:
                self._kept = cast(WatchedMailbox, self._connector.open_imap(job))
            return self._wait(job, seen)
        except RefusedError:  # the folder can't be opened, or the server offers what it doesn't do
            self.close()
            return WatchState.POLL, False
        except MailctlError:
            self.close()
            raise

    def _wait(self, job: SyncJob, seen: "dict[str, FolderState]") -> tuple[WatchState, bool]:
        mailbox = self._mailbox
        if not mailbox.waits:
            self.close()
            return WatchState.POLL, False
        if self._folder is None:
            chosen = choose(mailbox.folders().folders, job.globs, mailbox.capabilities).chosen
            if not chosen:
                self.close()
                return WatchState.POLL, False
            self._folder = chosen[0]
        status = mailbox.select(self._folder, read_only=True)
        mailbox.begin_waiting()
        self._waiting = True
        known = seen.get(self._folder.name) or seen.get(canonical_folder(self._folder.name))
        moved = known is not None and _moved(status, known)
        return WatchState(mailbox.waits), moved or mailbox.news(0)

    def news(self) -> bool:
        """Whether something changed, as far as the server has told. MailctlErrors: the connection is gone."""
        try:
            return self._mailbox.news(0)
        except MailctlError:
            self.close()
            raise

    def end_waiting(self) -> None:
        """Let the connection take commands again; one that has died without a word is dropped."""
        if self._waiting and self._kept is not None:
            try:
                self._kept.end_waiting()
            except MailctlError:
                self.close()
        self._waiting = False

    def close(self) -> None:
        """End the connection; never raises."""
        with self._lock:
            kept, self._kept, self._waiting = self._kept, None, False
        if kept is not None:
            kept.close()

    @property
    def _mailbox(self) -> WatchedMailbox:
        assert self._kept is not None, "no connection is kept"  # noqa: S101
        return self._kept


class _Lent:
    """A connection as a sync has it: closing it gives it back."""

    def __init__(self, mailbox: WatchedMailbox, owner: Parked) -> None:
        self._mailbox, self._owner = mailbox, owner

    def __getattr__(self, name: str) -> object:
        return getattr(self._mailbox, name)

    def close(self) -> None:
        """See `Parked.take_back`."""
        self._owner.take_back(self._mailbox)


def _moved(status: FolderStatus, known: "FolderState") -> bool:
    if status.highestmodseq and known.highestmodseq and status.highestmodseq != known.highestmodseq:
        return True
    there = (status.uidvalidity or 0, status.uidnext, status.messages)
    return there != (known.uidvalidity, known.uidnext, known.messages)
