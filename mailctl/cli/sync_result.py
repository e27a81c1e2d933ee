"""What `mailctl sync` has to say: the summary to check at the end, the plan of a dry run, what went wrong."""

from collections.abc import Sequence

from mailctl.cli.sync_verify import differences, mended, repaired_view, verified_view
from mailctl.domain.record import dataclass
from mailctl.domain.when import show_size
from mailctl.errors import ExitCode, MailctlError, combined_exit_code
from mailctl.output.emitter import Outcome
from mailctl.output.view import Cell, Styled, Table, View, columns
from mailctl.sync.describe import Description
from mailctl.sync.job import Task
from mailctl.sync.report import Failure, FolderReport, Skipped, Step, SyncReport

MOST_LISTED = 20
"""Skipped messages, differences and repairs are listed up to here; `--json` and the mailer log have all."""

MOST_TOLD = 5
"""Failures of gateways that the one sentence on all of them names; the rows tell of each."""

MOST_NAMED = 3
"""Messages of one step of a plan that are named."""


@dataclass(frozen=True, slots=True)
class SyncResult:
    """A report for each gateway, in the order of the command line, or of `order` with --all."""

    gateways: tuple[SyncReport, ...]


def outcome(
    reports: Sequence[SyncReport],
    failed: Sequence[MailctlError],
    notes: Sequence[str],
    warnings: Sequence[str],
    *,
    task: Task = Task.SYNC,
    dry_run: bool = False,
) -> Outcome:
    """The result of a command. failed: errors of gateways whose files can't be read."""
    warned = [*warnings, *(f"{report.gateway}: {text}" for report in reports for text in report.warnings)]
    told = [*notes, *(f"{r.gateway}: {text}" for r in reports for text in r.notes), *_skipped(reports)]
    view: View
    records: Table | None = None
    if task is Task.VERIFY:
        view, records = verified_view(reports, MOST_LISTED), differences(reports)
    elif task is Task.REPAIR:
        view, records = repaired_view(reports, MOST_LISTED, dry_run=dry_run), mended(reports)
    else:
        view = _plan(reports) if dry_run else _summary(reports, upward=any(r.uploaded or r.moved for r in reports))
        records = None if dry_run else _summary(reports, upward=True)  # a script counts columns
    return Outcome(
        SyncResult(tuple(reports)), view, records, error=_error(reports, failed), notes=told, warnings=warned
    )


def _summary(reports: Sequence[SyncReport], *, upward: bool) -> Table:
    """A row for each folder in which something happened, and one for each gateway, which is their sum.

    upward: with what only mirror mode does.
    """
    rows: list[list[Cell]] = []
    for report in reports:
        rows += [
            [report.gateway, folder.name, *_counts(folder, folder.skipped, upward=upward), "", _state(folder.error)]
            for folder in report.folders
            if _eventful(folder)
        ]
        skipped = sum(skipped.count for skipped in report.skipped)
        took = Styled(f"{report.seconds:.1f} s", plain=str(report.seconds))
        every = Styled(f"all {len(report.folders)}", "strong")
        rows.append([report.gateway, every, *_counts(report, skipped, upward=upward), took, _state(report.error)])
    right = ("fetched", "flagged", "removed", *(("uploaded", "moved") if upward else ()), "skipped", "size", "time")
    titles = columns("gateway", "folder", *right, "result", right=right, fold=("folder", "result"), wide=("time",))
    return Table(titles, rows)


def _counts(done: SyncReport | FolderReport, skipped: int, *, upward: bool) -> list[Cell]:
    up: list[Cell] = [done.uploaded, done.moved] if upward else []
    return [done.fetched, done.flagged, done.removed, *up, skipped, Styled(show_size(done.bytes), plain=done.bytes)]


def _state(error: Failure | None) -> Styled:
    return Styled("ok", "good") if error is None else Styled(error.message, "bad")


def _eventful(folder: FolderReport) -> bool:
    done = folder.fetched or folder.flagged or folder.removed or folder.uploaded or folder.moved
    return bool(done or folder.skipped or folder.error)


def _plan(reports: Sequence[SyncReport]) -> Table:
    rows: list[list[Cell]] = [
        [
            report.gateway,
            step.folder,
            step.action,
            step.messages,
            Styled(show_size(step.octets) if step.octets else "", plain=step.octets or ""),
            _ranges(step.uids),
            _detail(step),
        ]
        for report in reports
        for step in report.steps
    ]
    titles = ("gateway", "folder", "step", "messages", "size", "UIDs", "detail")
    empty = "" if any(report.error for report in reports) else "Nothing to do."
    return Table(columns(*titles, right=("messages", "size"), fold=("UIDs", "detail")), rows, empty=empty)


def _detail(step: Step) -> str:
    """The step's detail, and the newest of its messages by name."""
    named = [*step.which[-MOST_NAMED:][::-1]]
    if named and len(step.uids) > len(named):
        named.append("…")
    return ": ".join(part for part in (step.detail, "; ".join(named)) if part)


def _ranges(uids: Sequence[int]) -> str:
    """`1:3,7` for 1, 2, 3, 7 (RFC 9051 sequence sets)."""
    parts: list[list[int]] = []
    for uid in uids:
        if parts and uid == parts[-1][1] + 1:
            parts[-1][1] = uid
        else:
            parts.append([uid, uid])
    return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in parts)


def _skipped(reports: Sequence[SyncReport]) -> list[str]:
    lines = [_line(report, skipped) for report in reports for skipped in report.skipped]
    if len(lines) > MOST_LISTED:
        lines[MOST_LISTED:] = [f"… and {len(lines) - MOST_LISTED} more; `mailctl log` lists them all"]
    return lines


def _line(report: SyncReport, skipped: Skipped) -> str:
    word = "message" if report.protocol == "pop3" else "UID"
    uid = f" {word} {skipped.uid}" if skipped.uid else ""
    what = str(Description(skipped.sender, skipped.subject, skipped.date))
    return f"skipped: {report.gateway} {skipped.folder}{uid}: {skipped.reason}{f' ({what})' if what else ''}"


def _error(reports: Sequence[SyncReport], failed: Sequence[MailctlError]) -> MailctlError | None:
    """The one failure, or a sentence on several with the exit code they share (or 12)."""
    failures = [(report.gateway, report.error) for report in reports if report.error is not None]
    codes = [*(error.exit_code for error in failed), *(failure.exit_code for _, failure in failures)]
    if not codes:
        return None
    if len(codes) == 1 and failures:
        name, failure = failures[0]
        error = MailctlError(
            failure.message if name in failure.message else f"{name}: {failure.message}",
            hint=failure.hint,
            code=failure.code,
            cause=failure.cause,
            server_text=failure.server_text,
        )
    elif len(codes) == 1:
        error = failed[0]
    elif not failed and set(codes) == {ExitCode.INTERRUPTED}:
        error = MailctlError(f"interrupted; {len(codes)} gateways are not done, the next run goes on from there")
        error.code = "interrupted"
    else:
        texts = [error.message for error in failed] + [f"{name}: {failure.message}" for name, failure in failures]
        more = f"; and {len(texts) - MOST_TOLD} more" if len(texts) > MOST_TOLD else ""
        error = MailctlError(
            f"{len(codes)} gateways failed. {'; '.join(texts[:MOST_TOLD])}{more}", code="several_failed"
        )
    interrupted = ExitCode.INTERRUPTED in codes
    error.exit_code = ExitCode.INTERRUPTED if interrupted else combined_exit_code(codes)
    return error
