"""Folder names as paths: safe, reversible, distinct on any disk, natural where they can be."""

import unicodedata
from collections.abc import Collection, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailctl.domain.mailbox import Folder
from mailctl.sync.local.paths import FolderPath, assign, fold, level_of, levels

NAMES = st.text(st.characters(exclude_categories=[]), min_size=1, max_size=30) | st.sampled_from(
    [
        "INBOX",
        "a",
        "A",
        "é",
        "e\u0301",
        "..",
        "cur",
        "New",
        "con.txt:2,S",
        "a//b",
        "/",
        "x" * 300,
        "é" * 200,
        "a/" * 2000,
    ]
)


def folders(names: Sequence[str], delimiter: str | None = "/") -> list[Folder]:
    return [Folder(name, name.encode("utf-8", "surrogatepass"), delimiter) for name in dict.fromkeys(names)]


def nothing(parts: tuple[str, ...]) -> Collection[str]:
    return ()


def paths(names: Sequence[str], there: Sequence[Sequence[str]] = ()) -> dict[str, str]:
    def listing(parts: tuple[str, ...]) -> Collection[str]:
        return {path[len(parts)] for path in there if len(path) > len(parts) and tuple(path[: len(parts)]) == parts}

    return {name: str(path) for name, path in assign(folders(names), listing).items()}


@pytest.mark.parametrize(
    "name", ["INBOX", "Été/Müller", "a.b", "[Gmail]/All Mail", "Sent Items", "日本語/メール", "a_b-c+d"]
)
def test_ordinary_names_look_natural(name: str) -> None:
    assert paths([name]) == {name: name}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("..", "%2E%2E"),
        ("x/../../y", "x/%2E%2E/%2E%2E/y"),
        ("cur", "%63ur"),
        ("a/New/b", "a/%4Eew/b"),
        ("con.txt:2,S", "con.txt%3A2,S"),
        ("/a", "%/a"),
        ("a//b", "a/%/b"),
        (".hidden", "%2Ehidden"),
        ("a\x07b", "a%07b"),
        ("100%", "100%25"),
        ("e\u0301", "e%CC%81"),
        ("inbox", "INBOX"),
        ("a\u202eb", "a%E2%80%AEb"),
    ],
)
def test_D1_D2_hostile_names_are_mapped_under_the_root(name: str, path: str) -> None:
    assert paths([name]) == {name: path}


@given(st.lists(NAMES, min_size=1, max_size=12, unique=True))
@settings(max_examples=300)
def test_D3_every_name_has_a_path_of_its_own_on_any_disk(names: list[str]) -> None:
    found = assign(folders(names), nothing)
    assert len({tuple(fold(part) for part in path.parts) for path in found.values()}) == len(found)
    for path in found.values():
        assert path.parts
        for part in path.parts:
            assert part not in ("", ".", "..")
            assert not part.startswith(".")
            assert part.casefold() not in ("cur", "new", "tmp")
            assert "/" not in part
            assert "\0" not in part
            assert len(part.encode()) <= 255
            assert unicodedata.normalize("NFC", part) == part
        assert len(str(path).encode()) <= 1100


@given(NAMES)
def test_D4_a_path_tells_its_folder(name: str) -> None:
    (folder,) = folders([name])
    path = assign([folder], nothing)[name]
    if path.name_file:
        assert path.name_file == name
    else:
        assert tuple(level_of(part) for part in path.parts) == levels(folder)


@given(st.lists(NAMES, min_size=1, max_size=8, unique=True), st.data())
def test_a_folder_keeps_its_path_whatever_comes_or_goes(names: list[str], data: st.DataObject) -> None:
    first = assign(folders(names[:4]), nothing)
    on_disk = [path.parts for path in first.values()]

    def listing(parts: tuple[str, ...]) -> Collection[str]:
        return {path[len(parts)] for path in on_disk if len(path) > len(parts) and path[: len(parts)] == parts}

    left = data.draw(st.lists(st.sampled_from(names), unique=True))
    second = assign(folders(left), listing)
    for name in left:
        if name in first:
            assert second[name] == first[name]
    new = {second[name].parts for name in left if name not in first}
    assert not new & set(on_disk)


def test_neighbours_that_a_disk_confuses_are_told_apart() -> None:
    found = paths(["A", "a"])
    assert found["A"] == "A"
    assert found["a"].startswith("a%=")
    assert level_of(found["a"]) == "a"
    assert paths(["a"], there=[["A"]])["a"].startswith("a%=")
    assert paths(["A", "a"], there=[["a"]]) == {"A": found["A"] + paths(["A"], there=[["a"]])["A"][1:], "a": "a"}
    assert paths(["é", "e\u0301"]) == {"é": "é", "e\u0301": "e%CC%81"}


def test_a_disk_that_decomposes_names_shows_the_same_folder() -> None:
    assert paths(["Été"], there=[[unicodedata.normalize("NFD", "Été")]]) == {"Été": "Été"}


def test_two_delimiters_on_one_server() -> None:
    found = assign([Folder("a.b", b"a.b", "."), Folder("a/b", b"a/b", "/")], nothing)
    assert found["a.b"] == FolderPath(("a", "b"))
    assert found["a/b"].parts[0] == "a"
    assert found["a/b"].parts[1].startswith("b%=")
