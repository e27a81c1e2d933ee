"""What `test` shows on a terminal: where the time went, nothing broken, nothing that acts, fleets at a glance."""

import io
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.cli.check_view import checks_view, verdicts_view
from mailctl.domain.check import CheckReport, StageReport
from mailctl.output.plain import plain_lines
from mailctl.output.terminal import console, draw
from mailctl.output.view import View
from tests.unit.reports import BAD, GOOD, PASSED, WARNED, hostile

ANY = st.text(st.characters(), max_size=60)


def drawn(view: View, width: int = 80, encoding: str = "utf-8", *, colour: bool = False) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="backslashreplace", newline="\n")
    draw(view, console(stream, colour=colour, width=width))
    stream.flush()
    return raw.getvalue().decode(encoding)


def test_a_line_a_stage_shows_when_it_ran() -> None:
    lines = drawn(checks_view([BAD])).splitlines()
    assert lines[0] == "anna  IMAP  imap.example.org:993  FAILED in 400 ms: the server refused the"
    stages = {line.split()[0]: line for line in lines if line.startswith("  ")}
    assert stages["dns"].split()[:5] == ["dns", "ok", "2", "ms", "█"]
    bar, late = stages["tls"], stages["authenticate"]
    assert bar.count("█") == 3
    assert late.count("█") == 9
    assert late.index("█") == bar.index("█") + 3
    assert stages["not"].strip() == "not reached: select"


def test_a_terminal_without_blocks_gets_signs() -> None:
    shown = drawn(checks_view([BAD]), encoding="ascii")
    assert "#########" in shown
    assert "\\u" not in shown


def test_the_bar_has_the_colour_of_the_outcome() -> None:
    shown = drawn(checks_view([BAD]), colour=True)
    assert "\x1b[1;31m█" in shown
    assert "\x1b[32m█" in shown
    assert "\x1b" not in drawn(checks_view([BAD]))
    assert "\x1b[2mmeaning\x1b[0m" in shown  # the label is dim, what it means is not


def test_findings_come_last_warnings_before_notes() -> None:
    shown = drawn(checks_view([WARNED]))
    assert shown.index("works in 100 ms") < shown.index("warning  the certificate") < shown.index("note     no IDLE")


def test_notes_are_told_in_full_where_there_is_one_check() -> None:
    assert "note     no IDLE: new mail is only seen when asked for" in drawn(checks_view([WARNED]))
    shown = drawn(checks_view([WARNED, GOOD]))
    assert "notes    no IDLE\n" in shown
    assert "warning  the certificate expires in 9 days\n" in shown


@pytest.mark.parametrize("width", [60, 80, 100, 132])
def test_no_word_is_broken_and_no_line_too_long(width: int) -> None:
    long = ("2001:db8:1234:5678:9abc:def0:1234:5678", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256")
    stages = (StageReport("dns", PASSED, 5.0, {"addresses": long}), *BAD.stages)
    report = replace(BAD, stages=stages, doc_url=f"https://support.example.com/{'a' * 90}")
    shown = drawn(checks_view([report, GOOD, WARNED]), width)
    words = {word for line in shown.splitlines() for word in line.split(" ")}
    for word in (f"{long[0]},", long[1], report.doc_url, "app_password_required:", "password", "belong"):
        assert word in words or word.rstrip(",") in words, word
    assert all(len(line) <= width or " " not in line.strip() for line in shown.splitlines())


def fleet(count: int) -> list[CheckReport]:
    long = "somebody.with@a-long-name"
    reports = [replace(GOOD, gateway=f"g{number}") for number in range(count)]
    failing = replace(BAD, gateway=long, cause="protocol_disabled_admin", stages=BAD.stages)
    return [*reports, WARNED, BAD, failing, replace(BAD, gateway="z", cause="tls_expired", stages=BAD.stages[:1])]


def test_a_fleet_is_a_table_worst_first_that_fits() -> None:
    shown = drawn(checks_view(fleet(8)))
    lines = shown.splitlines()
    table = lines[2 : lines.index("", 2)]
    assert all(len(line) <= 80 for line in table)
    assert [line.split()[0] for line in table][:3] == ["z", "anna", "somebody.with@a-long-name"]
    assert "bert" in table[3]
    assert "12 checks: 9 ok, 1 of them with warnings, 1 bad_credentials, 1 protocol_disabled_admin," in " ".join(
        shown.split()
    )
    assert shown.index("12 checks") < shown.index("step 1")
    assert "warning  the certificate expires" in shown
    assert "no IDLE" not in shown
    assert "stage" in drawn(checks_view(fleet(8)), 140).splitlines()[0]
    assert "stage" not in lines[0]


def test_what_is_the_same_for_several_is_said_once() -> None:
    same = replace(BAD, gateway="other", endpoint="imap.example.net:993")
    shown = drawn(checks_view([BAD, GOOD, same, GOOD, replace(BAD, gateway="third", server_text="NO go away")]))
    assert shown.count("step 1") == 2
    assert shown.index("\nanna  IMAP  imap.example.org") < shown.index("\nother  IMAP  imap.ex") < shown.index("step 1")
    assert shown.index("step 1") < shown.index("\nthird  IMAP") < shown.index("NO go away")


def test_the_verdicts_alone_are_a_line_each() -> None:
    assert list(plain_lines(verdicts_view([BAD, GOOD]))) == [
        "anna imap FAILED bad_credentials: Sign in to the web mail.",
        "anna smtp ok",
    ]


@given(ANY, st.integers(20, 140))
def test_C_no_text_acts_on_the_terminal(text: str, width: int) -> None:
    shown = drawn(checks_view([hostile(text)]), width) + drawn(checks_view([hostile(text)] * 4), width)
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in shown if c != "\n")
