"""`mailctl sync`: bring mail down into Maildir, or keep both alike."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailctl.cli.chosen import side_by_side
from mailctl.cli.context import Context
from mailctl.cli.lazy import App
from mailctl.cli.sync_jobs import chosen, job_of
from mailctl.cli.sync_result import SyncResult, outcome
from mailctl.errors import MailctlError, UsageError
from mailctl.sync.job import Failure, SyncJob, SyncReport, Task

if TYPE_CHECKING:
    from threading import Event

    from mailctl.output.progress import Progress

app = App()
RESULTS: dict[str, Any] = {"sync": SyncResult}


@app.verb()
def sync(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[GATEWAY]...", help="What to sync; the default, or only, gateway.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Sync every gateway that is enabled.")] = False,
    folder: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Only these folders (* and ? mean anything, !GLOB leaves out); repeatable."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan; change nothing anywhere.")] = False,
    jobs: Annotated[
        int | None, typer.Option(metavar="N", help="Gateways at a time; by default `jobs` of config.toml, or 8.")
    ] = None,
    confirm_deletes: Annotated[
        bool, typer.Option("--confirm-deletes", help="Go on though many messages would be deleted.")
    ] = False,
    start_afresh: Annotated[
        bool, typer.Option("--start-afresh", help="Forget what was synced before; fetch what isn't in the Maildir.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare both sides and tell the differences; change nothing anywhere.")
    ] = False,
    content: Annotated[
        bool, typer.Option("--content", help="With --verify: compare every message's octets too, fetching them all.")
    ] = False,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Make the sync state anew from what is there; mend the Maildir."),
    ] = False,
) -> None:
    """Bring mail down into Maildir; in mirror mode, carry what changed on either side to the other.

    Without a name it syncs the default gateway, or the only one. In archive mode, nothing that is in the Maildir
    disappears. A message's file name tells which one it is, so any run can be interrupted and repeated. Of more
    messages than `max_per_run`, the newest come first.

    --verify ends with 11 if anything differs that no sync mends. --repair fetches nothing and keeps the old state;
    messages that were deleted here and are still on the server come again with the next sync.
    """
    context = Context.of(ctx)
    task = _task(verify=verify, content=content, repair=repair, other=confirm_deletes or start_afresh)
    parallel = side_by_side(context, jobs)
    gateways, notes, failed = chosen(context, list(names or ()), every)
    planned: list[SyncJob] = []
    reports: list[SyncReport] = []
    for gateway in gateways:
        try:
            planned.append(
                replace(
                    job_of(context, gateway),
                    folders=tuple(folder or ()),
                    dry_run=dry_run or verify,
                    confirm_deletes=confirm_deletes,
                    start_afresh=start_afresh,
                    task=task,
                    content=content,
                )
            )
        except MailctlError as error:
            reports.append(SyncReport(gateway.name, ok=False, error=Failure.of(error)))
    reports += _run(context, planned, parallel)
    order = [gateway.name for gateway in gateways]
    reports.sort(key=lambda report: order.index(report.gateway))
    context.emit(outcome(reports, failed, notes, _risks(planned), task=task, dry_run=dry_run))


def _task(*, verify: bool, content: bool, repair: bool, other: bool) -> Task:
    if sum((verify, repair, other)) > 1:
        raise UsageError("--verify, --repair, --start-afresh and --confirm-deletes exclude each other")
    if content and not verify:
        raise UsageError("--content goes with --verify")
    return Task.VERIFY if verify else Task.REPAIR if repair else Task.SYNC


def _run(context: Context, jobs: Sequence[SyncJob], parallel: int) -> list[SyncReport]:
    if not jobs:
        return []
    import os
    import platform
    import time
    from threading import Event

    from mailctl.sync.engine import sync_gateways
    from mailctl.sync.run import Tools

    since = context.now().strftime("%H:%M:%S UTC")
    stop = Event()

    with context.emitter.progress() as progress, _stopping(stop, lambda: _tell(context, progress)):
        tools = Tools(
            connector=context,
            recorder=context.recorder,
            clock=time.time,
            who=lambda: f"process {os.getpid()} on {platform.node()}, since {since}",
            progress=progress.row,
            stop=stop,
            workers=context.workers,
        )
        return sync_gateways(jobs, tools, parallel=parallel)


def _tell(context: Context, progress: "Progress") -> None:
    text = "Ending after the step in hand; once more ends at once."
    if not progress.note(text):
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
