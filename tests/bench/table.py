"""The benchmark's rows and verdicts as text."""

from collections.abc import Sequence

from .goals import Row, Verdict, ratio
from .tools import REFERENCE

_HEAD = (
    "mailbox",
    "rtt",
    "step",
    "tool",
    "median s",
    "min s",
    "x nc",
    "cpu s",
    "peak MB",
    "conn",
    "turns",
    "kB up",
    "MB down",
    "n",
)


def print_rows(rows: Sequence[Row]) -> None:
    """The table; `x nc`: times what the reference took in the runs beside."""
    references = {(row.mailbox, row.rtt, row.step): row for row in rows if row.tool == REFERENCE}
    lines = [_HEAD]
    for row in rows:
        reference = references.get((row.mailbox, row.rtt, row.step))
        traffic = row.traffic
        lines.append(
            (
                row.mailbox,
                f"{row.rtt:g}",
                row.step,
                row.tool,
                f"{row.wall:.3f}",
                f"{row.least:.3f}",
                f"{ratio(row, reference)[0]:.2f}" if reference else "",
                f"{row.cpu:.3f}",
                f"{row.peak:.0f}",
                *(
                    (
                        str(traffic.connections),
                        str(traffic.turns),
                        f"{traffic.up / 1e3:.1f}",
                        f"{traffic.down / 1e6:.2f}",
                    )
                    if traffic.connections
                    else ("", "", "", "")
                ),
                str(len(row.samples)),
            )
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for at, line in enumerate(lines):
        cells = [
            cell.ljust(width) if n in (0, 2, 3) else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
        following = lines[at + 1] if at + 1 < len(lines) else None
        if following and following[:3] != line[:3]:
            print()


def print_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Each goal, and whether it holds."""
    for each in verdicts:
        row, goal = each.row, each.goal
        what = f"{row.tool} {row.step} {row.mailbox} at {row.rtt:g} ms"
        if goal.ratio is None:
            most = (goal.seconds or 0) * 1000
            reached = f"{each.reached * 1000:.0f} ms (goal {most:.0f} ms; least {each.of_least * 1000:.0f} ms)"
        else:
            reached = f"{each.reached:.3f} x {goal.against} (goal {goal.ratio:g}; of the least {each.of_least:.3f})"
        print(f"{'ok    ' if each.holds else 'MISSED'}  {what:42} {reached}")
