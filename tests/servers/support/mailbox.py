"""One user's mailbox on a Dovecot: `Mailbox`, its methods those of `Dovecot` without the user."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from .dovecot import Dovecot
from .imap_pipe import ImapPipe
from .mail import Held, Mail


@dataclass(frozen=True)
class Mailbox:
    """A user of a server."""

    server: Dovecot
    user: str

    @property
    def password(self) -> str:
        """The user's password."""
        return self.server.passwords[self.user]

    @property
    def address(self) -> str:
        """The mail address."""
        return f"{self.user}@mail.test"

    def deliver(
        self, folder: str, message: bytes, flags: Iterable[str] = (), received: dt.datetime | None = None
    ) -> int:
        """See `Dovecot.deliver`."""
        return self.server.deliver(self.user, folder, message, flags, received)

    def deliver_many(self, folder: str, mails: Iterable[Mail | bytes]) -> list[int]:
        """See `Dovecot.deliver_many`."""
        return self.server.deliver_many(self.user, folder, mails)

    def messages(self, folder: str = "INBOX") -> list[Held]:
        """See `Dovecot.messages`."""
        return self.server.messages(self.user, folder)

    def contents(self) -> dict[str, list[Held]]:
        """See `Dovecot.contents`."""
        return self.server.contents(self.user)

    def expunge(self, folder: str, uid: int) -> None:
        """See `Dovecot.expunge`."""
        self.server.expunge(self.user, folder, uid)

    def set_flags(self, folder: str, uid: int, flags: Iterable[str]) -> None:
        """See `Dovecot.set_flags`."""
        self.server.set_flags(self.user, folder, uid, flags)

    def folders(self) -> list[str]:
        """See `Dovecot.folders`."""
        return self.server.folders(self.user)

    def create_folder(self, name: str) -> None:
        """See `Dovecot.create_folder`."""
        self.server.create_folder(self.user, name)

    def create_folders(self, names: Iterable[str]) -> None:
        """See `Dovecot.create_folders`."""
        self.server.create_folders(self.user, names)

    def delete_folder(self, name: str) -> None:
        """See `Dovecot.delete_folder`."""
        self.server.delete_folder(self.user, name)

    def uidvalidity(self, folder: str) -> int:
        """See `Dovecot.uidvalidity`."""
        return self.server.uidvalidity(self.user, folder)

    def set_uidvalidity(self, folder: str, value: int) -> None:
        """See `Dovecot.set_uidvalidity`."""
        self.server.set_uidvalidity(self.user, folder, value)

    def session(self) -> ImapPipe:
        """See `Dovecot.session`."""
        return self.server.session(self.user)
