"""A view drawn on a terminal by rich; markup, emoji and highlighting are off: what a server says is text, not style."""

from typing import TYPE_CHECKING, TextIO

from mailctl.output.plain import cell_text
from mailctl.output.view import Cell, Fields, Lines, Stack, Styled, Table, View

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

STYLES = {"": "", "good": "green", "bad": "bold red", "warn": "yellow", "dim": "dim", "strong": "bold"}


def console(stream: TextIO, *, colour: bool, width: int | None = None) -> "Console":
    """A rich console on `stream` that prints what is there."""
    from rich.console import Console

    return Console(
        file=stream,
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=False,
        force_terminal=True,
        force_interactive=False,
        no_color=not colour,
        color_system="standard" if colour else None,
        width=width,
        legacy_windows=False,
    )


def cell(value: Cell) -> "Text":
    """A cell as rich text; yes and no are coloured by nothing but their own style."""
    from rich.text import Text

    style = STYLES[value.style] if isinstance(value, Styled) else ""
    return Text(cell_text(value), style=style)


def draw(view: View, to: "Console") -> None:
    """Print `view` on the console."""
    match view:
        case Table():
            _table(view, to)
        case Fields():
            _fields(view, to)
        case Lines():
            for line in view.lines:
                to.print(cell(line), soft_wrap=True)
        case Stack():
            for number, part in enumerate(view.parts):
                if number:
                    to.print()
                draw(part, to)


def _table(view: Table, to: "Console") -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable

    if not view.rows:
        return
    table = RichTable(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for column in view.columns:
        table.add_column(
            cell(column.title), justify="right" if column.right else "left", overflow="fold", no_wrap=not column.fold
        )
    for row in view.rows:
        table.add_row(*[cell(value) for value in row])
    to.print(table)


def _fields(view: Fields, to: "Console") -> None:
    from rich.table import Table as RichTable

    if view.title:
        to.print(cell(Styled(view.title, "strong")))
    grid = RichTable.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for label, value in view.pairs:
        grid.add_row(cell(label), cell(value))
    to.print(grid)
