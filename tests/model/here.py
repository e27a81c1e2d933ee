"""The Maildir's side of a history, changed as mail clients change it: `Here`."""

import os
from pathlib import Path

from mailctl.sync.local.flags import Keywords, from_letters
from mailctl.sync.local.names import folder_hash, parse_name
from tests.servers.syncing import GatewayHome

from .letters import token_of
from .there import Seen

_PARTS = ("tmp", "new", "cur")
_OF_FLAG = {"\\Draft": "D", "\\Flagged": "F", "\\Answered": "R", "\\Seen": "S"}


class Here:
    """The Maildir of a gateway."""

    def __init__(self, home: GatewayHome) -> None:
        self._home = home
        self._number = 0

    def folders(self) -> list[str]:
        """All that are here."""
        return sorted(self._home.folders())

    def messages(self) -> list[Seen]:
        """All of them; each file is one. where: `cur/NAME` or `new/NAME`.

        A file that was moved with its name keeps the letters of the folder that its name speaks of.
        """
        mark = self._home.mail / ".mailctl"
        account = mark.read_text().strip() if mark.exists() else ""  # another program's Maildir has none
        tables = {}
        for folder, path in self._home.folders().items():
            file = path / "dovecot-keywords"
            if file.exists():
                tables[folder_hash(account, folder)] = Keywords.parse(file.read_text())
        found = []
        for folder, path in self._home.folders().items():
            own = tables.get(folder_hash(account, folder), Keywords())
            for part in ("new", "cur"):
                for entry in (path / part).iterdir():
                    name = parse_name(entry.name)
                    keywords = tables.get(name.folder, own) if name else own
                    flags = from_letters(entry.name.partition(":2,")[2], keywords)
                    token = token_of(entry.read_bytes())
                    found.append(Seen(folder, token, tuple(sorted(flags)), f"{part}/{entry.name}"))
        return sorted(found)

    def litter(self) -> list[str]:
        """What lies in any `tmp`."""
        return [str(file) for path in self._home.folders().values() for file in (path / "tmp").iterdir()]

    def append(self, folder: str, data: bytes, *, seen: bool) -> None:
        """A new message, as mail clients write it: LF line ends, a name of their own, by way of `tmp`."""
        path, name = self._path(folder), self._fresh()
        (path / "tmp" / name).write_bytes(data.replace(b"\r\n", b"\n"))
        target = path / "cur" / f"{name}:2,S" if seen else path / "new" / name
        (path / "tmp" / name).rename(target)

    def flag(self, message: Seen, letter: str) -> None:
        """Put a letter on, or take it off; the file lies in `cur` then."""
        base, _, letters = message.where.partition("/")[2].partition(":2,")
        self._rename(message, message.folder, f"{base}:2,{''.join(sorted(set(letters) ^ {letter}))}")

    def read(self, message: Seen) -> None:
        """From `new` to `cur`, as seen."""
        base, _, letters = message.where.partition("/")[2].partition(":2,")
        self._rename(message, message.folder, f"{base}:2,{''.join(sorted(set(letters) | {'S'}))}")

    def move(self, message: Seen, folder: str, *, renamed: bool) -> None:
        """To another folder, under its name, or under a new one as mutt does."""
        base, colon, letters = message.where.partition("/")[2].partition(":2,")
        self._rename(message, folder, f"{self._fresh() if renamed else base}{colon or ':2,'}{letters}")

    def delete(self, message: Seen) -> None:
        """For good."""
        (self._path(message.folder) / message.where).unlink()

    def create(self, folder: str) -> None:
        """An empty folder; a directory for each level of its name."""
        path = self._home.mail.joinpath(*folder.split("/"))
        for part in _PARTS:
            (path / part).mkdir(parents=True)

    def rename(self, old: str, new: str) -> None:
        """A folder, and those below it."""
        target = self._home.mail.joinpath(*new.split("/"))
        target.parent.mkdir(parents=True, exist_ok=True)
        self._path(old).rename(target)

    def remove(self, folder: str) -> None:
        """A folder with what is in it, and without those below it."""
        path = self._path(folder)
        for part in _PARTS:
            for entry in (path / part).iterdir():
                entry.unlink()
            (path / part).rmdir()
        for entry in list(path.iterdir()):
            if entry.is_file():
                entry.unlink()
        if not list(path.iterdir()):
            path.rmdir()

    def _path(self, folder: str) -> Path:
        return self._home.folders()[folder]

    def _fresh(self) -> str:
        self._number += 1
        return f"1700000000.M{self._number}P{os.getpid()}.client"

    def _rename(self, message: Seen, folder: str, name: str) -> None:
        (self._path(message.folder) / message.where).rename(self._path(folder) / "cur" / name)


def letter_of(flag: str) -> str:
    """The Maildir letter of a system flag."""
    return _OF_FLAG[flag]
