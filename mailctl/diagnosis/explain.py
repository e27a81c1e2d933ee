"""What an error text, or a whole log, means: every passage is judged, and the most specific verdict wins. Pure."""

import re
from collections.abc import Sequence
from dataclasses import replace

from mailctl.diagnosis.challenges import read_challenges
from mailctl.diagnosis.knowledge import Knowledge
from mailctl.diagnosis.matcher import judge
from mailctl.diagnosis.normal import normal_gone, only_offers
from mailctl.diagnosis.passages import LONGEST, Passage, endpoint, hosts, passages
from mailctl.diagnosis.signals import about_mail
from mailctl.diagnosis.verdict import CONFIDENCES, Evidence, Reading, Verdict
from mailctl.domain.record import dataclass
from mailctl.errors import ExitCode

_MOST_JUDGED = 40
_MOST_ALTERNATIVES = 4
_MOST_EXAMPLES = 5
_WHOLE = 4000
"""Characters up to which a text is also judged as one."""
_SHOWN = 600
_NEAR = 30
"""Lines before the loss of a connection in which its reason is looked for."""
_BEFORE = 200
"""Lines that are read before those shown, since they tell what in them is secret."""
_NOTHING = ("unknown", "no_failure")
_GENERIC = frozenset(
    {"bad_credentials", "policy", "account_restricted", "server_fault", "client_bug", "temp_unavailable"}
    | {"connection_lost", "eof_no_greeting", "alert_shown", "tls_verify_failed", "protocol_violation", "not_possible"}
    | {"not_configured"}
)
"""Causes that often only follow from another one, or that servers give for more than they mean."""
_DECIDED = 20
"""The points from which a passage is believed without a look at the whole."""
_SPECIFIC = 60
"""The rank from which a code alone says as much as words."""
_SERVER_SAYS = 3
"""Points of a passage that quotes a server, before what a program makes of it."""
_REPLIES = re.compile(r"(?<!\d)[45]\d\d[ -]#?[45]\.\d|^[45]\d\d[ -]|-ERR | (?:NO|BAD) (?=[\[A-Z])", re.MULTILINE)
_GREETINGS = {
    "imap": re.compile(r"^\W{0,4}\* (?:OK|PREAUTH) ", re.MULTILINE),
    "pop3": re.compile(r"^\W{0,4}\+OK ", re.MULTILINE),
    "smtp": re.compile(r"^\W{0,4}220[ -]", re.MULTILINE),
}
_STATUS = re.compile(r"^Status: ?([45]\.\d{1,3}\.\d{1,3})\b", re.MULTILINE)
_ENDED = re.compile(r"(?i)\b(?:finished|logged out|all done)\b")
_DONE = re.compile(
    r"(?i)\b(?:status=sent|queued as|sync(?:ed)? (?:completed?|finished)|logged in|EX_OK|message sent)\b"
)
_BEFORE_TALK = frozenset({ExitCode.NETWORK, ExitCode.TLS})
_TALK = frozenset({ExitCode.AUTH, ExitCode.REFUSED})
_SIGNATURES = (("Gimap ", "gmail"), ("gsmtp", "gmail"), ("Gpop ", "gmail"))
"""Words of a greeting or reply that no other provider has."""

_UNKNOWN = "Nothing that mailctl knows fits this text. Rather than guess, it names no cause."
_UNKNOWN_REMEDY = (
    "Say what else is known: --protocol, --provider, --stage; or give the whole log instead of a line of it.",
    "Let mailctl look for itself: `mailctl test ADDRESS --trace`.",
)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a failure may mean; the fields are those of a check's report. evidence: what speaks for it."""

    cause: str
    confidence: str
    explanation: str
    remedy: tuple[str, ...]
    fixer: str
    retry: str
    doc_url: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation(Meaning):
    """What a text means.

    alternatives: what else it may be, likeliest first. line: the part of the text that decided, secrets masked.
    examples: where a cause was asked for by its name: how servers and programs tell it.
    """

    alternatives: tuple[Meaning, ...] = ()
    line: str = ""
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Judged:
    verdict: Verdict
    points: int
    first: int
    last: int
    said: bool = False


