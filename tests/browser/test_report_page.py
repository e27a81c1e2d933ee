"""A report in a real browser: it opens without a complaint, runs nothing, and can be read by everybody."""

from dataclasses import replace
from pathlib import Path

import pytest

from mailctl.domain.check import StageReport
from mailctl.output.report_html import render
from tests.browser.chromium import Chromium
from tests.unit.reports import BAD, GOOD, PASSED, WARNED, hostile, report_on

HOSTILE = (
    "</pre></style></title><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "<svg onload=\"document.title='owned'\"><a href=javascript:alert(1)>x</a>\u202e[x](y)\x1b[31m"
)
LONG = "x" * 400
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    file = tmp_path / "report.html"
    long = replace(BAD, transcript=(*BAD.transcript, *(f"+1 S: * {LONG}" for _ in range(40))), server_text=LONG)
    odd = replace(GOOD, stages=(StageReport("greeting", PASSED, 1.0, {"greeting": LONG}),))
    file.write_text(render(report_on(long, WARNED, odd)))
    return file


def test_it_opens_without_a_word_on_the_console(chromium: Chromium, page: Path) -> None:
    chromium.open(page)
    assert chromium.complaints == []
    assert chromium.evaluate("document.title") == "mailctl report: 2 mailboxes: 1 of 3 checks failed"
    assert chromium.evaluate("performance.getEntriesByType('resource').length") == 0
    assert chromium.evaluate("document.compatMode") == "CSS1Compat"


def test_the_console_would_be_heard(chromium: Chromium, page: Path) -> None:
    page.write_text(page.read_text().replace("</main>", '<script>alert(1)</script><p style="color:red">x</p></main>'))
    chromium.open(page)
    said = str(chromium.complaints)
    assert "Executing inline script violates" in said or "execute inline script" in said
    assert "inline style" in said


def test_C_what_a_server_says_runs_nothing(chromium: Chromium, page: Path) -> None:
    page.write_text(render(report_on(hostile(HOSTILE))))
    chromium.open(page)
    assert chromium.complaints == []
    assert chromium.evaluate("document.title") == "mailctl report: anna IMAP failed"
    assert chromium.evaluate("document.querySelectorAll('script, img, iframe, object, form').length") == 0
    assert chromium.evaluate("[...document.links].map(link => link.protocol)") == ["file:", "https:"]


@pytest.mark.parametrize("width", [360, 800, 1600])
def test_nothing_sticks_out(chromium: Chromium, page: Path, width: int) -> None:
    chromium.open(page)
    chromium.look(width=width)
    assert chromium.evaluate("document.documentElement.scrollWidth") <= width


def test_it_is_light_by_day_dark_by_night_and_white_on_paper(chromium: Chromium, page: Path) -> None:
    chromium.open(page)
    bar = "getComputedStyle(document.querySelector('svg rect.bad')).fill"
    assert (chromium.evaluate(BACKGROUND), chromium.evaluate(bar)) == ("rgb(255, 255, 255)", "rgb(179, 38, 30)")
    chromium.look(width=1000, dark=True)
    assert (chromium.evaluate(BACKGROUND), chromium.evaluate(bar)) == ("rgb(20, 23, 26)", "rgb(255, 138, 128)")
    chromium.look(width=700, dark=True, paper=True)
    assert (chromium.evaluate(BACKGROUND), chromium.evaluate(bar)) == ("rgb(255, 255, 255)", "rgb(0, 0, 0)")
    whole = "[...document.querySelectorAll('pre')].every(each => each.scrollHeight <= each.clientHeight + 2)"
    assert chromium.evaluate(whole)  # paper can't be scrolled
    assert chromium.evaluate("document.documentElement.scrollWidth") <= 700
    assert chromium.ask("Page.printToPDF")["data"].startswith("JVBERi")  # %PDF-


def test_a_screen_reader_is_told_everything(chromium: Chromium, page: Path) -> None:
    chromium.open(page)
    spoken = chromium.spoken()
    names = {role: [name for each, name in spoken if each == role] for role, _ in spoken}
    assert names["RootWebArea"] == ["mailctl report: 2 mailboxes: 1 of 3 checks failed"]
    headings = names["heading"]
    assert headings[:4] == [
        *("mailctl report: 2 mailboxes: 1 of 3 checks failed", "Summary"),
        *("anna IMAP at imap.example.org:993 tls: FAILED", "Verdict"),
    ]
    assert "from 100 ms to 400 ms" in names["image"]
    assert {"Check", "Result", "Stage", "What was learned"} <= set(names["columnheader"])
    assert {"anna IMAP", "authenticate", "login.secret"} <= set(names["rowheader"])
    assert "Conversation of anna IMAP" in names["region"]
    assert {"banner", "main", "contentinfo"} <= set(names)
    texts = " ".join(names["StaticText"])
    for expected in (
        "FAILED",
        "300 ms",
        "not reached",
        "Sign in to the web mail.",
        "the certificate expires in 9 days",
    ):
        assert expected in texts
