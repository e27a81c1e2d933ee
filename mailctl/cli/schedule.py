"""`mailctl schedule install|remove|show`: sync by itself, by systemd or cron."""

from typing import Annotated, Any, ClassVar

import typer

from mailctl.cli.context import Context
from mailctl.cli.lazy import App, Group
from mailctl.cli.scheduling import Scheduled, Scheduling
from mailctl.domain.record import dataclass
from mailctl.domain.when import parse_duration
from mailctl.errors import UsageError
from mailctl.output.emitter import Outcome
from mailctl.output.view import Lines, Table, columns


@dataclass(frozen=True, slots=True)
class Installed:
    """What an install did. by: systemd or cron. kind: sync or watch. files: written (or, with dry_run, would be), by
    path, with their texts; the path of a crontab is `crontab`. removed: files that went."""

    by: str
    kind: str
    changed: bool
    files: dict[str, str]
    removed: list[str]
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Removed:
    """What a remove took away (or, with dry_run, would)."""

    files: list[str]
    crontab: bool
    dry_run: bool


RESULTS: dict[str, Any] = {
    "schedule install": Installed,
    "schedule remove": Removed,
    "schedule show": list[Scheduled],
}


class ScheduleGroup(Group):
    """`mailctl schedule` alone shows."""

    default: ClassVar[str | None] = "show"


app = App(group=ScheduleGroup, help="Sync by itself, by systemd or cron. Alone it is `schedule show`.")

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]


@app.verb()
def install(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[GATEWAY]...", help="What to sync; every gateway that is enabled.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every gateway that is enabled, also later ones.")] = False,
    interval: Annotated[
        str, typer.Option("--every", metavar="TIME", help="Sync at this interval, 1m to 7d; default 15m.")
    ] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Sync as mail comes, by `mailctl watch`.")] = False,
    command: Annotated[
        str, typer.Option("--exec", metavar="COMMAND", help="With --watch: run this after changes.")
    ] = "",
    cron: Annotated[bool, typer.Option("--cron", help="By cron, though there is systemd.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Sync by itself from now on, by systemd or cron.

    Cron does it where systemd runs no services of yours. Another schedule of this configuration is
    replaced; installing the same once more changes nothing.
    """
    context = Context.of(ctx)
    if names and every:
        raise UsageError("--all and names exclude each other")
    if watch and (interval or cron):
        raise UsageError(f"--watch and {'--every' if interval else '--cron'} exclude each other")
    if command and not watch:
        raise UsageError("--exec needs --watch")
    _check_command(command, context)
    seconds = None if watch else _seconds(interval or "15m")
    scheduling = Scheduling(context)
    plan = scheduling.plan(tuple(names or ()), seconds, command, cron=cron)
    if not dry_run and plan.replaces and not context.confirm(plan.question, yes=yes):
        context.emit(Outcome(Installed(plan.by, plan.kind, False, {}, [], dry_run), notes=["Nothing was changed."]))
        return
    if not dry_run:
        scheduling.carry_out(plan)
    changed = plan.changes
    result = Installed(plan.by, plan.kind, changed and not dry_run, plan.files, plan.removals, dry_run)
    if dry_run:
        texts = [f"# {path}\n{text}" for path, text in plan.files.items()]
        lines = [line for text in [*texts, *plan.shown_removals] for line in text.splitlines()]
        notes = [] if changed else ["It is installed already; nothing would change."]
        context.emit(Outcome(result, Lines(lines), notes=[*notes, *plan.notes], warnings=plan.warnings))
        return
    said = f"{plan.said}." if changed else "It was installed already; nothing changed."
    context.emit(Outcome(result, Lines([said]), notes=plan.notes, warnings=plan.warnings))


@app.verb()
def remove(ctx: typer.Context, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Take away what `schedule install` made, and nothing else."""
    context = Context.of(ctx)
    scheduling = Scheduling(context)
    files, crontab = scheduling.installed()
    if not files and not crontab:
        context.emit(Outcome(Removed([], False, dry_run), Lines([]), notes=["Nothing is installed."]))
        return
    what = ", ".join([*files, *(["the block in the crontab"] if crontab else [])])
    if not dry_run:
        if not context.confirm(f"Remove {what}?", yes=yes):
            context.emit(Outcome(Removed([], False, dry_run), Lines([]), notes=["Nothing was removed."]))
            return
        scheduling.remove(crontab=crontab)
    context.emit(
        Outcome(Removed(files, crontab, dry_run), Lines([f"{'Would remove' if dry_run else 'Removed'} {what}"]))
    )


@app.verb()
def show(ctx: typer.Context) -> None:
    """What is installed, when it runs next, how the last run ended."""
    context = Context.of(ctx)
    rows, warnings = Scheduling(context).show()
    view = Table(
        columns("by", "unit", "runs", "enabled", "state", "next", "last", "result", fold=("runs", "state")),
        [row.cells(context.now()) for row in rows],
        empty="Nothing is installed; `mailctl schedule install` does it.",
    )
    context.emit(Outcome(rows, view, warnings=warnings))


def _check_command(command: str, context: Context) -> None:
    """UsageError if the service could not run it: nobody would be there to be told."""
    import os

    from mailctl.cli.watch import exec_words

    program, *_ = [*exec_words(command, context.env), ""]
    if os.sep in program and not os.path.isabs(program):
        raise UsageError(
            f"--exec: {program!r} is seen from the folder you are in, where no service runs",
            hint="Name it with its whole path.",
        )


def _seconds(text: str) -> int:
    seconds = int(parse_duration(text).total_seconds())
    if not 60 <= seconds <= 7 * 86400:
        raise UsageError("--every must be 1m to 7d", code="bad_interval")
    return seconds