def explain(text: str, known: Evidence, knowledge: Knowledge) -> Explanation:
    """What `text` (a line, a trace, a log of any length) means. Never raises, whatever the text.

    known: what the user says of it (protocol, stage, provider, host, port, security); the rest is read off the text.
    """
    text = read_challenges(text)
    if about_mail(text):  # of a log, not every line tells
        known = replace(known, facts=known.facts | {"about:mail"})
    if known.protocol in _GREETINGS and _GREETINGS[known.protocol].search(text):  # a log may show another service too
        known = replace(known, facts=known.facts | {"greeted"})
    if len(statuses := set(_STATUS.findall(text))) == 1:  # of a notice; its reason stands in another line
        known = replace(known, facts=known.facts | {f"status:{statuses.pop()}"})
    lines = text.replace("\r\n", "\n").split("\n")
    told = normal_gone(lines)
    if any(lines) and not known.stage and (not any(told) or only_offers(told)):
        return _explanation(_nothing_failed(knowledge), "", ())
    text = "\n".join(told)
    found = passages(told, _MOST_JUDGED)
    speaker = _speaker(text, known, knowledge)
    judged = [_judged(passage, known, speaker, knowledge) for passage in found]
    best = max(judged, key=_weight, default=None)
    if len(text) <= _WHOLE and len(found) != 1 and (best is None or best.points < _DECIDED):
        whole = judge(_evidence(text, known, known.protocol, known.stage, speaker, knowledge), knowledge)
        judged.append(_Judged(whole, _points(whole), 0, len(lines) - 1))
        best = max(judged, key=_weight)
        if best.verdict.cause == "no_failure":  # a line that says nothing bad doesn't speak for one that does
            best = judged[-1]
    elif best and best.verdict.cause == "no_failure":
        odd = (each for each, passage in zip(judged, found, strict=False) if each.points == 0 and passage.weight)
        best = next(odd, best)
    if best is None:
        return _explanation(judge(replace(known, text=text), knowledge), "", ())
    redirected = best.verdict.cause == "connection_redirected"  # who answers later is somebody else
    if best.verdict.exit_code in _BEFORE_TALK and not redirected:  # who answers later was reached all the same
        later = [each for each in judged if each.said and each.first > best.last and each.verdict.exit_code in _TALK]
        best = max(later, key=_weight, default=best)
    if best.verdict.cause == "connection_lost":
        best = _why_lost(best, judged, text, knowledge)
    if best.verdict.exit_code is ExitCode.NETWORK and _went_on(told[best.last + 1 :]):
        best = replace(best, verdict=_nothing_failed(knowledge))
    return _explanation(best.verdict, _shown(lines, best), _others(best, judged))


def _why_lost(lost: _Judged, judged: Sequence[_Judged], text: str, knowledge: Knowledge) -> _Judged:
    """What a lost connection comes from: a refusal before it is why, and after all was done it is no loss."""
    before = [each for each in judged if each.said and lost.first - _NEAR <= each.last < lost.first]
    if before or not _ENDED.search(text):
        return max(before, key=_weight, default=lost)
    from mailctl.diagnosis.success import no_failure  # its expressions take time to compile

    if not no_failure(text):
        return lost
    return replace(lost, verdict=_nothing_failed(knowledge))


def _nothing_failed(knowledge: Knowledge) -> Verdict:
    verdict = judge(Evidence(cause_hint="no_failure"), knowledge)
    return replace(verdict, confidence="medium", evidence=("no line reports a failure",))


def _went_on(after: Sequence[str]) -> bool:
    """Whether what follows a lost or refused connection tells that another attempt reached its end."""
    later = "\n".join(after)
    if not _DONE.search(later):
        return False
    from mailctl.diagnosis.success import no_failure

    return no_failure(later) == "high"


def about(cause: str, known: Evidence, knowledge: Knowledge) -> Explanation:
    """What is known of a cause by its name. Raises KeyError if there is none."""
    knowledge.causes[cause]
    verdict = judge(Evidence(protocol=known.protocol, cause_hint=cause, host=known.host, port=known.port), knowledge)
    examples = dict.fromkeys(each.example for each in knowledge.failures if each.cause == cause and each.example)
    found = replace(_explanation(verdict, "", ()), confidence="high", evidence=("the name of a cause",))
    return replace(found, alternatives=(), examples=tuple(examples)[:_MOST_EXAMPLES])


