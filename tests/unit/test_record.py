"""Records are the standard library's dataclasses in all that can be seen of them."""

import copy
import dataclasses
import pickle
from dataclasses import FrozenInstanceError, asdict, field, fields, is_dataclass, replace

import pytest

from mailctl.domain.record import dataclass


@dataclass(frozen=True, slots=True)
class Frozen:
    """One."""

    name: str
    size: int = 3
    parts: list[str] = field(default_factory=list, compare=False)


@dataclass
class Open:
    """One that changes."""

    name: str
    parts: list["Open"] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self.name = self.name.upper()


@dataclass(frozen=True)
class Child(Frozen):
    """One that adds a field."""

    more: str = ""


@dataclass(frozen=True, eq=False)
class Itself:
    """One that is equal to itself alone."""

    name: str


@dataclasses.dataclass(frozen=True, slots=True)
class Usual:
    """What Frozen is in the standard library."""

    name: str
    size: int = 3
    parts: list[str] = field(default_factory=list, compare=False)


def test_it_is_made_as_a_dataclass_is() -> None:
    assert Frozen("a", parts=["b"]) == Frozen(name="a", size=3)
    assert Frozen("a") != Frozen("b")
    assert Frozen("a") != Usual("a")  # type: ignore[comparison-overlap]  # so it is
    assert Frozen("a").parts is not Frozen("a").parts
    assert Open("a").name == "A"
    assert Child("a", more="b").more == "b"
    assert Child("a") != Frozen("a")


@pytest.mark.parametrize("kind", [Frozen, Usual])
def test_wrong_arguments_are_refused(kind: type) -> None:
    for arguments in ({}, {"name": "a", "other": 1}):
        with pytest.raises(TypeError):
            kind(**arguments)
    with pytest.raises(TypeError):
        kind("a", 1, [], 2)


def test_it_shows_itself_as_a_dataclass_does() -> None:
    assert repr(Frozen("a")) == repr(Usual("a")).replace("Usual", "Frozen")
    loop = Open("a")
    loop.parts.append(loop)
    assert repr(loop) == "Open(name='A')"


def test_the_frozen_ones_stay_as_they_are() -> None:
    for record in (Frozen("a"), Child("a"), Itself("a")):
        with pytest.raises(FrozenInstanceError):
            record.name = "b"  # type: ignore[misc]  # what is tried
        with pytest.raises(FrozenInstanceError):
            del record.name
    assert hash(Frozen("a")) == hash(Frozen("a", parts=["b"]))
    assert Itself("a") != Itself("a")
    with pytest.raises(TypeError):
        hash(Open("a"))


def test_what_works_on_dataclasses_works() -> None:
    record = Frozen("a", 4, ["b"])
    assert is_dataclass(record)
    assert [f.name for f in fields(record)] == [f.name for f in fields(Usual)]
    assert asdict(record) == asdict(Usual("a", 4, ["b"]))
    assert replace(record, size=5) == Frozen("a", 5)
    assert copy.deepcopy(record).parts == ["b"]
    assert pickle.loads(pickle.dumps(record)).parts == ["b"]
    match record:
        case Frozen(name, size):
            assert (name, size) == ("a", 4)


def test_the_first_objects_are_made_as_those_that_come_when_there_are_many() -> None:
    @dataclass(frozen=True, slots=True)
    class Fresh:
        """One of which there are none yet."""

        name: str
        size: int = 3
        parts: list[str] = field(default_factory=list)

    for _ in range(20):
        assert Fresh("a", parts=["b"]) == Fresh(name="a", size=3, parts=["b"])
        assert (Fresh("a").size, Fresh("a", 4).size, Fresh("a").parts) == (3, 4, [])
        with pytest.raises(FrozenInstanceError):
            Fresh("a").name = "b"  # type: ignore[misc]  # that is the test


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ((), {}, "missing 1 required positional argument: 'name'"),
        (("a",), {"name": "b"}, "multiple values for argument 'name'"),
        (("a",), {"nope": 1}, "unexpected keyword argument 'nope'"),
        (("a", 1, [], 2), {}, "takes from 2 to 4 positional arguments but 5 were given"),
    ],
)
def test_what_is_no_object_is_an_error_from_the_first_on(
    args: tuple[object, ...], kwargs: dict[str, object], words: str
) -> None:
    @dataclass
    class Fresh:
        """One of which there are none yet."""

        name: str
        size: int = 3
        parts: list[str] = field(default_factory=list)

    for _ in range(2):
        with pytest.raises(TypeError, match=words):
            Fresh(*args, **kwargs)  # type: ignore[arg-type]  # that is the test
    assert Fresh("a").size == 3
