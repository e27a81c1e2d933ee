"""What is told of the plan of an IMAP folder: what is left out, and why; in a dry run, its steps."""

from collections.abc import Mapping, Sequence

from mailctl.domain.mailbox import ImapMailbox, MessageMeta
from mailctl.sync.archive.plan import SEEN, FolderPlan
from mailctl.sync.describe import Description, describe
from mailctl.sync.job import FolderTally
from mailctl.sync.run import Run

MOST_DESCRIBED = 50
"""Messages whose headers are asked for only to tell a person which they are."""


def tell(
    plan: FolderPlan, server: Mapping[int, MessageMeta], run: Run, tally: FolderTally, mailbox: ImapMailbox
) -> None:
    """Note what is left out, and why."""
    described = _described(mailbox, plan.too_large)
    for uid in reversed(plan.too_large):  # the newest are described
        tally.skip_large(uid, server[uid].size or 0, run.job.inbound.max_size or 0, described.get(uid))
    tally.skip_old(run.job.since, plan.too_old)
    tally.skip_rest(plan.over_budget)
    for uid in plan.changed:
        tally.skip("identity_changed", "the server shows another message under this UID", uid=uid)
    if plan.shrunken:
        run.warn(f"{tally.name}: the server shows {plan.shrunken} messages fewer; all are kept here")


def show(
    plan: FolderPlan, server: Mapping[int, MessageMeta], run: Run, tally: FolderTally, mailbox: ImapMailbox
) -> None:
    """The plan as steps."""
    if run.budget is not None:
        run.budget -= len(plan.fetch)

    def octets(uids: Sequence[int]) -> int:
        return sum(server[uid].size or 0 for uid in uids)

    tally.step("fetch", plan.fetch, octets=octets(plan.fetch))
    alike: dict[str, list[int]] = {}
    for uid, flags in plan.set_flags.items():
        alike.setdefault(" ".join(sorted(flags)), []).append(uid)
    for words, uids in alike.items():
        tally.step("flag", uids, words)
    unseen = [uid for uid in plan.fetch if SEEN not in server[uid].flags] if run.job.inbound.mark_seen else []
    tally.step("mark_seen", [*plan.mark_seen, *unseen])
    leaving = [] if run.job.inbound.keep_on_server else plan.fetch
    gone = [*plan.remove, *plan.verify, *leaving]
    which = _described(mailbox, sorted([*plan.remove, *plan.verify])).values()
    tally.step("remove_from_server", gone, "once the file is durable here", octets=octets(gone), which=[*which])
    deleted = [*_described(mailbox, plan.delete).values()]
    tally.step("delete_on_server", plan.delete, "deleted here", octets=octets(plan.delete), which=deleted)


def _described(mailbox: ImapMailbox, uids: Sequence[int]) -> dict[int, Description]:
    """What the newest of these messages are."""
    if not uids:
        return {}
    asked = mailbox.headers(uids[-MOST_DESCRIBED:], ("From", "Subject", "Date"))
    return {uid: describe(header) for uid, header in asked}
