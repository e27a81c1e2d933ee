"""The shape of configuration files: dotted key → kind of value, one table used to read and to write.

Pure: plain TOML values in, typed values out, and the reverse. What is wrong is told key by key.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mailctl.domain.record import dataclass
from mailctl.errors import UsageError


class WrongValueError(Exception):
    """The value has another type, or lies out of range; the kind's `expected` says what it should be."""


def _as_it_is(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value.

    expected: completes "must be …". read: TOML value → typed value; raises WrongValueError, or UsageError where a
    sentence of its own is clearer. write: the reverse. private: a wrong value may be a password, so it isn't shown.
    """

    expected: str
    read: Callable[[Any], Any]
    write: Callable[[Any], Any] = _as_it_is
    private: bool = False


Spec = Mapping[str, Kind]
"""Dotted key (`inbound.interval`) → kind, in the order in which a file lists them."""


@dataclass(frozen=True, slots=True)
class KeyProblem:
    """What is wrong at one key ("" for the whole), and what to do."""

    key: str
    message: str
    fix: str = ""


def read_values(spec: Spec, data: Mapping[str, Any]) -> tuple[dict[str, Any], list[KeyProblem]]:
    """The typed values of TOML tables by dotted key, and everything wrong with them."""
    values: dict[str, Any] = {}
    problems: list[KeyProblem] = []
    for key, value in _flat(spec, data, ""):
        kind = spec.get(key)
        if kind is None:
            problems.append(_unknown(spec, key))
            continue
        try:
            values[key] = kind.read(value)
        except WrongValueError:
            instead = "" if kind.private else f", not {_shown(value)}"
            problems.append(KeyProblem(key, f"must be {kind.expected}{instead}"))
        except UsageError as error:
            problems.append(KeyProblem(key, error.message, error.hint))
    return values, problems


def write_values(spec: Spec, values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested TOML tables of `values` (dotted key → typed value), in the spec's order; None is left out."""
    data: dict[str, Any] = {}
    for key, kind in spec.items():
        if (value := values.get(key)) is not None:
            *tables, last = key.split(".")
            place = data
            for table in tables:
                place = place.setdefault(table, {})
            place[last] = kind.write(value)
    return data


def _flat(spec: Spec, data: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, Any]]:
    for name, value in data.items():
        key = prefix + name
        if isinstance(value, dict) and key not in spec and any(known.startswith(key + ".") for known in spec):
            yield from _flat(spec, value, key + ".")
        else:
            yield key, value


def _unknown(spec: Spec, key: str) -> KeyProblem:
    if any(known.startswith(key + ".") for known in spec):
        return KeyProblem(key, f"must be a table: [{key}]")
    from mailctl.domain.names import nearest

    last = key.rpartition(".")[2]
    match = nearest(key, spec) or next((known for known in spec if known.rpartition(".")[2] == last), None)
    return KeyProblem(key, "unknown key", f"Did you mean {match!r}?" if match else "Remove it.")


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str | int | float) else f"a {_TYPES.get(type(value), 'value')}"
    return text if len(text) <= 60 else text[:57] + "..."


_TYPES: dict[type, str] = {list: "list", dict: "table"}
