"""What a folder has on the server, with as little asked as will do; and what a message there is known by."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from mailctl.domain.mailbox import FolderStatus, ImapMailbox, MessageMeta
from mailctl.sync.archive.plan import as_meta
from mailctl.sync.archive.still import same_there
from mailctl.sync.mirror.octets import HEADER, Digest
from mailctl.sync.mirror.strays import Likeness
from mailctl.sync.rematch import message_id
from mailctl.sync.state import Agreed, FolderState

HEADERS_AT_ONCE = 500


def backwards(status: FolderStatus, seen: FolderState | None) -> bool:
    """Whether the server's numbers went back, though the UIDVALIDITY is the same: it was restored, or is confused."""
    if seen is None or seen.uidvalidity != status.uidvalidity:
        return False
    pairs = ((seen.uidnext, status.uidnext), (seen.highestmodseq, status.highestmodseq))
    return any(before is not None and now is not None and now < before for before, now in pairs)


def look_there(
    mailbox: ImapMailbox, status: FolderStatus, seen: FolderState | None, agreed: Mapping[int, Agreed]
) -> dict[int, MessageMeta]:
    """All messages of the selected folder by UID.

    With CONDSTORE (RFC 7162) only what changed is asked for; a server whose numbers went back is looked at afresh.
    """
    if seen is None or not seen.highestmodseq or not status.highestmodseq or backwards(status, seen):
        return {meta.uid: meta for meta in mailbox.scan()}
    if seen.uidvalidity != status.uidvalidity:
        return {meta.uid: meta for meta in mailbox.scan()}
    if same_there(seen, status) and len(agreed) == status.messages:
        return {uid: as_meta(uid, message) for uid, message in agreed.items()}
    changed = {}
    if status.highestmodseq != seen.highestmodseq:
        changed = {meta.uid: meta for meta in mailbox.scan(changed_since=seen.highestmodseq)}
    found, unknown = {}, []
    for uid in mailbox.uids():
        if uid in changed:
            found[uid] = changed[uid]
        elif uid in agreed:
            found[uid] = as_meta(uid, agreed[uid])
        else:
            unknown.append(uid)
    if unknown:
        found |= {meta.uid: meta for meta in mailbox.scan(unknown)}
    return found


def likenesses(
    mailbox: ImapMailbox, server: Mapping[int, MessageMeta], uids: Collection[int], *, nameless: Collection[int | None]
) -> dict[int, Likeness]:
    """What messages of the selected folder are known by.

    nameless: the sizes of local messages without a Message-ID (None: of any size); messages that could be one of them
    are read to the end.
    """
    wanted = sorted(uids)
    found: dict[int, Likeness] = {}
    for start in range(0, len(wanted), HEADERS_AT_ONCE):
        for uid, header in mailbox.headers(wanted[start : start + HEADERS_AT_ONCE], ("Message-ID",)):
            meta = server[uid]
            date = None if meta.internaldate is None else int(meta.internaldate)
            found[uid] = Likeness(message_id(header[:HEADER]), meta.size, date)
    doubtful = [uid for uid, like in found.items() if not like.identity and (like.size in nameless or None in nameless)]
    for uid, identity in digests(mailbox, sorted(doubtful)):
        found[uid] = replace(found[uid], identity=identity)
    return found


def digests(mailbox: ImapMailbox, uids: Sequence[int]) -> Iterator[tuple[int, str]]:
    """(UID, digest of the octets) of messages of the selected folder."""
    found: dict[int, str] = {}
    for meta in mailbox.fetch(uids, lambda octets: _Reading(found)) if uids else ():
        yield meta.uid, found.pop(meta.uid)


class _Reading:
    """A sink that keeps the digest and nothing else, by UID."""

    def __init__(self, found: dict[int, str]) -> None:
        self._found, self._digest = found, Digest()

    def write(self, chunk: bytes | memoryview) -> None:
        """Take octets."""
        self._digest.update(chunk)

    def finish(self, meta: MessageMeta) -> None:
        """All came."""
        self._found[meta.uid] = self._digest.identity

    def abandon(self) -> None:
        """Nothing was kept."""
