"""Reports: complete, without anything that acts, for every reader, and never with a secret in them."""

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mailctl.diagnosis.report import betrayed, build, from_outside, gateway_setup, server_setup
from mailctl.domain.check import StageReport
from mailctl.domain.effective import effective
from mailctl.domain.gateway import Gateway, Inbound, Login, SecretSource, SourceKind
from mailctl.domain.report import Report, summarize
from mailctl.domain.secret import Secret
from mailctl.domain.server import CertificatePolicy, Endpoint, Protocol, Security, Server
from mailctl.domain.settings import Settings
from mailctl.domain.waterfall import blocks, spans, total_ms
from mailctl.domain.who import who
from mailctl.output import report_html, report_markdown
from mailctl.output.report_style import STYLE
from tests.unit.reports import BAD, FAILED, GOOD, PASSED, WARNED, hostile, report_on

ANY = st.text(st.characters(), max_size=60)
VOID = {"meta", "rect", "br"}
HOSTILE = [
    "<script>alert(1)</script>",
    "</pre></style><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "[click](https://evil.example) ![x](https://evil.example/x.png)",
    "# heading",
    "https://evil.example www.evil.example mailto:a@evil.example",
    "`` ` ``` `<b>`",
    "a | b | [x](y)",
    "~~~\n```\n# out",
    "\u202egnp.exe\u2066 \x1b[31m \x00",
    "&lt;b&gt; &#60;",
    "<!-- -->",
    "- [ ] item",
    "$x$ :smile: @user #1",
]


class Page(HTMLParser):
    """What a page is made of; fails the test if its tags don't match."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def tags_of(page: Page) -> list[str]:
    return [tag for tag, _ in page.tags]


def test_the_page_tells_everything() -> None:
    text = Page(report_html.render(report_on(BAD, GOOD, WARNED))).text
    for expected in (
        *("2 mailboxes: 1 of 3 checks failed", "3 checks: 2 ok, 1 of them with warnings"),
        *("bad_credentials", "medium confidence", BAD.explanation, "Sign in to the web mail.", "you can fix it"),
        *(BAD.server_text, *BAD.evidence, "app_password_required", "certificate until 2026-12-22", "300 ms"),
        *("not reached", "A1 AUTHENTICATE PLAIN", "the certificate expires in 9 days", "no IDLE", "CPython 3.11"),
        *("login.secret", "keyring", "mailctl gateway password set anna", "22 November 2026, 01:02 UTC"),
    ):
        assert expected in text, expected


def test_the_page_is_for_every_reader() -> None:
    page = Page(report_html.render(report_on(BAD, GOOD, WARNED)))
    attributes = dict(page.tags)
    assert attributes["html"]["lang"] == "en"
    assert "title" in attributes
    levels = [int(tag[1]) for tag in tags_of(page) if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(more.get("scope") in ("col", "row") for tag, more in page.tags if tag == "th")
    assert tags_of(page).count("table") == tags_of(page).count("caption")
    bars = [more for tag, more in page.tags if tag == "svg"]
    assert len(bars) == 7
    assert all(bar["role"] == "img" and bar["aria-label"] for bar in bars)
    assert bars[2]["aria-label"] == "from 100 ms to 400 ms"
    ids = [more["id"] for _, more in page.tags if "id" in more]
    assert len(ids) == len(set(ids))
    targets = [str(more["href"])[1:] for tag, more in page.tags if tag == "a" and str(more["href"]).startswith("#")]
    assert {*targets} <= {*ids}
    assert targets


def assert_harmless(text: str) -> Page:
    page = Page(text)
    for tag, attributes in page.tags:
        assert tag not in ("script", "img", "iframe", "object", "embed", "link", "base", "form", "video", "audio")
        assert not any(name.startswith("on") or name in ("style", "src", "srcset") for name in attributes)
        if tag == "a":
            assert str(attributes["href"]).startswith(("#", "https://www.rfc-editor.org/"))
    assert "url(" not in text.partition("</style>")[0]
    assert "@import" not in text.partition("</style>")[0]
    assert not re.search("[\x00-\x09\x0b-\x1f\u202a-\u202e\u2066-\u2069]", text)
    return page


@pytest.mark.parametrize("text", HOSTILE)
def test_C_what_a_server_says_does_nothing_in_the_page(text: str) -> None:
    page = assert_harmless(report_html.render(report_on(hostile(text))))
    usual = tags_of(Page(report_html.render(report_on(hostile("plain")))))
    assert [tag for tag in tags_of(page) if tag != "code"] == [tag for tag in usual if tag != "code"]


@given(ANY)
def test_C_no_text_acts_in_the_page(text: str) -> None:
    assert_harmless(report_html.render(report_on(hostile(text))))


def test_the_policy_allows_the_one_style_and_nothing_else() -> None:
    from hashlib import sha256

    text = report_html.render(report_on(GOOD))
    style = re.search("(?s)<style>(.*?)</style>", text)
    assert style is not None
    digest = base64.b64encode(sha256(style[1].encode()).digest()).decode()
    found = [more["content"] for _, more in Page(text).tags if more.get("http-equiv") == "Content-Security-Policy"]
    assert found == [f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"]


def test_an_address_of_a_page_that_is_none_is_no_link() -> None:
    for url in ("javascript:alert(1)", "data:text/html,x", "https://x.example/\" onclick='", "https://x y"):
        page = Page(report_html.render(report_on(replace(BAD, doc_url=url))))
        assert [more["href"] for tag, more in page.tags if tag == "a"] == ["#check-1"]
        assert "<http" not in report_markdown.render(report_on(replace(BAD, doc_url=url)))


MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")


def markdown_tokens(text: str) -> list[str]:
    found = []
    for token in MARKDOWN.parse(text):
        found += [child.type for child in token.children] if token.children else [token.type]
    return found


def markdown_links(text: str) -> list[str]:
    children = [child for token in MARKDOWN.parse(text) for child in token.children or []]
    return [str(child.attrs["href"]) for child in children if child.type == "link_open"]


def assert_harmless_markdown(text: str) -> None:
    written = report_markdown.render(report_on(hostile(f"x{text}")))
    tokens = markdown_tokens(written)
    assert "html_inline" not in tokens
    assert "image" not in tokens
    assert "fence" not in tokens
    assert tokens.count("html_block") == 1  # the mark in the first line
    assert tokens.count("heading_open") == 14
    assert tokens.count("table_open") == 4
    assert tokens.count("hr") == 0
    assert markdown_links(written) == [BAD.doc_url]


@pytest.mark.parametrize("text", HOSTILE)
def test_C_what_a_server_says_does_nothing_in_markdown(text: str) -> None:
    assert_harmless_markdown(text)
    written = report_markdown.render(report_on(hostile(text)))
    outside = re.sub(r"(?m)^    .*$|(`+)(?!`).*?(?<!`)\1(?!`)", "", written)
    assert "evil.example" not in outside  # bare addresses, of which GitHub makes links, stand in code only


@given(ANY)
def test_C_no_text_acts_in_markdown(text: str) -> None:
    assert_harmless_markdown(text)


def test_markdown_tells_everything() -> None:
    text = report_markdown.render(report_on(BAD, GOOD, WARNED))
    rendered = MARKDOWN.render(text)
    for expected in (
        *("bad_credentials", "Sign in to the web mail.", "<code>mailctl gateway password set anna</code>"),
        *("don't belong together", "A1 AUTHENTICATE PLAIN", "████", "<code>keyring</code>", "<table>", "no IDLE"),
    ):
        assert expected in rendered, expected
    assert rendered.count("<h2>") == 6
    assert "<th>What was learned</th>" in rendered


@given(st.lists(st.floats(0, 1e7), max_size=12), st.integers(1, 60))
def test_a_waterfall_stays_inside_its_width(times: list[float], width: int) -> None:
    stages = [StageReport(str(number), PASSED, ms) for number, ms in enumerate(times)]
    end = 0.0
    for span, stage in zip(spans(stages), stages, strict=True):
        assert 0 <= span.begin <= 1
        assert span.begin >= end - 1e-9
        assert span.begin + span.length <= 1 + 1e-9
        end = span.begin + span.length
        before, length = blocks(span, width)
        assert before >= 0
        assert before + length <= width
        assert bool(length) == bool(span.length)
        assert span.length == 0 or stage.ms > 0
    assert not stages or abs(end - (1 if total_ms(stages) else 0)) < 1e-6


def test_checks_are_counted_by_cause() -> None:
    other = replace(BAD, cause="tls_expired")
    found = summarize([GOOD] * 8 + [WARNED, BAD, other, BAD])
    assert str(found) == "12 checks: 9 ok, 1 of them with warnings, 2 bad_credentials, 1 tls_expired"
    assert (found.checks, found.ok, found.warned, found.failed) == (12, 9, 1, 3)
    assert dict(found.causes) == {"bad_credentials": 2, "tls_expired": 1}
    assert str(summarize([GOOD])) == "1 check: 1 ok"
    assert str(summarize([BAD])) == "1 check: 1 bad_credentials"


def test_of_secrets_only_the_kind_of_the_source_is_told() -> None:
    sources = SecretSource(SourceKind.COMMAND, ("pass", "show", "t0ken-in-argument"))
    file = SecretSource(SourceKind.FILE, ("/home/anna/my-passw0rd.txt",))
    policy = CertificatePolicy(ca_file="/home/anna/authority.pem")
    server = Server("s", None, {Protocol.IMAP: Endpoint("imap.example.org", 993, Security.TLS)}, policy)
    gateway = Gateway("anna", "s", "anna@example.org", Login("anna", sources), Login("anna", file))
    gateway = replace(gateway, inbound=Inbound(maildir="~/private-folder"))
    joined = effective(gateway, server, Settings())
    told = repr((gateway_setup(joined), server_setup(server), build([GOOD], [], [joined], {}, report_on().made_at)))
    for hidden in ("t0ken", "passw0rd", "authority.pem", "private-folder"):
        assert hidden not in told
    settings = gateway_setup(joined).settings
    assert (settings["login.secret"], settings["smtp_login.secret"]) == ("command", "file")
    assert server_setup(server).settings["certificate.own_authority"] == "yes"


SECRET = "Tr0ub4dor&3 ü<x"


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        base64.b64encode(f"\0anna\0{SECRET}".encode()).decode(),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(f"user=anna\1auth=Bearer {SECRET}\1\1".encode()).decode(),
        SECRET.encode().hex(),
        SECRET.encode().hex(" "),
        quote(SECRET),
        "Tr0ub4dor&3=20=C3=BC<x",
        "=?utf-8?q?Tr0ub4dor=263_=C3=BC=3Cx?=",
        "Tr0ub4dor&amp;3 ü&lt;x",
        "Tr0ub4dor&3 \\u00fc<x",
        "Tr0ub4dor&3ü<x",
        "Tr0u b4do r&3\nü<x",
    ],
)
def test_a_secret_in_any_form_is_found_wherever_it_stands(form: str) -> None:
    secrets = {"b": Secret(SECRET)}
    assert betrayed(f"x{form}y", [], secrets) == ["b"]
    assert betrayed("", ["nothing", f"x{form}y"], secrets) == ["b"]
    assert betrayed("", [report_html.render(report_on(BAD))], secrets) == []


@pytest.mark.parametrize(
    "place",
    [
        {"server_text": "told"},
        {"message": "told"},
        {"transcript": ("+0.1 S: told",)},
        {"evidence": ("told",)},
        {"stages": (StageReport("dns", FAILED, 1, {"a": {"b": ["told"]}}),)},
        {"findings": WARNED.findings[:1]},
    ],
    ids=lambda place: next(iter(place)),
)
def test_all_that_came_from_outside_is_looked_at(place: dict[str, Any]) -> None:
    text = from_outside(report_on(replace(BAD, **place)))
    assert "told" in text or "expires in 9 days" in text


@pytest.mark.parametrize("render", [report_html.render, report_markdown.render])
def test_a_failure_tells_whose_mailbox_it_is_and_that_nothing_was_encrypted(render: Callable[[Report], str]) -> None:
    text = render(report_on(replace(BAD, gateway="sales", security="none")))
    assert "Mailbox" in text
    assert "anna@example.org" in text
    assert "imap.example.org:993 unencrypted" in text
    assert "Mailbox" not in render(report_on(replace(BAD, gateway="")))  # whose name is the address


def test_where_the_cause_is_doubtful_so_is_who_has_to_act() -> None:
    assert who("provider", "later", "high") == "the provider must fix it; try again later"
    assert who("provider", "later", "low") == "perhaps the provider has to fix it; try again later"
    assert who("", "", "low") == ""


def test_a_password_that_is_a_word_of_every_report_keeps_none_from_being_written() -> None:
    documents = [report_html.render(report_on(BAD)), report_markdown.render(report_on(BAD))]
    outside = from_outside(report_on(BAD))
    words = {"w": Secret("server"), "x": Secret("AUTHENTICATE"), "y": Secret("ok")}
    assert betrayed(outside, documents, words) == []
    assert betrayed("the PIN is 4711x", [], {"z": Secret("4711x")}) == ["z"]


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance of `#rgb` or `#rrggbb`."""
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("look", [0, 1, 2], ids=["light", "dark", "paper"])
def test_every_colour_can_be_read(look: int) -> None:
    blocks = re.findall(r"(?s):root \{(.*?)\}", STYLE)
    colours = dict(re.findall(r"--(\w+): (#\w+);", blocks[look]))
    for name in ("text", "soft", "good", "bad", "warn", "link"):
        for ground in ("page", "panel"):
            light, dark = sorted((luminance(colours[name]), luminance(colours[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, ground)
