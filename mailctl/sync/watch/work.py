"""What a watch's threads carry out for one gateway: a sync and the waiting after it, or waiting begun anew."""

import os
from collections.abc import Callable
from pathlib import Path

from mailctl.domain.gateway import Mode
from mailctl.domain.heartbeat import WatchState
from mailctl.domain.record import dataclass
from mailctl.errors import ExitCode, LockedError, MailctlError, NetworkError
from mailctl.sync.engine import sync_gateway
from mailctl.sync.job import SyncJob
from mailctl.sync.local.lock import Lock
from mailctl.sync.report import Failure, SyncReport
from mailctl.sync.run import Tools
from mailctl.sync.state import FolderState, State
from mailctl.sync.watch.connection import Parked
from mailctl.sync.watch.local import Times, directory_times
from mailctl.sync.watch.plan import Ended

_GOES_ON = frozenset({ExitCode.REFUSED, ExitCode.PROTOCOL, ExitCode.STORAGE, ExitCode.MIXED})
"""Failures that a folder may have by itself, while the connection is as good as before."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a piece of work. report: of the sync, if there was one. local: the Maildir's times before it."""

    ended: Ended
    report: SyncReport | None = None
    local: Times | None = None


def sync(job: SyncJob, parked: Parked, tools: Tools) -> Done:
    """One sync, over the connection that waited if there is one; then wait. Never raises."""
    report: SyncReport | None = None
    local = directory_times(job.root) if job.inbound.mode is Mode.MIRROR else None

    def work() -> Ended:
        nonlocal report
        parked.end_waiting()
        _check_free(job, tools.who)
        report = sync_gateway(job, tools)
        error = report.error
        changed = did_something(report)
        if error is not None and not (error.exit_code in _GOES_ON and parked.connected):
            parked.close()
            return Ended(None, changed, error=error)
        if tools.stop.is_set():
            return Ended(None, changed, error=error)
        waits, moved_on = parked.wait(job, _seen(job))
        # what came to folders other than the open one since they were looked at, and before NOTIFY, nobody tells
        once_more = changed and error is None and waits is WatchState.NOTIFY
        return Ended(waits, changed, moved_on, once_more, error)

    ended = _guarded(work, parked)
    return Done(ended, report, local)


def did_something(report: SyncReport) -> bool:
    """Whether mail, flags or folders changed, here or there."""
    return any((report.fetched, report.flagged, report.removed, report.uploaded, report.moved))


def refresh(job: SyncJob, parked: Parked) -> Done:
    """Begin to wait anew on the same connection, which shows that it is alive. Never raises."""

    def work() -> Ended:
        parked.end_waiting()
        if not parked.connected:
            raise NetworkError("the connection had ended without a word", code="lost", cause="connection_lost")
        waits, moved_on = parked.wait(job, _seen(job))
        return Ended(waits, moved_on=moved_on)

    return Done(_guarded(work, parked))


def _guarded(work: Callable[[], Ended], parked: Parked) -> Ended:
    try:
        return work()
    except LockedError as error:  # the connection is as good as before
        return Ended(None, error=Failure.of(error))
    except MailctlError as error:
        failure = Failure.of(error)
    except OSError as error:
        failure = Failure("storage", f"{error.strerror or error}", exit_code=ExitCode.STORAGE)
    except Exception as error:  # noqa: BLE001 - a bug met with one gateway must not end the watch of the others
        failure = Failure("bug", f"this is a bug in mailctl ({type(error).__name__}: {error})")
    parked.close()
    return Ended(None, error=failure)


def _check_free(job: SyncJob, who: Callable[[], str]) -> None:
    """LockedError while another process syncs the gateway: seen here, it is no failed sync in the log every time."""
    path = Path(job.state).with_suffix(".lock")
    if os.path.lexists(path):
        with Lock(path, job.name, who):
            pass


def _seen(job: SyncJob) -> dict[str, FolderState]:
    """What the sync saw of each folder, as it remembers it."""
    with State(Path(job.state), read_only=True) as state:
        return state.folders()
