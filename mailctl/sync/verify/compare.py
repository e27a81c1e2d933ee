"""Compares what the server shows of one IMAP folder with what lies here. Pure."""

from collections.abc import Mapping, Set
from dataclasses import field

from mailctl.domain.gateway import Mode
from mailctl.domain.mailbox import MessageMeta
from mailctl.domain.record import dataclass
from mailctl.domain.when import show_size
from mailctl.sync.archive.plan import SEEN, Policy
from mailctl.sync.local.flags import canonical
from mailctl.sync.state import Agreed
from mailctl.sync.verify.differences import FolderFindings, Kind, Outlook

_STAYS, _NEXT, _WANTED = Outlook.STAYS, Outlook.NEXT_SYNC, Outlook.WANTED
YEAR_9999 = 253_402_300_799


@dataclass(frozen=True, slots=True)
class Held:
    """A message's file. file: below the root. octets: on the wire. message_id: see `sync.rematch.message_id`."""

    file: str
    octets: int
    message_id: str
    flags: frozenset[str]
    mtime: int


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides of one folder, by UID. ids: Message-IDs on the server. elsewhere: files in other folders, by UID.

    agreed: what the state holds, None if it knows nothing of the folder. recent: UIDs that `since` lets through, None:
    all. uidnext: as the server tells it.
    """

    there: Mapping[int, MessageMeta]
    here: Mapping[int, Held]
    ids: Mapping[int, str] = field(default_factory=dict)
    elsewhere: Mapping[int, str] = field(default_factory=dict)
    agreed: Mapping[int, Agreed] | None = None
    recent: Set[int] | None = None
    uidnext: int | None = None


def compare(sides: Sides, mode: Mode, policy: Policy, found: FolderFindings) -> set[int]:
    """Note in `found` what differs; returns the UIDs whose bodies must be compared before anything is said of them."""
    found.there, found.here = len(sides.there), len(sides.here)
    found.same |= sides.there.keys() & sides.here.keys()
    doubtful = set()
    for uid in sorted(sides.there):
        if uid not in sides.here:
            _missing_here(uid, sides, mode, policy, found)
            continue
        meta, held = sides.there[uid], sides.here[uid]
        _flags(uid, meta, held, (sides.agreed or {}).get(uid), mode, policy, found)
        date = None if meta.internaldate is None else int(meta.internaldate)
        if date is not None and 0 <= date <= YEAR_9999 and date != held.mtime:
            found.add(Kind.DATE, _STAYS, f"the file's time is {held.mtime - date:+d} s off", uid=uid, file=held.file)
        if meta.size not in (None, held.octets) or sides.ids.get(uid, held.message_id) != held.message_id:
            doubtful.add(uid)
    for uid in sorted(sides.here.keys() - sides.there.keys()):
        _missing_there(uid, sides, mode, found)
    return doubtful


def settle(uid: int, sides: Sides, found: FolderFindings, *, equal: bool | None) -> None:
    """What is to be said of a message whose body was compared. equal: None if the server didn't give it."""
    meta, held = sides.there[uid], sides.here[uid]
    sizes = f"{held.octets} octets here, {meta.size} there"
    if equal and meta.size != held.octets:
        told = f"the server counts {meta.size} octets and sends {held.octets}: the same"
        found.add(Kind.SIZE, _WANTED, told, uid=uid, file=held.file)
    elif equal is None:
        found.add(Kind.SIZE, _STAYS, f"{sizes}; the server doesn't give its body", uid=uid, file=held.file)
    elif not equal:
        theirs, ours = sides.ids.get(uid, held.message_id), held.message_id
        if theirs != ours:
            told = f"Message-ID {ours or 'none'} here, {theirs or 'none'} there"
            found.add(Kind.HEADER, _STAYS, told, uid=uid, file=held.file)
        elif meta.size not in (None, held.octets):
            found.add(Kind.SIZE, _STAYS, sizes, uid=uid, file=held.file)
        else:
            found.add(Kind.CONTENT, _STAYS, "same size, other octets", uid=uid, file=held.file)


def _missing_here(uid: int, sides: Sides, mode: Mode, policy: Policy, found: FolderFindings) -> None:
    size = sides.there[uid].size or 0
    if uid in sides.elsewhere:
        outlook = _NEXT if mode is Mode.MIRROR else _WANTED
        found.add(Kind.MOVED, outlook, "was moved to another folder here", uid=uid, file=sides.elsewhere[uid])
    elif sides.agreed and uid in sides.agreed:
        wanted = mode is not Mode.MIRROR and not policy.propagate_deletes
        what = "was deleted here" if wanted else "was deleted here, and goes from the server"
        found.add(Kind.MISSING_HERE, _WANTED if wanted else _NEXT, what, uid=uid)
    elif sides.recent is not None and uid not in sides.recent:
        found.add(Kind.MISSING_HERE, _WANTED, "too old (since)", uid=uid)
    elif policy.max_size is not None and size > policy.max_size:
        found.add(Kind.MISSING_HERE, _WANTED, f"too large: {show_size(size)} (max_size)", uid=uid)
    else:
        found.add(Kind.MISSING_HERE, _NEXT, f"not fetched yet: {show_size(size)}", uid=uid)


def _missing_there(uid: int, sides: Sides, mode: Mode, found: FolderFindings) -> None:
    held = sides.here[uid]
    if sides.uidnext is not None and uid >= sides.uidnext:
        told = f"the server has not given UID {uid} yet (UIDNEXT {sides.uidnext}): was it restored from a backup?"
        found.add(Kind.MISSING_THERE, _STAYS, told, uid=uid, file=held.file)
    elif mode is Mode.MIRROR:
        found.add(Kind.MISSING_THERE, _NEXT, "gone from the server", uid=uid, file=held.file)
    else:
        found.add(Kind.MISSING_THERE, _WANTED, "gone from the server, kept here (archive)", uid=uid, file=held.file)


def _flags(
    uid: int,
    meta: MessageMeta,
    held: Held,
    agreed: Agreed | None,
    mode: Mode,
    policy: Policy,
    found: FolderFindings,
) -> None:
    there, here = canonical(meta.flags), held.flags
    if policy.mark_seen:
        there, here = there - {SEEN}, here - {SEEN}
    if there == here:
        return
    only = [
        f"{', '.join(sorted(some))} only {where}" for some, where in ((here - there, "here"), (there - here, "there"))
    ]
    told = "; ".join(text for text, some in zip(only, (here - there, there - here), strict=True) if some)
    known = agreed is not None and (agreed.flags - {SEEN} if policy.mark_seen else agreed.flags) == there
    outlook = _WANTED if known and mode is not Mode.MIRROR else _NEXT
    found.add(Kind.FLAGS, outlook, f"{told}{' (changed here)' if outlook is _WANTED else ''}", uid=uid, file=held.file)
