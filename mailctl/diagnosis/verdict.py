"""What is known of a failure (the evidence) and what follows from it (the verdict); values only."""

from mailctl.domain.record import dataclass
from mailctl.errors import ExitCode

CONFIDENCES = ("low", "medium", "high")
"""How sure a reading is: `high` must be right nineteen times in twenty."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one failure; anything may be missing.

    protocol: imap, pop3, smtp, or the layer that spoke (tls, tcp, dns, oauth). stage: name of the ladder's stage.
    provider: preset id. text: the server's own words, or any program's. cause_hint: the cause that the adapter itself
    knows. port: 0 if unknown. security: tls, starttls, none. facts: names of things established otherwise, such as
    `user_without_domain` (see `shape`) or `error:CODE` (the code of the error that was raised). gateway, server: their
    names. exit_code: of the error that was raised; decides where no cause is found.
    """

    protocol: str = ""
    stage: str = ""
    provider: str = ""
    text: str = ""
    cause_hint: str = ""
    host: str = ""
    port: int = 0
    security: str = ""
    facts: frozenset[str] = frozenset()
    gateway: str = ""
    server: str = ""
    exit_code: ExitCode = ExitCode.REFUSED


@dataclass(frozen=True, slots=True)
class Reading:
    """One cause that the evidence speaks for, and what to do about it.

    confidence: high, medium or low. fixer: user, admin or provider. retry: yes, no, after-fix or later.
    """

    cause: str
    confidence: str
    explanation: str
    remedy: tuple[str, ...]
    fixer: str
    retry: str
    doc_url: str
    exit_code: ExitCode


@dataclass(frozen=True, slots=True)
class Verdict(Reading):
    """The most likely reading; `evidence` says what decided, `alternatives` what else it may be, likeliest first.

    rank: how specific what decided is (`Failure.rank`).
    """

    evidence: tuple[str, ...] = ()
    alternatives: tuple[Reading, ...] = ()
    rank: int = 0
