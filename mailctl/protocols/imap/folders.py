"""Folders made, renamed, removed, subscribed to (RFC 9051 sections 6.3.4 to 6.3.9)."""

from mailctl.domain.mailbox import Folder
from mailctl.errors import RefusedError, UsageError
from mailctl.protocols import arguments
from mailctl.protocols.imap.channel import quoted
from mailctl.protocols.imap.connection import Connection
from mailctl.protocols.imap.names import decode_name, encode_name, is_list, parse_listing

_INBOX = "INBOX"


class FolderChanges(Connection):
    """The part of `mailbox.Mailbox` that changes folders; see `domain.changes.ImapChanges`."""

    def make(self, name: str, delimiter: str | None) -> Folder:
        """CREATE (RFC 9051 section 6.3.4)."""
        wire = _spelt(name, delimiter)
        self._run(b"CREATE %s" % quoted(wire, "folder name"), name, wire)
        return Folder(name, wire, delimiter)

    def rename(self, folder: Folder, name: str) -> Folder:
        """RENAME (RFC 9051 section 6.3.6); not of INBOX, which would be emptied instead."""
        _not_inbox(folder, "renamed")
        wire = _spelt(name, folder.delimiter)
        command = b"RENAME %s %s" % (quoted(folder.wire, "folder name"), quoted(wire, "folder name"))
        self._run(command, name, wire)
        return Folder(name, wire, folder.delimiter, folder.attributes)

    def remove(self, folder: Folder) -> None:
        """DELETE (RFC 9051 section 6.3.5)."""
        _not_inbox(folder, "removed")
        self._channel.run(b"DELETE %s" % quoted(folder.wire, "folder name")).checked(f"DELETE {folder.name}")

    def subscribed(self) -> frozenset[str]:
        """LIST (SUBSCRIBED) (RFC 9051 section 6.3.9.1), else LSUB (RFC 3501); names that can't be read are left out."""
        extended = self._channel.offers("LIST-EXTENDED")
        command = b'LIST (SUBSCRIBED) "" "*"' if extended else b'LSUB "" "*"'
        answer = self._channel.run(command).checked(command[:4].decode())
        listing = parse_listing(response.parts for response in answer.responses if is_list(response.line))
        folders = listing.folders
        if extended:
            return frozenset(folder.name for folder in folders if "\\subscribed" in folder.attributes)
        # LSUB shows a parent that isn't subscribed itself as \Noselect (RFC 3501 section 6.3.9)
        return frozenset(folder.name for folder in folders if "\\noselect" not in folder.attributes)

    def subscribe(self, folder: Folder, *, on: bool) -> None:
        """SUBSCRIBE or UNSUBSCRIBE (RFC 9051 sections 6.3.7 and 6.3.8)."""
        verb = "SUBSCRIBE" if on else "UNSUBSCRIBE"
        command = b"%s %s" % (verb.encode(), quoted(folder.wire, "folder name"))
        self._channel.run(command).checked(f"{verb} {folder.name}")

    def _run(self, command: bytes, name: str, wire: bytes) -> None:
        """Run a CREATE or RENAME that makes `name`; RefusedError with code already_exists if it is there."""
        try:
            self._channel.run(command).checked(f"{command.split()[0].decode()} {name}")
        except RefusedError as error:
            # not every server has the code ALREADYEXISTS (RFC 5530)
            if error.cause == "already_exists" or (not error.cause and self._is_there(wire)):
                error.code, error.cause = "already_exists", "already_exists"
            raise

    def _is_there(self, wire: bytes) -> bool:
        """Whether there is a folder of that name."""
        if b"%" in wire or b"*" in wire:
            return False  # LIST would take them for wildcards
        answer = self._channel.run(b'LIST "" %s' % quoted(wire, "folder name"))
        listing = parse_listing(response.parts for response in answer.responses if is_list(response.line))
        return any(folder.wire == wire and "\\nonexistent" not in folder.attributes for folder in listing.folders)


def _spelt(name: str, delimiter: str | None) -> bytes:
    """`name` as the server spells it (RFC 3501 section 5.1.3). UsageError for one that no folder should have."""
    arguments.argument(name, "folder name", most=1000)
    if not name or any(ord(character) < 0x20 or ord(character) == 0x7F for character in name):
        raise UsageError("A folder's name can't be empty, or have control characters", code="bad_argument")
    if delimiter and "" in name.split(delimiter):
        raise UsageError(f"The folder name {name!r} has a level without a name", code="bad_argument")
    if name.upper() == _INBOX:
        raise RefusedError("INBOX is always there", code="already_exists", cause="already_exists")
    wire = encode_name(name)
    if decode_name(wire) != name:
        raise UsageError(f"The folder name {name!r} can't be spelt in IMAP", code="bad_argument")
    return wire


def _not_inbox(folder: Folder, done: str) -> None:
    if folder.name.upper() == _INBOX:
        raise RefusedError(f"INBOX can't be {done}", code="inbox")
