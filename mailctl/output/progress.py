"""Progress of long work on a terminal: what, how much, how fast, how long. Silent when nobody watches."""

from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from mailctl.output.escape import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

OFTEN = 0.1
"""Seconds between two changes of a row."""


def _live(stream: TextIO, *, colour: bool) -> "Console":
    """A console whose last lines rich may draw anew; on any other it shows nothing until the end."""
    from mailctl.output.terminal import console

    made = console(stream, colour=colour)
    made.is_interactive = True
    return made


class Progress:
    """A context manager; rows are added and advanced while it is open. Safe to call from several threads."""

    def __init__(self, stream: TextIO, *, active: bool, colour: bool) -> None:
        self._stream, self._active, self._colour = stream, active, colour
        self._rich: RichProgress | None = None
        self._rows: dict[str, TaskID] = {}
        self._next: dict[str, float] = {}

    def __enter__(self) -> Self:
        if self._active:
            from rich.progress import (
                BarColumn,
                DownloadColumn,
                TextColumn,
                TimeRemainingColumn,
                TransferSpeedColumn,
            )
            from rich.progress import Progress as RichProgress

            self._rich = RichProgress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[messages]} messages", markup=False),
                DownloadColumn(),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
                console=_live(self._stream, colour=self._colour),
                transient=True,
            )
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

    def row(self, name: str, *, messages: int, total_messages: int, octets: int, total_octets: int | None) -> None:
        """Set where the row called `name` (a gateway, a folder) stands: messages and octets, done and in all."""
        if self._rich is None:
            return
        now = monotonic()
        if now < self._next.get(name, 0.0):
            return  # telling rich of each message takes longer than fetching it
        self._next[name] = now + OFTEN
        shown = f"{messages}/{total_messages}"
        if name not in self._rows:
            self._rows[name] = self._rich.add_task(visible(name), total=total_octets, messages=shown)
        self._rich.update(self._rows[name], completed=octets, total=total_octets, messages=shown)


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