def _shown(lines: Sequence[str], best: _Judged) -> str:
    """The lines that decided, short and without secrets; "" where nothing did."""
    if best.verdict.cause == "unknown":
        return ""
    from mailctl.diagnosis.redact import conceal  # its expressions take time to compile

    start = max(0, best.first - _BEFORE)
    parts = list(conceal(line[:LONGEST] for line in lines[start : best.last + 1]))[best.first - start :]
    text = "\n".join(part.strip() for part in parts).strip()
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _judged(passage: Passage, known: Evidence, speaker: str, knowledge: Knowledge) -> _Judged:
    protocol, stage = known.protocol or passage.protocol, known.stage or passage.stage
    evidence = _evidence(passage.text, known, protocol, stage, speaker, knowledge)
    if passage.oauth:
        evidence = replace(evidence, facts=evidence.facts | {"oauth_used"})
    verdict = judge(evidence, knowledge)
    if verdict.cause == "unknown" and (protocol or stage):  # a guess, or a layer named wrongly, must hide nothing
        wider = judge(replace(evidence, protocol="", stage=""), knowledge)
        given = known.protocol not in ("", "oauth")
        if wider.cause != "unknown":
            verdict = replace(wider, confidence="medium") if given and wider.confidence == "high" else wider
    said = verdict.cause not in _NOTHING and _REPLIES.search(passage.text) is not None
    return _Judged(verdict, _points(verdict) + (_SERVER_SAYS if said else 0), passage.first, passage.last, said)


def _evidence(text: str, known: Evidence, protocol: str, stage: str, speaker: str, knowledge: Knowledge) -> Evidence:
    """The evidence of a part of the text; what stands in it goes before what stands around it."""
    host, port = endpoint(text)
    nearer = next((name for name in hosts(text[:_WHOLE]) if knowledge.provider_of("", name)), "")
    host = known.host or nearer or host
    provider = known.provider or ("" if known.host or nearer else speaker)
    return replace(
        known, text=text, protocol=protocol, stage=stage, provider=provider, host=host, port=known.port or port
    )


def _speaker(text: str, known: Evidence, knowledge: Knowledge) -> str:
    """The provider that the text names, if it names only one and is no log of many servers: its id, or ""."""
    if known.provider or known.host:
        return known.provider
    if len(text) > _WHOLE:
        return ""
    for words, provider in _SIGNATURES:
        if words in text and provider in knowledge.providers:
            return provider
    named = {found.id for name in hosts(text) if (found := knowledge.provider_of("", name))}
    return named.pop() if len(named) == 1 else ""


def _weight(judged: _Judged) -> tuple[int, int]:
    return judged.points, judged.verdict.rank


def _points(verdict: Verdict) -> int:
    """How much a verdict says: sure beats unsure, specific beats generic, words beat a code."""
    if verdict.cause in _NOTHING:
        return _NOTHING.index(verdict.cause)
    points = 2 + 10 * CONFIDENCES.index(verdict.confidence)
    points += 6 if verdict.rank >= _SPECIFIC or any(why.startswith("text ") for why in verdict.evidence) else 0
    return points + (0 if verdict.cause in _GENERIC else 5)


def _others(best: _Judged, judged: Sequence[_Judged]) -> tuple[Meaning, ...]:
    """What else it may be: what the verdict itself says, and what other passages tell as surely."""
    found = {each.cause: _meaning(each) for each in best.verdict.alternatives}
    for other in sorted(judged, key=lambda each: -each.points):
        if other.points >= max(best.points - 10, 12) and other.verdict.cause != best.verdict.cause:
            found.setdefault(other.verdict.cause, _meaning(other.verdict, other.verdict.evidence))
    return tuple(found.values())[:_MOST_ALTERNATIVES]


def _meaning(reading: Reading, evidence: tuple[str, ...] = ()) -> Meaning:
    return Meaning(
        cause=reading.cause,
        confidence=reading.confidence,
        explanation=reading.explanation,
        remedy=reading.remedy,
        fixer=reading.fixer,
        retry=reading.retry,
        doc_url=reading.doc_url,
        evidence=evidence,
    )


def _explanation(verdict: Verdict, line: str, alternatives: tuple[Meaning, ...]) -> Explanation:
    if verdict.cause == "unknown":
        verdict = replace(verdict, explanation=_UNKNOWN, remedy=_UNKNOWN_REMEDY)
    return Explanation(
        cause=verdict.cause,
        confidence=verdict.confidence,
        explanation=verdict.explanation,
        remedy=verdict.remedy,
        fixer=verdict.fixer,
        retry=verdict.retry,
        doc_url=verdict.doc_url,
        evidence=verdict.evidence,
        alternatives=alternatives,
        line=line,
    )
