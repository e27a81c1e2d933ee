"""UIDs and sets of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.errors import ProtocolError
from mailctl.protocols.imap.uids import MAX_UID, check_uid, format_sets, parse_search, parse_set

UIDS = st.integers(1, MAX_UID)


@given(st.lists(UIDS | st.integers(1, 50)), st.integers(30, 200))
def test_H10_sets_are_sent_ascending_and_within_bounds(uids: list[int], octets: int) -> None:
    sets = list(format_sets(uids, octets))
    assert all(len(text) <= octets for text, _ in sets)
    assert [uid for _, held in sets for uid in held] == sorted(set(uids))
    assert [uid for text, _ in sets for uid in parse_set(text.encode(), len(uids))] == sorted(set(uids))


def test_runs_are_joined() -> None:
    assert [text for text, _ in format_sets([7, 1, 2, 3, 5, 4, 9, 10])] == ["1:5,7,9:10"]
    assert list(format_sets([])) == []
    assert len(list(format_sets(range(1, 100_000, 2)))) == 38


@pytest.mark.parametrize("uid", [0, -1, 2**32])
def test_no_other_number_is_sent(uid: int) -> None:
    with pytest.raises(ValueError, match="not a UID"):
        list(format_sets([1, uid]))


@pytest.mark.parametrize("digits", [b"0", b"4294967296", b"", b"-1", b"1x", b"1" * 5000, b" 1", "٣".encode()])
def test_B14_a_uid_that_cannot_be_is_rejected(digits: bytes) -> None:
    with pytest.raises(ProtocolError):
        check_uid(digits)
    with pytest.raises(ProtocolError):
        parse_set(b"1," + digits + b",2:3", 10**6)
    if digits.strip() == digits and digits:
        with pytest.raises(ProtocolError):
            parse_search(b"SEARCH 1 " + digits)


def test_a_short_set_cannot_stand_for_billions() -> None:
    with pytest.raises(ProtocolError, match="more than"):
        parse_set(b"1:4294967295", 1000)
    with pytest.raises(ProtocolError, match="more than"):
        parse_set(b",".join([b"1:900"] * 3), 1000)


def test_search_is_sorted_and_each_uid_comes_once() -> None:
    assert parse_search(b"SEARCH 5 1 3 1 (MODSEQ 77)") == [1, 3, 5]
    assert parse_search(b"SEARCH") == []
    assert parse_search(b"SEARCH ") == []
    assert parse_set(b"9:7,3,8", 10) == [3, 7, 8, 9]
