"""The connection of a mirror run: which folder is open in it, and what the server can do."""

from typing import Protocol as Interface

from mailctl.domain.changes import ImapChanges
from mailctl.domain.mailbox import Folder, FolderStatus, ImapMailbox
from mailctl.domain.visits import ImapPipeline
from mailctl.errors import RefusedError
from mailctl.sync.mirror.work import Work


class MirrorMailbox(ImapMailbox, ImapPipeline, ImapChanges, Interface):
    """A signed-in IMAP connection that reads and changes."""


class Connection:
    """Selects folders for changes, each only when another one was open."""

    def __init__(self, mailbox: MirrorMailbox, inbox: Folder) -> None:
        self.mailbox, self._inbox = mailbox, inbox
        self._open = ""

    def select(self, work: Work) -> FolderStatus | None:
        """Open a folder for reading and writing; its state, or None if it was open."""
        if self._open == work.name:
            return None
        return self.select_again(work)

    def select_again(self, work: Work) -> FolderStatus:
        """Open a folder for reading and writing; its state as it is now.

        RefusedError if its UIDs are not those that were planned with: other messages have them by now.
        """
        self._open = ""
        status = self.mailbox.select(folder_of(work), read_only=False)
        if work.status is not None and status.uidvalidity != work.status.uidvalidity:
            raise RefusedError(
                f"{work.name} was made anew on the server meanwhile: nothing more was done in it",
                hint="The next run looks at it afresh.",
                code="uidvalidity_changed",
            )
        self._open = work.name
        return status

    def leave(self) -> None:
        """Something else is about to open other folders."""
        self._open = ""

    def remove(self, work: Work) -> None:
        """DELETE a folder, which is not open then: some servers end a session whose folder goes."""
        self._open = ""
        self.mailbox.select(self._inbox, read_only=True)
        self.mailbox.remove(folder_of(work))

    @staticmethod
    def uidnext(work: Work) -> int:
        """A UID below which there is nothing new (1 if the server doesn't tell)."""
        return (work.status.uidnext if work.status else None) or 1

    @property
    def moves(self) -> bool:
        """Whether messages can be moved in one step (RFC 6851)."""
        return self._offers("MOVE")

    @property
    def expunges(self) -> bool:
        """Whether single messages can be removed (RFC 4315)."""
        return self._offers("UIDPLUS")

    @property
    def most_octets(self) -> int | None:
        """See `append_limit`."""
        return append_limit(self.mailbox.capabilities)

    def _offers(self, extension: str) -> bool:
        return offers(self.mailbox.capabilities, extension)


def folder_of(work: Work) -> Folder:
    """The folder on the server. RefusedError if it is not there."""
    if work.folder is None:
        raise RefusedError(f"{work.name} is not on the server", cause="no_such_mailbox")
    return work.folder


def append_limit(capabilities: frozenset[str]) -> int | None:
    """The largest message that a server takes, in octets (RFC 7889); None if it doesn't tell."""
    told = [c.partition("=")[2] for c in capabilities if c.startswith("APPENDLIMIT=")]
    return int(told[0]) if told and told[0].isascii() and told[0].isdigit() else None


def offers(capabilities: frozenset[str], extension: str) -> bool:
    """Whether a server has an extension that IMAP4rev2 took in; one of both revisions speaks the first."""
    return extension in capabilities or capabilities & {"IMAP4REV1", "IMAP4REV2"} == {"IMAP4REV2"}
