"""Changing what is on an IMAP server: messages put there, copied, moved, flagged; folders made, renamed, removed.

Names and semantics: RFC 9051; RFC 4315 (UIDPLUS); RFC 3502 (MULTIAPPEND); RFC 6851 (MOVE); RFC 7888 (LITERAL+).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Protocol as Interface

from mailctl.domain.mailbox import Folder
from mailctl.domain.record import dataclass
from mailctl.errors import MailctlError, RefusedError


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


class PlacingError(RefusedError):
    """Messages were refused. placed: what was placed all the same; unplaced: uploads (by number) or UIDs that were not.

    With `unplaced` told, what is in neither was placed too, but the server didn't say where.
    """

    def __init__(self, error: MailctlError, placed: Placed, unplaced: Sequence[int]) -> None:
        super().__init__(
            error.message,
            hint=error.hint,
            code=error.code,
            cause=error.cause,
            server_text=error.server_text,
            detail=error.detail,
        )
        self.placed = placed
        self.unplaced = tuple(unplaced)


@dataclass(frozen=True, slots=True)
class FlagChange:
    """Flags to add to (`add`) or remove from these messages."""

    uids: tuple[int, ...]
    flags: frozenset[str]
    add: bool = True


class ImapChanges(Interface):
    """The part of a signed-in IMAP connection that changes things. Errors as of `ImapMailbox`."""

    def append(self, folder: Folder, uploads: Sequence[Upload]) -> Placed:
        """APPEND, many in one command with MULTIAPPEND, else one after another, pipelined with LITERAL+.

        Each message is looked through before anything of it is sent.

        PlacingError: refused (cause quota_full, no_such_mailbox, size_limit), or mailctl itself knows that it can't be
        (code empty_message, nul_in_message, size_limit); with MULTIAPPEND one bad message refuses all of its command.
        StorageError (code message_changed) if `octets` isn't what `chunks` yields; the connection is dead then if that
        showed in the middle of sending. What `chunks` raises passes through.
        """

    def copy(self, uids: Sequence[int], folder: Folder) -> Placed:
        """UID COPY from the selected folder. PlacingError if it is refused; UIDs that are gone are passed over."""

    def move(self, uids: Sequence[int], folder: Folder) -> Placed:
        """UID MOVE from the selected folder; as `copy`. RefusedError (code no_move) without MOVE."""

    def change_flags(self, changes: Iterable[FlagChange]) -> None:
        """UID STORE ±FLAGS.SILENT in the selected folder, pipelined, in this order. UIDs that are gone are passed over.

        RefusedError (the first one) after all of a flight were tried. UsageError for what can't be a flag, with nothing
        sent.
        """

    def expunge(self, uids: Sequence[int], *, unchanged_since: int | None = None) -> list[int]:
        """See `ImapMailbox.expunge`."""

    def make(self, name: str, delimiter: str | None) -> Folder:
        """CREATE a folder of that (decoded) name, its levels parted by the delimiter.

        RefusedError (code already_exists) if there is one. UsageError (code bad_argument) for a name that can't be,
        with nothing sent; so for `rename`.
        """

    def rename(self, folder: Folder, name: str) -> Folder:
        """RENAME a folder, and what is below it → as it is called now. RefusedError (code already_exists, inbox)."""

    def remove(self, folder: Folder) -> None:
        """DELETE a folder; the caller saw to it that it is empty. RefusedError (code inbox) for INBOX."""

    def subscribed(self) -> frozenset[str]:
        """Names of the subscribed folders."""

    def subscribe(self, folder: Folder, *, on: bool) -> None:
        """SUBSCRIBE or UNSUBSCRIBE."""


class ImapWaiting(Interface):
    """The part of a signed-in IMAP connection that waits for news."""

    @property
    def alive(self) -> bool:
        """Whether the connection works as far as is known: nothing has ended it yet."""

    @property
    def waits(self) -> str:
        """How it can wait: `notify` (all folders, RFC 5465), `idle` (the selected one, RFC 2177), or "" (polling).

        What the server offered and then refused is not counted any more: ask again after `begin_waiting`.
        """

    def begin_waiting(self) -> None:
        """NOTIFY SET for all folders and IDLE, or IDLE on the selected folder. The socket is then watched.

        RefusedError (code no_idle) if the server won't; the connection lives. What changed between `select` and now is
        news.
        """

    def fileno(self) -> int:
        """The socket, for a selector. Octets may also wait in buffers: ask `news(0)` first."""

    def news(self, seconds: float) -> bool:
        """Whether anything changed, waiting at most so long for it, and never for the rest of a half line.

        NetworkError if the connection has ended, with the server's words if it said why.
        """

    def end_waiting(self) -> None:
        """DONE; other commands may follow. NetworkError if the server doesn't answer within a few seconds.

        News that comes at that moment is told by `news` of the next waiting, unless there was some already in this one.
        """
