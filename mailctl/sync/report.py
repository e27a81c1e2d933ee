"""What one gateway's sync did, as a value that pickles and holds no secret."""

from typing import TYPE_CHECKING

from mailctl.domain.record import dataclass
from mailctl.domain.secret import mask
from mailctl.errors import ExitCode, MailctlError
from mailctl.sync.verify.differences import Repaired, Verified

if TYPE_CHECKING:
    from mailctl.sync.job import FolderTally


@dataclass(frozen=True, slots=True)
class Skipped:
    """Messages that were left out, and why.

    uid: 0 where several are meant (`count` of them); POP3: the message number. code: stable word. reason: for people.
    sender, subject, date (ISO 8601): of one message, where its header was asked for, else "".
    """

    folder: str
    uid: int
    reason: str
    code: str
    count: int = 1
    sender: str = ""
    subject: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a plan, as `--dry-run` shows it.

    action: fetch, flag, adopt, rename_folder, mark_seen, remove_from_server, delete_on_server; in mirror mode also
    recognise, follow, upload, move, copy, flag_on_server, delete_here, make_folder, remove_folder. uids: which
    messages, ascending (POP3: message numbers); () where they have none yet. detail: more for people, "" if the action
    says all. octets: of these messages, 0 if that doesn't matter. which: some of them as a person knows them.
    messages: how many.
    """

    folder: str
    action: str
    uids: tuple[int, ...]
    detail: str = ""
    octets: int = 0
    which: tuple[str, ...] = ()
    messages: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as a report carries it."""

    code: str
    message: str
    hint: str = ""
    cause: str = ""
    server_text: str = ""
    exit_code: ExitCode = ExitCode.BUG

    @classmethod
    def of(cls, error: MailctlError) -> "Failure":
        """From an error."""
        return cls(error.code, error.message, error.hint, error.cause, mask(error.server_text), error.exit_code)


@dataclass(frozen=True, slots=True)
class FolderReport:
    """What was done in one folder. path: below the Maildir root. messages: how many the server shows.

    uploaded, moved (to it): in mirror mode; `removed` counts both sides there.
    """

    name: str
    path: str
    ok: bool = True
    messages: int = 0
    fetched: int = 0
    flagged: int = 0
    removed: int = 0
    skipped: int = 0
    bytes: int = 0
    error: Failure | None = None
    uploaded: int = 0
    moved: int = 0


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What one gateway's sync did. bytes: octets of messages that came or went. steps: the plan, of a dry run only.

    verified, repaired: what --verify found, what --repair did.
    """

    gateway: str
    ok: bool
    fetched: int = 0
    flagged: int = 0
    removed: int = 0
    bytes: int = 0
    seconds: float = 0.0
    messages: int = 0
    skipped: tuple[Skipped, ...] = ()
    folders: tuple[FolderReport, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    error: Failure | None = None
    protocol: str = ""
    verified: Verified | None = None
    repaired: Repaired | None = None
    uploaded: int = 0
    moved: int = 0


def done(what: "FolderTally | SyncReport") -> str:
    """What was done, in numbers; what goes up is told where any did."""
    up = f", {what.uploaded} uploaded, {what.moved} moved" if what.uploaded or what.moved else ""
    return f"{what.fetched} fetched, {what.flagged} flagged, {what.removed} removed{up}"
