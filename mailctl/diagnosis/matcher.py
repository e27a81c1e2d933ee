"""From evidence to a verdict: pure, total, and quick.

The order of evidence: what the adapter knows for certain, the stage, the code, the provider, then the text; a specific
reading beats a generic code, and what fits nothing is called unknown. Last, a reading such as `bad_credentials`, which
many servers give for everything, is refined by facts that cost nothing: the shape of the login, the provider's wishes.
"""

from collections.abc import Iterable, Sequence

from mailctl.diagnosis.knowledge import Failure, Knowledge, Provider
from mailctl.diagnosis.signals import about_mail, codes, words
from mailctl.diagnosis.verdict import CONFIDENCES, Evidence, Reading, Verdict
from mailctl.domain.record import dataclass
from mailctl.domain.server import is_local
from mailctl.errors import ExitCode

_LAYERS = frozenset({"dns", "tcp", "tls"})
_MAIL = frozenset({"imap", "pop3", "smtp"})
_SIGN_IN_CODES = frozenset({"535", "5.7.8", "[AUTHENTICATIONFAILED]", "[AUTH]"})
_SETTLED_FAMILIES = frozenset({ExitCode.NETWORK, ExitCode.TLS, ExitCode.PROTOCOL, ExitCode.SECRET, ExitCode.CONFIG})
_SETTLED = frozenset(
    {"encryption_required", "auth_not_offered", "charset_password", "token_too_long"}
    | {"sign_in_needed", "application_missing", "other_account", "wrong_audience", "role_missing"}
    | {"offline_access_missing", "app_in_testing"}
)
"""What an adapter sees or decides for itself; other causes it reads off a response code, and the text may say more."""
_VAGUE = frozenset({"bad_credentials", "policy", "unknown", "account_restricted", "server_fault", "client_bug"})
"""Causes that servers give for more than they mean."""
_OF_PASSWORDS = frozenset({"bad_credentials", "app_password_required", "oauth_required"})
"""Causes that nothing has where no password was sent."""
_HINT_RANK = 35
_MOST_ALTERNATIVES = 3


@dataclass(frozen=True, slots=True)
class _Match:
    cause: str
    confidence: str
    rank: tuple[int, int]
    failure: Failure | None = None
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Case:
    """The evidence, made ready to be compared."""

    evidence: Evidence
    stage: str
    provider: Provider | None
    codes: frozenset[str]
    words: str
    facts: frozenset[str]


def judge(evidence: Evidence, knowledge: Knowledge) -> Verdict:
    """The verdict on `evidence`. Never raises, whatever the text."""
    case = _case(evidence, knowledge)
    matches = sorted(_matches(case, knowledge.readings_of(case.words)), key=lambda match: match.rank, reverse=True)
    hint = evidence.cause_hint if evidence.cause_hint in knowledge.causes else ""
    if hint and _settled(hint, knowledge):
        same = next((match.failure for match in matches if match.cause == hint), None)
        chosen = _Match(hint, "high", (1000, 0), same, (f"{evidence.stage or 'connection'}: {hint}",))
        matches = []
    else:
        if hint:
            confidence = "medium" if hint in _VAGUE else "high"
            matches.append(_Match(hint, confidence, (_HINT_RANK, 0), None, (f"the answer to {evidence.stage}",)))
            matches.sort(key=lambda match: match.rank, reverse=True)
        if not matches:
            broken = evidence.exit_code is ExitCode.PROTOCOL
            fallback = _Match("protocol_violation", "high", (0, 0)) if broken else _without_match(evidence)
            return _verdict(fallback, [], case, knowledge)
        chosen = matches.pop(0)
    refined = sorted(_matches(case, knowledge.refining(chosen.cause)), key=lambda match: match.rank, reverse=True)
    if refined:
        matches.insert(0, _Match(chosen.cause, _at_most(chosen.confidence, "medium"), chosen.rank, chosen.failure))
        chosen = refined[0]
    return _verdict(chosen, matches, case, knowledge)


def _without_match(evidence: Evidence) -> _Match:
    """What is said of a text in which nothing known was found. Where an error was raised, there is a failure."""
    from mailctl.diagnosis.success import no_failure  # its expressions take time to compile

    raised = evidence.stage or any(fact.startswith("error:") for fact in evidence.facts)
    if not raised and (confidence := no_failure(evidence.text)):
        return _Match("no_failure", confidence, (0, 0), None, ("no line reports a failure",))
    return _Match("unknown", "low", (0, 0))


def _settled(cause: str, knowledge: Knowledge) -> bool:
    """Whether an adapter that names `cause` knows it for certain."""
    return cause in _SETTLED or (cause not in _VAGUE and knowledge.causes[cause].exit_code in _SETTLED_FAMILIES)


def _case(evidence: Evidence, knowledge: Knowledge) -> _Case:
    provider = knowledge.provider_of(evidence.provider, evidence.host)
    found = codes(evidence.text)
    if not evidence.protocol:  # whose greeting it is tells nothing as long as nobody knows whose it should be
        found = frozenset(code for code in found if not code.startswith("speaks:"))
    stage = evidence.stage or ("authenticate" if found & _SIGN_IN_CODES else "")
    facts = evidence.facts | {
        f"port:{evidence.port}",
        f"security:{evidence.security}",
        f"protocol:{evidence.protocol}",
        f"stage:{stage}",
    }
    if evidence.protocol or about_mail(evidence.text):
        facts |= {"about:mail"}
    if evidence.stage not in ("", "secret", "dns", "tcp"):
        facts |= {"connected"}
    if provider:
        facts |= {"provider:known", f"provider:{provider.id}"}
        if not any(fact.startswith("wants:") for fact in facts):
            facts |= {f"wants:{provider.wants}"}
    return _Case(evidence, stage, provider, found, words(evidence.text), facts)


