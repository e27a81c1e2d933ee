"""A view drawn on a terminal by rich; markup, emoji and highlighting are off: what a server says is text, not style."""

from typing import TYPE_CHECKING, TextIO

from mailctl.output.plain import cell_text
from mailctl.output.view import Cell, Fields, Lines, Stack, Styled, Table, View

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

STYLES = {"": "", "good": "green", "bad": "bold red", "warn": "yellow", "dim": "dim", "strong": "bold"}

_BETWEEN = "   "  # what stands between two columns of a table
_WIDE = 100  # columns of a terminal from which everything is shown
_LEAST_FOLD = 10  # columns that may fold keep so many characters a line


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
                sentence(cell(line), to)
        case Stack():
            for number, part in enumerate(view.parts):
                if number:
                    to.print()
                draw(part, to)


def sentence(text: "Text", to: "Console", *, wrap: bool = True) -> None:
    """Print `text`, broken between words if `wrap`; a word longer than a line, such as a URL, stays whole.

    rich either breaks such words too or cuts them off.
    """
    from rich.cells import cell_len

    breaks: list[int] = []
    column = offset = 0
    for word in text.plain.split(" ") if wrap else ():
        if column and column + cell_len(word) > to.width:
            breaks.append(offset)
            column = 0
        column += cell_len(word) + 1
        offset += len(word) + 1
    for line in text.divide(breaks):
        line.rstrip()
        to.print(line, soft_wrap=True)


def _table(view: Table, to: "Console") -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable

    if not view.rows:
        return
    if to.width < _WIDE:
        kept = [number for number, column in enumerate(view.columns) if not column.wide]
        view = Table([view.columns[each] for each in kept], [[row[each] for each in kept] for row in view.rows])
    if _least_width(view) > to.width:  # a table would cut columns off: each row becomes a block of its own
        titles = [column.title for column in view.columns]
        pairs = [[pair for pair in zip(titles, row, strict=True) if cell_text(pair[1])] for row in view.rows]
        draw(Stack([Fields(block) for block in pairs]), to)
        return
    table = RichTable(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for column in view.columns:
        table.add_column(
            cell(column.title), justify="right" if column.right else "left", overflow="fold", no_wrap=not column.fold
        )
    for row in view.rows:
        table.add_row(*[cell(value) for value in row])
    to.print(table)


def _least_width(view: Table) -> int:
    """How many columns of the terminal the table needs so that nothing is cut."""
    from rich.cells import cell_len

    needed = len(_BETWEEN) * (len(view.columns) - 1)
    for column, *values in zip(view.columns, *view.rows, strict=True):
        widest = max(cell_len(cell_text(value)) for value in (column.title, *values))
        needed += min(widest, _LEAST_FOLD) if column.fold else widest
    return needed


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
