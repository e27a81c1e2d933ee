"""A report as one HTML file: no script, nothing fetched, readable on a screen, on paper and by a screen reader.

Whatever it tells is text: escaped, made visible, and kept from doing anything by a Content-Security-Policy besides.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from datetime import UTC
from hashlib import sha256
from html import escape

from mailctl.domain.check import Level, StageReport, StageStatus
from mailctl.domain.learned import learned
from mailctl.domain.probe import ProbeReport
from mailctl.domain.report import Report, Setup, Tested, tested_mailbox, tested_name, tested_where, travelled
from mailctl.domain.secret import mask_own
from mailctl.domain.waterfall import Span, show_ms, spans, total_ms
from mailctl.domain.who import who
from mailctl.output.escape import visible
from mailctl.output.report_style import STYLE

_LONG = 24
"""Lines of a conversation from which it scrolls."""
_LEAST_BAR = 0.8
"""Per cent of the whole that the bar of a stage has at least, so that it can be seen."""
_WORDS = {StageStatus.PASSED: "ok", StageStatus.FAILED: "FAILED", StageStatus.NOT_REACHED: "not reached"}
_CLASSES = {StageStatus.PASSED: "good", StageStatus.FAILED: "bad", StageStatus.NOT_REACHED: "soft"}
_LINK = re.compile(r"https?://[^\s<>\"']{1,2000}")


def render(report: Report) -> str:
    """The whole file."""
    policy = f"default-src 'none'; style-src 'sha256-{_digest(STYLE)}'; base-uri 'none'; form-action 'none'"
    title = _text(f"mailctl report: {report.title}")
    body = [
        f"<header>\n<h1>{title}</h1>",
        _lead(report),
        f'<p class="soft">Made on <time datetime="{_iso(report)}">{_text(_day(report))}</time> by '
        f"{_text(_maker(report))}. Passwords and tokens are not in it.</p>\n</header>",
        "<main>",
        _overview(report.tested),
        *(_check(number, check) for number, check in enumerate(report.tested, 1)),
        *_setups(report.setups),
        _section("Versions", _pairs("What took part", report.versions.items()), name="versions"),
        "</main>",
        "<footer><p>This file is complete: it loads nothing and runs nothing.</p></footer>",
    ]
    head = [
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        '<meta name="referrer" content="no-referrer">',
        '<meta name="robots" content="noindex">',
        f'<meta name="generator" content="{_text(_maker(report))}">',
        f"<title>{title}</title>",
        f"<style>{STYLE}</style>",
    ]
    lines = ["<!doctype html>", '<html lang="en">', "<head>", *head, "</head>", "<body>", *body, "</body>", "</html>"]
    return "\n".join(lines) + "\n"


def _lead(report: Report) -> str:
    tone = "bad" if report.failed else "warn" if report.summary.warned else "good"
    return f'<p class="lead mark {tone}">{_text(report.lead)}</p>'


def _overview(checks: Sequence[Tested]) -> str:
    rows = []
    for number, check in enumerate(checks, 1):
        name = f'<a href="#check-{number}">{_text(tested_name(check))}</a>'
        where = f'<td class="any">{_text(tested_where(check))}</td>'
        shown = f"{where}<td>{_text(check.stage)}</td><td>{_text(check.cause)}</td>"
        took = show_ms(total_ms(check.stages)) if check.stages else ""
        rows.append(
            f'<tr><th scope="row">{name}</th><td>{_result(check)}</td>{shown}<td class="number">{_text(took)}</td></tr>'
        )
    titles = ["Check", "Result", "Server", "Failed at", "Cause", "-Time"]
    return _section("Summary", _table("All checks, those that failed first", titles, rows), name="summary")


def _check(number: int, check: Tested) -> str:
    where = f" at {tested_where(check)}" if check.endpoint else ""
    parts = [
        f'<section id="check-{number}" aria-labelledby="check-{number}-title">',
        f'<h2 id="check-{number}-title">{_text(tested_name(check) + where)}: {_result(check)}</h2>',
        *(_verdict(check) if not check.ok else ()),
        *_findings(check),
        *_travelled(check),
        *_ladder(check.stages),
        *_others(check),
        *_conversation(check),
        "</section>",
    ]
    return "\n".join(parts)


def _verdict(check: Tested) -> Iterable[str]:
    sure = "" if check.confidence in ("", "high") else f" ({check.confidence} confidence)"
    facts = [("Mailbox", tested_mailbox(check)), ("What happened", check.message), ("Cause", check.cause + sure)]
    facts += [("Meaning", check.explanation), ("Who", who(check.fixer, check.retry, check.confidence))]
    listed = "".join(f"<dt>{label}</dt><dd>{_prose(value)}</dd>\n" for label, value in facts if value)
    if check.doc_url:
        listed += f"<dt>More</dt><dd>{_link(check.doc_url)}</dd>\n"
    yield f"<h3>Verdict</h3>\n<dl>\n{listed}</dl>"
    if check.remedy:
        yield "<h3>What to do</h3>\n<ol>" + "".join(f"<li>{_prose(step)}</li>" for step in check.remedy) + "</ol>"
    if check.server_text:
        yield f"<h3>The server's own words</h3>\n{_pre(check.server_text.splitlines())}"
    if check.evidence:
        yield "<h3>What decided</h3>\n<ul>" + "".join(f"<li>{_own(line)}</li>" for line in check.evidence) + "</ul>"


def _findings(check: Tested) -> Iterable[str]:
    if check.findings:
        tones = {Level.WARNING: ("warn", "Warning"), Level.NOTE: ("soft", "Note")}
        lines = []
        for each in check.findings:
            tone, word = tones[each.level]
            lines.append(f'<li><span class="mark {tone}">{word}:</span> {_own(each.text)}</li>')
        yield f"<h3>Findings</h3>\n<ul>{''.join(lines)}</ul>"


def _travelled(check: Tested) -> Iterable[str]:
    if isinstance(check, ProbeReport) and (facts := travelled(check)):
        listed = "".join(f"<dt>{_text(label)}</dt><dd>{_own(value)}</dd>\n" for label, value in facts.items())
        yield f"<h3>The message</h3>\n<dl>\n{listed}</dl>"


def _ladder(stages: Sequence[StageReport]) -> Iterable[str]:
    if not stages:
        return
    whole, rows = total_ms(stages), []
    for stage, span in zip(stages, spans(stages), strict=True):
        tone, reached = _CLASSES[stage.status], stage.status is not StageStatus.NOT_REACHED
        rows.append(
            f'<tr><th scope="row">{_text(stage.name)}</th><td class="mark {tone}">{_WORDS[stage.status]}</td>'
            f'<td class="number">{_text(show_ms(stage.ms)) if reached else ""}</td>'
            f'<td class="bar">{_bar(span, whole, tone) if reached else ""}</td>'
            f'<td class="any">{_own(learned(stage))}</td></tr>'
        )
    titles = ["Stage", "Result", "-Time", "|When", "What was learned"]
    caption = f"Stage after stage; each bar shows when in the {show_ms(whole)} of the check its stage ran"
    yield f"<h3>Where the time went</h3>\n{_table(caption, titles, rows)}"


def _bar(span: Span, whole: float, tone: str) -> str:
    """The bar of a stage, with its begin and end in words for who can't see it."""
    length = max(span.length * 100, _LEAST_BAR) if span.length else 0
    begin = min(span.begin * 100, 100 - length)
    said = f"from {show_ms(span.begin * whole)} to {show_ms((span.begin + span.length) * whole)}"
    return (
        f'<svg role="img" aria-label="{said}" viewBox="0 0 100 10" preserveAspectRatio="none">'
        f'<rect class="track" width="100" height="10"/>'
        f'<rect class="{tone}" x="{begin:.2f}" width="{length:.2f}" height="10"/></svg>'
    )


