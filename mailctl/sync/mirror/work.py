"""What a mirror run knows of one folder, from the look at both sides to the last step."""

from collections.abc import Iterator, Mapping
from dataclasses import field

from mailctl.domain.mailbox import Folder, FolderStatus, MessageMeta
from mailctl.domain.record import dataclass
from mailctl.errors import MailctlError
from mailctl.sync.job import FolderTally, SyncJob
from mailctl.sync.local.flags import from_letters
from mailctl.sync.local.maildir import LocalFile
from mailctl.sync.local.paths import FolderPath
from mailctl.sync.mirror.folders import FolderFate
from mailctl.sync.mirror.here import LocalFolder, Parts
from mailctl.sync.mirror.octets import Measured
from mailctl.sync.mirror.plan import MirrorPlan, Rules
from mailctl.sync.mirror.strays import Stray
from mailctl.sync.state import Agreed, FolderState


@dataclass
class Work:
    """One folder. folder: None while the server has none. hash: stands for it in file names.

    seen, agreed: what the state holds. files: this folder's messages in it, by UID. away: UIDs of those that lie
    elsewhere. leaving: files of an older UIDVALIDITY that are to go. server: what it shows. copied: messages that are
    to go, since they were moved here: the folders and UIDs of their copies. refusal: why not all went up. still:
    nothing is to be done, and nothing was asked. left: it was not looked at, or refused: nothing is decided on it.
    blocked: it was not looked at, since something else lies in its place here.
    """

    name: str
    path: FolderPath
    hash: str
    fate: FolderFate
    tally: FolderTally
    folder: Folder | None = None
    seen: FolderState | None = None
    local: LocalFolder = field(default_factory=LocalFolder)
    agreed: dict[int, Agreed] = field(default_factory=dict)
    files: dict[int, LocalFile] = field(default_factory=dict)
    away: set[int] = field(default_factory=set)
    leaving: dict[int, LocalFile] = field(default_factory=dict)
    status: FolderStatus | None = None
    server: dict[int, MessageMeta] = field(default_factory=dict)
    rules: Rules = field(default_factory=Rules)
    plan: MirrorPlan = field(default_factory=MirrorPlan)
    copied: dict[int, tuple["Work", int]] = field(default_factory=dict)
    refusal: MailctlError | None = None
    still: bool = False
    left: bool = False
    blocked: bool = False

    @property
    def validity(self) -> int:
        """The server's UIDVALIDITY, or the one that was seen last, or 0."""
        if self.status is not None:
            return self.status.uidvalidity or 0
        return self.seen.uidvalidity if self.seen else 0

    def take_in(self, files: "Index") -> None:
        """Sort out this folder's files, now that the UIDVALIDITY is known."""
        lying = files.get((self.hash, self.validity), {})
        self.files = {uid: places[self.path.parts] for uid, places in lying.items() if self.path.parts in places}
        self.away = lying.keys() - self.files.keys()

    def flags(self) -> dict[int, frozenset[str]]:
        """The flags of its files."""
        letters = {file.name.letters for file in self.files.values()}
        flags = {each: from_letters(each, self.local.keywords) for each in letters}
        return {uid: flags[file.name.letters] for uid, file in self.files.items()}

    def readable(self) -> frozenset[str]:
        """The keywords that have a letter here."""
        return frozenset(name for name in self.local.keywords.names if name)


def fingerprint(job: SyncJob) -> str:
    """The policy as one word: what was left alone under one may be wanted under another."""
    return f"mirror,{job.inbound.max_size},{job.since}"


@dataclass(frozen=True, eq=False)
class Found:
    """A stray and its file. flags: what its letters say, in the folder whose letters they are."""

    stray: Stray
    work: Work
    file: LocalFile
    measured: Measured
    flags: frozenset[str]

    @property
    def base(self) -> str:
        """The part of the file's name that mail clients leave alone."""
        return self.file.filename.partition(":2,")[0]

    @property
    def origin_hash(self) -> str:
        """The folder that its name speaks of, or ""."""
        return "" if self.file.name.uidl else self.file.name.folder


Index = Mapping[tuple[str, int], Mapping[int, Mapping[Parts, LocalFile]]]
"""(folder's hash, UIDVALIDITY) → UID → path → file."""


def index(here: Mapping[Parts, LocalFolder]) -> Index:
    """Where all files under mailctl's names lie."""
    made: dict[tuple[str, int], dict[int, dict[Parts, LocalFile]]] = {}
    for parts, file in named(here):
        made.setdefault((file.name.folder, file.name.uidvalidity), {}).setdefault(file.name.uid, {})[parts] = file
    return made


def named(here: Mapping[Parts, LocalFolder]) -> Iterator[tuple[Parts, LocalFile]]:
    """Every file under a name that mailctl gave to a message of IMAP."""
    for parts, folder in here.items():
        for file in folder.named:
            if not file.name.uidl:
                yield parts, file
