"""Whether a folder of the server that nobody has seen is one that is gone, under another name.

It is if they have the same UIDVALIDITY, and if the messages that are remembered of the one are in the other: under the
same UIDs, with the same date, and the same size or, since not all servers tell a size that is true, the same Message-ID
as the file here.

Some servers give a folder a new UIDVALIDITY with its new name (Courier does). Then it is the same if most of what is
remembered is in it, in the order in which it was, by date, and if most of these have the Message-IDs of the files here.

Where the server has MAILBOXIDs (RFC 8474), two folders with different ones are never the same, and with the same one
they are, whatever Message-IDs and sizes say.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack

from mailctl.domain.mailbox import FolderStatus, ImapMailbox, MessageMeta
from mailctl.domain.record import dataclass
from mailctl.sync.adopt import open_strangers
from mailctl.sync.archive.folder_task import FolderTask
from mailctl.sync.archive.plan import remember
from mailctl.sync.local.names import folder_hash
from mailctl.sync.local.root import Root
from mailctl.sync.rematch import message_id
from mailctl.sync.state import Agreed, FolderState

MOST_COMPARED = 1000
"""Messages of a folder, the newest that are remembered, that are compared."""
MOST_READ = 100
"""Files of a folder, the newest, that are read for it."""
MOST_PAIRS = 50
"""Pairs of folders of which only a look at both tells whether they are the same; more would take many minutes."""
FEWEST = 3
"""Messages that a folder must have had to be known again under other UIDs."""
MOST = 0.8
"""What share of the messages has to be found again under other UIDs."""


@dataclass(frozen=True, slots=True)
class Renaming:
    """A folder that may be another one's continuation. old: its name before. seen: what was remembered of it."""

    old: str
    seen: FolderState
    task: FolderTask


def candidates(known: Mapping[str, FolderState], listed: Iterable[str], tasks: Sequence[FolderTask]) -> list[Renaming]:
    """Which folders may be which: all pairs that are not ruled out. Pure.

    known: folders of the state. listed: all folders of the server. tasks: those that are synced now.
    """
    gone = {name: seen for name, seen in known.items() if seen.uidvalidity and seen.path and name not in set(listed)}
    new = [task for task in tasks if task.status and (task.seen is None or not task.seen.uidvalidity)]
    pairs = [
        Renaming(name, seen, task)
        for task in new
        for name, seen in gone.items()
        if task.status is not None and _may_be(seen, task.status)
    ]
    plain = [each for each in pairs if not _renumbered(each)]
    return pairs if len(pairs) - len(plain) <= MOST_PAIRS else plain


def _renumbered(renaming: Renaming) -> bool:
    """Whether nothing but the messages can tell that it is the same folder."""
    status, seen = renaming.task.status, renaming.seen
    return status is not None and status.uidvalidity != seen.uidvalidity and not _by_id(seen, status)


def _may_be(seen: FolderState, status: FolderStatus) -> bool:
    if not status.messages or not status.uidvalidity:
        return False
    if seen.mailbox_id and status.mailbox_id and seen.mailbox_id != status.mailbox_id:
        return False
    if status.uidvalidity == seen.uidvalidity:
        return (status.uidnext or 0) >= (seen.uidnext or 0)
    return _by_id(seen, status) or (not seen.mailbox_id and status.messages >= MOST * seen.messages > 0)


def _by_id(seen: FolderState, status: FolderStatus) -> bool:
    return bool(seen.mailbox_id) and seen.mailbox_id == status.mailbox_id


