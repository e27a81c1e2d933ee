"""Verifies one gateway: reads the state and the Maildir, writes neither, and keeps a sync out while it looks."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailctl.domain.server import Protocol
from mailctl.domain.when import counted
from mailctl.errors import LockedError, SafetyError
from mailctl.sync.local.lock import Lock
from mailctl.sync.local.root import Root
from mailctl.sync.run import Run
from mailctl.sync.state import State
from mailctl.sync.verify.differences import Verified, verified
from mailctl.sync.verify.imap import ImapVerify
from mailctl.sync.verify.pop3 import PopVerify

PATIENCE = 60
"""Seconds that a sync at work is waited for."""


def verify(run: Run) -> Verified:
    """Compare both sides. The job is one of a dry run, so that nothing is made.

    Raises MailctlErrors; SafetyError (code differences) if something differs that no sync mends.
    """
    job = run.job
    path = Path(job.state)
    work = ImapVerify if job.protocol is Protocol.IMAP else PopVerify
    with _alone(run, path.with_suffix(".lock")), State(path, read_only=True) as state:
        if state.rebuilt:
            run.warn("the sync state can't be read; the next sync makes it anew")
        with Root(run.tools.files, job, state) as root:
            run.verified = found = verified(work(run, state, root, content=job.content).verify(), content=job.content)
    if found.staying:
        raise SafetyError(
            f"{counted(found.staying, 'difference')} of {job.name} will not be mended by any sync",
            hint=f"Copies, dates and directories: `mailctl sync {job.name} --repair`. A damaged file: move it out of "
            "the Maildir, repair, then sync, which fetches the message anew.",
            code="differences",
        )
    return found


@contextmanager
def _alone(run: Run, path: Path) -> Iterator[None]:
    """Hold the gateway's lock, waiting for a sync to end; where there is no lock yet, none was ever needed."""
    if not path.exists():
        yield
        return
    for second in range(PATIENCE + 1):
        run.check_stop()
        lock = Lock(path, run.job.name, run.tools.who)
        try:
            lock.__enter__()
        except LockedError as error:
            if second == PATIENCE:
                raise
            if not second:
                run.notes.append(f"waited: {error.message}")
            run.tools.stop.wait(1.0)
        else:
            break
    try:
        yield
    finally:
        lock.__exit__()
