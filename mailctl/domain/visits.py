"""Reading many folders in few round trips: what a pipelining IMAP connection takes, and what it tells as it comes.

Names and semantics: RFC 9051; RFC 7162 (CONDSTORE, QRESYNC); RFC 5819 (LIST-STATUS).
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from typing import Protocol as Interface

from mailctl.domain.mailbox import BodySink, Folder, FolderListing, FolderStatus, MessageMeta
from mailctl.domain.record import dataclass
from mailctl.errors import MailctlError

if TYPE_CHECKING:
    from array import array


@dataclass(frozen=True, slots=True)
class Visit:
    """One folder to be read: EXAMINE and what is asked for, sent before the folders ahead of it have answered.

    since: (UIDVALIDITY, HIGHESTMODSEQ) last seen: asks for what changed and vanished since (QRESYNC). bodies_from: each
    message from this UID on comes with its body; None: no bodies. rows_from: each message from this UID on is shown
    without its body; not together with bodies. read_only: False opens it with SELECT, which tells whether it can be
    changed, and which flags it keeps.
    """

    folder: Folder
    since: tuple[int, int] | None = None
    bodies_from: int | None = None
    rows_from: int | None = None
    read_only: bool = True


@dataclass(frozen=True, slots=True)
class Opened:
    """The folder's state, and what changed since `Visit.since`, as far as the server tells it before the bodies.

    changed: messages whose flags changed, and those that are new (size and date may be None). vanished: UIDs that are
    gone, inclusive ranges, ascending; a range may hold UIDs that never were, and messages that went since `status`.
    """

    visit: Visit
    status: FolderStatus
    changed: tuple[MessageMeta, ...] = ()
    vanished: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as the folder has it: flags, size, date. Its UID may be beyond `status.uidnext`."""

    visit: Visit
    meta: MessageMeta


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message came whole; its sink was finished with this.

    Its UID may be beyond `status.uidnext`: it was delivered meanwhile. Messages come in any order.
    """

    visit: Visit
    meta: MessageMeta


@dataclass(frozen=True, slots=True)
class Closed:
    """All that was asked of the folder was answered. error: why not, if the server refused (others go on).

    Code `unclear`: the folder is there, but what changed can't be told, or is too much; only a look at all of it helps.
    A message whose body the server doesn't give (NIL, or gone meanwhile) is in no `Arrived`, and no error.
    """

    visit: Visit
    error: MailctlError | None = None


class Sinks(Interface):
    """Called when a body begins."""

    def __call__(self, visit: Visit, octets: int) -> BodySink:
        """octets: the announced length of the body."""


class ImapPipeline(Interface):
    """The part of a signed-in IMAP connection that reads many folders at once. Errors as of `ImapMailbox`."""

    def survey(self) -> FolderListing:
        """The folders with their STATUS (MESSAGES, UIDNEXT, UIDVALIDITY, HIGHESTMODSEQ, MAILBOXID as offered).

        One round trip with LIST-STATUS (RFC 5819), ENABLE QRESYNC in it; else LIST, then pipelined STATUS. Folders that
        are subscribed have the attribute `\\subscribed` where the server tells with the listing.
        """

    def visit(self, visits: Sequence[Visit], sinks: Sinks) -> Iterator[Opened | Shown | Arrived | Closed]:
        """Read folders, several in flight: for each, in order, Opened (unless refused), any Shown or Arrived, Closed.

        The first are asked for at once. Never sets \\Seen. `since` needs QRESYNC enabled (see `quick`). The iterator
        must be exhausted before the next command, and leaves no folder selected.
        """

    def look_ahead(self, folders: Sequence[Folder]) -> "list[tuple[FolderStatus, array[int]] | None]":
        """Of each folder its state, and the UIDs in it, ascending, in one round trip; None of one that doesn't tell.

        Leaves no folder selected.
        """

    @property
    def quick(self) -> bool:
        """Whether QRESYNC is enabled on this connection."""

    def compress(self) -> bool:
        """COMPRESS DEFLATE (RFC 4978) from here on; False where the server doesn't offer it, or refuses."""
