"""FETCH responses: items in any order, on the fast and the exact way alike."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.errors import ProtocolError
from mailctl.protocols.imap import rows
from mailctl.protocols.imap.dates import MONTHS, parse_internaldate, search_date
from mailctl.protocols.imap.rows import Row, is_fetch, parse_row
from mailctl.protocols.imap.uids import check_uid

ITEMS = {
    "uid": (b"UID 4294967295", 4294967295),
    "flags": (b"FLAGS (\\Seen $Label \\Recent a])", frozenset({"\\Seen", "$Label", "a]"})),
    "size": (b"RFC822.SIZE 1234", 1234),
    "date": (b'INTERNALDATE "17-Jul-1996 02:44:25 -0700"', b"17-Jul-1996 02:44:25 -0700"),
    "modseq": (b"MODSEQ (123456789012345678)", 123456789012345678),
}


@given(st.permutations(sorted(ITEMS)), st.integers(0, 5))
def test_items_come_in_any_order(order: list[str], count: int) -> None:
    order = order[:count]
    line = b"* 12 FETCH (" + b" ".join(ITEMS[name][0] for name in order) + b")"
    expected = Row(12, **{name: ITEMS[name][1] for name in order})  # type: ignore[arg-type]  # one value a field
    assert parse_row([line]) == expected
    assert rows._parse_exact([line]) == expected
    if order:
        assert rows._parse_common(line) == expected
    with_body = [line[:-1] + b" BODY[] {4}", b"a\r\nb", b" X-OTHER (1 (2)))"]
    if order:
        assert parse_row(with_body).body == b"a\r\nb"
        assert parse_row([b"* 12 fetch (BODY[] {2}", b"\r\n", b" " + line[12:].lower()]).has_body


@given(
    st.binary(max_size=60)
    | st.sampled_from([b'"\\', b"(UID 1) x", b"(FLAGS NIL)", b"(UID (1))", b"(MODSEQ ())", b"(UID)"])
)
def test_junk_is_a_typed_error_or_a_row(junk: bytes) -> None:
    for line in (b"* 1 FETCH " + junk, b"* 1 FETCH (" + junk + b")", b"* 1 FETCH (UID 5 " + junk + b")"):
        try:
            row = parse_row([line])
        except ProtocolError:
            continue
        assert row.sequence == 1


@pytest.mark.parametrize(
    "text", [b"UID 5 UID 6", b"UID 5 FLAGS () UID 5", b"FLAGS () FLAGS (a)", b'BODY[] "" BODY[] ""']
)
def test_B15_an_item_that_comes_twice_is_a_typed_error(text: bytes) -> None:
    with pytest.raises(ProtocolError, match="twice"):
        parse_row([b"* 1 FETCH (" + text + b")"])


@pytest.mark.parametrize(
    "item", [b"RFC822.SIZE 9223372036854775808", b"MODSEQ (99999999999999999999)", b"RFC822.SIZE -1"]
)
def test_a_number_that_no_database_holds_is_a_typed_error(item: bytes) -> None:
    assert parse_row([b"* 1 FETCH (MODSEQ (9223372036854775807))"]).modseq == 2**63 - 1
    with pytest.raises(ProtocolError):
        parse_row([b"* 1 FETCH (UID 1 " + item + b")"])


@pytest.mark.parametrize("uid", [b"0", b"4294967296", b"1x", b"-1", b"()", b"99999999999999999999999"])
def test_B14_a_uid_that_cannot_be_is_a_typed_error(uid: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_row([b"* 1 FETCH (UID " + uid + b" FLAGS ())"])


def test_B16_and_B20_NIL_is_not_an_empty_body() -> None:
    nil, empty = (parse_row([b"* 1 FETCH (UID 1 BODY[] " + body + b")"]) for body in (b"NIL", b'""'))
    assert (nil.has_body, nil.body) == (True, None)
    assert (empty.has_body, empty.body) == (True, b"")


def test_a_fetch_response_is_told_from_others() -> None:
    assert is_fetch(b"* 1 FETCH (UID 1)")
    assert not is_fetch(b"* FETCH (UID 1)")
    assert not is_fetch(b"* 12 EXISTS")


DATES = st.datetimes(datetime(1901, 12, 15), datetime(2242, 1, 1))  # noqa: DTZ001


@given(DATES, st.integers(-14 * 60, 14 * 60))
def test_internaldate_is_read(moment: datetime, minutes: int) -> None:
    zoned = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    sign, minutes = ("-", -minutes) if minutes < 0 else ("+", minutes)
    month = MONTHS[zoned.month - 1].decode().capitalize()
    text = f"{zoned.day:2}-{month}-{zoned:%Y %H:%M:%S} {sign}{minutes // 60:02}{minutes % 60:02}"
    assert parse_internaldate(text.encode()) == zoned.timestamp()


@pytest.mark.parametrize(
    "text",
    [
        *(
            b"",
            b"17-Jul-1996",
            b"31-Feb-1996 02:44:25 -0700",
            b"17-Xyz-1996 02:44:25 -0700",
            b"17-Jul-1996 25:44:25 -0700",
        ),
        *(
            b"17-Jul-9999 02:44:25 -0700",
            b"01-Jan-0001 00:00:00 +1400",
            b"17-Jul-1996 02:44:25 -9900",
            b"17-Jul-0000 02:44:25 -0700",
        ),
    ],
)
def test_a_date_that_is_none_is_none(text: bytes) -> None:
    assert parse_internaldate(text) is None


def test_dates_for_search() -> None:
    assert search_date("2024-07-01") == "1-Jul-2024"
    assert (
        parse_internaldate(b"30-Jun-2012 23:59:60 +0000") == datetime(2012, 6, 30, 23, 59, 59, tzinfo=UTC).timestamp()
    )
    with pytest.raises(ValueError):
        search_date("1 Jul\r\n")


@given(
    st.binary(min_size=1, max_size=3) | st.integers(0, 2**33).map(lambda number: b"%d" % number),
    st.lists(st.sampled_from([b"\\Seen", b"\\Recent", b"$Label", b"a]", b"a\xff"]), max_size=3),
    st.sampled_from(
        [b"17-Jul-1996 02:44:25 -0700", b"", b" 7-Jul-1996 02:44:60 +0000", b"x", b"99-Jul-1996 02:44:25 -0700"]
    ),
    st.none() | st.integers(0, 10**18).map(lambda number: b"%d" % number),
)
def test_a_scanned_row_is_what_the_exact_way_makes_of_it(
    uid: bytes, flags: list[bytes], date: bytes, modseq: bytes | None
) -> None:
    more = b"" if modseq is None else b" MODSEQ (%s)" % modseq
    line = b'* 12 FETCH (UID %s FLAGS (%s) RFC822.SIZE 7 INTERNALDATE "%s"%s)' % (uid, b" ".join(flags), date, more)
    found = rows.SCANNED.match(line + b"\r\n* 13")
    if found is None:
        return
    sequence, digits, words, size, when, last = found.groups()
    try:
        row = rows._parse_exact([line])
    except ProtocolError:
        with pytest.raises(ProtocolError):
            check_uid(digits)
        return
    told = Row(
        int(sequence),
        check_uid(digits),
        rows.parse_flags(words),
        int(size),
        when,
        None if last is None else int(last),
    )
    assert told == row


@given(st.integers(-(2**31), 2**33), st.sampled_from([-720, -90, 0, 60, 345, 840]))
def test_dates_are_read_alike_by_parts_and_as_a_whole(seconds: int, offset: int) -> None:
    moment = datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)
    local = moment.astimezone(timezone(timedelta(minutes=offset)))
    text = f"{local.day:2}-{MONTHS[local.month - 1].decode()}-{local:%Y %H:%M:%S %z}".encode()
    assert parse_internaldate(text) == parse_internaldate(text.strip()) == seconds


@pytest.mark.parametrize(
    "text",
    [
        b"17-Jul-1996 24:44:25 -0700",
        b"17-Jul-1996 02:60:25 -0700",
        b"17-Jul-1996 02:44:61 -0700",
        b"17-Jul-1996 02:44:+5 -0700",
        b"17-Jul-1996 02:44:25 +2500",
        b"17-Jul-1996x02:44:25 -0700",
        b"17-Jul-1996 02:44:25x-0700",
        b"17-Jul-1996 02.44:25 -0700",
        b"31-Feb-1996 02:44:25 -0700",
        b"31-Dec-9999 02:44:25 -0700",
    ],
)
def test_what_is_no_date_is_none(text: bytes) -> None:
    assert parse_internaldate(text) is None
