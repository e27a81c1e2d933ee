"""The plan of a mirror run as steps, and as what it leaves out."""

from collections.abc import Mapping, Sequence

from mailctl.sync.mirror.folders import FolderFate
from mailctl.sync.mirror.strays import Fate, Way
from mailctl.sync.mirror.work import Found, Work
from mailctl.sync.report import Step
from mailctl.sync.run import Run

_FOLDERS = {
    FolderFate.NEW_THERE: ("make_folder", "here"),
    FolderFate.NEW_HERE: ("make_folder", "on the server"),
    FolderFate.GONE_THERE: ("remove_folder", "here: it was removed on the server"),
    FolderFate.GONE_HERE: ("remove_folder", "on the server: it was removed here"),
}
_WAYS = {Way.IS: "recognise", Way.FOLLOW: "follow", Way.MOVE: "move", Way.COPY: "copy", Way.UPLOAD: "upload"}


def show(run: Run, works: Sequence[Work], fates: Sequence[Fate], strays: Mapping[int, Found]) -> None:
    """Every step, in the order in which it would be done."""
    for work in works:
        if work.fate in _FOLDERS and not work.left:
            action, detail = _FOLDERS[work.fate]
            work.tally.steps.append(Step(work.name, action, (), detail))
    for work in works:
        for way, action in _WAYS.items():
            mine = [fate for fate in fates if fate.way is way and fate.stray.folder == work.name]
            for source in sorted({fate.source.folder if fate.source else "" for fate in mine}):
                some = [fate for fate in mine if (fate.source.folder if fate.source else "") == source]
                _fates(work, action, source, some, strays)
    for work in works:
        _messages(run, work)


def _fates(work: Work, action: str, source: str, fates: Sequence[Fate], strays: Mapping[int, Found]) -> None:
    uids = tuple(sorted(fate.source.uid for fate in fates if fate.source))
    octets = sum(strays[fate.stray.key].measured.octets for fate in fates)
    detail = f"from {source}" if source not in ("", work.name) else ""
    work.tally.steps.append(Step(work.name, action, uids, detail, octets, messages=len(fates)))


def _messages(run: Run, work: Work) -> None:
    plan, tally = work.plan, work.tally
    tally.step("fetch", plan.fetch, octets=sum(work.server[uid].size or 0 for uid in plan.fetch))
    alike: dict[tuple[str, str], list[int]] = {}
    for uid, flags in plan.set_flags.items():
        alike.setdefault(("flag", " ".join(sorted(flags))), []).append(uid)
    for uid, store in plan.store.items():
        signed = [f"+{flag}" for flag in sorted(store.add)] + [f"-{flag}" for flag in sorted(store.remove)]
        alike.setdefault(("flag_on_server", " ".join(signed)), []).append(uid)
    for (action, words), uids in alike.items():
        tally.step(action, uids, words)
    tally.step("delete_on_server", plan.delete_there, "deleted here")
    tally.step("delete_here", plan.delete_here, "deleted on the server")
    tell(run, work)


def tell(run: Run, work: Work) -> None:
    """Note what a plan leaves out, and the conflicts that it settles."""
    plan, tally = work.plan, work.tally
    for uid in plan.too_large:
        tally.skip_large(uid, work.server[uid].size or 0, run.job.inbound.max_size or 0)
    tally.skip_old(run.job.since, plan.too_old)
    tally.skip_rest(plan.over_budget)
    for uid in plan.changed:
        tally.skip("identity_changed", "the server shows another message under this UID", uid=uid)
    for uid in plan.ahead:
        tally.skip("not_given_yet", "the file's UID is none that the server says it gave; it is left as it is", uid=uid)
    for link in work.local.links:
        tally.skip("symbolic_link", f"{link} is a symbolic link; in a Maildir, links aren't followed")
    for name in work.local.doubled:
        run.doubled(work.name, name)
    for uid, text in plan.conflicts:
        run.record("sync.conflict", f"{work.name} UID {uid}: {text}", folder=work.name, uid=uid)
    if plan.conflicts:
        first, rest = plan.conflicts[0], len(plan.conflicts) - 1
        run.notes.append(f"{work.name} UID {first[0]}: {first[1]}{f' (and {rest} more)' if rest else ''}")
