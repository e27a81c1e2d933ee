"""The brake: so many messages deleted here that deleting them on the server too needs a person's word."""

from mailctl.errors import SafetyError
from mailctl.sync.archive.here import Here
from mailctl.sync.archive.plan import brakes
from mailctl.sync.local.names import folder_hash, uidl_token
from mailctl.sync.local.paths import FolderPath
from mailctl.sync.local.root import Index, Root
from mailctl.sync.run import Run
from mailctl.sync.state import State


def check_deletions(run: Run, state: State, account: str, index: Index) -> None:
    """SafetyError if so many messages were deleted here that deleting them on the server needs a word."""
    if not run.job.inbound.propagate_deletes or run.job.confirm_deletes:
        return
    deleted = total = 0
    where = ""
    for name, seen in state.folders().items():
        known = folder_hash(account, name)
        here = index.uids(known, seen.uidvalidity)
        agreed = state.agreed(name)
        gone = sum(uid not in here for uid in agreed)
        ids = state.unique_ids(name)
        if ids:
            tokens = index.unique_ids(known)
            gone += sum(uidl_token(uidl) not in tokens for uidl in ids)
        if brakes(gone, len(agreed) + len(ids)):
            deleted, total, where = gone, len(agreed) + len(ids), f"{name}: "
            break
        deleted += gone
        total += len(agreed) + len(ids)
    if brakes(deleted, total):
        stop(run, f"{where}{deleted} of {total} messages were deleted here and would be deleted on the server too")


def stop(run: Run, what: str) -> None:
    """SafetyError that says what the brake held up, and how a person lets it pass; in a dry run, a warning."""
    if run.job.dry_run:
        run.warn(f"{what}; without --confirm-deletes, the sync stops before it does anything")
        return
    name = run.job.name
    hint = (
        f"If that is what you want: `mailctl sync {name} --confirm-deletes`. If not, `mailctl sync {name} --repair` "
        "forgets it, and the next sync puts the messages back."
    )
    raise SafetyError(what, hint=hint, code="many_deletions")


def check_vanished(run: Run, state: State, root: Root, here: Here) -> None:
    """`check_deletions` of an IMAP gateway; the whole Maildir is only read if a file isn't where it was."""
    if not run.job.inbound.propagate_deletes or run.job.confirm_deletes:
        return
    if not state.complete or state.any_missing() or _any_vanished(state, here):
        check_deletions(run, state, root.account, root.whole)


def _any_vanished(state: State, here: Here) -> bool:
    for name, seen in state.folders().items():
        found = here.found(name, seen, FolderPath(tuple(seen.path.split("/")))) if seen.path else None
        if found is None or found.difference.gone:
            return True
    return False
