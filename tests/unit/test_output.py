"""Output: what a server says never acts on a terminal, nothing is cut, JSON and its schema are one declaration."""

import io
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.domain.secret import Secret
from mailctl.domain.server import Security
from mailctl.errors import ExitCode, NetworkError
from mailctl.output.emitter import Emitter, Outcome
from mailctl.output.escape import visible
from mailctl.output.json import dump, schema_of, to_plain
from mailctl.output.plain import plain_lines
from mailctl.output.terminal import console, draw
from mailctl.output.view import Cell, Fields, Lines, Stack, Styled, Table, View, columns

ANY = st.text(st.characters(), max_size=40)  # lone surrogates too
ACTING = ("Cc", "Cf", "Cs", "Zl", "Zp")


class TerminalIO(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def emitted(view: View, *, terminal: bool, env: Mapping[str, str] | None = None) -> str:
    out = TerminalIO() if terminal else io.StringIO()
    Emitter(out, io.StringIO(), {"NO_COLOR": "1"} if env is None else env).outcome("x", Outcome(None, view))
    return out.getvalue()


@pytest.mark.parametrize(
    ("row", "raw", "shown"),
    [
        ("C1", "\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("C2", "\x1b]8;;http://evil\x1b\\x", "\\x1b]8;;http://evil\\x1b\\x"),
        ("C3", "\x1b]52;c;ZXZpbA==\x07\x9b31m", "\\x1b]52;c;ZXZpbA==\\x07\\x9b31m"),
        ("C4", "ok\rno\x08", "ok\\rno\\x08"),
        ("C5", "a\u202eb\u200b\u2066\U000e0041", "a\\u202eb\\u200b\\u2066\\U000e0041"),
        ("C7", "a\ud800b", "a\\ud800b"),
        ("C8", "one\n2026 forged\u2028line", "one\\n2026 forged\\u2028line"),
    ],
)
def test_C_what_acts_on_a_terminal_is_made_visible(row: str, raw: str, shown: str) -> None:
    assert visible(raw) == shown, row


@given(ANY)
def test_C1_to_C5_no_acting_character_is_left_and_others_stay(text: str) -> None:
    shown = visible(text)
    assert not any(unicodedata.category(c) in ACTING for c in shown)
    shown.encode()
    if not any(unicodedata.category(c) in (*ACTING, "Cn", "Lo", "So") for c in text):
        assert shown == text


@given(ANY, st.booleans())
def test_C6_markup_in_a_cell_is_literal(text: str, terminal: bool) -> None:
    cell = "[link=http://x] [/x] :smile: [bold]" + text
    out = emitted(Table(columns("a", "b"), [[cell, Styled(cell, "bad")]]), terminal=terminal)
    assert "[link=http://x]" in out.replace("\n", "")
    assert not any(unicodedata.category(c) in ACTING for c in out if c != "\n" and c != "\t")


@given(st.lists(st.tuples(ANY, ANY), min_size=1, max_size=4))
def test_plain_is_one_record_a_line_and_nothing_is_cut(rows: list[tuple[str, str]]) -> None:
    lines = list(plain_lines(Table(columns("a", "b"), rows)))
    assert [line.split("\t") for line in lines] == [[visible(a), visible(b)] for a, b in rows]


def test_views_in_plain_text() -> None:
    view = Stack([Fields([("host", "x"), ("verified", True), ("none", None)]), Lines(["done", Styled("bad", "bad")])])
    assert list(plain_lines(view)) == ["host\tx", "verified\tyes", "none\t", "done", "bad"]


def test_a_long_cell_is_folded_on_a_terminal_not_cut() -> None:
    word = "x" * 500
    out = emitted(Table(columns("a", fold=["a"]), [[word]]), terminal=True)
    assert out.count("x") == 500


@pytest.mark.parametrize("width", [20, 60, 80, 200])
def test_a_terminal_too_narrow_for_a_table_gets_blocks_and_loses_nothing(width: int) -> None:
    titles = columns("name", "imap", "errors", "note", right=["errors"], fold=["note"])
    rows: list[list[Cell]] = [
        ["work", "localhost:39467 tls", 5, "all is well here"],
        ["works", "outlook.office365.com:993 tls", 7, None],
    ]
    out = io.StringIO()
    draw(Table(titles, rows), console(out, colour=False, width=width))
    shown = out.getvalue().replace("\n", "")
    for cell in ("name", "imap", "errors", "note", "work", "works", "5", "7"):
        assert cell in shown
    if width > 20:
        assert "outlook.office365.com:993 tls" in shown
    # a word longer than the terminal is broken by the terminal, which keeps it whole for copying
    assert all(len(line) <= width or " " not in line.strip() for line in out.getvalue().splitlines())


def test_sentences_break_between_words_and_links_stay_whole() -> None:
    out = io.StringIO()
    link = "https://provider.example/a-long-address/of-a-page/that-helps"
    draw(Lines([f"some words that do not fit {link}"]), console(out, colour=False, width=20))
    assert [line.rstrip() for line in out.getvalue().splitlines()] == ["some words that do", "not fit", link]


@pytest.mark.parametrize(
    ("env", "terminal", "coloured"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_colour_obeys_the_environment(env: dict[str, str], terminal: bool, coloured: bool) -> None:
    out = emitted(Lines([Styled("bad", "bad")]), terminal=terminal, env=env)
    assert ("\x1b[" in out) == coloured


@pytest.mark.parametrize("env", [{}, {"TERM": "dumb"}, {"NO_COLOR": "1"}])
def test_whoever_reads_a_terminal_gets_what_is_for_people(env: dict[str, str]) -> None:
    shown = emitted(Table(columns("name", "count"), [["a", 1]]), terminal=True, env=env)
    assert "name" in shown  # records for a pipe have no titles
    assert "\t" not in shown


@dataclass(frozen=True)
class Row:
    name: str
    count: int | None
    security: Security
    kind: Literal["a", "b"]
    when: datetime
    parts: tuple[str, ...]
    fields: Mapping[str, object]
    code: ExitCode = ExitCode.OK


ROW = Row("n\x1b", None, Security.TLS, "a", datetime(2026, 1, 2, tzinfo=UTC), (), {"x": {3}})


def test_json_and_its_schema_come_from_the_declaration() -> None:
    plain = to_plain([ROW])
    jsonschema.validate(plain, schema_of(list[Row]))
    assert plain[0] == {
        "name": "n\x1b", "count": None, "security": "tls", "kind": "a", "when": "2026-01-02T00:00:00.000Z",
        "parts": [], "fields": {"x": [3]}, "code": 0,
    }  # fmt: skip
    for wrong in ({**plain[0], "count": "1"}, {**plain[0], "kind": "c"}, {"name": "n"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate([wrong], schema_of(list[Row]))


def test_a_secret_is_no_json() -> None:
    with pytest.raises(TypeError):
        to_plain({"a": Secret("x")})


@given(st.recursive(st.one_of(ANY, st.integers(), st.booleans(), st.none()), lambda x: st.lists(x, max_size=3)))
def test_json_text_loses_nothing_and_acts_on_no_terminal(value: Any) -> None:
    for indent in (None, 2):
        text = dump(value, indent=indent)
        assert json.loads(text) == value
        assert not any(unicodedata.category(c) in ACTING for c in text if c != "\n")


def test_a_failure_is_json_too_and_the_sentence_goes_to_stderr() -> None:
    out, err = io.StringIO(), io.StringIO()
    error = NetworkError("no answer", hint="try later", cause="tcp_timeout", server_text="\x1b[2J")
    code = Emitter(out, err, {}, json=True).failure("gateway list", error)
    assert code == ExitCode.NETWORK
    assert json.loads(out.getvalue()) == {
        "schema": "mailctl.gateway.list/1", "ok": False, "result": None,
        "error": {"code": "network", "message": "no answer", "hint": "try later", "cause": "tcp_timeout",
                  "exit_code": 5, "server_text": "\x1b[2J"},
    }  # fmt: skip
    assert err.getvalue() == "error: no answer\nserver said: \\x1b[2J\nhint: try later\n"


def test_a_secret_quoted_by_an_error_is_masked() -> None:
    secret = Secret("canary-7f3a")
    out, err = io.StringIO(), io.StringIO()
    Emitter(out, err, {}, json=True).failure("x", NetworkError(f"refused {secret.reveal()}", hint=secret.reveal()))
    assert "canary" not in out.getvalue() + err.getvalue()


def test_a_password_that_is_a_plain_word_breaks_no_json_and_is_not_told_by_the_mask() -> None:
    for word in ("null", "result", "true", "wrong"):
        Secret(word)
    out, err = io.StringIO(), io.StringIO()
    error = NetworkError("the wrong port", server_text="no such user: wrong")
    Emitter(out, err, {}, json=True).outcome("x", Outcome({"a": None, "text": "wrong, null and void"}, error=error))
    found = json.loads(out.getvalue())
    assert found["result"] == {"a": None, "text": "wrong, null and void"}
    assert found["error"]["message"] == "the wrong port"
    assert found["error"]["server_text"] == "no such user: ***"
    assert "said: no such user: ***" in err.getvalue()


def test_a_narrow_terminal_leaves_out_what_would_squeeze_the_rest() -> None:
    table = Table(columns("a", "run", "message", fold=("message",), wide=("run",)), [["x", "123", "m" * 20]])
    for width, shown in ((80, False), (100, True)):
        out = io.StringIO()
        draw(table, console(out, colour=False, width=width))
        assert ("123" in out.getvalue(), "run" in out.getvalue()) == (shown, shown)
        assert "m" * 20 in out.getvalue()
    assert list(plain_lines(table)) == ["x\t123\t" + "m" * 20]


@pytest.mark.parametrize("told", [(), ("hint",), ("message", "hint")])
def test_a_terminal_is_not_told_what_the_view_says(told: tuple[str, ...]) -> None:
    error = NetworkError("it broke", hint="mend it")
    for terminal, json_ in ((True, False), (False, False), (True, True)):
        out, err = TerminalIO() if terminal else io.StringIO(), io.StringIO()
        emitter = Emitter(out, err, {"NO_COLOR": "1"}, json=json_)
        assert emitter.outcome("x", Outcome(None, error=error, told=told)) is ExitCode.NETWORK
        silent = told if terminal and not json_ else ()
        assert ("it broke" in err.getvalue()) == ("message" not in silent)
        assert ("mend it" in err.getvalue()) == ("hint" not in silent)
