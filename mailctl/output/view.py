"""How a result looks to people: small values that the renderers draw as tables, records or sentences."""

from collections.abc import Sequence
from typing import Literal

from mailctl.domain.record import dataclass

Style = Literal["", "good", "bad", "warn", "dim", "strong"]


@dataclass(frozen=True, slots=True)
class Styled:
    """A text for people, with a meaning that a terminal may colour.

    plain: what a pipe gets instead, for programs: octets instead of `1.6 kB`, a moment instead of `3 h ago`.
    """

    text: str
    style: Style = ""
    plain: str | int | None = None


Cell = str | int | float | bool | None | Styled
"""What may stand in a table: None shows as nothing, booleans as yes and no."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading; `right` aligns numbers; `fold` may break long texts over lines on a terminal.

    wide: left out on a terminal of less than 100 columns, where it would squeeze the others.
    """

    title: str
    right: bool = False
    fold: bool = False
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns. To a pipe: one record a line, tab-separated, without the headings.

    empty: the sentence a person sees (on stderr) when there are no rows.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    empty: str = ""


@dataclass(frozen=True, slots=True)
class Fields:
    """One thing as label and value, a line each. To a pipe: `label<TAB>value`."""

    pairs: Sequence[tuple[str, Cell]]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Lines:
    """Sentences, a line each."""

    lines: Sequence[str | Styled]


@dataclass(frozen=True, slots=True)
class Moment:
    """A line of a timeline: its name, what became of it, how long it took, and what there is to say of it.

    begin, length: of its bar, as fractions (0 to 1) of the whole timeline; `outcome` colours the bar too.
    """

    name: str
    outcome: Styled
    took: str
    begin: float
    length: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Where time went: a bar a line. To a pipe: name, outcome, time and text, tab-separated. rest: a line below it."""

    moments: Sequence[Moment]
    rest: str = ""


@dataclass(frozen=True, slots=True)
class Stack:
    """Several views, one below the other."""

    parts: "Sequence[View]" = ()


View = Table | Fields | Lines | Timeline | Stack


def columns(
    *titles: str, right: Sequence[str] = (), fold: Sequence[str] = (), wide: Sequence[str] = ()
) -> tuple[Column, ...]:
    """Columns by title; those named in `right` are right-aligned, and so on as `Column` says."""
    return tuple(Column(title, right=title in right, fold=title in fold, wide=title in wide) for title in titles)


def tables(view: View) -> Sequence[Table]:
    """The tables of a view, from top to bottom."""
    if isinstance(view, Table):
        return [view]
    return [table for part in view.parts for table in tables(part)] if isinstance(view, Stack) else []
