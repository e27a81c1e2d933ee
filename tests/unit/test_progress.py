"""Progress as a person who watches a terminal sees it."""

import io

from mailctl.output.progress import Count, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_rows_are_shown_while_the_work_goes_on() -> None:
    stream = Terminal()
    with Progress(stream, active=True, colour=False) as progress:
        progress.row("box\x1b[31m", messages=1, total_messages=3, octets=1_000_000, total_octets=4_000_000)
        assert progress.note("Ending after the step in hand.")
    shown = stream.getvalue()
    for words in ("box", "1/3 messages", "1.0/4.0 MB", "Ending after the step in hand.\n"):
        assert words in shown
    assert "\x1b[31m" not in shown


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
        progress.row("box", messages=1, total_messages=3, octets=1, total_octets=4)
        assert not progress.note("Ending.")
    assert stream.getvalue() == ""
