"""What a person needs in order to go on: a link or a code, whole and safe to show; and a countdown."""

import io
import string

import pytest

from mailctl.output.emitter import Emitter
from mailctl.output.large import large
from mailctl.output.waiting import Waiting
from tests.cli.support import TerminalIO


@pytest.mark.parametrize("code", ["A", "WDJB-MJHT", "0123456789", string.ascii_uppercase])
def test_a_code_is_drawn_in_five_lines_of_one_width(code: str) -> None:
    lines = large(code, 500)
    assert len(lines) == 5
    assert len({len(line) for line in lines}) == 1
    assert large(code.lower(), 500) == lines
    assert large(code, len(lines[0])) == []  # no room


@pytest.mark.parametrize("code", ["", "é", "A B", "\x1b[2J", "A\n"])
def test_what_has_no_large_letters_is_not_drawn(code: str) -> None:
    assert large(code, 500) == []


def test_every_letter_looks_different() -> None:
    drawn = {tuple(large(each, 500)) for each in string.ascii_uppercase + string.digits + "-"}
    assert len(drawn) == 37


@pytest.mark.parametrize("terminal", [False, True])
def test_a_link_is_shown_whole_and_a_hostile_code_made_visible(terminal: bool) -> None:
    err = TerminalIO() if terminal else io.StringIO()
    emitter = Emitter(io.StringIO(), err, {"TERM": "xterm"}, json=True, quiet=True)
    link = "https://id.example/authorize?" + "x" * 3000
    emitter.show(link)
    emitter.show("Enter:", code="\x1b]8;;https://evil.example\x07AB\u202e")
    assert link + "\n" in err.getvalue()
    assert "\x1b" not in err.getvalue()
    assert "\\x1b]8;;" in err.getvalue()


def test_a_countdown_is_for_those_who_watch() -> None:
    for active, shown in ((True, "\r\x1b[KWaiting 1:05 left\r\x1b[K"), (False, "")):
        stream = io.StringIO()
        with Waiting(stream, "Waiting", active=active) as waiting:
            waiting.left(65.2)
        assert stream.getvalue() == shown
