"""`dataclass` as in `dataclasses`, quickly defined: a sixth of a short command was spent on making methods of classes.

The standard library's compiles six methods for each class when it is defined. Here the comparing and showing ones are
shared by all classes, and `__init__` is compiled when a class turns out to have more than a few objects. All else is
the standard library's: `fields`, `replace`, `asdict`, `is_dataclass` work, `__post_init__` is called.
"""

import dataclasses
from collections.abc import Callable
from functools import cache
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

_OFTEN = 8
"""Objects of a class that are made without an `__init__` of their class: compiling one takes as long as fifty."""

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(
        cls: type | None = None, /, *, frozen: bool = False, slots: bool = False, eq: bool = True
    ) -> type | Callable[[type], type]:
        """As `dataclasses.dataclass`, with these of its arguments."""
        if cls is None:
            return lambda cls: _made(cls, frozen=frozen, slots=slots, eq=eq)
        return _made(cls, frozen=frozen, slots=slots, eq=eq)


def _made(cls: type, *, frozen: bool, slots: bool, eq: bool) -> type:
    own = cls.__dict__
    methods: dict[str, Any] = {}
    if "__repr__" not in own:
        methods["__repr__"] = _repr
    if eq and "__eq__" not in own:
        methods["__eq__"] = _eq
        if "__hash__" not in own:
            methods["__hash__"] = _hash if frozen else None
    if frozen:
        methods |= {"__setattr__": _set, "__delattr__": _delete}
        if slots:
            methods |= {"__getstate__": _get_state, "__setstate__": _set_state}
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots)(cls)
    for name, method in methods.items():
        setattr(made, name, method)
    made.__init__ = _late_init(made, frozen=frozen)
    return made  # type: ignore[no-any-return]  # a class


def _late_init(cls: Any, *, frozen: bool) -> Callable[..., None]:
    """An `__init__` that puts the real one in its own place when it is called often, or not as it should be."""
    calls = 0

    def __init__(self: object, /, *args: object, **kwargs: object) -> None:  # noqa: N807 - it is one
        nonlocal calls
        calls += 1
        values = _values(cls, args, kwargs) if calls <= _OFTEN else None
        if values is None:
            cls.__init__ = made = _init(cls, frozen=frozen)
            made(self, *args, **kwargs)
            return
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if hasattr(cls, "__post_init__"):
            self.__post_init__()  # type: ignore[attr-defined]  # it has one

    return __init__


def _values(cls: Any, args: tuple[object, ...], kwargs: dict[str, object]) -> dict[str, object] | None:
    """What the fields of a new object get; None if that can't be."""
    fields = dataclasses.fields(cls)
    given = dict(zip((field.name for field in fields), args, strict=False))
    if len(args) > len(fields) or given.keys() & kwargs.keys():
        return None
    given |= kwargs
    values = {}
    for field in fields:
        if field.name in given:
            values[field.name] = given.pop(field.name)
        elif field.default is not dataclasses.MISSING:
            values[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            values[field.name] = field.default_factory()
        else:
            return None
    return None if given else values


def _init(cls: Any, *, frozen: bool) -> Callable[..., None]:
    """The `__init__` of a dataclass: what the standard library would have compiled."""
    known: dict[str, object] = {"_set": object.__setattr__, "_unset": dataclasses.MISSING}
    parameters, lines = ["self"], []
    for field in dataclasses.fields(cls):
        name = value = field.name
        if field.default is not dataclasses.MISSING:
            known[f"_default_{name}"] = field.default
            parameters.append(f"{name}=_default_{name}")
        elif field.default_factory is not dataclasses.MISSING:
            known[f"_make_{name}"] = field.default_factory
            parameters.append(f"{name}=_unset")
            value = f"_make_{name}() if {name} is _unset else {name}"
        else:
            parameters.append(name)
        lines.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    body = "\n ".join(lines or ["pass"])
    exec(f"def __init__({', '.join(parameters)}):\n {body}", known)  # noqa: S102 - names of fields alone are in it
    init: Any = known["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init  # type: ignore[no-any-return]  # a function


@recursive_repr()
def _repr(self: Any) -> str:
    shown = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in dataclasses.fields(self) if f.repr)
    return f"{type(self).__qualname__}({shown})"


@cache
def _compared(cls: Any) -> Callable[[object], object]:
    """Gets of an object of `cls` what is compared."""
    names = [field.name for field in dataclasses.fields(cls) if field.compare]
    return attrgetter(*names) if names else lambda record: ()


def _eq(self: Any, other: object) -> bool:
    if other.__class__ is not self.__class__:
        return NotImplemented  # type: ignore[no-any-return]  # as it is done
    compared = _compared(type(self))  # type: ignore[arg-type]  # mypy takes __hash__ of the class for that of its objects
    return bool(compared(self) == compared(other))


def _hash(self: Any) -> int:
    return hash(_compared(type(self))(self))  # type: ignore[arg-type]  # as above


def _set(self: Any, name: str, value: object) -> None:
    _check(self, name, "assign to")
    object.__setattr__(self, name, value)


def _delete(self: Any, name: str) -> None:
    _check(self, name, "delete")
    object.__delattr__(self, name)


def _check(record: Any, name: str, what: str) -> None:
    """As in the standard library, a subclass that is no dataclass may have attributes of its own."""
    if name in record.__dataclass_fields__ or "__dataclass_fields__" in type(record).__dict__:
        raise dataclasses.FrozenInstanceError(f"cannot {what} field {name!r}")


def _get_state(self: Any) -> list[object]:
    return [getattr(self, f.name) for f in dataclasses.fields(self)]


def _set_state(self: Any, state: list[object]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)
