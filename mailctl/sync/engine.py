"""The sync of gateways: one job in, one report out; many jobs side by side in threads."""

from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from mailctl.domain.event import Level
from mailctl.domain.gateway import Mode
from mailctl.domain.server import Protocol
from mailctl.errors import ConfigError, ExitCode, MailctlError, StoppedError, StorageError, combined_exit_code
from mailctl.sync.job import SyncJob, Task
from mailctl.sync.local.files import storing
from mailctl.sync.local.lock import Lock
from mailctl.sync.local.root import Root
from mailctl.sync.run import Run, Tools
from mailctl.sync.state import State

if TYPE_CHECKING:  # what a sync did is told when it has done it
    from mailctl.sync.report import SyncReport


def sync_gateway(job: SyncJob, tools: Tools) -> "SyncReport":
    """Bring one gateway's mail down. Never raises MailctlErrors: the report carries what went wrong."""
    if tools.stop.is_set():  # it waited for others, and has not begun
        from mailctl.sync.report import Failure, SyncReport

        return SyncReport(job.name, ok=False, error=Failure.of(StoppedError("interrupted before it began")))
    started = monotonic()
    run = Run(job, tools, budget=job.inbound.max_per_run)
    error: MailctlError | None = None
    messages = 0
    if not job.dry_run:
        run.record("sync.started", f"sync of {job.name} began")
    try:
        with storing(f"sync {job.name}"):
            messages = _synced(run)
    except MailctlError as failure:
        error = failure
    finally:
        run.close()
    report = _report(run, error, monotonic() - started, messages)
    if not job.dry_run:
        _record_end(run, report)
    return report


_LOOK_UP = 0.5
"""Seconds between two looks for signals."""


def sync_gateways(jobs: Sequence[SyncJob], tools: Tools, *, parallel: int = 1) -> "list[SyncReport]":
    """Every job, at most `parallel` at a time; reports in the order of the jobs. One that fails stops no other.

    A KeyboardInterrupt goes through at once: threads that wait for a server are left behind, and end with the process
    as if it had been killed, which loses nothing.
    """
    if len(jobs) == 1:
        return [sync_gateway(jobs[0], tools)]
    from queue import Empty, SimpleQueue
    from threading import Thread

    waiting: SimpleQueue[int] = SimpleQueue()
    ended: SimpleQueue[tuple[int, SyncReport | BaseException]] = SimpleQueue()
    for number in range(len(jobs)):
        waiting.put(number)

    def work() -> None:
        while True:
            try:
                number = waiting.get_nowait()
            except Empty:
                return
            try:
                ended.put((number, sync_gateway(jobs[number], tools)))
            except BaseException as error:  # noqa: BLE001 - raised again below, where somebody hears it
                ended.put((number, error))

    for _ in range(min(parallel, len(jobs))):
        Thread(target=work, daemon=True).start()  # an executor would wait for its threads, whatever happens
    reports: dict[int, SyncReport] = {}
    while len(reports) < len(jobs):
        try:
            number, report = ended.get(timeout=_LOOK_UP)
        except Empty:  # a signal that strikes just before this thread waits is only heard when it wakes
            continue
        if isinstance(report, BaseException):
            raise report
        reports[number] = report
    return [reports[number] for number in range(len(jobs))]


def _synced(run: Run) -> int:
    """The sync itself; returns how many messages the Maildir holds afterwards."""
    job, tools = run.job, run.tools
    if job.inbound.mode is Mode.MIRROR and job.protocol is not Protocol.IMAP:
        raise ConfigError(
            "only IMAP has a mirror mode: POP3 knows no folders, and takes no messages",
            hint=f"`mailctl gateway edit {job.name} --mode archive` makes it one that can be synced.",
            code="mode_unsupported",
        )
    if job.task is Task.VERIFY:
        from mailctl.sync.verify.gateway import verify

        run.verified = verify(run)
        return sum(folder.here for folder in run.verified.folders)
    if job.task is Task.REPAIR:
        from mailctl.sync.repair import repair

        run.repaired = repair(run, _with_state)
        return run.repaired.adopted
    path = Path(job.state)
    if job.dry_run:
        with State(path, read_only=True) as state:
            if not job.start_afresh:
                return _with_state(run, state)
            account = state.meta("account")
        with State(None) as state:  # as if all had been forgotten
            state.set_meta("account", account)
            return _with_state(run, state)
    with Lock(path.with_suffix(".lock"), job.name, tools.who), State(path) as state:
        if state.rebuilt:
            run.warn(f"the sync state was damaged or of another version; it is made anew (the old one: {path}.bad)")
        return _with_state(run, state)


