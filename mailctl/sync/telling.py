"""What is told of the plan of an IMAP folder: what is left out, and why; in a dry run, its steps."""

from collections.abc import Mapping

from mailctl.domain.mailbox import MessageMeta
from mailctl.domain.when import counted, show_size
from mailctl.sync.job import FolderTally
from mailctl.sync.plan import SEEN, FolderPlan
from mailctl.sync.run import Run


def tell(plan: FolderPlan, server: Mapping[int, MessageMeta], run: Run, tally: FolderTally) -> None:
    """Note what is left out, and why."""
    most = show_size(run.job.inbound.max_size or 0)
    for uid in plan.too_large:
        tally.skip("too_large", f"{show_size(server[uid].size or 0)}, more than max_size ({most})", uid=uid)
    if plan.too_old:
        tally.skip("too_old", f"older than {run.job.since}: {counted(plan.too_old, 'message')}", count=plan.too_old)
    if plan.over_budget:
        reason = f"left for the next run (max_per_run): {counted(plan.over_budget, 'message')}"
        tally.skip("over_limit", reason, count=plan.over_budget)
    for uid in plan.changed:
        tally.skip("identity_changed", "the server shows another message under this UID", uid=uid)
    if plan.shrunken:
        run.warn(f"{tally.name}: the server shows {plan.shrunken} messages fewer; all are kept here")


def show(plan: FolderPlan, server: Mapping[int, MessageMeta], run: Run, tally: FolderTally) -> None:
    """The plan as steps."""
    if run.budget is not None:
        run.budget -= len(plan.fetch)
    octets = sum(server[uid].size or 0 for uid in plan.fetch)
    tally.step("fetch", plan.fetch, f"{octets} octets")
    alike: dict[str, list[int]] = {}
    for uid, flags in plan.set_flags.items():
        alike.setdefault(" ".join(sorted(flags)), []).append(uid)
    for words, uids in alike.items():
        tally.step("flag", uids, words)
    unseen = [uid for uid in plan.fetch if SEEN not in server[uid].flags] if run.job.inbound.mark_seen else []
    tally.step("mark_seen", [*plan.mark_seen, *unseen])
    leaving = [] if run.job.inbound.keep_on_server else plan.fetch
    tally.step("remove_from_server", [*plan.remove, *plan.verify, *leaving], "after the file is durable")
    tally.step("delete_on_server", plan.delete, "deleted here")
