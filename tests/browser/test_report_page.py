"""A report in a real browser: it opens without a complaint, runs nothing, and looks right light, dark and on paper."""

import os
import struct
import zlib
from pathlib import Path

import pytest

from mailctl.output.report_html import render
from tests.browser.chromium import Chromium, program
from tests.unit.reports import BAD, GOOD, WARNED, hostile, report_on

HOSTILE = (
    "</pre></style></title><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "<svg onload=\"document.title='owned'\"><a href=javascript:alert(1)>x</a>\u202e[x](y)\x1b[31m"
)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Chromium:
    binary = program()
    if binary is None:
        if os.environ.get("CI") == "true" or os.environ.get("MAILCTL_TEST_REQUIRE_SERVERS") == "1":
            pytest.fail("Chromium is not installed")
        pytest.skip("Chromium is not installed")
    return Chromium(binary, tmp_path_factory.mktemp("chromium"))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(render(report_on(BAD, WARNED, GOOD)))
    return file


def test_it_opens_without_a_word_on_the_console(chromium: Chromium, page: Path) -> None:
    opened = chromium.open(page)
    assert opened.console == []
    assert "<h1>mailctl report: 2 mailboxes: 1 of 3 checks failed</h1>" in opened.dom
    assert opened.dom.count("<section") == 6


def test_the_console_would_be_heard(chromium: Chromium, page: Path) -> None:
    spoilt = page.with_name("spoilt.html")
    spoilt.write_text(page.read_text().replace("</main>", '<script>alert(1)</script><p style="color:red">x</p></main>'))
    said = "\n".join(chromium.open(spoilt).console)
    assert "script" in said
    assert "style" in said


def test_C_what_a_server_says_runs_nothing(chromium: Chromium, page: Path) -> None:
    file = page.with_name("hostile.html")
    file.write_text(render(report_on(hostile(HOSTILE))))
    opened = chromium.open(file)
    assert opened.console == []
    assert "owned</title>" not in opened.dom
    assert "<script" not in opened.dom
    assert "<img" not in opened.dom


def pixels(png: bytes) -> tuple[int, int, list[tuple[int, int, int]]]:
    """Width, height and a sample of the pixels of an 8-bit RGB or RGBA picture (PNG, third edition)."""
    width, height, depth, kind = struct.unpack(">IIBB", png[16:26])
    assert (depth, kind in (2, 6)) == (8, True)
    step = 3 if kind == 2 else 4
    data, place = b"", 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        if png[place + 4 : place + 8] == b"IDAT":
            data += png[place + 8 : place + 8 + length]
        place += length + 12
    raw, stride = zlib.decompress(data), width * step
    before, found = bytearray(stride), []
    for row in range(height):
        line = bytearray(raw[row * (stride + 1) + 1 : (row + 1) * (stride + 1)])
        _unfilter(raw[row * (stride + 1)], line, before, step)
        before = line
        if row % 4 == 0:
            found += [(line[at], line[at + 1], line[at + 2]) for at in range(0, stride, step * 5)]
    return width, height, found


def _unfilter(kind: int, line: bytearray, before: bytearray, step: int) -> None:
    for at in range(len(line)):
        left = line[at - step] if at >= step else 0
        corner = before[at - step] if at >= step else 0
        match kind:
            case 1:
                line[at] = (line[at] + left) & 255
            case 2:
                line[at] = (line[at] + before[at]) & 255
            case 3:
                line[at] = (line[at] + (left + before[at]) // 2) & 255
            case 4:
                guess = left + before[at] - corner
                nearest = min((left, before[at], corner), key=lambda each: abs(guess - each))
                line[at] = (line[at] + nearest) & 255


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_looks_right_on_a_screen(chromium: Chromium, page: Path, dark: bool) -> None:
    width, height, found = pixels(chromium.picture(page, dark=dark, width=600, height=900))
    assert (width, height) == (600, 900)
    page_colour = (0x14, 0x17, 0x1A) if dark else (255, 255, 255)
    assert found.count(page_colour) > len(found) / 2
    bad = (0xFF, 0x8A, 0x80) if dark else (0xB3, 0x26, 0x1E)
    assert bad in found  # FAILED


def test_it_looks_right_on_paper(chromium: Chromium, page: Path) -> None:
    printed = chromium.printed(page)
    assert printed.startswith(b"%PDF-")
    assert 1 <= printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page/") <= 5
