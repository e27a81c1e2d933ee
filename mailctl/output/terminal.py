"""A view drawn on a terminal by rich; markup, emoji and highlighting are off: what a server says is text, not style."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from mailctl.output.plain import cell_text
from mailctl.output.view import Cell, Fields, Lines, Stack, Styled, Table, Timeline, View

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
        case Timeline():
            from mailctl.output.timeline import timeline

            timeline(view, to)
        case Stack():
            for number, part in enumerate(view.parts):
                if number:
                    to.print()
                draw(part, to)


def sentence(text: "Text", to: "Console", *, wrap: bool = True) -> None:
    """Print `text`, broken between words if `wrap`; a word longer than a line, such as a URL, stays whole.

    rich either breaks such words too or cuts them off.
    """
    for line in broken(text, to.width) if wrap else [text]:
        to.print(line, soft_wrap=True)


def broken(text: "Text", width: int) -> "list[Text]":
    """`text` in lines of at most `width` columns, broken between words; a longer word has a line for itself."""
    from rich.cells import cell_len

    breaks: list[int] = []
    column = offset = 0
    for word in text.plain.split(" "):
        if column and column + cell_len(word) > width:
            breaks.append(offset)
            column = 0
        column += cell_len(word) + 1
        offset += len(word) + 1
    lines = list(text.divide(breaks))
    for line in lines:
        line.rstrip()
    return lines


def longest_word(text: str) -> int:
    """Columns of the longest word in `text`."""
    from rich.cells import cell_len

    return max(map(cell_len, text.split(" ")), default=0)


def beside(head: "Text", text: "Text", to: "Console", indent: int) -> None:
    """Print `head`, and `text` beside it from column `indent` on, broken between words.

    Text whose longest word doesn't fit there stands below, where it has the whole line but for two columns.
    """
    from rich.text import Text

    room = to.width - indent
    if text.plain and (room < _LEAST_FOLD or longest_word(text.plain) > room > 0):
        to.print(_trimmed(head), soft_wrap=True)
        for line in broken(text, max(to.width - 2, 1)):
            to.print(Text("  ").append_text(line), soft_wrap=True)
        return
    head = head.copy()
    head.align("left", indent)
    for line in broken(text, room):
        to.print(_trimmed(head + line), soft_wrap=True)
        head = Text(" " * indent)


def _trimmed(text: "Text") -> "Text":
    text.rstrip()
    return text


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
    whole = _least_width(view, words=True) <= to.width  # then no word need be broken
    for column, *values in zip(view.columns, *view.rows, strict=True):
        table.add_column(
            cell(column.title),
            justify="right" if column.right else "left",
            overflow="fold",
            no_wrap=not column.fold,
            min_width=_widest_word(values) if whole and column.fold else None,
        )
    for row in view.rows:
        table.add_row(*[cell(value) for value in row])
    to.print(table)


def _least_width(view: Table, *, words: bool = False) -> int:
    """How many columns of the terminal the table needs so that nothing is cut; `words`: and no word broken."""
    from rich.cells import cell_len

    needed = len(_BETWEEN) * (len(view.columns) - 1)
    for column, *values in zip(view.columns, *view.rows, strict=True):
        widest = max(cell_len(cell_text(value)) for value in (column.title, *values))
        least = _widest_word((column.title, *values)) if words else _LEAST_FOLD
        needed += min(widest, least) if column.fold else widest
    return needed


def _widest_word(values: Sequence[Cell]) -> int:
    return max(longest_word(cell_text(value)) for value in values)


def _fields(view: Fields, to: "Console") -> None:
    from rich.cells import cell_len
    from rich.text import Text

    if view.title:
        to.print(cell(Styled(view.title, "strong")))
    labels = [cell_text(label) for label, _ in view.pairs]
    indent = max(map(cell_len, labels), default=0) + 2
    for label, (_, value) in zip(labels, view.pairs, strict=True):
        beside(Text.assemble((label, "dim")), cell(value), to, indent)
