"""The plan of a POP3 maildrop: what the server shows, the Maildir has, and was seen before, in; steps, out. Pure."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from mailctl.sync.local.names import uidl_token

Message = tuple[int, str, int]
"""Message number, unique-id, octets."""


@dataclass(frozen=True, slots=True)
class Maildrop:
    """What is known of it.

    shown: what the server has. here: tokens of the files' unique-ids. known: octets of what was here, by unique-id.
    """

    shown: Sequence[Message]
    here: Set[str]
    known: Mapping[str, int]


@dataclass
class PopPlan:
    """Steps, by message number.

    adopt: here, though nothing was known of it. copies: share a unique-id with an earlier one.
    """

    fetch: list[Message] = field(default_factory=list)
    adopt: list[Message] = field(default_factory=list)
    remove: list[Message] = field(default_factory=list)
    delete: list[Message] = field(default_factory=list)
    forget: list[str] = field(default_factory=list)
    too_large: list[Message] = field(default_factory=list)
    copies: list[Message] = field(default_factory=list)
    changed: list[Message] = field(default_factory=list)
    over_budget: int = 0


def plan_maildrop(
    drop: Maildrop, *, keep_on_server: bool, propagate_deletes: bool, max_size: int | None, budget: int | None
) -> PopPlan:
    """The steps that bring the Maildir up to date with the maildrop.

    RFC 1939 lets identical messages share a unique-id: the first is taken, the others are left alone on both sides.
    """
    plan = PopPlan()
    seen: set[str] = set()
    for message in sorted(drop.shown):
        _, uidl, octets = message
        known = drop.known.get(uidl)
        if uidl in seen:
            plan.copies.append(message)
        elif known is not None and known != octets:
            plan.changed.append(message)
        elif uidl_token(uidl) in drop.here:
            if known is None:
                plan.adopt.append(message)
            elif not keep_on_server:
                plan.remove.append(message)  # an adopted one only in the next run, when its size is known to stand
        elif known is not None:
            if propagate_deletes:
                plan.delete.append(message)
        elif max_size is not None and octets > max_size:
            plan.too_large.append(message)
        else:
            plan.fetch.append(message)
        seen.add(uidl)
    if budget is not None and len(plan.fetch) > budget:
        plan.over_budget = len(plan.fetch) - budget
        plan.fetch = plan.fetch[plan.over_budget :]  # the newest have the highest numbers
    plan.forget = sorted(uidl for uidl in drop.known if uidl not in seen) if drop.shown else []
    if plan.changed:
        plan.remove, plan.delete = [], []
    return plan
