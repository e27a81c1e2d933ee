"""Values as JSON for programs, and the JSON Schema of a result's type, from one declaration: dataclass or named tuple.

Lists are always present, keys are the field names, enumerations are their values. Characters that would act on a
terminal are escaped in the text, which loses nothing.
"""

import json
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum, IntEnum
from typing import Any

from mailctl.domain.secret import Secret
from mailctl.output.escape import UNSAFE


def to_plain(value: object) -> Any:
    """`value` (dataclasses, enums, datetimes, mappings, sequences, scalars) as lists, dicts and scalars."""
    match value:
        case None | bool() | float() | str() if not isinstance(value, Enum):
            return value
        case Enum():
            return value.value
        case int():
            return value
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case Secret():
            raise TypeError("a secret is not for output")
        case Mapping():
            return {str(to_plain(key)): to_plain(item) for key, item in value.items()}
        case bytes():
            return value.decode("utf-8", "backslashreplace")
        case frozenset() | set():
            return sorted(to_plain(item) for item in value)
        case tuple() if hasattr(value, "_asdict"):
            return to_plain(value._asdict())
        case Sequence():
            return [to_plain(item) for item in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"no JSON form for {type(value).__name__}")


def dump(plain: Any, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """JSON text of plain values on one line (or indented), safe to show on a terminal."""
    return UNSAFE.sub(_escape, json.dumps(plain, ensure_ascii=ascii_only, indent=indent))


def _escape(match: "typing.Match[str]") -> str:
    text = match[0]
    return text if text in "\n" else json.dumps(text)[1:-1]


def schema_of(kind: Any) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the type of a result. More properties may come: none is forbidden."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or kind is object:
        return {}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [schema_of(argument) for argument in arguments]}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin in (list, tuple, Sequence, frozenset):
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": schema_of(arguments[1])}
    if is_dataclass(kind) or hasattr(kind, "_fields"):
        hints = typing.get_type_hints(kind)
        names = kind._fields if hasattr(kind, "_fields") else [field.name for field in fields(kind)]
        return {
            "type": "object",
            "properties": {name: schema_of(hints[name]) for name in names},
            "required": list(names),
        }
    if isinstance(kind, type) and issubclass(kind, IntEnum):
        return {"type": "integer"}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [member.value for member in kind]}
    return {"type": _SCALARS[kind]} if kind is not datetime else {"type": "string", "format": "date-time"}


ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["code", "message", "hint", "cause", "exit_code", "server_text"],
    "properties": {
        "code": {"type": "string"},
        "message": {"type": "string"},
        "hint": {"type": "string"},
        "cause": {"type": "string"},
        "exit_code": {"type": "integer"},
        "server_text": {"type": "string"},
    },
}

_SCALARS: dict[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
    bytes: "string",
}
