"""What `sync --verify` tells: differences between the server and the Maildir, and what becomes of each. Values."""

from collections import Counter
from dataclasses import field
from enum import StrEnum

from mailctl.domain.record import dataclass


class Kind(StrEnum):
    """What differs."""

    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    FOLDER_MISSING_THERE = "folder_missing_there"
    MOVED = "moved"
    FLAGS = "flags"
    SIZE = "size"
    DATE = "date"
    HEADER = "header"
    CONTENT = "content"
    DOUBLED = "doubled"
    LITTER = "litter"
    UNREADABLE = "unreadable"
    FOREIGN = "foreign"


class Outlook(StrEnum):
    """What becomes of a difference.

    wanted: the settings want it so, or it does no harm. next_sync: the next sync mends it. stays: no sync mends it.
    """

    WANTED = "wanted"
    NEXT_SYNC = "next_sync"
    STAYS = "stays"


@dataclass(frozen=True, slots=True)
class Difference:
    """One message, file or folder that differs.

    uid: POP3: the message number; 0 where there is none. detail: for people. file: below the Maildir root, or "".
    """

    folder: str
    kind: Kind
    outlook: Outlook
    uid: int
    detail: str
    file: str = ""


@dataclass(frozen=True, slots=True)
class FolderVerified:
    """One folder. there, here: messages on the server, and here. same: on both sides, and nothing differs."""

    name: str
    path: str
    there: int
    here: int
    same: int
    wanted: int
    next_sync: int
    stays: int


@dataclass(frozen=True, slots=True)
class Verified:
    """One gateway. content: whether all bodies were compared. kinds: how many differences of each kind."""

    content: bool
    folders: tuple[FolderVerified, ...]
    differences: tuple[Difference, ...]
    kinds: dict[str, int]

    @property
    def staying(self) -> int:
        """Differences that no sync mends."""
        return sum(folder.stays for folder in self.folders)


@dataclass(frozen=True, slots=True)
class Mended:
    """Something that `sync --repair` did, or would do. folder, file: below the Maildir root, or "".

    action: stable word (remove_copy, keep_copies, remove_litter, mode, make_folder, date). detail: for people.
    """

    folder: str
    action: str
    detail: str
    file: str = ""


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was done to one gateway.

    mended: in the Maildir. adopted: messages that the new state knows. flagged: messages here that got flags of the
    server's. left: messages that the next sync fetches. old_state: where the old state is now, "" if there was none.
    """

    mended: tuple[Mended, ...]
    adopted: int
    flagged: int
    left: int
    old_state: str


@dataclass
class FolderFindings:
    """What is found in one folder while it is looked at. same: UIDs of messages with nothing that differs."""

    name: str
    path: str = ""
    there: int = 0
    here: int = 0
    same: set[int] = field(default_factory=set)
    differences: list[Difference] = field(default_factory=list)

    def add(self, kind: Kind, outlook: Outlook, detail: str, *, uid: int = 0, file: str = "") -> None:
        """A difference."""
        self.differences.append(Difference(self.name, kind, outlook, uid, detail, file))
        self.same.discard(uid)

    def verified(self) -> FolderVerified:
        """As a value."""
        counts = Counter(difference.outlook for difference in self.differences)
        outlooks = (counts[Outlook.WANTED], counts[Outlook.NEXT_SYNC], counts[Outlook.STAYS])
        return FolderVerified(self.name, self.path, self.there, self.here, len(self.same), *outlooks)


def verified(findings: "list[FolderFindings]", *, content: bool) -> Verified:
    """All findings of one gateway."""
    differences = [difference for each in findings for difference in each.differences]
    kinds = Counter(difference.kind.value for difference in differences)
    return Verified(
        content, tuple(each.verified() for each in findings), tuple(differences), dict(sorted(kinds.items()))
    )
