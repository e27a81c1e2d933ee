"""Puts a message that was sent into the server's Sent folder, once: to call again after a failure doubles nothing.

The folder is the one with the special use `\\Sent` (RFC 6154), else one that bears a usual name. Providers that file
sent mail by themselves (`Provider.files_sent_mail`) are left to do it.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Protocol as Interface

from mailctl.domain.changes import ImapChanges, Upload
from mailctl.domain.mailbox import Folder, ImapMailbox
from mailctl.domain.record import dataclass
from mailctl.errors import RefusedError, UsageError
from mailctl.sync.rematch import message_id

_NAMES = ("sent", "sent items", "sent messages", "sent mail", "sent-mail")
_NEWEST = 50
"""Messages of the folder that are looked at themselves: a server's search may lag behind."""


class SentMailbox(ImapMailbox, ImapChanges, Interface):
    """A signed-in IMAP connection that reads, changes and searches."""

    def search_header(self, name: str, value: str) -> list[int]:
        """UIDs of the messages of the selected folder whose field `name` contains `value`."""


class Filed(StrEnum):
    """by_provider: it files sent mail itself. there: the message was in the folder. uploaded: it is now."""

    BY_PROVIDER = "by_provider"
    THERE = "there"
    UPLOADED = "uploaded"


@dataclass(frozen=True, slots=True)
class SentCopy:
    """How the copy came about. folder: "" if the provider files it. uid: 0 if the server doesn't tell."""

    how: Filed
    folder: str = ""
    uid: int = 0


def upload_sent(
    mailbox: SentMailbox, upload: Upload, identity: str, *, files_sent_mail: bool | None = None
) -> SentCopy:
    """Put `upload` into the Sent folder unless it is there.

    identity: its Message-ID, with the angle brackets; UsageError without one, since nothing else tells it from another.
    files_sent_mail: the provider's fact, None if not known. RefusedError if the server has no Sent folder, or won't.
    Whatever the error: to call again is safe.
    """
    if files_sent_mail:
        return SentCopy(Filed.BY_PROVIDER)
    if len(identity) < 3 or not identity.isascii() or not identity.isprintable():
        raise UsageError("a message without a Message-ID can't be filed once only", code="bad_argument")
    folder = sent_folder(mailbox.folders().folders)
    if folder is None:
        raise RefusedError("the server has no folder for sent mail", code="no_sent_folder", cause="no_such_mailbox")
    mailbox.select(folder, read_only=True)
    found = _found(mailbox, identity)
    if found:
        return SentCopy(Filed.THERE, folder.name, found)
    placed = mailbox.append(folder, [upload])
    return SentCopy(Filed.UPLOADED, folder.name, placed.uids.get(0, 0))


def sent_folder(folders: Iterable[Folder]) -> Folder | None:
    """The folder for sent mail: by its special use, else by its name, the shortest path first."""
    there = [folder for folder in folders if folder.selectable]
    special = [folder for folder in there if "\\sent" in folder.attributes]
    named = [folder for folder in there if _last(folder) in _NAMES]
    return min(special or named, key=lambda folder: (len(folder.name), folder.name), default=None)


def _last(folder: Folder) -> str:
    """The last level of its name, in lower case."""
    return (folder.name.split(folder.delimiter)[-1] if folder.delimiter else folder.name).lower()


def _found(mailbox: SentMailbox, identity: str) -> int:
    """The UID of the newest message of that Message-ID in the selected folder; 0 if there is none."""
    newest: Sequence[int] = mailbox.uids()[-_NEWEST:]
    uids = sorted({*mailbox.search_header("Message-ID", identity), *newest})
    wanted = "".join(identity.split())
    same = [uid for uid, header in mailbox.headers(uids, ("Message-ID",)) if message_id(header) == wanted]
    return max(same, default=0)