def _others(check: Tested) -> Iterable[str]:
    if check.alternatives:
        listed = "".join(
            f"<dt>{_text(other.cause)}</dt><dd>{_prose(other.explanation)}</dd>\n" for other in check.alternatives
        )
        yield f"<h3>What else it may be</h3>\n<dl>\n{listed}</dl>"


def _conversation(check: Tested) -> Iterable[str]:
    if check.transcript:
        label = f"Conversation of {_text(tested_name(check))}"
        said = "C is the client, S the server; seconds since the begin. Secrets are masked, bodies left out."
        pre = _pre(check.transcript, label)
        yield f'<h3>Conversation</h3>\n<p class="soft">{said}</p>\n{pre}'


def _setups(setups: Sequence[Setup]) -> Iterable[str]:
    if setups:
        parts = [
            f"<h3>{_text(f'{each.kind.capitalize()} {each.name}')}</h3>\n"
            + _pairs(f"Settings of the {each.kind}, without secrets", each.settings.items())
            for each in setups
        ]
        yield _section("Configuration", "\n".join(parts), name="configuration")


def _section(title: str, content: str, *, name: str) -> str:
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{title}</h2>\n{content}\n</section>'


def _table(caption: str, titles: Sequence[str], rows: Sequence[str]) -> str:
    """titles: with a `-` in front for numbers, with a `|` for bars."""
    classes = {"-": ' class="number"', "|": ' class="bar"'}
    head = "".join(f'<th scope="col"{classes.get(title[0], "")}>{_text(title.lstrip("-|"))}</th>' for title in titles)
    body = "\n".join(rows)
    return (
        f'<div class="scroll"><table>\n<caption>{_text(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _pairs(caption: str, pairs: Iterable[tuple[str, str]]) -> str:
    rows = "\n".join(f'<tr><th scope="row">{_text(key)}</th><td>{_text(value)}</td></tr>' for key, value in pairs)
    return (
        f'<table class="settings">\n<caption>{_text(caption)}</caption>\n'
        f'<thead><tr><th scope="col">What</th><th scope="col">Value</th></tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table>"
    )


def _pre(lines: Sequence[str], label: str = "") -> str:
    """Lines as they are; a long conversation scrolls, and can be reached by the keyboard to do so."""
    more = ""
    if label and len(lines) > _LONG:
        more = f' class="long" tabindex="0" role="region" aria-label="{label}"'
    return f"<pre{more}>" + "\n".join(_text(line) for line in lines) + "</pre>"


def _result(check: Tested) -> str:
    if check.ok:
        warned = ", with warnings" if check.warnings else ""
        return f'<span class="mark {"warn" if warned else "good"}">ok{warned}</span>'
    return '<span class="mark bad">FAILED</span>'


def _text(text: str) -> str:
    """Text that shows as it is, whatever it holds; in attributes too."""
    return escape(visible(mask_own(text)))


def _own(text: str) -> str:
    """Text that may hold a server's words, whose direction must not spread beyond it."""
    return f"<bdi>{_prose(text)}</bdi>" if text else ""


def _prose(text: str) -> str:
    """A sentence, in which what stands in backticks is a command."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", _text(text))


def _link(url: str) -> str:
    return f'<a href="{_text(url)}" rel="noreferrer noopener">{_text(url)}</a>' if _LINK.fullmatch(url) else _text(url)


def _digest(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


def _maker(report: Report) -> str:
    return f"mailctl {report.versions.get('mailctl', '')}".strip()


def _iso(report: Report) -> str:
    return report.made_at.astimezone(UTC).isoformat(timespec="seconds")


def _day(report: Report) -> str:
    return report.made_at.astimezone(UTC).strftime("%d %B %Y, %H:%M UTC")
