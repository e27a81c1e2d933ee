"""`mailctl log [show]|export|import`: the mailer log."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

from mailctl.cli.context import Context
from mailctl.cli.lazy import App, Group
from mailctl.domain.event import Event, Level
from mailctl.domain.record import dataclass
from mailctl.domain.when import counted, parse_moment
from mailctl.errors import ConfigError, ExitCode, StoppedError, StorageError, UsageError
from mailctl.journal.store import Query
from mailctl.output.emitter import Outcome
from mailctl.output.view import Cell, Fields, Style, Styled, Table, columns

LEVEL_STYLES: dict[Level, Style] = {Level.DEBUG: "dim", Level.INFO: "", Level.WARNING: "warn", Level.ERROR: "bad"}
FOLLOW_PAUSE = 0.5  # seconds between two looks with --follow
FOLLOW_LATE = timedelta(seconds=10)
"""An event may be written so long after the time that it carries: a sync holds its first one until it has asked."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What an export or import did. known: events that an import found there already."""

    file: str
    events: int
    known: int
    dry_run: bool


RESULTS: dict[str, Any] = {"log show": list[Event], "log export": Exchanged, "log import": Exchanged}


class LogGroup(Group):
    """`mailctl log` alone shows."""

    default: ClassVar[str | None] = "show"


app = App(group=LogGroup, help="The mailer log: what mailctl did or failed to do. Alone it is `log show`.")

GatewayOption = Annotated[str, typer.Option("--gateway", metavar="GATEWAY", help="Only events of this gateway.")]
RunOption = Annotated[
    str, typer.Option("--run", metavar="RUN", help="Only events of this run; the last part of its id will do.")
]
LevelOption = Annotated[Level, typer.Option("--level", help="This level and above.")]
SinceOption = Annotated[str, typer.Option("--since", metavar="2h|DATE", help="Not older than this.")]
UntilOption = Annotated[str, typer.Option("--until", metavar="2h|DATE", help="Not newer than this.")]


def _query(context: Context, gateway: str, run: str, level: Level, since: str, until: str, limit: int | None) -> Query:
    now = context.now().astimezone()
    begin = parse_moment(since, now) if since else None
    end = parse_moment(until, now) if until else None
    return Query(gateway, run, level, begin, end, limit)


@app.verb()
def show(
    ctx: typer.Context,
    gateway: GatewayOption = "",
    run: RunOption = "",
    level: LevelOption = Level.INFO,
    since: SinceOption = "",
    until: UntilOption = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="The newest so many.")] = 200,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on showing what comes, until Ctrl-C; with --json one event a line.")
    ] = False,
) -> None:
    """Show events, oldest first."""
    context = Context.of(ctx)
    query = _query(context, gateway, run, level, since, until, limit)
    if follow:
        try:
            _follow(context, query)
        except KeyboardInterrupt:  # its documented end; on stdout, JSON of a failure would be no event
            context.emitter.error(StoppedError("interrupted"))
            context.exit_code = ExitCode.INTERRUPTED
        return
    events = [event for _, event in context.journal.read(query)]
    context.emit(
        Outcome(
            events,
            Table(
                columns(
                    *("time", "run", "gateway", "level", "event", "message"), fold=("message",), wide=("run", "event")
                ),
                [_row(event, context.now()) for event in events],
                empty="No events.",
            ),
        )
    )


def _row(event: Event, now: datetime) -> list[Cell]:
    """A row of the table; the year is left out if it is this one."""
    where = "/".join(part for part in (event.gateway, event.protocol) if part)
    local = event.time.astimezone()
    form = "%m-%d %H:%M:%S" if local.year == now.astimezone().year else "%Y-%m-%d %H:%M:%S"
    time = Styled(f"{local:{form}}", plain=event.time.isoformat(timespec="milliseconds"))
    run = Styled(event.run.rpartition("-")[2], "dim", plain=event.run)
    return [time, run, where, Styled(event.level, LEVEL_STYLES[event.level]), event.event, event.message]


