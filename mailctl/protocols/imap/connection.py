"""What the parts of a signed-in IMAP connection share: the channel, and the open folder."""

from mailctl.domain.mailbox import FolderStatus
from mailctl.errors import RefusedError
from mailctl.protocols.imap.channel import Channel


class Connection:
    """The base of `mailbox.Mailbox` and of its parts."""

    def __init__(self, channel: Channel) -> None:
        self.capabilities = channel.capabilities
        """As the server offers them after sign-in, upper case."""
        self._channel = channel
        self._selected: FolderStatus | None = None

    @property
    def alive(self) -> bool:
        """Whether the connection works as far as is known: nothing has ended it yet, and no answer is on its way.

        Whoever gives up between a command and its answer leaves one that the next command would take for its own.
        """
        return not self._channel.dead and not self._channel.in_flight

    def close(self) -> None:
        """LOGOUT if it can be done at once; never raises."""
        self._channel.logout()

    def _folder(self) -> FolderStatus:
        """The open folder. RefusedError (code not_selected) if there is none."""
        if self._selected is None:
            raise RefusedError("no folder is open", code="not_selected")
        return self._selected

    def _writable(self) -> FolderStatus:
        """The open folder. RefusedError if there is none, or (cause read_only) if it was opened read-only."""
        folder = self._folder()
        if folder.read_only:
            raise RefusedError("the folder is open for reading only", code="read_only", cause="read_only")
        return folder
