"""What `mailctl sync` has to say: the summary to check at the end, the plan of a dry run, what went wrong."""

from collections.abc import Sequence
from dataclasses import dataclass

from mailctl.domain.when import show_size
from mailctl.errors import ExitCode, MailctlError, combined_exit_code
from mailctl.output.emitter import Outcome
from mailctl.output.view import Cell, Styled, Table, columns
from mailctl.sync.job import FolderReport, SyncReport

MOST_LISTED = 20
"""Skipped messages are listed up to here; `--json` and the mailer log have all."""

MOST_TOLD = 5
"""Failures of gateways that the one sentence on all of them names; the rows tell of each."""


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
    dry_run: bool,
) -> Outcome:
    """The result of a command. failed: errors of gateways whose files can't be read."""
    table = _plan(reports) if dry_run else _summary(reports)
    warned = [*warnings, *(f"{report.gateway}: {text}" for report in reports for text in report.warnings)]
    return Outcome(
        SyncResult(tuple(reports)),
        table,
        error=_error(reports, failed),
        notes=[*notes, *(f"{r.gateway}: {text}" for r in reports for text in r.notes), *_skipped(reports)],
        warnings=warned,
    )


def _summary(reports: Sequence[SyncReport]) -> Table:
    """A row for each folder in which something happened, and one for each gateway."""
    rows: list[list[Cell]] = []
    for report in reports:
        rows += [_folder_row(report, folder) for folder in report.folders if _eventful(folder)]
        state = Styled("ok", "good") if report.ok else Styled(report.error.message if report.error else "", "bad")
        rows.append(
            [
                report.gateway,
                Styled(f"all {len(report.folders)}", "strong"),
                report.fetched,
                report.flagged,
                report.removed,
                sum(skipped.count for skipped in report.skipped),
                show_size(report.bytes),
                state,
            ]
        )
    right = ("fetched", "flagged", "removed", "skipped", "size")
    return Table(columns("gateway", "folder", *right, "result", right=right, fold=("folder", "result")), rows)


def _folder_row(report: SyncReport, folder: FolderReport) -> list[Cell]:
    state = Styled("ok", "good") if folder.error is None else Styled(folder.error.message, "bad")
    counts: list[Cell] = [folder.fetched, folder.flagged, folder.removed, folder.skipped, show_size(folder.bytes)]
    return [report.gateway, folder.name, *counts, state]


def _eventful(folder: FolderReport) -> bool:
    return bool(folder.fetched or folder.flagged or folder.removed or folder.skipped or folder.error)


def _plan(reports: Sequence[SyncReport]) -> Table:
    rows: list[list[Cell]] = [
        [report.gateway, step.folder, step.action, len(step.uids), _ranges(step.uids), step.detail]
        for report in reports
        for step in report.steps
    ]
    titles = ("gateway", "folder", "step", "messages", "UIDs", "detail")
    empty = "" if any(report.error for report in reports) else "Nothing to do."
    return Table(columns(*titles, right=("messages",), fold=("UIDs", "detail")), rows, empty=empty)


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
    lines = [
        f"skipped: {report.gateway} {skipped.folder}{f' UID {skipped.uid}' if skipped.uid else ''}: {skipped.reason}"
        for report in reports
        for skipped in report.skipped
    ]
    if len(lines) > MOST_LISTED:
        lines[MOST_LISTED:] = [f"… and {len(lines) - MOST_LISTED} more; `mailctl log` lists them all"]
    return lines


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
