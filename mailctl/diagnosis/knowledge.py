"""The failure knowledge as values. `causes/*.toml` say what a cause means, `failures/*.toml` how it shows.

The program reads knowledge.json, which `make knowledge` makes from those files: TOML takes 25 ms to read, JSON 2. In
it patterns stand in the form in which texts are searched (`signals.plain`), with their anchors (`phrase.prepare`).

A file of failures may begin with `[provider]`: whose words these are (`id`, `presets`, `hosts`) and what it wants
(`wants`: password, app_password or oauth; `app_password`: the shape of one, as letters:count). Each `[[failure]]` has
    id           unique, dotted
    cause        a cause's name
    confidence   high (default), medium, low
    protocols    imap, pop3, smtp, or a layer (dns, tcp, tls); none: any
    stages       only at these stages of the ladder; none: any
    codes        any of these codes (see `signals`)
    pattern      any of these phrases (see `phrase.Phrase`), besides the codes if both are given
    without      none of these phrases
    facts        all of these facts; `unless`: none of these facts or codes
    instead_of   refines a reading of one of these causes, rather than the text itself
    only_here    true: the words are too common to mean this at another provider
    priority     beats what the matcher works out (see `Failure.rank`)
    alternatives other causes that it may be
    explanation, remedy, doc_url, fixer, retry   said instead of the cause's own
    example      a real text; a test reads it

Entries of the user's own, in the same format: see `own`.
"""

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from mailctl.diagnosis.phrase import NO_PHRASES, Anchors, Phrases
from mailctl.domain.record import dataclass
from mailctl.errors import ConfigError, ExitCode

_VAGUE = frozenset(
    {"421", "450", "451", "454", "500", "501", "502", "503", "504", "530", "534", "535", "550", "553", "554"}
    | {"5.7.0", "5.7.1", "4.7.0", "5.5.1", "5.5.2", "5.5.4", "[ALERT]"}
)
"""Codes that say little by themselves."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What a cause means. exit_code: of a command that fails for it."""

    name: str
    exit_code: ExitCode
    meaning: str
    remedy: tuple[str, ...]
    fixer: str
    retry: str
    doc_url: str


@dataclass(frozen=True, slots=True)
class Provider:
    """Who speaks. presets: ids of provider presets. hosts: suffixes of host names. wants: how to sign in."""

    id: str
    presets: frozenset[str] = frozenset()
    hosts: tuple[str, ...] = ()
    wants: str = ""
    app_password: str = ""


class Failure(NamedTuple):
    """One way in which a cause shows; the fields are those of the file (see the module's header).

    A tuple, since a thousand of them are made before `explain` says a word, and a frozen dataclass takes five times as
    long to make.
    """

    id: str
    cause: str
    confidence: str = "high"
    provider: str = ""
    protocols: frozenset[str] = frozenset()
    stages: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    pattern: Phrases = NO_PHRASES
    without: Phrases = NO_PHRASES
    facts: frozenset[str] = frozenset()
    unless: frozenset[str] = frozenset()
    instead_of: frozenset[str] = frozenset()
    only_here: bool = False
    priority: int | None = None
    alternatives: tuple[str, ...] = ()
    explanation: str = ""
    remedy: tuple[str, ...] = ()
    doc_url: str = ""
    fixer: str = ""
    retry: str = ""
    example: str = ""

    def rank(self, codes: frozenset[str], at_home: bool) -> int:
        """How specific a match is. codes: those of the text that fit. at_home: the provider is known to be speaking."""
        if self.priority is not None:
            return self.priority
        rank = 50 if self.pattern else 0
        if codes:
            rank += 30 if codes - _VAGUE else 10
        rank += 15 if at_home else 0
        return rank + (20 if self.facts else 0) + (3 if self.stages else 0)


