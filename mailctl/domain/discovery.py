"""What discovery asks and what it found out: values alone; `mailctl.providers.discovery` does the work."""

from collections.abc import Sequence
from dataclasses import field
from enum import StrEnum
from typing import Protocol as Interface

from mailctl.domain.deadline import Deadline
from mailctl.domain.pattern import pattern
from mailctl.domain.provider import SignIn
from mailctl.domain.record import dataclass
from mailctl.domain.server import Endpoint, Protocol, Security, Server

_HOST = pattern(r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def host_name(text: str) -> str:
    """`text` as a host name in lower case without its last dot, or "" if it isn't one (A-labels, RFC 1123)."""
    name = text.strip().lower().removesuffix(".")
    return name if name.isascii() and _HOST.fullmatch(name) else ""


@dataclass(frozen=True, slots=True)
class SrvRecord:
    """An SRV record (RFC 2782). target: as DNS has it; "" stands for the root: the service is not offered."""

    priority: int
    weight: int
    port: int
    target: str


@dataclass(frozen=True, slots=True)
class MxRecord:
    """An MX record (RFC 5321). host: "" stands for the root: the domain takes no mail (null MX, RFC 7505)."""

    preference: int
    host: str


@dataclass(frozen=True, slots=True)
class Page:
    """A document from the web. url: where it was in the end, after redirects."""

    url: str
    body: bytes


class Resolver(Interface):
    """DNS look-ups. An empty list: there is no such record. NetworkError: no answer, or no such domain (`mx`)."""

    def srv(self, name: str, deadline: Deadline) -> list[SrvRecord]:
        """The SRV records of `name`, in no order."""
        ...

    def mx(self, domain: str, deadline: Deadline) -> list[MxRecord]:
        """The MX records of `domain`, in no order. NetworkError with cause dns_not_found: no such domain."""
        ...


class Getter(Interface):
    """Fetches a document. None: there is none. Raises NetworkError, TlsError or ProtocolError."""

    def __call__(self, url: str, deadline: Deadline) -> Page | None:
        """Fetch `url`."""
        ...


class Source(StrEnum):
    """Where an answer came from, the most trusted first."""

    PRESET = "preset"
    SRV = "srv"
    AUTOCONFIG = "autoconfig"
    MX = "mx"


@dataclass(frozen=True, slots=True)
class Finding:
    """An answer's origin. evidence: the preset, the record or the URL."""

    source: Source
    evidence: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """An endpoint that discovery proposes.

    found: who proposed it, the most trusted first. user: the user name to sign in with, "" if it wasn't told.
    methods: how it says one signs in; empty if it wasn't told. official: said by the provider's preset or by a document
    fetched over TLS from the domain, not by DNS alone.
    """

    protocol: Protocol
    endpoint: Endpoint
    found: tuple[Finding, ...]
    user: str = ""
    methods: tuple[SignIn, ...] = ()

    @property
    def official(self) -> bool:
        """Whether something stronger than an SRV record stands behind it."""
        return any(finding.source is not Source.SRV for finding in self.found)


class Answered(StrEnum):
    """How a question ended."""

    FOUND = "found"
    NOTHING = "nothing"
    NOT_OFFERED = "not_offered"
    """The domain says that it has no such service."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Asked:
    """One question, and how it ended. ms: how long it took. failure and cause: why it failed, or ""."""

    source: Source
    question: str
    answered: Answered
    ms: int
    failure: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Discovery:
    """What is known of the mail service of an address.

    candidates: by protocol and then by preference. provider: id of its preset, or "". user: the user name to try first.
    domain: A-labels. advice: how to sign in. Nothing in `asked` holds the local part.
    """

    email: str
    domain: str
    candidates: tuple[Candidate, ...] = ()
    provider: str = ""
    user: str = ""
    advice: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    asked: tuple[Asked, ...] = field(default=())

    def best(self, protocol: Protocol) -> Candidate | None:
        """The preferred candidate for `protocol`, or None."""
        return next((each for each in self.candidates if each.protocol is protocol), None)

    @property
    def unvouched(self) -> tuple[str, ...]:
        """Hosts outside the domain that DNS alone names, which anybody on the way may have forged (RFC 6186, 6)."""
        return unvouched_hosts(self.domain, self.candidates)

    def server(self, name: str) -> Server:
        """The server `name` made of the preferred candidates; an endpoint without TLS is never among them."""
        best = [found for protocol in Protocol if (found := self.best(protocol))]
        endpoints = {each.protocol: each.endpoint for each in best if each.endpoint.security is not Security.NONE}
        return Server(name, self.provider or None, endpoints)


def unvouched_hosts(domain: str, candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """Hosts of `candidates` outside `domain` for which nothing but an SRV record speaks, each once."""
    vouched = {each.endpoint.host for each in candidates if each.official}
    hosts = dict.fromkeys(each.endpoint.host for each in candidates)
    return tuple(host for host in hosts if not f".{host}".endswith(f".{domain}") and host not in vouched)


def ordered(records: Sequence[SrvRecord]) -> list[SrvRecord]:
    """SRV records in the order to try them: priority, then the heavier weight first.

    RFC 2782 draws lots by weight to spread load; settings that are written down must not change from call to call.
    """
    return sorted(records, key=lambda each: (each.priority, -each.weight, each.target, each.port))
