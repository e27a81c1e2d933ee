"""An IMAP server in memory that tells of news by itself: `WaitingServer`, for the watch."""

import os
from dataclasses import dataclass, field
from threading import Lock

from mailctl.errors import AuthError, NetworkError, SecretError
from mailctl.sync.job import SyncJob
from tests.doubles.imap import MemoryMailbox, MemoryServer


@dataclass
class WaitingServer(MemoryServer):
    """how: `notify`, `idle` or "". refuse: whether sign-ins are refused, with these words; away: nobody answers.

    locked: whether the keyring is, which has the password.
    """

    how: str = "idle"
    refuse: bool = False
    words: str = "NO [AUTHENTICATIONFAILED] no"
    away: bool = False
    locked: bool = False
    attempts: int = 0
    mailboxes: list["WaitingMailbox"] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def open_imap(self, job: SyncJob | None = None) -> "WaitingMailbox":
        """A connection."""
        with self.lock:
            self.attempts += 1
            if self.away:
                raise NetworkError("localhost does not answer", cause="tcp_refused")
            if self.locked:
                raise SecretError("the keyring is locked", code="keyring_locked")
            if self.refuse:
                raise AuthError("the server refused the sign-in", server_text=self.words)
            self.connections += 1
            mailbox = WaitingMailbox(self)
            self.mailboxes.append(mailbox)
            return mailbox

    @property
    def waiting(self) -> list["WaitingMailbox"]:
        """The connections that wait now."""
        return [mailbox for mailbox in self.mailboxes if mailbox.waiting]

    def ring(self) -> None:
        """Tell all that wait that something changed."""
        for mailbox in self.waiting:
            os.write(mailbox.writing, b"!")

    def cut_all(self) -> None:
        """End all connections."""
        for mailbox in self.mailboxes:
            mailbox.broken = True
            if mailbox.waiting:
                os.write(mailbox.writing, b"x")


class WaitingMailbox(MemoryMailbox):
    """See `ImapWaiting`."""

    def __init__(self, server: WaitingServer) -> None:
        super().__init__(server)
        self._home = server
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.reading, False)
        self.waiting = self.broken = self.closed = False

    @property
    def alive(self) -> bool:
        return not (self.broken or self.closed)

    @property
    def waits(self) -> str:
        return self._home.how

    def begin_waiting(self) -> None:
        self._command("begin_waiting")
        self.waiting = True

    def fileno(self) -> int:
        return self.reading

    def news(self, seconds: float) -> bool:
        self._check()
        try:
            return b"!" in os.read(self.reading, 100)
        except BlockingIOError:
            return False

    def end_waiting(self) -> None:
        self._check()
        self.waiting = False

    def close(self) -> None:
        super().close()
        self.waiting = False
        if not self.closed:
            self.closed = True
            os.close(self.reading)
            os.close(self.writing)

    def _check(self) -> None:
        if self.broken:
            raise NetworkError("the server ended the connection", cause="connection_lost")

    def _command(self, name: str, argument: object = None) -> None:
        self._check()
        super()._command(name, argument)
