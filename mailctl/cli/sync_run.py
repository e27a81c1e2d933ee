"""What `mailctl sync` does, once it is known what is wanted."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from mailctl.cli.chosen import side_by_side
from mailctl.cli.context import Context
from mailctl.cli.garbage import working
from mailctl.cli.sync_jobs import chosen, job_of
from mailctl.domain.record import dataclass
from mailctl.errors import MailctlError, UsageError
from mailctl.sync.job import SyncJob, Task

if TYPE_CHECKING:
    from threading import Event

    from mailctl.output.progress import Progress
    from mailctl.sync.report import SyncReport


@dataclass(frozen=True)
class Wanted:
    """What the command line asks for, as its options are called. every: --all."""

    names: tuple[str, ...] = ()
    every: bool = False
    folders: tuple[str, ...] = ()
    dry_run: bool = False
    jobs: int | None = None
    confirm_deletes: bool = False
    start_afresh: bool = False
    verify: bool = False
    content: bool = False
    repair: bool = False


def run_sync(context: Context, wanted: Wanted) -> None:
    """Sync, and emit the result."""
    confirmed = wanted.confirm_deletes or wanted.start_afresh
    task = _task(verify=wanted.verify, content=wanted.content, repair=wanted.repair, other=confirmed)
    parallel = side_by_side(context, wanted.jobs)
    gateways, notes, failed = chosen(context, list(wanted.names), wanted.every)
    planned: list[SyncJob] = []
    reports: list[SyncReport] = []
    for gateway in gateways:
        try:
            planned.append(
                replace(
                    job_of(context, gateway),
                    folders=wanted.folders,
                    dry_run=wanted.dry_run or wanted.verify,
                    confirm_deletes=wanted.confirm_deletes,
                    start_afresh=wanted.start_afresh,
                    task=task,
                    content=wanted.content,
                )
            )
        except MailctlError as error:
            reports.append(_failed(gateway.name, error))
    reports += _run(context, planned, parallel)
    from mailctl.cli.sync_result import outcome

    order = [gateway.name for gateway in gateways]
    reports.sort(key=lambda report: order.index(report.gateway))
    context.emit(outcome(reports, failed, notes, _risks(planned), task=task, dry_run=wanted.dry_run))


def _failed(gateway: str, error: MailctlError) -> "SyncReport":
    from mailctl.sync.report import Failure, SyncReport

    return SyncReport(gateway, ok=False, error=Failure.of(error))


def _task(*, verify: bool, content: bool, repair: bool, other: bool) -> Task:
    if sum((verify, repair, other)) > 1:
        raise UsageError("--verify, --repair, --start-afresh and --confirm-deletes exclude each other")
    if content and not verify:
        raise UsageError("--content goes with --verify")
    return Task.VERIFY if verify else Task.REPAIR if repair else Task.SYNC


def _run(context: Context, jobs: Sequence[SyncJob], parallel: int) -> "list[SyncReport]":
    if not jobs:
        return []
    import time

    from mailctl.cli.ahead import ahead
    from mailctl.cli.meanwhile import Meanwhile

    context.unlock_for(job.gateway for job in jobs)
    since, stop = context.now().strftime("%H:%M:%S UTC"), context.stop

    shown: list[Progress] = []
    meanwhile = Meanwhile(context)
    with (
        _stopping(stop, lambda: _tell(context, shown)),
        ahead(context, jobs, meanwhile) as connector,
        context.emitter.progress() as progress,  # what draws it on a terminal takes long to load
    ):
        shown.append(progress)
        from mailctl.sync.engine import sync_gateways
        from mailctl.sync.run import Tools

        working()
        tools = Tools(
            connector=connector,
            recorder=meanwhile.recorder(),
            clock=time.time,
            who=lambda: _who(since),
            progress=progress.row,
            stop=stop,
            workers=context.workers,
            meanwhile=meanwhile,
        )
        return sync_gateways(jobs, tools, parallel=parallel)


def _who(since: str) -> str:
    import os

    if hasattr(os, "uname"):
        node = os.uname().nodename
    else:
        import platform  # which takes a while to load

        node = platform.node()
    return f"process {os.getpid()} on {node}, since {since}"


def _tell(context: Context, shown: "Sequence[Progress]") -> None:
    text = "Ending after the step in hand; once more ends at once."
    if not any(progress.note(text) for progress in shown):
        context.emitter.note(text)


@contextmanager
def _stopping(stop: "Event", tell: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM set `stop`; a second one ends at once. Other threads than the main one can't, and don't.

    tell: called when the first one came, in a thread of its own: a signal may strike while the main thread is writing,
    and nobody may enter a buffered stream twice.
    """
    import signal
    import threading

    if threading.current_thread() is not threading.main_thread():
        yield
        return

    asked: list[int] = []
    pressed = threading.Semaphore(0)

    def interrupt(signum: int, frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(signum)  # first of all: the next signal may strike in the middle of what follows
        stop.set()
        pressed.release()

    def wait() -> None:
        pressed.acquire()
        if asked:
            with suppress(OSError):  # nobody reads it
                tell()

    teller = threading.Thread(target=wait, daemon=True)
    teller.start()
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        pressed.release()
        teller.join(1.0)


def _risks(jobs: Sequence[SyncJob]) -> list[str]:
    """Warnings on each use. Without encryption a password goes to loopback only, unless the gateway allows more."""
    from mailctl.domain.server import Security

    return [
        f"{job.name}: {job.endpoint.risk}"
        for job in jobs
        if job.endpoint.risk and (job.endpoint.security is not Security.NONE or job.gateway.allow_plaintext)
    ]