def is_same(mailbox: ImapMailbox, root: Root, remembered: Mapping[int, Agreed], renaming: Renaming) -> bool:
    """Whether it is. RefusedError, ProtocolError if the server's folder can't be looked into."""
    status, seen = renaming.task.status, renaming.seen
    assert status is not None  # noqa: S101 - it is a candidate
    proved = _by_id(seen, status)
    if status.uidvalidity != seen.uidvalidity and proved:
        return True
    uids = sorted(remembered)[-MOST_COMPARED:]
    if not uids:
        return False
    mailbox.select(renaming.task.folder, read_only=True)
    if status.uidvalidity != seen.uidvalidity:
        return _is_renumbered(mailbox, root, remembered, renaming)
    doubted = doubtful({uid: remembered[uid] for uid in uids}, {meta.uid: meta for meta in mailbox.scan(uids)})
    if not doubted or proved:
        return doubted is not None
    here = _identities(root, renaming, doubted)
    return same_headers(here, _headers(mailbox, sorted(here)))


def _is_renumbered(mailbox: ImapMailbox, root: Root, remembered: Mapping[int, Agreed], renaming: Renaming) -> bool:
    """Whether most messages are there under other UIDs, which ascend as the old ones did.

    What is remembered has to be most of what lies here: one message that went elsewhere doesn't take an archive along.
    """
    lying = root.whole.by_folder.get(folder_hash(root.account, renaming.old), ())
    if len(remembered) < max(FEWEST, MOST * len(lying)):
        return False
    uids = sorted(remembered)[-MOST_COMPARED:]
    there = mailbox.uids()[: len(remembered)][-MOST_COMPARED:]
    shown = {meta.uid: meta for meta in mailbox.scan(there)} if there else {}
    dates = {uid: date for uid in shown if (date := remember(shown[uid]).internaldate) is not None}
    if not mostly([remembered[uid].internaldate for uid in uids], dates.values()):
        return False
    here = _identities(root, renaming, uids)
    wanted = {remembered[uid].internaldate for uid in here}
    found = _headers(mailbox, [uid for uid, date in sorted(dates.items()) if date in wanted])
    return mostly([one for one in here.values() if one], found.values())


def mostly(wanted: Sequence[object], found: Iterable[object]) -> bool:
    """Whether most of what is wanted is found, each as often. Pure."""
    both = Counter(wanted) & Counter(found)
    return bool(wanted) and both.total() >= MOST * len(wanted)


def doubtful(remembered: Mapping[int, Agreed], shown: Mapping[int, MessageMeta]) -> list[int] | None:
    """The UIDs of which it takes more than date and size to tell that they are the messages that are remembered. Pure.

    Some servers tell other sizes than the bodies have, which are remembered where the size was not asked for. None: the
    messages are others, or nothing tells that they are the same.
    """
    both = {uid: (remembered[uid], remember(shown[uid])) for uid in sorted(remembered.keys() & shown.keys())}
    if not both or any(old.internaldate is None or old.internaldate != now.internaldate for old, now in both.values()):
        return None
    return [uid for uid, (old, now) in both.items() if old.size is None or old.size != now.size]


def same_headers(here: Mapping[int, str], there: Mapping[int, str]) -> bool:
    """Whether messages have the Message-IDs that the files under their UIDs have, as far as they have any. Pure."""
    both = [(here[uid], there[uid]) for uid in here.keys() & there.keys()]
    return any(one for one, _ in both) and all(one == other for one, other in both)


def _headers(mailbox: ImapMailbox, uids: Sequence[int]) -> dict[int, str]:
    """Message-IDs on the server, by UID."""
    return {uid: message_id(header) for uid, header in mailbox.headers(uids, ("Message-ID",))} if uids else {}


def _identities(root: Root, renaming: Renaming, uids: Sequence[int]) -> dict[int, str]:
    """The Message-IDs of files here, by UID: of the newest of `uids` that have any, wherever they lie."""
    lying = {
        file.name.uid: (path, file)
        for path, file in root.whole.by_folder.get(folder_hash(root.account, renaming.old), ())
        if file.name.uidvalidity == renaming.seen.uidvalidity
    }
    newest = [lying[uid] for uid in uids if uid in lying][-MOST_READ:]
    found: dict[int, str] = {}
    with ExitStack() as stack:
        for one in open_strangers(root, newest, stack):
            start = one.maildir.read_start(one.file)
            if start is not None:
                found[one.file.name.uid] = message_id(start)
    return found