def _matches(case: _Case, failures: Iterable[Failure]) -> list[_Match]:
    return [match for failure in failures if (match := _match(case, failure)) is not None]


def _match(case: _Case, failure: Failure) -> _Match | None:
    """How `failure` fits, or None. The cheap conditions come first; the text is searched last."""
    here = case.provider is not None and failure.provider == case.provider.id
    if (
        not (failure.pattern or failure.codes or failure.facts)
        or not _protocol_fits(case.evidence.protocol, failure.protocols)
        or (failure.stages and case.stage and case.stage not in failure.stages)
        or (failure.only_here and not here)
        or not failure.facts <= case.facts
        or failure.unless & (case.facts | case.codes)
    ):
        return None
    fitting = failure.codes & (case.codes | case.facts)
    if failure.codes and not fitting:
        return None
    longest = failure.pattern.longest_in(case.words)
    if (failure.pattern and not longest) or failure.without.longest_in(case.words):
        return None
    elsewhere = _elsewhere(case, failure)
    unplaced = bool(failure.stages) and not case.stage  # the same words mean something else at another stage
    why = [f"stage {case.stage}"] if failure.stages and case.stage else []
    why += [f"code {code}" for code in sorted(fitting)]
    why += [f"provider {failure.provider}"] if here else []
    why += [f"text ({failure.id})"] if longest else []
    why += sorted(failure.facts)
    return _Match(
        failure.cause,
        _at_most(failure.confidence, "medium") if elsewhere or unplaced else failure.confidence,
        (failure.rank(fitting, here), longest),
        failure,
        tuple(why),
    )


def _elsewhere(case: _Case, failure: Failure) -> bool:
    """Whether `failure` is of a provider, and the server is known to be none of its; one on this machine may be."""
    if not failure.provider or (case.provider is not None and failure.provider == case.provider.id):
        return False
    host = case.evidence.host
    return case.provider is not None or (bool(host) and not is_local(host))


def _protocol_fits(protocol: str, wanted: frozenset[str]) -> bool:
    """A failure of a layer below may show in any mail protocol; one of a mail protocol not in a layer below."""
    return not protocol or not wanted or protocol in wanted or (protocol not in _LAYERS and bool(wanted & _LAYERS))


def _at_most(confidence: str, bound: str) -> str:
    return min(confidence, bound, key=CONFIDENCES.index)


def _verdict(chosen: _Match, others: Sequence[_Match], case: _Case, knowledge: Knowledge) -> Verdict:
    reading = _reading(chosen, case, knowledge)
    below = "medium" if reading.confidence == "high" else "low"
    listed = [_Match(name, below, (0, 0)) for name in (chosen.failure.alternatives if chosen.failure else ())]
    if reading.confidence != "high":
        listed += [_Match(m.cause, _at_most(m.confidence, "medium"), m.rank, m.failure) for m in others]
    excluded = {chosen.cause, "unknown"} | (_OF_PASSWORDS if "oauth_used" in case.facts else set())
    distinct: dict[str, _Match] = {}
    for match in listed:
        if match.cause not in excluded:
            distinct.setdefault(match.cause, match)
    return Verdict(
        cause=reading.cause,
        confidence=reading.confidence,
        explanation=reading.explanation,
        remedy=reading.remedy,
        fixer=reading.fixer,
        retry=reading.retry,
        doc_url=reading.doc_url,
        exit_code=reading.exit_code,
        evidence=chosen.why,
        alternatives=tuple(_reading(m, case, knowledge) for m in list(distinct.values())[:_MOST_ALTERNATIVES]),
        rank=chosen.rank[0],
    )


def _reading(match: _Match, case: _Case, knowledge: Knowledge) -> Reading:
    cause, own = knowledge.causes[match.cause], match.failure
    if own and _elsewhere(case, own):  # its words speak of the provider's pages and habits
        own = None
    places = {
        "{host}": case.evidence.host or "the server",
        "{port}": str(case.evidence.port) if case.evidence.port else "used",
        "{protocol}": case.evidence.protocol.upper() or "the protocol",
        "{flag}": case.evidence.protocol if case.evidence.protocol in _MAIL else "imap",
        "{gateway}": case.evidence.gateway or "NAME",
        "{server}": case.evidence.server or "NAME",
    }

    def fill(text: str) -> str:
        for place, value in places.items():
            text = text.replace(place, value)
        return text

    unknown = match.cause == "unknown"
    return Reading(
        cause=cause.name,
        confidence=match.confidence,
        explanation=fill((own and own.explanation) or cause.meaning),
        remedy=tuple(fill(step) for step in ((own and own.remedy) or cause.remedy)),
        fixer=(own and own.fixer) or cause.fixer,
        retry=(own and own.retry) or cause.retry,
        doc_url=(own and own.doc_url) or cause.doc_url,
        exit_code=case.evidence.exit_code if unknown and case.evidence.exit_code != ExitCode.OK else cause.exit_code,
    )
