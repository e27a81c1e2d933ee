"""The server's side of a history, by a mail client of its own: `There`."""

import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

from .letters import token_of


@dataclass(frozen=True, order=True)
class Seen:
    """A message as one side has it. where: UID, or the file's name."""

    folder: str
    token: int
    flags: tuple[str, ...]
    where: str


class There:
    """A session, signed in. folders' names are in Unicode with `/`."""

    def __init__(self, host: str, port: int, user: str, password: str, trust: ssl.SSLContext) -> None:
        self._client = IMAPClient(host, port, ssl_context=trust, timeout=30)
        self._client.login(user, password)

    def close(self) -> None:
        """Sign out."""
        with suppress(IMAPClientError, OSError):
            self._client.logout()

    def folders(self) -> list[str]:
        """All that can be selected."""
        no = {b"\\noselect", b"\\nonexistent"}
        return sorted(name for flags, _, name in self._client.list_folders() if not {f.lower() for f in flags} & no)

    def names(self) -> list[str]:
        """All that are listed, those that only hold others among them."""
        return [name for _, _, name in self._client.list_folders()]

    def messages(self) -> list[Seen]:
        """All of them."""
        found = []
        for folder in self.folders():
            status = self._client.select_folder(folder, readonly=True)
            uids = range(1, status[b"UIDNEXT"]) if status[b"EXISTS"] else ()  # a SEARCH takes Cyrus 50 ms
            rows: Mapping[int, Mapping[bytes, object]] = self._client.fetch(list(uids), ["FLAGS", "BODY.PEEK[]"])
            for uid, row in rows.items():
                flags, data = row[b"FLAGS"], row[b"BODY[]"]
                assert isinstance(flags, tuple)
                assert isinstance(data, bytes)
                known = sorted({flag.decode() for flag in flags} - {"\\Recent"})
                found.append(Seen(folder, token_of(data), tuple(known), str(uid)))
        return sorted(found)

    def append(self, folder: str, data: bytes, flags: tuple[str, ...]) -> None:
        """A new message."""
        self._client.append(folder, data, flags)

    def flag(self, message: Seen, flag: str, *, on: bool) -> None:
        """Set or take away one flag."""
        self._client.select_folder(message.folder)
        change = self._client.add_flags if on else self._client.remove_flags
        change([int(message.where)], [flag], silent=True)

    def move(self, message: Seen, folder: str) -> None:
        """To another folder."""
        self._client.select_folder(message.folder)
        self._client.move([int(message.where)], folder)

    def delete(self, message: Seen) -> None:
        """For good."""
        self._client.select_folder(message.folder)
        self._client.add_flags([int(message.where)], ["\\Deleted"], silent=True)
        self._client.uid_expunge([int(message.where)])

    def create(self, folder: str) -> None:
        """A new folder."""
        self._client.create_folder(folder)
        self._client.subscribe_folder(folder)

    def rename(self, old: str, new: str) -> None:
        """A folder, and those below it."""
        self._client.unselect_folder()
        self._client.rename_folder(old, new)

    def remove(self, folder: str) -> None:
        """A folder with what is in it."""
        self._client.unselect_folder()
        self._client.delete_folder(folder)