@dataclass(frozen=True)
class Knowledge:
    """Causes by name, providers by id, and failures in the order of the files."""

    causes: Mapping[str, Cause]
    providers: Mapping[str, Provider]
    failures: tuple[Failure, ...]

    @cached_property
    def readings(self) -> tuple[Failure, ...]:
        """The failures that a text or code shows."""
        return tuple(failure for failure in self.failures if not failure.instead_of)

    @cached_property
    def _anchors(self) -> Anchors:
        return Anchors([failure.pattern for failure in self.readings])

    def readings_of(self, words: str) -> list[Failure]:
        """Of `readings`, those that may match a text: all but those with a pattern of which nothing stands in it.

        words: the text as `signals.words` gives it.
        """
        return [self.readings[number] for number in self._anchors.in_text(words)]

    def refining(self, cause: str) -> tuple[Failure, ...]:
        """The failures that refine a reading of `cause`."""
        return tuple(failure for failure in self.failures if cause in failure.instead_of)

    def provider_of(self, preset: str, host: str) -> Provider | None:
        """Who speaks, by the id of a preset or, without one, by the host's name; None if it is nobody known."""
        host = host.lower().rstrip(".")
        for provider in self.providers.values():
            if preset in provider.presets or (preset and preset == provider.id):
                return provider
        for provider in self.providers.values():
            if any(host == name or host.endswith(f".{name}") for name in provider.hosts):
                return provider
        return None


def load_knowledge() -> Knowledge:
    """All that ships with mailctl."""
    return read_knowledge(json.loads(Path(__file__).with_name("knowledge.json").read_text("utf-8")))


def read_knowledge(shipped: Mapping[str, Mapping[str, Any]]) -> Knowledge:
    """The knowledge of several files: `causes` and `failures`, each by name. Raises ConfigError naming the file."""
    causes: dict[str, Cause] = {}
    providers: dict[str, Provider] = {}
    failures: list[Failure] = []
    for name, data in shipped["causes"].items():
        causes.update(read_causes(name, data))
    for name, data in shipped["failures"].items():
        provider, found = read_failures(name, data, causes)
        if provider:
            providers[provider.id] = provider
        failures.extend(found)
    return Knowledge(causes, providers, tuple(failures))


def read_causes(name: str, data: Mapping[str, Any]) -> dict[str, Cause]:
    """The causes of one file. Raises ConfigError naming `name` (the file) for a table that isn't one."""
    family = data.get("family", "refused")
    found = {}
    for key, table in data.items():
        if key == "family":
            continue
        try:
            found[key] = Cause(
                name=key,
                exit_code=ExitCode[str(table.get("family", family)).upper()],
                meaning=table["meaning"],
                remedy=tuple(table["remedy"]),
                fixer=table["fixer"],
                retry=table["retry"],
                doc_url=table["doc_url"],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"{name}: the cause {key!r} lacks, or has a wrong, {error}") from error
    return found


def read_failures(
    name: str, data: Mapping[str, Any], causes: Mapping[str, Cause]
) -> tuple[Provider | None, list[Failure]]:
    """The provider, if the file names one, and the failures of one file. Raises ConfigError naming `name`."""
    try:
        provider = read_provider(data)
        return provider, [read_failure(table, provider, causes) for table in data.get("failure", ())]
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{name}: {error}") from error


def read_provider(data: Mapping[str, Any]) -> Provider | None:
    """The provider that the head of a file names, None without one. Raises KeyError or TypeError for a wrong head."""
    head = data.get("provider")
    if not head:
        return None
    return Provider(
        id=head["id"],
        presets=frozenset(head.get("presets", ())),
        hosts=tuple(head.get("hosts", ())),
        wants=head.get("wants", ""),
        app_password=head.get("app_password", ""),
    )


PHRASES = ("pattern", "without")
_KINDS: dict[str, Callable[[Any], object]] = {
    **dict.fromkeys(("protocols", "stages", "codes", "facts", "unless", "instead_of"), frozenset),
    **dict.fromkeys(("alternatives", "remedy"), tuple),
    **dict.fromkeys(PHRASES, Phrases),
}
"""What a list in a file becomes."""
_FIELDS = frozenset(Failure._fields)


def read_failure(table: Mapping[str, Any], provider: Provider | None, causes: Mapping[str, Cause]) -> Failure:
    """One entry of a file, its phrases prepared. Raises KeyError (a key is missing), TypeError, ValueError (wrong)."""
    if unknown := table.keys() - _FIELDS:
        raise ValueError(f"{table.get('id', '?')}: unknown key {min(unknown)!r}")
    for cause in (table["cause"], *table.get("alternatives", ()), *table.get("instead_of", ())):
        if cause not in causes:
            raise ValueError(f"{table['id']}: there is no cause {cause!r}")
    values: dict[str, Any] = dict(table)
    for key in table:
        if kind := _KINDS.get(key):
            values[key] = kind(table[key])
    values["provider"] = provider.id if provider else ""
    return Failure(**values)
