"""APPENDUID, COPYUID, dates and flags of APPEND: what a server says is checked, what is sent is well-formed."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.domain.changes import Placed, Upload
from mailctl.errors import RefusedError, StorageError, UsageError
from mailctl.protocols.imap.dates import format_internaldate, parse_internaldate
from mailctl.protocols.imap.flags import format_flags
from mailctl.protocols.imap.letter import HELD, look_through
from mailctl.protocols.imap.placed import parse_appenduid, parse_copyuid, together


def test_appenduid_tells_each_uid() -> None:
    assert parse_appenduid(b"38505 3955", [4]) == Placed(38505, {4: 3955})
    assert parse_appenduid(b"7 3955:3957,9", [0, 1, 2, 3]) == Placed(7, {0: 9, 1: 3955, 2: 3956, 3: 3957})


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"7",
        b"7 ",
        b"0 5",
        b"7 0",
        b"7 4294967296",
        b"4294967296 5",
        b"7 1:4294967295",
        b"7 5,5",
        b"7 5:6,7",
        b"7 x",
    ],
)
def test_B14_an_appenduid_that_makes_no_sense_is_not_believed(junk: bytes) -> None:
    assert parse_appenduid(junk, [0, 1] if junk != b"7 5" else [0]) == Placed()


def test_copyuid_pairs_two_sets_in_their_order() -> None:
    assert parse_copyuid(b"38505 304,319:320 3956:3958", [304, 319, 320]) == Placed(
        38505, {304: 3956, 319: 3957, 320: 3958}
    )
    assert parse_copyuid(b"9 7,3 12,10", [3, 5, 7]) == Placed(9, {7: 12, 3: 10})


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"9 1",
        b"9 1 2 3",
        b"0 1 2",
        b"9 1:2 5",
        b"9 1 5:6",
        b"9 1:4294967295 1:4294967295",
        b"9 8 5",
        b"9 1,1 5,6",
        b"9 1,2 5,5",
        b"9 1,0 5,6",
        b"9 1,* 5,6",
        b"9 " + b"1," * 100_000 + b"2 3",
    ],
)
def test_B14_a_copyuid_that_makes_no_sense_is_not_believed(junk: bytes) -> None:
    assert parse_copyuid(junk, [1, 2]) == Placed()


@given(st.binary(max_size=40) | st.from_regex(rb"[0-9]{1,5} [0-9:,]{1,12}( [0-9:,]{1,12})?", fullmatch=True))
def test_whatever_a_server_says_is_bounded_and_checked(said: bytes) -> None:
    for placed in (parse_appenduid(said, [0, 1, 2]), parse_copyuid(said, [1, 2, 3])):
        assert (placed.uidvalidity is None) == (not placed.uids)
        assert len(set(placed.uids.values())) == len(placed.uids) <= 3
        assert all(1 <= uid < 2**32 for uid in placed.uids.values())


def test_what_two_commands_placed_is_one_unless_the_folder_is_another() -> None:
    one, two = Placed(5, {0: 1}), Placed(5, {1: 2})
    assert together(one, two) == Placed(5, {0: 1, 1: 2})
    assert together(one, Placed()) == together(Placed(), one) == one
    assert together(one, Placed(6, {1: 2})) == Placed(6, {1: 2})


@given(st.integers(0, 2**31 - 86402))
def test_a_date_comes_back_as_it_went(seconds: int) -> None:
    assert parse_internaldate(format_internaldate(seconds).encode()) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (837_596_665.7, "17-Jul-1996 09:44:25 +0000"),
        (-5.0, "01-Jan-1970 00:00:00 +0000"),
        (1e18, "18-Jan-2038 03:14:07 +0000"),
    ],
)
def test_a_date_that_not_every_server_keeps_is_the_nearest(seconds: float, text: str) -> None:
    assert format_internaldate(seconds) == text


def test_flags_are_checked_and_recent_is_never_sent() -> None:
    assert format_flags(["\\Seen", "$Label1", "\\rEcEnT", "\\Seen"]) == b"$Label1 \\Seen"
    assert format_flags(["\\Recent"]) == b""


@pytest.mark.parametrize(
    "flag", ["a b", "a\r\nb", "a\0", "a)", "(a", "\\", "*", "a%", 'a"', "{1}", "ä", "", "\\a\\b", "a\n"]
)
def test_B2_hostile_flags_are_refused(flag: str) -> None:
    with pytest.raises(UsageError):
        format_flags(["\\Seen", flag])
    with pytest.raises(UsageError):
        look_through(upload([b"x"], flags=frozenset({flag})), binary=True, limit=None)


def upload(pieces: list[bytes], octets: int | None = None, flags: frozenset[str] = frozenset()) -> Upload:
    def chunks() -> Iterator[bytes]:
        yield from pieces

    return Upload(sum(map(len, pieces)) if octets is None else octets, chunks, flags)


def test_a_message_is_looked_through_before() -> None:
    letter = look_through(upload([b"a", b"b\0"]), binary=True, limit=3)
    assert (letter.binary, letter.data, list(letter.pieces())) == (True, b"ab\0", [b"ab\0"])
    large = look_through(upload([b"x" * HELD, b"y"]), binary=False, limit=None)
    assert (large.data, sum(map(len, large.pieces()))) == (None, HELD + 1)


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (lambda: upload([b"a\0"]), "nul_in_message"),
        (lambda: upload([]), "empty_message"),
        (lambda: upload([b"x" * 11]), "size_limit"),
    ],
)
def test_what_cannot_be_sent_is_known_before(made: Callable[[], Upload], code: str) -> None:
    with pytest.raises(RefusedError) as caught:
        look_through(made(), binary=False, limit=10)
    assert caught.value.code == code


@pytest.mark.parametrize("octets", [1, 3, 4, 6])
def test_a_message_of_another_length_is_not_sent(octets: int) -> None:
    with pytest.raises(StorageError):
        look_through(upload([b"abc", b"de"], octets), binary=False, limit=None)
