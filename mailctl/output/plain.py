"""A view as plain text for pipes: tab-separated, one record a line, nothing cut, no colour."""

from collections.abc import Iterator

from mailctl.output.escape import visible
from mailctl.output.view import Cell, Fields, Lines, Styled, Table, Timeline, View


def cell_text(cell: Cell) -> str:
    """The text of a cell for people, made safe to print."""
    match cell:
        case None:
            return ""
        case bool():
            return "yes" if cell else "no"
        case Styled():
            return visible(cell.text)
        case float():
            return f"{cell:g}"
        case _:
            return visible(str(cell))


def plain_text(cell: Cell) -> str:
    """The text of a cell for programs, made safe to print."""
    return cell_text(cell.plain if isinstance(cell, Styled) and cell.plain is not None else cell)


def plain_lines(view: View) -> Iterator[str]:
    """The lines of `view`, without line ends."""
    match view:
        case Table():
            for row in view.rows:
                yield "\t".join(plain_text(cell) for cell in row)
        case Fields():
            for label, value in view.pairs:
                yield f"{visible(label)}\t{plain_text(value)}"
        case Lines():
            for line in view.lines:
                yield cell_text(line)
        case Timeline():
            for moment in view.moments:
                yield "\t".join(plain_text(cell) for cell in (moment.name, moment.outcome, moment.took, moment.text))
            if view.rest:
                yield visible(view.rest)
        case _:
            for part in view.parts:
                yield from plain_lines(part)
