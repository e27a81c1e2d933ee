"""A report as Markdown (CommonMark with GitHub's tables), for tickets and mail.

What a server said stands in code only, where nothing is a link, a heading or HTML; sentences of mailctl's own have
every character escaped that could be one.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC

from mailctl.domain.check import StageStatus
from mailctl.domain.learned import learned
from mailctl.domain.probe import ProbeReport
from mailctl.domain.report import Report, Tested, tested_mailbox, tested_name, tested_where, travelled
from mailctl.domain.secret import mask_own
from mailctl.domain.waterfall import blocks, show_ms, spans, total_ms
from mailctl.domain.who import who
from mailctl.output.escape import visible

MARK = "<!-- mailctl report -->"
"""The first line of every such file."""
_BAR = 24
_SPECIAL = re.compile(r"([\\`*_\[\]<>&~|$]|^[!-/:-@^{}]|(?<=^\d)[.)])")
"""What means something in the middle of a line, and at its begin."""
_LINKS = re.compile(r"@|://|www\.|#\d|:[\w+-]+:", re.IGNORECASE)
"""What GitHub makes a link or a picture of, escaped or not."""
_URL = re.compile(r"https?://[^\s<>\"'`\\]{1,2000}")


def render(report: Report) -> str:
    """The whole file."""
    made = report.made_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    version = f"mailctl {report.versions.get('mailctl', '')}".strip()
    lines = [
        MARK,
        f"# mailctl report: {_words(report.title)}",
        "",
        f"**{_words(report.lead)}**",
        "",
        f"Made on {made} by {_words(version)}. Passwords and tokens are not in it.",
        "",
        "## Summary",
        "",
        *_overview(report.tested),
    ]
    for check in report.tested:
        lines += _check(check)
    if report.setups:
        lines += ["", "## Configuration", "", "Without secrets."]
        for setup in report.setups:
            lines += ["", f"### {setup.kind.capitalize()} {_code(setup.name)}", ""]
            lines += _table(["What", "Value"], ((_code(key), _code(value)) for key, value in setup.settings.items()))
    lines += ["", "## Versions", ""]
    lines += _table(["What", "Version"], ((_code(key), _code(value)) for key, value in report.versions.items()))
    return "\n".join(lines) + "\n"


def _overview(checks: Sequence[Tested]) -> Iterator[str]:
    rows = (
        (
            _name(check),
            _code(tested_where(check)),
            _result(check),
            check.stage,
            check.cause,
            show_ms(total_ms(check.stages)),
        )
        for check in checks
    )
    titles = ["Check", "Server", "Result", "Failed at", "Cause", "-Time"]
    return _table(titles, ((*row[:3], *map(_words, row[3:])) for row in rows))


def _check(check: Tested) -> Iterator[str]:
    where = f" at {_code(tested_where(check))}" if check.endpoint else ""
    yield from ("", f"## {_name(check)}{where}: {_result(check)}")
    if not check.ok:
        yield from _verdict(check)
    if check.findings:
        found = (f"- **{each.level.value.capitalize()}:** {_words(each.text)}" for each in check.findings)
        yield from ("", "### Findings", "", *found)
    if isinstance(check, ProbeReport) and (facts := travelled(check)):
        yield from ("", "### The message", "", *(f"- **{label}:** {_code(value)}" for label, value in facts.items()))
    if check.stages:
        yield from ("", "### Where the time went", "", *_ladder(check))
    if check.alternatives:
        others = (f"- {_code(other.cause)}: {_words(other.explanation)}" for other in check.alternatives)
        yield from ("", "### What else it may be", "", *others)
    if check.transcript:
        said = "C is the client, S the server; seconds since the begin. Secrets are masked, bodies left out."
        yield from ("", "### Conversation", "", said, "", *_block(check.transcript))


def _verdict(check: Tested) -> Iterator[str]:
    sure = "" if check.confidence in ("", "high") else f" ({check.confidence} confidence)"
    facts = [("Mailbox", _code(tested_mailbox(check))), ("What happened", _words(check.message))]
    facts += [("Cause", _code(check.cause) + sure)]
    facts += [("Meaning", _words(check.explanation)), ("Who", _words(who(check.fixer, check.retry, check.confidence)))]
    if check.doc_url:
        known = _URL.fullmatch(visible(check.doc_url))
        facts.append(("More", f"<{check.doc_url}>" if known else _code(check.doc_url)))
    yield from ("", "### Verdict", "", *(f"- **{label}:** {text}" for label, text in facts if text))
    if check.remedy:
        steps = (f"{number}. {_words(step)}" for number, step in enumerate(check.remedy, 1))
        yield from ("", "### What to do", "", *steps)
    if check.server_text:
        yield from ("", "### The server's own words", "", *_block(check.server_text.splitlines()))
    if check.evidence:
        yield from ("", "### What decided", "", *(f"- {_words(line)}" for line in check.evidence))


def _ladder(check: Tested) -> Iterator[str]:
    rows = []
    for stage, span in zip(check.stages, spans(check.stages), strict=True):
        if stage.status is StageStatus.NOT_REACHED:
            rows.append((_words(stage.name), "not reached", "", "", ""))
            continue
        before, length = blocks(span, _BAR)
        bar = "`" + "·" * before + "█" * length + "·" * (_BAR - before - length) + "`"
        result = "ok" if stage.status is StageStatus.PASSED else "**FAILED**"
        rows.append((_words(stage.name), result, show_ms(stage.ms), bar, _code(learned(stage))))
    return _table(["Stage", "Result", "-Time", "When", "What was learned"], rows)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """titles: with a `-` in front for numbers."""
    yield f"| {' | '.join(title.lstrip('-') for title in titles)} |"
    yield f"|{'|'.join('--:' if title.startswith('-') else '---' for title in titles)}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _block(lines: Iterable[str]) -> Iterator[str]:
    """Lines as indented code, which nothing in them can end."""
    return (f"    {_shown(line)}" for line in lines)


def _words(text: str) -> str:
    """A sentence of mailctl's own: its backticks mark commands, all else is text. One with a link in it is code."""
    parts = re.split("`([^`]+)`", text)
    if any(_LINKS.search(part) for part in parts[::2]):
        return _code(text)
    return "".join(
        _code(part) if number % 2 else _SPECIAL.sub(r"\\\1", _shown(part)) for number, part in enumerate(parts)
    )


def _code(text: str) -> str:
    """Text as a code span that it can't leave, fit for a table's cell."""
    text = _shown(text).replace("|", "\\x7c")
    if not text.strip():
        return ""
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    pad = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _name(check: Tested) -> str:
    who, what = check.gateway or check.address, tested_name(check)
    return f"{_code(who)}{_words(what.removeprefix(who))}"


def _result(check: Tested) -> str:
    if check.ok:
        return "ok, with warnings" if check.warnings else "ok"
    return "**FAILED**"


def _shown(text: str) -> str:
    return visible(mask_own(text))
