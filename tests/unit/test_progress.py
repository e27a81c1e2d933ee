"""Progress as a person who watches a terminal sees it."""

import io
import re

import pytest

from mailctl.domain.standing import Standing
from mailctl.output.progress import Count, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_rows_are_shown_while_the_work_goes_on() -> None:
    stream = Terminal()
    with Progress(stream, active=True, colour=False, width=120) as progress:
        progress.row("box\x1b[31m", Standing(1, 3, 1_000_000, 4_000_000), "INBOX", Standing(0, 2, 0, 1_000_000))
        assert progress.note("Ending after the step in hand.")
    shown = stream.getvalue()
    for words in ("box", "1/3 messages", "1.0/4.0 MB", "  INBOX", "0/2 messages", "Ending after the step in hand.\n"):
        assert words in shown
    assert "\x1b[31m" not in shown


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_rows_fit_any_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailctl.output.progress.OFTEN", 0.0)
    monkeypatch.setenv("COLUMNS", str(width))
    stream = Terminal()
    with Progress(stream, active=True, colour=False) as progress:
        for n in range(3):
            at = Standing(12_000 + n, 123_456, 5_000_000_000, 9_000_000_000)
            progress.row("a-gateway-with-quite-a-long-name", at, f"Lists/a folder with a long name {n}", at)
    plain = re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    lines = [line for line in re.split("[\r\n]", plain) if "12000/" in line]
    assert lines
    assert all(len(line) <= width for line in lines)
    assert all("123456" in line for line in lines)


def test_a_count_is_shown_while_the_work_goes_on() -> None:
    stream = Terminal()
    with Count(stream, "checks", 7, active=True, colour=False) as count:
        count.say("work IMAP tls\x1b[31m")
        count.advance()
    assert "1/7" in stream.getvalue()
    assert "work IMAP tls\\x1b[31m" in stream.getvalue()


def test_nothing_is_shown_when_nobody_watches() -> None:
    stream = io.StringIO()
    with Progress(stream, active=False, colour=False) as progress:
        progress.row("box", Standing(1, 3, 1, 4))
        assert not progress.note("Ending.")
    assert stream.getvalue() == ""
