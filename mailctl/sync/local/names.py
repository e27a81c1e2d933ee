"""File names of messages: derived from what the server calls them, so that a message on disk tells which one it is.

    1700000000.0000000042_3f0a9c51d2e7.mailctl:2,FS          IMAP: UIDVALIDITY, UID, hash of account and folder
    pop3.000001a3_3f0a9c51d2e7.mailctl:2,S                   POP3: the UIDL, or a hash of it where it has odd letters

Nothing in a name depends on the time, the host or the state. The folder's hash makes names unique in the whole account:
a file that a mail client moved to another folder is seen as that message moved, never as another message with the same
UID. UIDs are padded, so that names sort like UIDs. `,V` after `mailctl` marks bytes stored verbatim (see `lineends`).
Mail clients change only what follows `:2,`. Pure.
"""

import re
from hashlib import sha256
from sys import intern

from mailctl.domain.pattern import pattern
from mailctl.domain.record import dataclass

_NAME = pattern(
    r"(?P<stem>(?:(?P<uidvalidity>\d{1,10})\.(?P<uid>\d{10})|pop3\.(?P<uidl>[a-z0-9.-]{1,80}))_(?P<folder>[0-9a-f]{12})"
    r"\.mailctl)(?P<verbatim>,V)?(?:,[^:/]*)?(?::2,(?P<letters>[^:/]*))?",
    re.ASCII,
)
_PLAIN_UIDL = pattern(r"[a-z0-9.-]{1,70}", re.ASCII)
_PART = pattern(r"part\.(?P<number>\d{1,20})_(?P<folder>[0-9a-f]{12})\.mailctl", re.ASCII)


@dataclass(frozen=True, slots=True)
class MessageName:
    """What a file name says. uidvalidity and uid are 0 for POP3, `uidl` is "" for IMAP (else the token of the name).

    folder: hash of the folder that the message was in when it came. letters: the Maildir flags, as in the name.
    """

    folder: str
    uidvalidity: int = 0
    uid: int = 0
    uidl: str = ""
    verbatim: bool = False
    letters: str = ""

    @property
    def stem(self) -> str:
        """The part that names the message and never changes."""
        first = f"pop3.{self.uidl}" if self.uidl else f"{self.uidvalidity}.{self.uid:010d}"
        return f"{first}_{self.folder}.mailctl"

    def base(self) -> str:
        """The file name up to the flags."""
        return f"{self.stem},V" if self.verbatim else self.stem


def folder_hash(account: str, folder: str) -> str:
    """12 hex digits that stand for one folder (IMAP name, decoded) of one account."""
    return sha256(f"{account}\0{canonical_folder(folder)}".encode("utf-8", "surrogatepass")).hexdigest()[:12]


def canonical_folder(name: str) -> str:
    """INBOX is the same in any case (RFC 9051 section 5.1); other names are as they are."""
    return "INBOX" if name.upper() == "INBOX" else name


def uidl_token(uidl: str) -> str:
    """What stands for a POP3 unique-id (RFC 1939: 1 to 70 octets 0x21-0x7E) in a file name.

    The id itself if it has only lower-case letters, digits, dot and hyphen (a disk may ignore case), else a hash.
    """
    if _PLAIN_UIDL.fullmatch(uidl) and not uidl.startswith("h-"):
        return uidl
    return "h-" + sha256(uidl.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def parse_name(filename: str) -> MessageName | None:
    """What `filename` (of `cur` or `new`) says, or None if it isn't one of mailctl's."""
    match = _NAME.fullmatch(filename)
    if match is None:
        return None
    return MessageName(
        folder=intern(match["folder"]),  # the same for all of them
        uidvalidity=int(match["uidvalidity"] or 0),
        uid=int(match["uid"] or 0),
        uidl=match["uidl"] or "",
        verbatim=match["verbatim"] is not None,
        letters=intern(match["letters"] or ""),
    )


def with_letters(filename: str, letters: str) -> str:
    """`filename` with `letters` (sorted) as its flags; everything before `:2,` stays."""
    return f"{filename.partition(':2,')[0]}:2,{''.join(sorted(set(letters)))}"


def part_name(folder: str, number: int) -> str:
    """Name in `tmp` of the `number`th file that is being written for the folder with that hash."""
    return f"part.{number}_{folder}.mailctl"


def is_part(filename: str) -> bool:
    """Whether `filename` is one that `part_name` gives."""
    return _PART.fullmatch(filename) is not None


def part_number(filename: str, folder: str) -> int:
    """The number in a name that `part_name` gives for that folder; -1 if it is none."""
    match = _PART.fullmatch(filename)
    return int(match["number"]) if match and match["folder"] == folder else -1
