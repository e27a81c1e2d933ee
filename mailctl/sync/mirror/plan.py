"""The plan of one mirrored folder: both sides and what was last agreed, in; steps for both sides, out. Pure.

What is agreed is what the server showed, once the Maildir had it too. A message that one side lacks was deleted there
if it was agreed; the other side's copy goes only if it did not change since. All else that one side lacks comes to it.
Every step can be repeated, and a plan made after some of it was carried out holds the rest.
"""

from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import field, replace

from mailctl.domain.mailbox import MessageMeta
from mailctl.domain.record import dataclass
from mailctl.sync.archive.plan import another_message, remember
from mailctl.sync.local.flags import SYSTEM, canonical, merge_down
from mailctl.sync.state import Agreed

_SYSTEM = frozenset(SYSTEM.values())
_GOING = frozenset({"\\Deleted"})


@dataclass(frozen=True, slots=True)
class Sides:
    """What is known of one folder, by UID, under one UIDVALIDITY.

    server: all that the server shows. local: flags of this folder's files that lie in it. away: messages of it whose
    files lie in other folders, or were seen here a moment ago: nothing is decided on them. uidnext: the server's, None
    if it doesn't tell. recent: the messages that `since` lets through, None for all.
    """

    server: Mapping[int, MessageMeta]
    local: Mapping[int, frozenset[str]]
    agreed: Mapping[int, Agreed] = field(default_factory=dict)
    away: Set[int] = frozenset()
    uidnext: int | None = None
    recent: Set[int] | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What may be done.

    writable: the server's folder may be changed. known: it was mirrored before, so that what is missing was deleted; on
    a first run both sides are united. backwards: the server's numbers went back, or it did not show all that it has, so
    that nothing is deleted. permanent: the flags that the server keeps, None for all. readable: the keywords that have
    a letter in the Maildir folder: of others its files tell nothing. max_size in octets; budget: messages that may
    still be fetched. older: files that had been deleted are back (see `revived`): what is missing here may be missing
    since it had not come yet when they lay here, and was not deleted.
    """

    writable: bool = True
    known: bool = True
    backwards: bool = False
    permanent: frozenset[str] | None = None
    readable: frozenset[str] = frozenset()
    max_size: int | None = None
    budget: int | None = None
    older: bool = False

    def storable(self, flags: Iterable[str]) -> frozenset[str]:
        """Those of `flags` that the server keeps (PERMANENTFLAGS, RFC 9051 section 7.1)."""
        if self.permanent is None:
            return frozenset(flags)
        kept = canonical(self.permanent)
        return frozenset(f for f in flags if f in kept or (f not in _SYSTEM and "\\*" in self.permanent))

    def legible(self, flags: Iterable[str]) -> frozenset[str]:
        """Those of `flags` whose absence here tells something."""
        return frozenset(f for f in flags if f in _SYSTEM or f in self.readable)


@dataclass(frozen=True, slots=True)
class Store:
    """Flags that a message gets and loses on the server."""

    add: frozenset[str] = frozenset()
    remove: frozenset[str] = frozenset()


@dataclass
class MirrorPlan:
    """Steps for one folder; UIDs ascending.

    fetch: to bring down. set_flags: files that get these flags. store: changes on the server. agree: what to remember
    once both sides have it. delete_here, delete_there: deleted on the other side. again: files whose message is gone
    there, but which changed here: to be uploaded anew. forget: gone on both sides. conflicts: UID and what was done.
    ahead: files under UIDs that the server says it has not given yet. changed: the server shows another message under a
    known UID; nothing is deleted then. too_large, too_old, over_budget: left out.
    """

    fetch: list[int] = field(default_factory=list)
    set_flags: dict[int, frozenset[str]] = field(default_factory=dict)
    store: dict[int, Store] = field(default_factory=dict)
    agree: dict[int, Agreed] = field(default_factory=dict)
    delete_here: list[int] = field(default_factory=list)
    delete_there: list[int] = field(default_factory=list)
    again: list[int] = field(default_factory=list)
    forget: list[int] = field(default_factory=list)
    conflicts: list[tuple[int, str]] = field(default_factory=list)
    ahead: list[int] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    too_large: list[int] = field(default_factory=list)
    too_old: int = 0
    over_budget: int = 0

    @property
    def acts(self) -> bool:
        """Whether anything is to be changed on either side."""
        return bool(self.fetch or self.set_flags or self.store or self.delete_here or self.delete_there or self.again)

    @property
    def complete(self) -> bool:
        """Whether nothing is left out, so that an unchanged folder needs no second look."""
        return not (self.too_large or self.too_old or self.over_budget or self.changed or self.ahead)

    def drop(self, uids: Collection[int]) -> None:
        """Something else becomes of these messages."""
        gone = set(uids)
        self.fetch = [uid for uid in self.fetch if uid not in gone]
        self.delete_here = [uid for uid in self.delete_here if uid not in gone]
        self.delete_there = [uid for uid in self.delete_there if uid not in gone]
        self.again = [uid for uid in self.again if uid not in gone]
        self.too_large = [uid for uid in self.too_large if uid not in gone]
        self.conflicts = [conflict for conflict in self.conflicts if conflict[0] not in gone]


def revived(sides: Sides) -> list[int]:
    """Files of messages that are neither on the server nor known any more: brought back from a backup, or by somebody.

    For a folder that was mirrored before, and in which no run died since.
    """
    known, last = (sides.server, sides.agreed, sides.away), sides.uidnext or 0
    return [uid for uid in sides.local if uid < last and not any(uid in each for each in known)]


def plan_messages(sides: Sides, rules: Rules) -> MirrorPlan:
    """The steps that make both sides of one folder equal."""
    plan = MirrorPlan()
    for uid in sorted(sides.server.keys() | sides.local.keys() | sides.agreed.keys()):
        meta, here, agreed = sides.server.get(uid), sides.local.get(uid), sides.agreed.get(uid)
        if meta is not None and agreed is not None and _stands(meta, here, agreed):
            continue
        if meta is not None and agreed is not None and another_message(agreed, meta):
            plan.changed.append(uid)
        elif meta is not None and here is not None:
            plan_both(plan, rules, meta, here, agreed)
        elif meta is not None:
            if uid not in sides.away:
                plan_only_there(plan, rules, meta, agreed, sides.recent)
        elif here is not None:
            if uid not in sides.away:
                _only_here(plan, sides, rules, uid, here, agreed)
        elif uid not in sides.away:
            plan.forget.append(uid)
    if rules.budget is not None and len(plan.fetch) > rules.budget:
        plan.over_budget = len(plan.fetch) - rules.budget
        plan.fetch = plan.fetch[plan.over_budget :]  # the newest come first: highest UIDs (RFC 9051 section 2.3.1.1)
    if plan.changed:
        plan.delete_here, plan.delete_there = [], []
    return plan


def _stands(meta: MessageMeta, here: frozenset[str] | None, agreed: Agreed) -> bool:
    """Whether both sides have a message as it was agreed, so that `plan_both` would plan nothing: nearly all are so."""
    same = meta.flags == agreed.flags == here
    return same and meta.size == agreed.size and meta.internaldate == agreed.internaldate


def plan_both(plan: MirrorPlan, rules: Rules, meta: MessageMeta, here: frozenset[str], agreed: Agreed | None) -> None:
    """Steps for a message that both sides have."""
    there = canonical(meta.flags)
    wanted, store = merge(there, here, agreed.flags if agreed else None, rules)
    if wanted != here:
        plan.set_flags[meta.uid] = wanted
    if store != Store():
        plan.store[meta.uid] = store
    now = replace(remember(meta), flags=(there | store.add) - store.remove)
    if agreed != now:
        plan.agree[meta.uid] = now


def plan_only_there(
    plan: MirrorPlan, rules: Rules, meta: MessageMeta, agreed: Agreed | None, recent: Set[int] | None = None
) -> None:
    """Steps for a message that only the server has: deleted here, or not here yet."""
    if agreed is not None and rules.known and (rules.backwards or not rules.writable):
        return  # was deleted here, and can't be there: left as it is
    if agreed is not None and rules.known and not rules.older:
        if canonical(meta.flags) in (agreed.flags, agreed.flags | _GOING):
            plan.delete_there.append(meta.uid)
            return
        plan.conflicts.append((meta.uid, "deleted here, but its flags changed on the server: it is fetched again"))
    elif recent is not None and meta.uid not in recent:
        plan.too_old += 1
        return
    if rules.max_size is not None and (meta.size or 0) > rules.max_size:
        plan.too_large.append(meta.uid)
    else:
        plan.fetch.append(meta.uid)


def _only_here(
    plan: MirrorPlan, sides: Sides, rules: Rules, uid: int, here: frozenset[str], agreed: Agreed | None
) -> None:
    """Deleted there: its name says that the server had it."""
    if rules.backwards or sides.uidnext is None or uid >= sides.uidnext:
        plan.ahead.append(uid)
    elif not rules.known or (agreed is None and rules.older):
        plan.again += [uid] if rules.writable else []
    elif agreed is None:
        plan.delete_here.append(uid)  # a UID is never used again (RFC 9051 section 2.3.1.1)
    elif changed_here(here, agreed.flags, rules):
        done = "it is uploaded anew" if rules.writable else "it is kept here"
        plan.conflicts.append((uid, f"deleted on the server, but its flags changed here: {done}"))
        if rules.writable:
            plan.again.append(uid)
    else:
        plan.delete_here.append(uid)


def changed_here(here: frozenset[str], agreed: frozenset[str], rules: Rules) -> bool:
    """Whether a file's flags tell of a change that is worth keeping, since the server's were agreed."""
    return bool(rules.storable(here - agreed - _GOING) or rules.legible(agreed - here))


def merge(
    there: frozenset[str], here: frozenset[str], agreed: frozenset[str] | None, rules: Rules
) -> tuple[frozenset[str], Store]:
    """(the flags of the file, the changes on the server), flag by flag: whoever changed it since `agreed` is followed.

    A flag has two states, so both sides can't change it in different ways; where nothing was agreed, all are united. A
    flag that the server does not keep stays here, and is never taken for removed there.
    """
    if not rules.writable:
        return merge_down(there, here, agreed), Store()
    if agreed is None:
        return here | there, Store(rules.storable(here - there))
    gone_there = rules.storable(agreed - there)
    gone_here = rules.legible(agreed - here)
    wanted = (here | (there - agreed)) - gone_there
    return wanted, Store(rules.storable(here - agreed - there), rules.storable(gone_here & there))
