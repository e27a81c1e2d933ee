"""The part of the IMAP server in memory that changes what is there: `MemoryChanges`, of `tests.doubles.imap`."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mailctl.domain.changes import FlagChange, Placed, PlacingError, Upload
from mailctl.domain.mailbox import Folder
from mailctl.errors import RefusedError, StorageError

if TYPE_CHECKING:
    from tests.doubles.imap import MemoryFolder, MemoryServer


class MemoryChanges:
    """See `ImapChanges`. Each command calls `server.after` once it took effect, which may raise: the answer is lost."""

    capabilities: frozenset[str]
    _server: "MemoryServer"
    _name: str
    _read_only: bool
    _dead: bool

    def append(self, folder: Folder, uploads: Sequence[Upload]) -> Placed:
        placed = Placed()
        for number, upload in enumerate(uploads):
            self._command("append", (folder.name, upload.octets, upload.flags))
            left = range(number, len(uploads))
            body = b"".join(upload.chunks())
            if len(body) != upload.octets:
                raise StorageError("a message changed while it was being read", code="message_changed")
            if not body or (b"\0" in body and "BINARY" not in self.capabilities):
                code = "nul_in_message" if body else "empty_message"
                raise PlacingError(RefusedError("the message can't be sent", code=code), placed, left)
            there = self._there(folder, placed, left)
            date = 1_700_000_000.0 if upload.internaldate is None else float(int(upload.internaldate))
            uid = there.add(body, flags=(flag for flag in upload.flags if flag.lower() != "\\recent"), date=date)[0]
            self._server.after("append")
            here = self._placed(there, {number: uid})
            placed = Placed(here.uidvalidity, {**placed.uids, **here.uids})
        return placed

    def copy(self, uids: Sequence[int], folder: Folder) -> Placed:
        self._command("copy", (list(uids), folder.name))
        placed = self._copied(uids, folder)
        self._server.after("copy")
        return placed

    def move(self, uids: Sequence[int], folder: Folder) -> Placed:
        self._command("move", (list(uids), folder.name))
        if "MOVE" not in self.capabilities:
            raise RefusedError("the server lacks MOVE", code="no_move")
        self._refuse_read_only()
        placed = self._copied(uids, folder)
        for uid in uids:
            self._folder().messages.pop(uid, None)
        self._server.after("move")
        return placed

    def _copied(self, uids: Sequence[int], folder: Folder) -> Placed:
        here, there = self._folder(), self._there(folder, Placed(), uids)
        found = [(uid, here.messages[uid]) for uid in sorted(set(uids)) if uid in here.messages]
        new = {uid: there.add(each.body, flags=each.flags, date=each.date)[0] for uid, each in found}
        return self._placed(there, new)

    def add_flags(self, uids: Sequence[int], flags: Iterable[str]) -> None:
        self._command("add_flags", (list(uids), frozenset(flags)))
        self._refuse_read_only()
        self._change(FlagChange(tuple(uids), frozenset(flags)))
        self._server.after("add_flags")

    def change_flags(self, changes: Iterable[FlagChange]) -> None:
        changes = list(changes)
        self._command("change_flags", changes)
        self._refuse_read_only()
        for change in changes:
            self._change(change)
        self._server.after("change_flags")

    def _change(self, change: FlagChange) -> None:
        folder = self._folder()
        for uid in change.uids:
            if uid in folder.messages:
                before = folder.messages[uid].flags
                after = before | change.flags if change.add else before - change.flags
                if after != before:
                    folder.flag(uid, after)

    def expunge(self, uids: Sequence[int], *, unchanged_since: int | None = None) -> list[int]:
        self._command("expunge", list(uids))
        if "UIDPLUS" not in self.capabilities:
            raise RefusedError("the server lacks UIDPLUS", code="no_uidplus")
        self._refuse_read_only()
        held = self._folder().messages
        left = [uid for uid in uids if uid in held and unchanged_since and held[uid].modseq > unchanged_since]
        for uid in set(uids) - set(left):
            held.pop(uid, None)
        self._server.after("expunge")
        return left

    def make(self, name: str, delimiter: str | None) -> Folder:
        from tests.doubles.imap import MemoryFolder

        self._command("make", name)
        self._refuse_existing(name)
        newest = max([1000, *(folder.uidvalidity or 0 for folder in self._server.folders.values())])
        self._server.folders[name] = MemoryFolder(newest + 1, subscribed=False)
        self._server.after("make")
        return Folder(name, name.encode(), delimiter)

    def rename(self, folder: Folder, name: str) -> Folder:
        self._command("rename", (folder.name, name))
        self._refuse_inbox(folder)
        self._find(folder)
        self._refuse_existing(name)
        below = f"{folder.name}{folder.delimiter}"
        for each in list(self._server.folders):
            if each == folder.name or each.startswith(below):
                moved = self._server.folders.pop(each)
                self._server.folders[name + each[len(folder.name) :]] = moved
                self._server.unfounded |= {each} if moved.subscribed else set()
                moved.subscribed = False
        self._server.after("rename")
        return replace(folder, name=name, wire=name.encode())

    def remove(self, folder: Folder) -> None:
        self._command("remove", folder.name)
        self._refuse_inbox(folder)
        self._find(folder)
        removed = self._server.folders.pop(folder.name)
        self._server.unfounded |= {folder.name} if removed.subscribed else set()
        self._server.after("remove")

    def subscribed(self) -> frozenset[str]:
        self._command("subscribed")
        found = (name for name, folder in self._server.folders.items() if folder.subscribed)
        return frozenset(found) | self._server.unfounded

    def subscribe(self, folder: Folder, *, on: bool) -> None:
        self._command("subscribe", (folder.name, on))
        if on:
            self._find(folder)
        self._server.unfounded.discard(folder.name)
        if folder.name in self._server.folders:
            self._server.folders[folder.name].subscribed = on
        self._server.after("subscribe")

    # -- what it stands on

    def _command(self, name: str, argument: object = None) -> None:
        raise NotImplementedError

    def _folder(self) -> "MemoryFolder":
        raise NotImplementedError

    def _find(self, folder: Folder) -> "MemoryFolder":
        raise NotImplementedError

    def _there(self, folder: Folder, placed: Placed, left: Sequence[int]) -> "MemoryFolder":
        try:
            return self._find(folder)
        except RefusedError as error:
            raise PlacingError(error, placed, left) from error

    def _placed(self, there: "MemoryFolder", uids: dict[int, int]) -> Placed:
        return Placed(there.uidvalidity, uids) if uids and "UIDPLUS" in self.capabilities else Placed()

    def _refuse_read_only(self) -> None:
        self._folder()
        if self._read_only:
            raise RefusedError("the folder is open for reading only", code="read_only", cause="read_only")

    def _refuse_existing(self, name: str) -> None:
        if name in self._server.folders or name.upper() == "INBOX":
            raise RefusedError(f"{name} exists", code="already_exists", cause="already_exists")

    @staticmethod
    def _refuse_inbox(folder: Folder) -> None:
        if folder.name.upper() == "INBOX":
            raise RefusedError("INBOX can't be", code="inbox")
