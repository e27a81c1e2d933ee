"""What becomes of files under other names, and of folders: every stray gets one fate, no message is given twice."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.sync.mirror.folders import FolderFate, name_of, plan_folders
from mailctl.sync.mirror.strays import Likeness, Origin, Stray, Surroundings, Way, settle
from mailctl.sync.mirror.subscriptions import merge, read, write

ONE, TWO = Likeness("<1@x>", 10), Likeness("<2@x>", 20)
NOTHING = Surroundings({}, {}, set(), {})
FOLDERS = st.sampled_from(["INBOX", "Work"])
LIKE = st.builds(Likeness, st.sampled_from(["<1@x>", "<2@x>", ""]), st.sampled_from([10, 20]))
ORIGINS = st.builds(Origin, FOLDERS, st.integers(1, 4))


def fate(stray: Stray, around: Surroundings = NOTHING) -> tuple[Way, Origin | None]:
    (found,) = settle([stray], around)
    assert found.stray is stray
    return found.way, found.source


def test_a_new_file_is_uploaded() -> None:
    assert fate(Stray(1, "INBOX", ONE)) == (Way.UPLOAD, None)


def test_what_the_server_has_already_is_recognised() -> None:
    around = Surroundings({"INBOX": {7: TWO, 8: ONE}}, {"INBOX": {7, 8}}, set(), {})
    assert fate(Stray(1, "INBOX", ONE), around) == (Way.IS, Origin("INBOX", 8))
    assert fate(Stray(1, "Work", ONE), around) == (Way.UPLOAD, None)


def test_a_file_that_lies_elsewhere_was_moved_and_if_it_is_at_home_too_copied() -> None:
    there, home = {"INBOX": {4}}, Origin("INBOX", 4)
    stray = Stray(1, "Work", ONE, home)
    assert fate(stray, Surroundings({}, there, set(), {})) == (Way.MOVE, home)
    assert fate(stray, Surroundings({}, there, {home}, {})) == (Way.COPY, home)
    assert fate(stray, Surroundings({}, there, set(), {}, frozenset({"INBOX"}))) == (Way.COPY, home)
    assert fate(stray) == (Way.UPLOAD, None), "it is gone from the server"


def test_of_two_copies_one_moves_and_is_the_last() -> None:
    home = Origin("INBOX", 4)
    strays = [Stray(1, "Work", ONE, home), Stray(2, "Play", ONE, home)]
    fates = settle(strays, Surroundings({}, {"INBOX": {4}}, set(), {}))
    assert [found.way for found in fates] == [Way.COPY, Way.MOVE]


def test_a_renamed_file_is_known_by_message_id_and_size() -> None:
    around = Surroundings({}, {"INBOX": {4}}, set(), {Origin("INBOX", 4): ONE})
    assert fate(Stray(1, "Work", ONE), around) == (Way.MOVE, Origin("INBOX", 4))
    assert fate(Stray(1, "INBOX", ONE), around) == (Way.IS, Origin("INBOX", 4))
    assert fate(Stray(1, "Work", Likeness("<1@x>", 11)), around) == (Way.UPLOAD, None), "in doubt, it is uploaded"


def test_an_upload_that_was_cut_short_is_found_whatever_size_the_server_gives_it() -> None:
    around = Surroundings({"INBOX": {7: Likeness("<1@x>", 99), 9: Likeness("<1@x>", 99)}}, {}, set(), {})
    assert fate(Stray(1, "INBOX", ONE, attempt=Origin("INBOX", 8)), around) == (Way.IS, Origin("INBOX", 9))
    assert fate(Stray(1, "INBOX", ONE, attempt=Origin("INBOX", 10)), around) == (Way.UPLOAD, None)
    moved_on = Stray(1, "Work", ONE, attempt=Origin("INBOX", 7))
    assert fate(moved_on, around) == (Way.MOVE, Origin("INBOX", 7))


MESSAGES = st.dictionaries(ORIGINS, st.tuples(LIKE, st.sampled_from(["arrived", "lost", "here", "away"])))


@given(st.data())
def test_one_fate_each_and_no_message_twice(data: st.DataObject) -> None:
    server = data.draw(MESSAGES)
    arrivals: dict[str, dict[int, Likeness]] = {"INBOX": {}, "Work": {}}
    there: dict[str, set[int]] = {"INBOX": set(), "Work": set()}
    for origin, (like, role) in server.items():
        there[origin.folder].add(origin.uid)
        if role == "arrived":
            arrivals[origin.folder][origin.uid] = like
    here = {origin for origin, (_, role) in server.items() if role == "here"}
    lost = {origin: like for origin, (like, role) in server.items() if role == "lost"}
    named: list[Origin | None] = [None, *(origin for origin, (_, role) in server.items() if role in ("here", "away"))]
    strays = []
    for number in range(data.draw(st.integers(0, 5))):
        folder, drawn = data.draw(FOLDERS), data.draw(st.sampled_from(named))
        home = None if drawn is not None and drawn.folder == folder else drawn
        strays.append(Stray(number, folder, data.draw(LIKE), home, data.draw(st.one_of(st.none(), ORIGINS))))
    fates = settle(strays, Surroundings(arrivals, there, here, lost))
    assert Counter(found.stray for found in fates) == Counter(strays)
    used = Counter(found.source for found in fates if found.way in (Way.IS, Way.MOVE))
    assert all(times == 1 for times in used.values())
    for found in fates:
        if found.way is Way.MOVE:
            assert found.source not in here, "a file that is at home keeps its message there"
            assert found.source is not None
            assert found.source.folder != found.stray.folder
        if found.way is Way.IS:
            assert found.source is not None
            assert found.source.folder == found.stray.folder


def test_folders_follow_whoever_made_or_removed_them() -> None:
    there, here = {"both", "new there", "gone here", "old"}, {"both", "new here", "gone there"}
    known = {"both", "gone here", "gone there", "gone", "old"}
    assert plan_folders(there, here, known, known - {"old"}) == {
        "both": FolderFate.BOTH,
        "new there": FolderFate.NEW_THERE,
        "new here": FolderFate.NEW_HERE,
        "gone here": FolderFate.GONE_HERE,
        "gone there": FolderFate.GONE_THERE,
        "gone": FolderFate.GONE,
        "old": FolderFate.NEW_THERE,
    }


@pytest.mark.parametrize(
    ("parts", "delimiter", "name"),
    [
        (("INBOX",), "/", "INBOX"),
        (("a", "b%2Fc"), ".", "a.b/c"),
        (("a", "b.c"), ".", None),
        (("a", "b"), None, None),
        (("a", "%"), "/", None),
        (("50%DEal",), "/", "50%DEal"),
        (("a%0Ab",), "/", None),
        (("a%00",), "/", None),
        (("a\nb",), "/", None),
        (("\udcff",), "/", None),
        (("%ED%B3%BF",), "/", None),
        ((), "/", None),
    ],
)
def test_a_path_tells_a_name_or_none(parts: tuple[str, ...], delimiter: str | None, name: str | None) -> None:
    assert name_of(parts, delimiter, "") == name


def test_a_name_file_tells_the_name() -> None:
    assert name_of(("x%~0",), "/", "what it is called") == "what it is called"
    assert name_of(("x%~0",), "/", "in two\r\nlines") is None


NAMES = st.sets(st.sampled_from(["a", "b/c", "d"]))


@given(NAMES, NAMES, NAMES)
def test_subscriptions_follow_whoever_changed_them(there: set[str], here: set[str], agreed: set[str]) -> None:
    for name in there | here | agreed:
        both = {name in there, name in here}
        assert (name in merge(there, here, agreed)) == (both.pop() if len(both) == 1 else name not in agreed)


@given(NAMES)
def test_the_file_of_subscriptions_is_read_as_written(names: set[str]) -> None:
    assert set(read(write(names, "/"), "/")) == names
    assert set(read("".join(f"{name}\n" for name in names), "/")) == names
