"""The user's own entries of the failure knowledge: same format as what ships, before it in rank, each judged by itself.

An entry that is wrong is left out and told; the others count. A file is hostile until it is checked.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mailctl.diagnosis.knowledge import PHRASES, Cause, Failure, Knowledge, Provider, read_failure, read_provider
from mailctl.diagnosis.matcher import judge
from mailctl.diagnosis.phrase import prepare
from mailctl.diagnosis.signals import plain
from mailctl.diagnosis.verdict import CONFIDENCES, Evidence
from mailctl.domain.problem import Problem
from mailctl.errors import ConfigError

_FIRST = 200
"""What an own entry's rank begins with: above that of everything that ships."""
_LISTS = (
    "protocols",
    "stages",
    "codes",
    "pattern",
    "without",
    "facts",
    "unless",
    "instead_of",
    "alternatives",
    "remedy",
)
_CHOICES = {
    "confidence": CONFIDENCES,
    "fixer": ("user", "admin", "provider"),
    "retry": ("yes", "no", "after-fix", "later"),
}
_TOP = frozenset({"provider", "failure"})


def with_own(
    shipped: Knowledge, texts: Iterable[tuple[str, str]], problems: Sequence[Problem] = ()
) -> tuple[Knowledge, list[Problem]]:
    """`shipped` with the entries of `texts` (path and content of each file), and everything wrong with them.

    problems: known before, such as of files that can't be read.
    """
    found, wrong = list(shipped.failures), list(problems)
    providers = dict(shipped.providers)
    taken = {failure.id for failure in found}
    for path, text in texts:
        provider, entries, faults = _file(path, text, shipped.causes)
        wrong += faults
        if provider:
            providers.setdefault(provider.id, provider)
        for failure in entries:
            if failure.id in taken:
                wrong.append(
                    Problem(path, failure.id, "there is another entry of this id", "Give it an id of its own.")
                )
                continue
            taken.add(failure.id)
            found.append(failure)
    return Knowledge(shipped.causes, providers, tuple(found)), wrong


def misread(knowledge: Knowledge, texts: Iterable[tuple[str, str]]) -> list[Problem]:
    """Own entries whose example is not read as their cause; `knowledge` holds them."""
    found = []
    for path, text in texts:
        for failure in _file(path, text, knowledge.causes)[1]:
            provider = knowledge.providers.get(failure.provider)
            evidence = Evidence(
                min(failure.protocols, default=""),
                min(failure.stages, default=""),
                min(provider.presets, default=provider.id) if provider else "",
                failure.example,
                facts=failure.facts,
            )
            if not failure.example or failure.instead_of:
                continue
            cause = judge(evidence, knowledge).cause
            if cause != failure.cause:
                message = f"its example is read as {cause}, not as {failure.cause}"
                found.append(Problem(path, failure.id, message, "Mend the pattern, the codes or the example."))
    return found


def _file(path: str, text: str, causes: Mapping[str, Cause]) -> tuple[Provider | None, list[Failure], list[Problem]]:
    """The provider, the sound entries, and what is wrong, of one file."""
    try:
        data = tomllib.loads(text)
        provider = read_provider(data)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        return None, [], [Problem(path, "", f"is not TOML: {error}")]
    except (KeyError, TypeError, AttributeError) as error:
        return None, [], [Problem(path, "provider", f"it lacks, or has a wrong, {error}")]
    wrong = [Problem(path, key, "there is no such table", "Entries are [[failure]].") for key in sorted({*data} - _TOP)]
    tables = data.get("failure", [])
    if not isinstance(tables, list):
        return (
            provider,
            [],
            [*wrong, Problem(path, "failure", "it is no list", "Write it with two brackets: [[failure]].")],
        )
    entries = []
    for number, table in enumerate(tables, 1):
        name = str(table.get("id", f"failure {number}")) if isinstance(table, dict) else f"failure {number}"
        try:
            entries.append(_entry(table, provider, causes))
        except KeyError as error:
            wrong.append(Problem(path, name, f"it lacks {error.args[0]!r}"))
        except (TypeError, ValueError, ConfigError) as error:
            wrong.append(Problem(path, name, str(error).removeprefix(f"{name}: ")))
    return provider, entries, wrong


def _entry(table: object, provider: Provider | None, causes: Mapping[str, Cause]) -> Failure:
    """One entry with the rank of an own one. Raises as `read_failure` does."""
    if not isinstance(table, dict):
        raise TypeError("it is no table")
    for fault in _wrong_types(table):
        raise ValueError(fault)
    ready = table | {key: [prepare(plain(phrase)) for phrase in table.get(key, ())] for key in PHRASES}
    failure = read_failure(ready, provider, causes)
    if not (failure.pattern or failure.codes or failure.facts):
        raise ValueError("it has neither pattern nor codes nor facts, so nothing shows it")
    return failure._replace(priority=_FIRST + (failure.priority or 0))


def _wrong_types(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        if key in _LISTS:
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                yield f"{key} is to be a list of texts"
        elif key in _CHOICES:
            if value not in _CHOICES[key]:
                yield f"{key} is one of {', '.join(_CHOICES[key])}"
        elif key == "priority":
            if type(value) is not int or not 0 <= value < _FIRST:
                yield f"priority is a number from 0 to {_FIRST - 1}"
        elif key == "only_here":
            if not isinstance(value, bool):
                yield "only_here is true or false"
        elif not isinstance(value, str):
            yield f"{key} is to be a text"