def _with_state(run: Run, state: State) -> int:
    job = run.job
    with Root(run.tools.files, job, state, lambda: sum(tally.fetched for tally in run.tallies)) as root:
        if job.start_afresh and not job.dry_run:
            account = root.account
            state.forget_all()
            state.set_meta("account", account)
        if job.inbound.mode is Mode.MIRROR:
            run.tools.meanwhile()
            from mailctl.sync.mirror.mirror import MirrorSync

            return MirrorSync(run, state, root).sync()
        if state.mirrored:
            state.set_mirrored(())  # which folders are on both sides is no longer known
            state.distrust_times()  # a mirror doesn't remember where files are
        try:
            _archive(run, state, root)
        except MailctlError as error:
            _end(run, state, root, error)
            raise
        _end(run, state, root, None)
        if root.walked:
            return root.count
        return sum(seen.files for seen in state.folders().values())


def _archive(run: Run, state: State, root: Root) -> None:
    """Archive mode. What a protocol needs is imported when it is: half of a run that changes nothing is start-up."""
    if run.job.protocol is Protocol.IMAP:
        from mailctl.sync.archive.imap import ImapSync

        ImapSync(run, state, root).sync()
    else:
        from mailctl.sync.pop3.maildrop import PopSync

        PopSync(run, state, root, root.whole).sync()


def _end(run: Run, state: State, root: Root, error: MailctlError | None) -> None:
    """What can be said of the state after the run: not much if the disk failed, else folders are in good order."""
    if run.job.dry_run or any(isinstance(each, StorageError) for each in (error, *(t.error for t in run.tallies))):
        return
    state.end()
    if not state.complete and root.walked:
        from mailctl.sync.local.names import folder_hash

        known = {folder_hash(root.account, name) for name in state.folders()}
        if root.whole.by_folder.keys() <= known:
            state.set_meta("complete", "1")


_TESTED = frozenset({ExitCode.NETWORK, ExitCode.TLS, ExitCode.AUTH, ExitCode.PROTOCOL})
"""Failures that a check explains."""


def _report(run: Run, error: MailctlError | None, seconds: float, messages: int) -> "SyncReport":
    from mailctl.sync.report import Failure, SyncReport

    tallies = run.tallies
    failed = [tally.error for tally in tallies if tally.error is not None]
    if error is None and failed:
        code = combined_exit_code([failure.exit_code for failure in failed])
        error = failed[0]
        if len(failed) > 1:
            first = failed[0]
            text = f"{len(failed)} folders failed; the first: {first.message}"
            error = MailctlError(text, hint=first.hint, cause=first.cause, server_text=first.server_text)
            error.code, error.exit_code = first.code, code
    if error is not None and not error.hint and error.exit_code in _TESTED:
        error.hint = f"`mailctl test {run.job.name}` shows where it fails, why, and what to do."
    return SyncReport(
        gateway=run.job.name,
        ok=error is None,
        fetched=sum(tally.fetched for tally in tallies),
        flagged=sum(tally.flagged for tally in tallies),
        removed=sum(tally.removed for tally in tallies),
        uploaded=sum(tally.uploaded for tally in tallies),
        moved=sum(tally.moved for tally in tallies),
        bytes=sum(tally.bytes for tally in tallies),
        seconds=round(seconds, 3),
        messages=messages,
        skipped=tuple(skipped for tally in tallies for skipped in tally.skipped),
        folders=tuple(tally.report() for tally in tallies),
        warnings=tuple(run.warnings),
        notes=tuple(run.notes),
        steps=tuple(step for tally in tallies for step in tally.steps) if run.job.dry_run else (),
        error=Failure.of(error) if error else None,
        protocol=run.job.protocol.value,
        verified=run.verified,
        repaired=run.repaired,
    )


def _record_end(run: Run, report: "SyncReport") -> None:
    from mailctl.sync.report import done

    fields: dict[str, Any] = {
        "fetched": report.fetched,
        "flagged": report.flagged,
        "removed": report.removed,
        "uploaded": report.uploaded,
        "moved": report.moved,
        "bytes": report.bytes,
        "seconds": report.seconds,
        "skipped": sum(skipped.count for skipped in report.skipped),
        "messages": report.messages,
    }
    if report.error is None:
        text = done(report)
        run.record("sync.finished", text, **fields)
    else:
        failure = report.error
        stopped = failure.exit_code is ExitCode.INTERRUPTED
        run.record(
            "sync.interrupted" if stopped else "sync.failed",
            failure.message,
            level=Level.WARNING if stopped else Level.ERROR,
            **fields,
            code=failure.code,
            cause=failure.cause,
            server_text=failure.server_text,
        )
