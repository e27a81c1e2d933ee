"""Changing what is on an IMAP server: messages put there, copied, moved, flagged; folders made, renamed, removed.

Names and semantics: RFC 9051; RFC 4315 (UIDPLUS); RFC 3502 (MULTIAPPEND); RFC 6851 (MOVE); RFC 7888 (LITERAL+).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol as Interface

from mailctl.domain.mailbox import Folder


@dataclass(frozen=True, slots=True)
class Upload:
    """A message to be put on the server.

    octets: its length as sent (CRLF line ends). chunks: opens it and yields exactly those octets. internaldate: epoch
    seconds, None: now.
    """

    octets: int
    chunks: Callable[[], Iterator[bytes]]
    flags: frozenset[str] = frozenset()
    internaldate: float | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """Where messages came to lie. uidvalidity: of the folder they are in; None where the server doesn't tell.

    uids: new UID by old UID (COPYUID), or by the number of the upload, from 0 (APPENDUID); missing: not told.
    """

    uidvalidity: int | None = None
    uids: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FlagChange:
    """Flags to add to (`add`) or remove from these messages."""

    uids: tuple[int, ...]
    flags: frozenset[str]
    add: bool = True


class ImapChanges(Interface):
    """The part of a signed-in IMAP connection that changes things. Errors as of `ImapMailbox`."""

    def append(self, folder: Folder, uploads: Sequence[Upload]) -> Placed:
        """APPEND, all of them in one command with MULTIAPPEND, else one after another, pipelined with LITERAL+.

        RefusedError (cause over_quota, no_such_mailbox, message_too_large, …); what was placed before it is in its
        `placed` attribute where there were several commands.
        """

    def copy(self, uids: Sequence[int], folder: Folder) -> Placed:
        """UID COPY from the selected folder."""

    def move(self, uids: Sequence[int], folder: Folder) -> Placed:
        """UID MOVE from the selected folder; RefusedError (code no_move) without MOVE."""

    def change_flags(self, changes: Iterable[FlagChange]) -> None:
        """UID STORE ±FLAGS.SILENT in the selected folder, pipelined."""

    def expunge(self, uids: Sequence[int]) -> None:
        """See `ImapMailbox.expunge`."""

    def make(self, name: str, delimiter: str | None) -> Folder:
        """CREATE a folder of that (decoded) name."""

    def rename(self, folder: Folder, name: str) -> Folder:
        """RENAME a folder."""

    def remove(self, folder: Folder) -> None:
        """DELETE a folder; the caller saw to it that it is empty."""

    def subscribed(self) -> frozenset[str]:
        """Names of the subscribed folders."""

    def subscribe(self, folder: Folder, *, on: bool) -> None:
        """SUBSCRIBE or UNSUBSCRIBE."""


class ImapWaiting(Interface):
    """The part of a signed-in IMAP connection that waits for news."""

    @property
    def alive(self) -> bool:
        """Whether nothing went wrong on it so far; one that died in silence seems alive."""

    @property
    def waits(self) -> str:
        """How it can wait: `notify` (all folders, RFC 5465), `idle` (the selected one, RFC 2177), or "" (polling)."""

    def begin_waiting(self) -> None:
        """NOTIFY SET for all folders and IDLE, or IDLE on the selected folder. The socket is then watched."""

    def fileno(self) -> int:
        """The socket, for a selector. Octets may also wait in buffers: ask `news(0)` first."""

    def news(self, seconds: float) -> bool:
        """Whether anything changed, waiting at most so long for it. NetworkError if the connection has ended."""

    def end_waiting(self) -> None:
        """DONE; other commands may follow. NetworkError if the server doesn't answer within a few seconds."""