def _follow(context: Context, query: Query) -> None:
    """Print what is there and then what comes; one event a line, JSON Lines with --json. Ends by Ctrl-C."""
    import time
    from dataclasses import replace

    from mailctl.output.json import dump, to_plain
    from mailctl.output.plain import plain_lines

    seen: set[tuple[str, int]] = set()
    first = query.since
    while True:
        found = list(context.journal.read(query))
        for number, event in found:
            if (event.run, number) not in seen:
                if context.emitter.json:
                    context.emitter.stream(dump(to_plain(event)))
                else:
                    context.emitter.stream(*plain_lines(Table((), [_row(event, context.now())])))
        if found:
            if len(found) == query.limit:  # older ones were not wanted
                first = found[0][1].time
            since = found[-1][1].time - FOLLOW_LATE
            seen = {(event.run, number) for number, event in found}  # only these can come again
            query = replace(query, since=max(since, first or since), limit=None)
        time.sleep(FOLLOW_PAUSE)


@app.verb("export")
def export(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="File to write, or - for stdout.")],
    gateway: GatewayOption = "",
    run: RunOption = "",
    level: LevelOption = Level.DEBUG,
    since: SinceOption = "",
    until: UntilOption = "",
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many events it would be.")] = False,
) -> None:
    """Write events as JSON Lines."""
    context = Context.of(ctx)
    found = context.journal.read(_query(context, gateway, run, level, since, until, None))
    if str(file) != "-" and file.exists() and not force:
        raise ConfigError(f"{file} exists", hint="Add --force to replace it.", code="exists")
    if str(file) == "-" and not dry_run:
        if context.emitter.json:
            raise UsageError("--json and an export to stdout would mix", hint="Name a file.")
        for line in _lines(found):
            context.emitter.stream(line)
        return
    try:
        count = sum(1 for _ in found) if dry_run else _write(file, _lines(found))
    except OSError as error:  # else it would name the temporary file
        raise StorageError(f"{file} can't be written: {error.strerror}", code="os_error") from error
    done = Exchanged(str(file), count, 0, dry_run)
    context.emit(Outcome(done, notes=[f"{'Would write' if dry_run else 'Wrote'} {counted(count, 'event')} to {file}."]))


def _lines(found: Iterator[tuple[int, Event]]) -> Iterator[str]:
    from mailctl.journal.exchange import to_line

    return (to_line(number, event) for number, event in found)


def _write(file: Path, lines: Iterator[str]) -> int:
    """Write the lines to a private new file; it appears whole or not at all."""
    import os
    from tempfile import mkstemp

    from mailctl.config.files import sync_folder

    count = 0
    handle, part = mkstemp(prefix=".mailctl-", dir=file.parent)
    try:
        with open(handle, "w", encoding="ascii") as out:
            for count, line in enumerate(lines, 1):  # noqa: B007 - the last number is the count
                out.write(line + "\n")
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, file)
    except BaseException:
        os.unlink(part)
        raise
    sync_folder(file.parent)
    return count


@app.verb("import")
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="File of JSON Lines, as written by `log export`; - for stdin.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check the file.")] = False,
) -> None:
    """Take events of another machine or a backup into the log.

    Those that are there already stay once.
    """
    from mailctl.journal.exchange import from_lines

    context = Context.of(ctx)
    try:
        with context.stdin if str(file) == "-" else file.open(encoding="utf-8") as lines:
            events = list(from_lines(lines, str(file)))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not text in UTF-8", code="bad_import") from error
    except FileNotFoundError as error:
        raise ConfigError(f"there is no file {file}", code="not_found") from error
    new = 0 if dry_run else context.journal.write(events)
    done = Exchanged(str(file), len(events), len(events) - new if not dry_run else 0, dry_run)
    read = counted(len(events), "event")
    note = f"Well-formed: {read}." if dry_run else f"Took {new} new of {read}."
    context.emit(Outcome(done, Fields([]), notes=[note]))
