"""The plan of one folder: what the server has, what the Maildir has and what was last agreed, in; steps, out. Pure.

Archive mode. Messages and flag changes come down, message by message; nothing disappears from the Maildir. On the
server only what the policy asks for is changed: `\\Seen` (mark_seen), removal of what is safely here (keep_on_server =
false), deletion of what was deleted here (propagate_deletes). Every step can be repeated: a plan made after half of it
was carried out holds the other half.
"""

from collections.abc import Mapping, Set
from dataclasses import field

from mailctl.domain.mailbox import MessageMeta
from mailctl.domain.record import dataclass
from mailctl.sync.local.flags import canonical, merge_down
from mailctl.sync.state import Agreed

SEEN = "\\Seen"
BRAKE_MESSAGES = 25
BRAKE_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Policy:
    """What the gateway asks for. max_size in octets. budget: how many messages may still be fetched in this run.

    due: UIDs of messages that have been here long enough, and go from the server (delete_after).
    """

    mark_seen: bool = False
    keep_on_server: bool = True
    due: Set[int] = frozenset()
    propagate_deletes: bool = False
    max_size: int | None = None
    budget: int | None = None


@dataclass(frozen=True, slots=True)
class View:
    """What is known of one folder, by UID, all under the same UIDVALIDITY: of all messages, or of those that changed.

    server: all that the server shows. local: flags of the files in this folder. elsewhere: messages whose files were
    moved to other folders, or seen here a moment ago. agreed: what was seen last; whoever is in it has been in the
    Maildir. recent: the messages that `since` lets through, None for all. shown_before: how many messages the server
    showed last time. rest: how many messages are on the server and agreed that are not in this view, since neither side
    tells of a change.
    """

    server: Mapping[int, MessageMeta]
    local: Mapping[int, frozenset[str]]
    elsewhere: Set[int] = frozenset()
    agreed: Mapping[int, Agreed] = field(default_factory=dict)
    recent: Set[int] | None = None
    shown_before: int = 0
    rest: int = 0


@dataclass
class FolderPlan:
    """Steps for one folder; UIDs ascending.

    fetch: to bring down. set_flags: files that get these flags. agree: what to remember of messages that are here.
    mark_seen: get \\Seen on the server. remove: are here and go from the server; `verify` too, once the file has been
    compared with what the server says. delete: were deleted here and go from the server. forget: gone from the server.
    too_large, too_old, over_budget: left out. changed: the server shows another message under a known UID (nothing is
    removed or deleted then). shrunken: the server shows suspiciously few messages; their memory is kept.
    """

    fetch: list[int] = field(default_factory=list)
    set_flags: dict[int, frozenset[str]] = field(default_factory=dict)
    agree: dict[int, Agreed] = field(default_factory=dict)
    mark_seen: list[int] = field(default_factory=list)
    remove: list[int] = field(default_factory=list)
    verify: list[int] = field(default_factory=list)
    delete: list[int] = field(default_factory=list)
    forget: list[int] = field(default_factory=list)
    too_large: list[int] = field(default_factory=list)
    too_old: int = 0
    over_budget: int = 0
    changed: list[int] = field(default_factory=list)
    shrunken: int = 0

    @property
    def complete(self) -> bool:
        """Whether nothing is left out, so that an unchanged folder needs no second look."""
        return not (self.too_large or self.too_old or self.over_budget or self.changed or self.shrunken)


def plan_folder(view: View, policy: Policy) -> FolderPlan:
    """The steps that bring one folder up to date."""
    plan = FolderPlan()
    for uid in sorted(view.server):
        meta = view.server[uid]
        agreed = view.agreed.get(uid)
        if agreed is not None and another_message(agreed, meta):
            plan.changed.append(uid)
        elif uid in view.local or uid in view.elsewhere:
            _known(plan, view, policy, uid, meta, agreed)
        elif agreed is not None:
            if policy.propagate_deletes:
                plan.delete.append(uid)
        elif view.recent is not None and uid not in view.recent:
            plan.too_old += 1
        elif policy.max_size is not None and (meta.size or 0) > policy.max_size:
            plan.too_large.append(uid)
        else:
            plan.fetch.append(uid)
    if policy.budget is not None and len(plan.fetch) > policy.budget:
        plan.over_budget = len(plan.fetch) - policy.budget
        plan.fetch = plan.fetch[plan.over_budget :]  # the newest come first: highest UIDs (RFC 9051 section 2.3.1.1)
    gone = [uid for uid in view.agreed if uid not in view.server]
    if brakes(len(gone), len(view.agreed) + view.rest) and len(view.server) + view.rest < view.shown_before:
        plan.shrunken = len(gone)  # believed only if the next run sees the same
    else:
        plan.forget = sorted(gone)
    if plan.changed:
        plan.remove, plan.verify, plan.delete = [], [], []
    return plan


def _known(plan: FolderPlan, view: View, policy: Policy, uid: int, meta: MessageMeta, agreed: Agreed | None) -> None:
    """Steps for a message that is in the Maildir."""
    flags = canonical(meta.flags)
    if uid in view.local:
        local = view.local[uid]
        but = frozenset({SEEN}) if policy.mark_seen else frozenset()  # mailctl set it there: it tells nothing
        merged = merge_down(flags, local, agreed.flags if agreed else None, but=but)
        if merged != local:
            plan.set_flags[uid] = merged
    now = remember(meta)
    if agreed != now:
        plan.agree[uid] = now
    if policy.mark_seen and SEEN not in flags and (agreed is None or SEEN not in agreed.flags):
        plan.mark_seen.append(uid)
    if not policy.keep_on_server or uid in policy.due:
        (plan.verify if agreed is None else plan.remove).append(uid)


def remember(meta: MessageMeta) -> Agreed:
    """What the state keeps of a message as the server shows it."""
    date = None if meta.internaldate is None else int(meta.internaldate)
    return Agreed(canonical(meta.flags), meta.size, date)


def as_meta(uid: int, agreed: Agreed) -> MessageMeta:
    """A message as the server showed it last."""
    date = None if agreed.internaldate is None else float(agreed.internaldate)
    return MessageMeta(uid, agreed.flags, agreed.size, date)


def another_message(agreed: Agreed, meta: MessageMeta) -> bool:
    """Whether the server shows another message under a UID than before: size and date both differ.

    One alone tells nothing: some servers (Exchange) estimate RFC822.SIZE anew, and date can't be read from all.
    """
    return (
        None not in (agreed.size, meta.size, agreed.internaldate, meta.internaldate)
        and agreed.size != meta.size
        and agreed.internaldate != int(meta.internaldate or 0)
    )


def brakes(deletions: int, messages: int) -> bool:
    """Whether so many deletions out of so many messages need a person's word."""
    return deletions > BRAKE_MESSAGES and deletions > BRAKE_SHARE * messages
