"""Where time went, drawn on a terminal: a line each with a bar, offset by when it began."""

from typing import TYPE_CHECKING

from mailctl.domain.waterfall import Span, blocks
from mailctl.output.escape import visible
from mailctl.output.terminal import STYLES, beside, cell
from mailctl.output.view import Styled, Timeline

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_BAR_WIDE, _BAR = 24, 12
_WIDE = 100


def timeline(view: Timeline, to: "Console") -> None:
    """Print it: name, outcome, time, bar, then what there is to say, broken between words."""
    from rich.cells import cell_len
    from rich.text import Text

    bar = _BAR_WIDE if to.width >= _WIDE else _BAR
    block = _block(to.encoding)
    names = max((cell_len(visible(moment.name)) for moment in view.moments), default=0)
    outcomes = max((cell_len(visible(moment.outcome.text)) for moment in view.moments), default=0)
    times = max((cell_len(visible(moment.took)) for moment in view.moments), default=0)
    for moment in view.moments:
        head = Text("  ")
        head.append_text(_padded(moment.name, names + 2))
        head.append_text(_padded(moment.outcome, outcomes + 2))
        head.append(" " * (times - cell_len(moment.took)) + visible(moment.took) + "  ")
        before, length = blocks(Span(moment.begin, moment.length), bar)
        head.append(" " * before)
        head.append(block * length, style=STYLES[moment.outcome.style])
        beside(head, cell(moment.text), to, 2 + names + 2 + outcomes + 2 + times + 2 + bar + 2)
    if view.rest:
        beside(Text("  "), cell(Styled(view.rest, "dim")), to, 2)


def _padded(value: str | Styled, width: int) -> "Text":
    from rich.cells import cell_len

    text = cell(value)
    text.append(" " * (width - cell_len(text.plain)))
    return text


def _block(encoding: str) -> str:
    """What bars are made of: a block, or what stands in for it where the terminal's characters have none."""
    try:
        "█".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return "#"
    return "█"
