"""When a directory's time can be relied on, what names tell, which folders stand still."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.domain.gateway import Mode
from mailctl.domain.mailbox import FolderStatus
from mailctl.sync.archive.look import (
    COARSE,
    FINE,
    UNKNOWN,
    Difference,
    Times,
    Watch,
    compare,
    compare_more,
    look,
    read_names,
    reliable,
    stands,
)
from mailctl.sync.archive.still import fingerprint, grew, nothing_asked, read_left_out, takes_all, write_left_out
from mailctl.sync.local.files import Files
from mailctl.sync.local.maildir import MaildirFolder
from mailctl.sync.local.paths import FolderPath
from mailctl.sync.report import Skipped
from mailctl.sync.state import FolderState
from tests.doubles.imap import MemoryFolder, MemoryServer
from tests.doubles.syncs import Place

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND + 123
HASH = "0123456789ab"
SEEN = FolderState(7, 10, 20, 5, "policy", "INBOX", 1, 2)
STATUS = FolderStatus(5, 7, 10, 20)


@given(
    ticks=st.integers(0, 40), tick=st.sampled_from([1, 4_000_000, 10_000_000, SECOND, COARSE]), part=st.integers(0, 39)
)
def test_a_change_that_leaves_the_time_as_it_was_is_never_missed(ticks: int, tick: int, part: int) -> None:
    """A directory that changes again, after it was read, in the tick in which it changed before."""
    begun = 1_700_000_000 * SECOND // tick * tick
    changed = begun // tick * tick
    looked = begun + ticks * tick // 4 + part
    can_repeat = looked // tick * tick == changed
    if reliable(changed, changed, looked // tick * tick):
        assert not can_repeat


def test_times_that_are_not_relied_on() -> None:
    assert reliable(NOW - FINE - 1, NOW - FINE - 1, NOW) == NOW - FINE - 1
    assert reliable(NOW - FINE, NOW - FINE, NOW) == 0, "in the tick in which it was read"
    assert reliable(NOW - 9 * SECOND, NOW - 8 * SECOND, NOW) == 0, "it changed while it was read"
    assert reliable(NOW + SECOND, NOW + SECOND, NOW) == 0, "of the future: the clock was set back"
    whole = NOW // SECOND * SECOND
    assert reliable(whole - SECOND, whole - SECOND, whole) == 0, "whole seconds, may be steps of two"
    assert reliable(whole - 3 * SECOND, whole - 3 * SECOND, whole) == whole - 3 * SECOND
    assert reliable(NOW - 9 * SECOND, NOW - 9 * SECOND, 0) == 0, "no clock"


def test_what_stands() -> None:
    assert stands(Times(1, 2), Times(1, 2))
    assert not stands(Times(1, 2), Times(1, 3))
    assert not stands(Times(0, 2), Times(0, 2))
    assert not stands(UNKNOWN, UNKNOWN)
    assert not stands(Times(-1, -1), Times(-1, -1))
    assert not stands(Times(1, 2), None)


def name(uid: int, letters: str = "S", folder: str = HASH, validity: int = 7) -> str:
    return f"cur/{validity}.{uid:010d}_{folder}.mailctl:2,{letters}"


def test_what_names_tell() -> None:
    remembered = {1: name(1), 2: name(2), 3: name(3), 4: None, 5: None}
    names = {name(1), name(2, "FS"), name(4), name(6), name(9, folder="f" * 12), name(9, validity=8), "cur/other:2,"}
    found = compare(remembered, names, HASH, 7, 10)
    assert {uid: file.filename for uid, file in found.moved.items()} == {2: name(2, "FS")[4:], 4: name(4)[4:]}
    assert found.gone == {3}
    assert not found.strange, "6 went from the server before; its file stays"
    assert found.places == {2: name(2, "FS"), 4: name(4), 3: None}
    assert compare(remembered, {*names, name(10)}, HASH, 7, 10).strange


def test_a_copy_of_a_file_takes_no_turns_with_it() -> None:
    found = compare({1: name(1)}, {name(1), name(1, "FS")}, HASH, 7, 10)
    assert found == Difference()


PLACES = st.sampled_from(["", "S", "FS"])


@given(
    st.dictionaries(st.integers(1, 12), st.none() | PLACES, max_size=6),
    st.sets(st.tuples(st.integers(1, 12), PLACES, st.sampled_from([HASH, "f" * 12]), st.integers(7, 8))),
)
def test_less_of_the_memory_tells_the_same(
    letters: dict[int, str | None], found: set[tuple[int, str, str, int]]
) -> None:
    remembered = {uid: None if each is None else name(uid, each) for uid, each in letters.items()}
    known = {place for place in remembered.values() if place}
    names = {name(*each) for each in found} | {"cur/other:2,"}

    def those(uids: Sequence[int]) -> dict[int, str | None]:
        return {uid: remembered[uid] for uid in uids if uid in remembered}

    def less(names: set[str]) -> Difference | None:
        return compare_more(known, those, names, HASH, 7, 10)

    whole, less_of_it = compare(remembered, names | known, HASH, 7, 10), less(names | known)
    assert less_of_it is not None
    assert (less_of_it, less_of_it.messages) == (whole, whole.messages)
    assert (less(names) is None) == (not known <= names)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for each in ("cur", "new", "tmp"):
        (tmp_path / "a" / "b" / each).mkdir(parents=True)
    return tmp_path


def test_looks_at_the_disk(folder: Path) -> None:
    files, root, parts = Files(), os.open(folder, os.O_RDONLY), ("a", "b")
    try:
        found = look(files, root, parts)
        assert found is not None
        assert look(files, root, ("a", "none")) is None
        (folder / "link").symlink_to(folder / "a")
        assert look(files, root, ("link", "b")) is None, "no link is followed"
        with MaildirFolder(files, root, FolderPath(parts), create=False) as maildir:
            (folder / "a/b/cur/x:2,").write_bytes(b"")
            (folder / "a/b/cur/dir").mkdir()
            assert read_names(maildir) == ({"cur/x:2,"}, False)
            assert Watch(maildir, quiet=False).times() == UNKNOWN, "it has just changed"
            for each in ("cur", "new"):
                os.utime(folder / "a/b" / each, ns=(NOW, NOW))
            assert Watch(maildir, quiet=False).times() == Times(NOW, NOW) == look(files, root, parts)
            assert Watch(maildir, quiet=True).times() == UNKNOWN
            watch = Watch(maildir, quiet=False)
            (folder / "a/b/new/y").write_bytes(b"")
            assert watch.times() == Times(NOW, 0)
            (folder / f"a/b/{name(1)}").symlink_to("x:2,")
            assert read_names(maildir) == ({"cur/x:2,", "new/y"}, True)
    finally:
        os.close(root)


def test_nothing_is_asked_of_a_folder_that_is_as_it_was() -> None:
    assert nothing_asked(SEEN, STATUS, "INBOX", "policy")
    assert not nothing_asked(SEEN, STATUS, "INBOX", "another")
    assert not nothing_asked(SEEN, STATUS, "elsewhere", "policy")
    assert not nothing_asked(replace(SEEN, cur=-1, new=-1), STATUS, "INBOX", "policy"), "a run died in it"
    for other in (
        replace(STATUS, messages=4),
        replace(STATUS, uidvalidity=8),
        replace(STATUS, uidnext=11),
        replace(STATUS, highestmodseq=21),
        replace(STATUS, highestmodseq=None),
        replace(STATUS, uidnext=None),
    ):
        assert not nothing_asked(SEEN, other, "INBOX", "policy")
    without = replace(STATUS, highestmodseq=None), replace(SEEN, highestmodseq=None)
    assert not nothing_asked(without[1], without[0], "INBOX", "policy"), "flags may have changed"


def test_a_folder_whose_numbers_went_back_did_not_grow() -> None:
    assert grew(SEEN, replace(STATUS, uidnext=11, highestmodseq=21))
    for other in (replace(STATUS, uidnext=9), replace(STATUS, highestmodseq=19), replace(STATUS, uidvalidity=8)):
        assert not grew(SEEN, other)


def test_policies(tmp_path: Path) -> None:
    place = Place(tmp_path, MemoryServer())
    assert takes_all(place.job())
    limited = (
        {"max_size": 1},
        {"max_per_run": 1},
        {"mark_seen": True},
        {"keep_on_server": False},
        {"mode": Mode.MIRROR},
    )
    for wanted in (*limited, {"propagate_deletes": True}):
        assert not takes_all(place.job(**wanted))
    assert not takes_all(replace(place.job(), since="2026-01-01"))
    jobs = [place.job(**wanted) for wanted in limited]
    assert len({fingerprint(job) for job in jobs}) == len(jobs)


def test_what_is_left_out_is_remembered() -> None:
    skipped = [Skipped("F", 3, "größer\x1b", "too_large"), Skipped("F", 0, "old", "too_old", 7)]
    text = write_left_out(skipped)
    assert text is not None
    assert text.isascii()
    assert text.isprintable()
    assert read_left_out("F", text) == skipped
    assert (write_left_out([]), read_left_out("F", "")) == ("", [])
    assert write_left_out([Skipped("F", 3, "", "no_body")]) is None, "it is tried again"
    assert read_left_out("F", "[{]") == read_left_out("F", '[{"x": 1}]') == []


def test_G12_a_clock_that_jumps_hides_no_change(tmp_path: Path) -> None:
    """What changes here in the very tick that a folder is remembered by is seen if the clock went back since."""
    server = MemoryServer({"INBOX": MemoryFolder()})
    server.folders["INBOX"].add(b"a\r\n", b"b\r\n")
    place = Place(tmp_path, server)
    for _ in range(2):
        place.sync(propagate_deletes=True)
        for each in ("cur", "new"):
            os.utime(place.mail / "INBOX" / each, ns=(NOW, NOW))
    place.sync(propagate_deletes=True)
    place.clock = lambda: 1_700_000_001.0
    place.file(1).unlink()
    os.utime(place.mail / "INBOX/new", ns=(NOW, NOW))
    assert place.sync(propagate_deletes=True).removed == 1


def test_what_was_deleted_in_the_folder_that_it_was_moved_to_goes_from_the_server(tmp_path: Path) -> None:
    """Nothing changed in the folder that it came from since the last run."""
    server = MemoryServer({name: MemoryFolder() for name in ("INBOX", "Work")})
    server.folders["INBOX"].add(b"a\r\n", b"b\r\n", b"c\r\n")
    place = Place(tmp_path, server)

    def settled() -> None:
        for _ in range(2):
            report = place.sync(propagate_deletes=True)
            for folder in ("INBOX", "Work"):
                for each in ("cur", "new"):
                    os.utime(place.mail / folder / each, ns=(NOW, NOW))
        assert (report.ok, report.fetched, report.flagged, report.removed) == (True, 0, 0, 0)

    settled()
    file = place.file(1)
    moved = file.rename(place.mail / "Work/cur" / f"{file.name}:2,")
    settled()
    moved.unlink()
    assert place.sync(propagate_deletes=True).removed == 1
    assert sorted(server.folders["INBOX"].messages) == [2, 3]
    assert place.sync(propagate_deletes=True).removed == 0
