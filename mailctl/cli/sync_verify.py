"""What `sync --verify` and `sync --repair` have to say."""

from collections.abc import Sequence

from mailctl.domain.when import counted
from mailctl.output.view import Cell, Fields, Lines, Stack, Style, Styled, Table, View, columns
from mailctl.sync.report import SyncReport
from mailctl.sync.verify.differences import Difference, Mended, Outlook

_STYLES: dict[Outlook, Style] = {Outlook.STAYS: "bad", Outlook.NEXT_SYNC: "warn", Outlook.WANTED: "dim"}
_ORDER = [Outlook.STAYS, Outlook.NEXT_SYNC, Outlook.WANTED]
_WORDS = {Outlook.STAYS: "stays", Outlook.NEXT_SYNC: "next sync", Outlook.WANTED: "wanted"}


def verified_view(reports: Sequence[SyncReport], most: int) -> View:
    """A row a folder; below it the differences, those that no sync mends first, at most `most` of each gateway."""
    right = ("there", "here", "same", "wanted", "next sync", "stays")
    rows: list[list[Cell]] = []
    for report in reports:
        for folder in report.verified.folders if report.verified else ():
            stays = Styled(str(folder.stays), "bad" if folder.stays else "", plain=folder.stays)
            counts: list[Cell] = [folder.there, folder.here, folder.same, folder.wanted, folder.next_sync, stays]
            rows.append([report.gateway, folder.name, *counts])
    parts: list[View] = [Table(columns("gateway", "folder", *right, right=right, fold=("folder",)), rows)]
    table = differences(reports, most)
    if table.rows:
        parts.append(table)
    more = sum(max(0, len(report.verified.differences) - most) for report in reports if report.verified)
    if more:
        parts.append(Lines([Styled(f"… and {counted(more, 'difference')} more; --json has them all", "dim")]))
    return Stack(parts)


def differences(reports: Sequence[SyncReport], most: int | None = None) -> Table:
    """A row a difference."""
    rows: list[list[Cell]] = []
    for report in reports:
        found: Sequence[Difference] = report.verified.differences if report.verified else ()
        for each in sorted(found, key=lambda each: _ORDER.index(each.outlook))[:most]:
            outlook = Styled(_WORDS[each.outlook], _STYLES[each.outlook], plain=each.outlook.value)
            uid: Cell = each.uid or None
            rows.append([report.gateway, each.folder, each.kind.value, outlook, uid, each.detail, each.file])
    titles = ("gateway", "folder", "difference", "outlook", "UID", "detail", "file")
    return Table(columns(*titles, right=("UID",), fold=("folder", "detail", "file"), wide=("file",)), rows)


def repaired_view(reports: Sequence[SyncReport], most: int, *, dry_run: bool) -> View:
    """What was mended, at most `most` of each gateway, and what the state knows now."""
    parts: list[View] = []
    table = mended(reports, most)
    if table.rows:
        parts.append(table)
    more = sum(max(0, len(report.repaired.mended) - most) for report in reports if report.repaired)
    if more:
        parts.append(Lines([Styled(f"… and {more} more; --json has them all", "dim")]))
    for report in reports:
        if report.repaired is None:
            continue
        done = report.repaired
        known = sum(len(s.uids) for s in report.steps if s.action == "flag") if dry_run else done.flagged
        pairs: list[tuple[str, Cell]] = [
            ("mended" if not dry_run else "to be mended", sum(each.action != "keep_copies" for each in done.mended)),
            ("flags united", known),
            ("for the next sync", counted(done.left, "message")),
        ]
        if not dry_run:
            pairs.insert(0, ("in the new state", counted(done.adopted, "message")))
        if done.old_state:
            pairs.append(("old state", done.old_state))
        parts.append(Fields(pairs, report.gateway))
    return Stack(parts)


def mended(reports: Sequence[SyncReport], most: int | None = None) -> Table:
    """A row for each thing that was mended, or would be."""
    rows: list[list[Cell]] = []
    for report in reports:
        done: Sequence[Mended] = report.repaired.mended[:most] if report.repaired else ()
        rows += [[report.gateway, each.action, each.file or each.folder, each.detail] for each in done]
    return Table(columns("gateway", "action", "file", "detail", fold=("file", "detail")), rows)
