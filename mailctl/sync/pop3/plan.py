"""The plan of a POP3 maildrop: what the server shows, the Maildir has, and was seen before, in; steps, out. Pure.

RFC 1939 lets a server give a unique-id again once its message is gone, and to several messages if they are identical;
some give it to messages that are not. So a message is known by its unique-id and, where that is another's, by the
unique-id and the size (`variant`). What is here under a unique-id is believed to be the message that the server shows
only if the size is the one that was agreed, or somebody has compared the two (`doubtful`).
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import field
from enum import Enum

from mailctl.domain.record import dataclass
from mailctl.sync.local.names import uidl_token

Message = tuple[int, str, int]
"""Message number, unique-id, octets."""


class Verdict(Enum):
    """What comparing a message with the file that is here under its unique-id has shown."""

    SAME = "same"
    ANOTHER = "another"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Maildrop:
    """What is known of it.

    shown: what the server has. here: tokens of the files' keys. known: octets of what was here, by key. since: when it
    came here, by key, epoch seconds. dates: of messages that were left out as too old, epoch seconds by unique-id.
    """

    shown: Sequence[Message]
    here: Set[str]
    known: Mapping[str, int]
    since: Mapping[str, int] = field(default_factory=dict)
    dates: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PopPolicy:
    """What the gateway asks for. budget: messages that may still be fetched in this run.

    not_before: what is older by its Date field stays away, epoch seconds. due: what came here before it goes from the
    server (delete_after), epoch seconds.
    """

    keep_on_server: bool = True
    propagate_deletes: bool = False
    max_size: int | None = None
    budget: int | None = None
    not_before: int | None = None
    due: int | None = None


@dataclass
class PopPlan:
    """Steps. keys: what each message is called here, by number.

    adopt: here, though not known so: to be remembered. remove: here, and goes from the server. delete: was deleted
    here, and goes from the server. forget: keys that the server doesn't show any more. copies: share unique-id and size
    with an earlier one. changed: nobody can tell whether it is the message that is here; nothing is removed then.
    """

    keys: dict[int, str] = field(default_factory=dict)
    fetch: list[Message] = field(default_factory=list)
    adopt: list[Message] = field(default_factory=list)
    remove: list[Message] = field(default_factory=list)
    delete: list[Message] = field(default_factory=list)
    forget: list[str] = field(default_factory=list)
    too_large: list[Message] = field(default_factory=list)
    too_old: list[Message] = field(default_factory=list)
    copies: list[Message] = field(default_factory=list)
    changed: list[Message] = field(default_factory=list)
    over_budget: int = 0


def variant(message: Message) -> str:
    """The key of a message whose unique-id is another's here; no unique-id has a space (RFC 1939 section 7)."""
    return f"{message[1]} {message[2]}"


def doubtful(drop: Maildrop) -> list[Message]:
    """The messages that must be compared with the file that is here under their unique-id."""
    return [message for message in sorted(drop.shown) if _in_doubt(drop, message)]


def _in_doubt(drop: Maildrop, message: Message) -> bool:
    if _is(drop, variant(message)):
        return False
    return uidl_token(message[1]) in drop.here and drop.known.get(message[1]) != message[2]


def _is(drop: Maildrop, key: str) -> bool:
    return key in drop.known or uidl_token(key) in drop.here


def plan_maildrop(
    drop: Maildrop,
    policy: PopPolicy,
    verdicts: Mapping[int, Verdict] | None = None,
    dates: Mapping[int, int | None] | None = None,
) -> PopPlan:
    """The steps that bring the Maildir up to date with the maildrop.

    verdicts: on each of `doubtful`, by number. dates: of the messages that are new, by number, as far as they are told;
    a message without a date is never too old.
    """
    plan = PopPlan()
    seen: dict[str, int] = {}
    for message in sorted(drop.shown):
        number, _, octets = message
        verdict = (verdicts or {}).get(number, Verdict.UNKNOWN) if _in_doubt(drop, message) else Verdict.SAME
        key = _key(drop, message, verdict)
        if seen.get(key, octets) != octets:
            key = variant(message)
        plan.keys[number] = key
        if key in seen:
            plan.copies.append(message)
        elif verdict is Verdict.UNKNOWN:
            plan.changed.append(message)
        elif uidl_token(key) in drop.here:
            if drop.known.get(key) != octets:
                plan.adopt.append(message)
            if not policy.keep_on_server or _due(drop, policy, key):
                plan.remove.append(message)
        elif key in drop.known:
            if policy.propagate_deletes:
                plan.delete.append(message)
        elif _too_old(drop, policy, message, dates or {}):
            plan.too_old.append(message)
        elif policy.max_size is not None and octets > policy.max_size:
            plan.too_large.append(message)
        else:
            plan.fetch.append(message)
        seen.setdefault(key, octets)
    if policy.budget is not None and len(plan.fetch) > policy.budget:
        plan.over_budget = len(plan.fetch) - policy.budget
        plan.fetch = plan.fetch[plan.over_budget :]  # the newest have the highest numbers
    plan.forget = sorted(key for key in drop.known if key not in seen) if drop.shown else []
    if plan.changed:
        plan.remove, plan.delete = [], []
    return plan


def _key(drop: Maildrop, message: Message, verdict: Verdict) -> str:
    """What a message is called here: by its unique-id, unless that is another message's."""
    other = variant(message)
    if _is(drop, other) or verdict is Verdict.ANOTHER:
        return other
    was = drop.known.get(message[1])
    return other if was not in (None, message[2]) and uidl_token(message[1]) not in drop.here else message[1]


def _due(drop: Maildrop, policy: PopPolicy, key: str) -> bool:
    return policy.due is not None and key in drop.since and drop.since[key] <= policy.due


def _too_old(drop: Maildrop, policy: PopPolicy, message: Message, dates: Mapping[int, int | None]) -> bool:
    date = drop.dates.get(message[1], dates.get(message[0]))
    return policy.not_before is not None and date is not None and date < policy.not_before
