"""From an address to its mail service: the preset of its domain, else SRV, autoconfig and MX, asked side by side.

`discover` asks and times; pure functions decide what the answers amount to. What speaks DNS and HTTP is handed in. Only
the domain is ever asked about: the local part leaves this machine when the user signs in, not before.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic

from mailctl.domain.address import Address
from mailctl.domain.deadline import Deadline
from mailctl.domain.discovery import (
    Answered,
    Asked,
    Candidate,
    Discovery,
    Finding,
    Getter,
    MxRecord,
    Page,
    Resolver,
    Source,
    SrvRecord,
    unvouched_hosts,
)
from mailctl.domain.provider import Provider, sign_in_advice, user_name
from mailctl.domain.record import dataclass
from mailctl.domain.server import Protocol, Security
from mailctl.errors import MailctlError
from mailctl.providers import autoconfig, catalog
from mailctl.providers.srv import SERVICES, from_srv

Answer = Sequence[SrvRecord] | Sequence[MxRecord] | Page | None


@dataclass(frozen=True, slots=True)
class Question:
    """Something to ask. subject: the name or URL. ask: asks it; raises MailctlError."""

    source: Source
    subject: str
    ask: Callable[[Deadline], Answer]


@dataclass(frozen=True, slots=True)
class Reply:
    """A question with its answer (None: nothing, or failed), and how it went."""

    question: Question
    answer: Answer
    asked: Asked


def discover(address: Address, domain: str, resolver: Resolver, get: Getter, deadline: Deadline) -> Discovery:
    """All that is known of the mail service of `address` by the end of `deadline`.

    domain: the domain of `address` in A-labels. Raises nothing for what can't be found out: `asked` tells it.
    """
    preset = catalog.by_domain(domain)
    if preset is not None:
        return by_preset(address, domain, preset)
    return merge(address, domain, ask_all(questions(domain, resolver, get), deadline))


def questions(domain: str, resolver: Resolver, get: Getter) -> list[Question]:
    """What to ask about `domain`, the most trusted sources first."""

    def srv(name: str) -> Question:
        return Question(Source.SRV, name, lambda deadline: resolver.srv(name, deadline))

    def page(url: str) -> Question:
        return Question(Source.AUTOCONFIG, url, lambda deadline: get(url, deadline))

    return [
        *(srv(f"{service}.{domain}") for service in SERVICES),
        *(page(url) for url in autoconfig.paths(domain)),
        Question(Source.MX, domain, lambda deadline: resolver.mx(domain, deadline)),
    ]


def ask_all(asking: Sequence[Question], deadline: Deadline) -> list[Reply]:
    """Ask all questions at once, and wait for the answers until the deadline; in the order of the questions.

    A thread that hangs is left behind: it holds nothing, and ends with its own time limit.
    """
    replies: SimpleQueue[tuple[int, Reply | Exception]] = SimpleQueue()
    began = monotonic()

    def run(index: int, question: Question) -> None:
        try:
            replies.put((index, _reply(question, deadline)))
        except Exception as error:  # noqa: BLE001 - a bug, raised where somebody can be told
            replies.put((index, error))

    for index, question in enumerate(asking):
        Thread(target=run, args=(index, question), name=f"ask {question.subject}", daemon=True).start()
    done: dict[int, Reply] = {}
    try:
        while len(done) < len(asking):
            index, reply = replies.get(timeout=deadline.remaining())
            if isinstance(reply, Exception):
                raise reply
            done[index] = reply
    except (Empty, MailctlError):  # the time is up
        pass
    ms = round((monotonic() - began) * 1000)

    def late(question: Question) -> Reply:
        cause = "tcp_timeout" if question.source is Source.AUTOCONFIG else "dns_temporary"
        asked = Asked(question.source, question.subject, Answered.FAILED, ms, "no answer in time", cause)
        return Reply(question, None, asked)

    return [done.get(index) or late(question) for index, question in enumerate(asking)]


def _reply(question: Question, deadline: Deadline) -> Reply:
    began = monotonic()
    answer: Answer = None
    failure = cause = ""
    try:
        answer = question.ask(deadline)
        answered = _answered(answer)
    except MailctlError as error:
        missing = error.cause == "dns_not_found"
        answered = Answered.NOTHING if missing else Answered.FAILED
        failure, cause = error.message, error.cause
    ms = round((monotonic() - began) * 1000)
    return Reply(question, answer, Asked(question.source, question.subject, answered, ms, failure, cause))


def _answered(answer: Answer) -> Answered:
    if not answer:
        return Answered.NOTHING
    declined = all(isinstance(each, SrvRecord) and not each.target for each in _each(answer)) and _each(answer)
    return Answered.NOT_OFFERED if declined else Answered.FOUND


def by_preset(address: Address, domain: str, preset: Provider) -> Discovery:
    """What the preset of the domain says."""
    candidates = tuple(_of_preset(preset, Source.PRESET, f"preset {preset.id}", address))
    user = user_name(preset.username, str(address))
    return Discovery(
        str(address), domain, candidates, preset.id, user, sign_in_advice(preset), _preset_warnings(preset)
    )


def merge(address: Address, domain: str, replies: Sequence[Reply]) -> Discovery:
    """What the replies amount to: candidates of all sources, each endpoint once, in the order of `rank`."""
    found: list[Candidate] = []
    warnings: list[str] = []
    mx_provider: Provider | None = None
    for reply in replies:
        subject, answer = reply.question.subject, reply.answer
        if reply.question.source is Source.SRV and answer:
            records, more = from_srv(subject, [each for each in _each(answer) if isinstance(each, SrvRecord)])
            found += records
            warnings += more
        elif isinstance(answer, Page):
            try:
                candidates, complaints = autoconfig.parse(answer, address)
            except MailctlError as error:
                warnings.append(f"{error.message}.")
                continue
            found += candidates
            warnings += complaints
        elif reply.question.source is Source.MX and answer:
            hosts = [each for each in _each(answer) if isinstance(each, MxRecord)]
            if all(not each.host for each in hosts):
                warnings.append(f"{domain} says that it takes no mail (null MX, RFC 7505).")
            mx_provider, evidence = _by_mx(domain, hosts)
            if mx_provider is not None:
                found += _of_preset(mx_provider, Source.MX, evidence, address)
    declined = {SERVICES[service][0] for reply in replies if (service := _declined(reply))}
    declined -= {each.protocol for each in found if each.found[0].source is Source.SRV}
    candidates = rank(
        [each for each in found if each.found[0].source is not Source.MX or each.protocol not in declined]
    )
    provider = _provider_of(candidates, mx_provider)
    warnings += _doubts(domain, candidates)
    if mx_provider is not None and provider is not mx_provider:
        warnings.append(f"Mail for {domain} arrives at {mx_provider.name}, but other servers are named for reading it.")
    user = candidates[0].user if candidates else ""
    return Discovery(
        str(address),
        domain,
        candidates,
        provider.id if provider else "",
        user or str(address),
        sign_in_advice(provider) if provider else (),
        (*warnings, *(_preset_warnings(provider) if provider else ())),
        tuple(reply.asked for reply in replies),
    )


def _declined(reply: Reply) -> str:
    """The service that the domain says it has not (RFC 6186 section 3.4), or ""."""
    return (
        reply.question.subject.partition("._tcp.")[0] + "._tcp" if reply.asked.answered is Answered.NOT_OFFERED else ""
    )


def rank(found: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """By protocol; what has no TLS last; then by source as asked. An endpoint named twice keeps all its findings."""
    first: dict[tuple[Protocol, str, int, Security], Candidate] = {}
    sources = list(Source)
    for each in sorted(found, key=lambda candidate: sources.index(candidate.found[0].source)):
        key = (each.protocol, each.endpoint.host, each.endpoint.port, each.endpoint.security)
        known = first.setdefault(key, each)
        if known is not each:
            more = tuple(finding for finding in each.found if finding not in known.found)
            user, methods = known.user or each.user, known.methods or each.methods
            first[key] = replace(known, found=known.found + more, user=user, methods=methods)
    protocols = list(Protocol)
    return tuple(
        sorted(first.values(), key=lambda c: (protocols.index(c.protocol), c.endpoint.security is Security.NONE))
    )


def _doubts(domain: str, candidates: Sequence[Candidate]) -> list[str]:
    """Warnings about endpoints: no TLS, or a host outside the domain that DNS alone names (RFC 6186 section 6)."""
    clear = [each for each in candidates if each.endpoint.security is Security.NONE]
    return [
        *(
            f"{each.protocol.upper()} at {each.endpoint} has no TLS; it is left out of a saved server."
            for each in clear
        ),
        *(
            f"DNS alone names {host}, outside {domain}: make sure that it is right before signing in."
            for host in unvouched_hosts(domain, candidates)
        ),
    ]


def _provider_of(candidates: Sequence[Candidate], mx_provider: Provider | None) -> Provider | None:
    """The provider whose host the preferred candidate is."""
    if not candidates:
        return None
    host = candidates[0].endpoint.host
    hosts = [each.host for found in mx_provider.endpoints.values() for each in found] if mx_provider else []
    return mx_provider if host in hosts else catalog.by_host(host)


def _by_mx(domain: str, records: Sequence[MxRecord]) -> tuple[Provider | None, str]:
    for record in sorted(records, key=lambda each: (each.preference, each.host)):
        provider = catalog.by_mx(record.host)
        if provider is not None:
            return provider, f"{domain} MX {record.preference} {record.host}"
    return None, ""


def _of_preset(preset: Provider, source: Source, evidence: str, address: Address) -> list[Candidate]:
    user = user_name(preset.username, str(address))
    return [
        Candidate(protocol, endpoint, (Finding(source, evidence),), user, preset.sign_in.get(protocol, ()))
        for protocol, endpoints in preset.endpoints.items()
        for endpoint in endpoints
    ]


def _preset_warnings(preset: Provider) -> tuple[str, ...]:
    if preset.ends:
        return (f"{preset.name} ends on {preset.ends}.",)
    if not preset.mx_certain:
        return (f"The MX hosts of {preset.name} serve other products too, so this is a guess.",)
    return ()


def _each(answer: Answer) -> Sequence[SrvRecord | MxRecord]:
    return answer if isinstance(answer, Sequence) else ()
