"""Progress of long work on a terminal: what, how much, how fast, how long. Silent when nobody watches."""

from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from mailctl.domain.standing import Standing
from mailctl.domain.when import show_size
from mailctl.output.escape import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.progress import ProgressColumn, TaskID

OFTEN = 0.1
"""Seconds between two changes of a row."""
_TINY, _NARROW, _WIDE = 48, 72, 100
"""Columns of a terminal below which sizes, then bar and rate are left out, and from which all has room."""


def _live(stream: TextIO, *, colour: bool) -> "Console":
    """A console whose last lines rich may draw anew; on any other it shows nothing until the end."""
    from mailctl.output.terminal import console

    made = console(stream, colour=colour)
    made.is_interactive = True
    return made


_PART = "  "
"""Before the name of a folder, below its gateway."""


class Progress:
    """A context manager: a row for each gateway, and below it one for the folder that it is at.

    Safe to call from several threads.
    """

    def __init__(self, stream: TextIO, *, active: bool, colour: bool, width: int | None = None) -> None:
        self._stream, self._active, self._colour, self._width = stream, active, colour, width
        self._rich: RichProgress | None = None
        self._wide = False
        self._rows: dict[str, tuple[TaskID, TaskID]] = {}
        self._folders: dict[str, str] = {}
        self._next: dict[str, float] = {}

    def __enter__(self) -> Self:
        if self._active:
            from rich.progress import Progress as RichProgress

            live = _live(self._stream, colour=self._colour)
            width = self._width or live.width
            self._wide = width >= _WIDE
            self._rich = RichProgress(*_columns(width), console=live, transient=True)
            self._rich.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._rich is not None:
            self._rich.stop()

    def note(self, text: str) -> bool:
        """Print a sentence above the display; False if there is none, and the sentence is the caller's."""
        if self._rich is None:
            return False
        self._rich.console.print(visible(text), markup=False, highlight=False)
        return True

    def row(self, name: str, total: Standing, folder: str = "", part: Standing | None = None) -> None:
        """Set where the gateway called `name` stands, and the folder that it is at."""
        if self._rich is None:
            return
        now = monotonic()
        if now < self._next.get(name, 0.0):
            return  # telling rich of each message takes longer than fetching it
        self._next[name] = now + OFTEN
        if name not in self._rows:
            row = self._rich.add_task(visible(name), total=None, messages="", size="")
            self._rows[name] = row, self._rich.add_task("", total=None, visible=False, messages="", size="")
        row, below = self._rows[name]
        self._set(row, total)
        if folder and part is not None:
            if self._folders.get(name) != folder:
                self._folders[name] = folder
                self._rich.reset(below, description=f"{_PART}{visible(folder)}", visible=True)
            self._set(below, part)

    def _set(self, task: "TaskID", at: Standing) -> None:
        assert self._rich is not None  # noqa: S101 - `row` has seen to it
        noun = " messages" if self._wide else ""
        self._rich.update(
            task,
            completed=at.octets,
            total=_whole(at),
            messages=f"{at.messages}/{at.of_messages}{noun}" if at.of_messages else "looking",
            size=_amount(at.octets, at.of_octets) if at.of_octets or at.octets else "",
        )


def _columns(width: int) -> "list[ProgressColumn]":
    """What a terminal of that many columns has room for."""
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.table import Column

    name = Column(no_wrap=True, overflow="ellipsis", max_width=max(12, width // 4))
    fixed = Column(no_wrap=True)
    columns: list[ProgressColumn] = [TextColumn("{task.description}", markup=False, table_column=name)]
    if width >= _NARROW:
        columns.append(BarColumn(bar_width=24 if width >= _WIDE else 10))
    columns.append(TextColumn("{task.fields[messages]}", markup=False, table_column=fixed))
    if width >= _TINY:
        columns.append(TextColumn("{task.fields[size]}", markup=False, table_column=fixed))
    if width >= _NARROW:
        columns.append(TransferSpeedColumn(table_column=fixed))
    columns.append(TimeRemainingColumn(compact=True, table_column=fixed))
    return columns


def _whole(at: Standing) -> int | None:
    """Octets in all: as told; where nobody told them, as the messages that came make likely; None: nobody knows."""
    if at.of_octets >= max(at.octets, 1):
        return at.of_octets
    return max(at.octets, at.octets * at.of_messages // at.messages) if at.messages else None


def _amount(octets: int, total: int) -> str:
    """`5.0/9.0 GB`, `900 kB/9.0 GB`; `5.0 GB` where nobody knows how many will come."""
    done, whole = show_size(octets), show_size(total)
    if total < octets:
        return done
    number, _, unit = done.partition(" ")
    return f"{number}/{whole}" if whole.endswith(f" {unit}") else f"{done}/{whole}"


class Count:
    """How many of `total` things are done: a bar on a terminal; a context manager."""

    def __init__(self, stream: TextIO, what: str, total: int, *, active: bool, colour: bool) -> None:
        self._stream, self._what, self._total = stream, what, total
        self._active, self._colour = active, colour
        self._rich: RichProgress | None = None

    def __enter__(self) -> Self:
        if self._active:
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as RichProgress

            self._rich = RichProgress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[said]}", markup=False, style="dim"),
                console=_live(self._stream, colour=self._colour),
                transient=True,
            )
            self._rich.start()
            self._task = self._rich.add_task(self._what, total=self._total, said="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._rich is not None:
            self._rich.stop()

    def say(self, text: str) -> None:
        """What is being waited for, beside the bar."""
        if self._rich is not None:
            self._rich.update(self._task, said=visible(text))

    def advance(self) -> None:
        """One more is done."""
        if self._rich is not None:
            self._rich.advance(self._task)
