"""Folder names and LIST responses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imapclient import imap_utf7

from mailctl.domain.mailbox import Folder
from mailctl.errors import ProtocolError
from mailctl.protocols.imap.names import decode_name, encode_name, is_list, parse_list, parse_listing

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(NAMES)
def test_a_name_survives_the_wire(name: str) -> None:
    wire = encode_name(name)
    assert wire.isascii()
    assert decode_name(wire) == name


@given(NAMES | st.text("ab&-+,/ é漢\U0001f600\x00\x7f~", max_size=12))
def test_names_are_spelt_as_imapclient_spells_them(name: str) -> None:
    assert encode_name(name) == imap_utf7.encode(name)


@given(st.binary(max_size=30) | st.text("&-AaGZ09+,/ ", max_size=12).map(str.encode))
def test_no_two_spellings_are_one_name(wire: bytes) -> None:
    name = decode_name(wire)
    assert name is None or encode_name(name) == wire


@pytest.mark.parametrize(
    "wire", [b"&", b"&AGE-", b"&AAA", b"a&b", b"\xc3\xa9", b"&2AA-", b"&AOk-&AOk-", b"&!!-", b"&A-", b"x\x00"]
)
def test_B17_a_bad_spelling_is_none(wire: bytes) -> None:
    assert decode_name(wire) is None


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        *((b"&AMk-t&AOk-/M&APw-ller", "Été/Müller"), (b"[Gmail]/All Mail", "[Gmail]/All Mail"), (b"a&-b", "a&b")),
        *((b"&ZeVnLIqe-", "日本語"), (b"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語")),
    ],
)
def test_names_of_the_rfc_and_of_the_world(wire: bytes, name: str) -> None:
    assert decode_name(wire) == name
    assert encode_name(name) == wire


@pytest.mark.parametrize(
    ("parts", "folder"),
    [
        ([b'* LIST (\\HasNoChildren) "/" INBOX'], Folder("INBOX", b"INBOX", "/", frozenset({"\\hasnochildren"}))),
        ([b'* LIST () NIL "inbox"'], Folder("INBOX", b"inbox", None)),
        ([b'* list (\\Noselect \\X) "." "a b"'], Folder("a b", b"a b", ".", frozenset({"\\noselect", "\\x"}))),
        ([b'* LIST () "\\\\" "a\\\\b\\"c"'], Folder('a\\b"c', b'a\\b"c', "\\")),
        ([b'* LIST () "/" {3}', b'x"y', b""], Folder('x"y', b'x"y', "/")),
        ([b'* LIST () "/" "x" (CHILDINFO (SUBSCRIBED))'], Folder("x", b"x", "/")),
        ([b'* LIST () "/" NIL'], Folder("NIL", b"NIL", "/")),
        ([b'* LIST () "/" 123'], Folder("123", b"123", "/")),
        ([b'* LIST () "/" "[Gmail]/All Mail" '], Folder("[Gmail]/All Mail", b"[Gmail]/All Mail", "/")),
    ],
)
def test_list_responses(parts: list[bytes], folder: Folder) -> None:
    assert is_list(parts[0])
    assert parse_list(parts) == folder


def test_B17_bad_names_are_set_aside_and_the_rest_works() -> None:
    listing = parse_listing(
        [
            [b'* LIST () "/" a'],
            [b'* LIST () "/" &bad'],
            [b"* LIST ((("],
            [b'* LIST () "/" {2}', b"\xff\xfe", b""],
            [b'* LIST () "/" a'],
        ]
    )
    assert [folder.name for folder in listing.folders] == ["a"]
    assert listing.set_aside == (b"&bad", b"* LIST (((", b"\xff\xfe")


@given(st.binary(max_size=60))
def test_junk_is_set_aside_or_a_folder(junk: bytes) -> None:
    try:
        parse_list([b"* LIST " + junk])
    except ProtocolError:
        return


@given(
    st.lists(st.sampled_from([b"\\HasNoChildren", b"\\Sent", b"\\X-odd", b"$a", b"\\*"]), max_size=3),
    st.sampled_from([b"NIL", b'"/"', b'"."', b'"\\\\"', b'" "', b'"xx"', b"x"]),
    st.sampled_from(
        [b"INBOX", b'"inbox"', b"NIL", b'""', b'"a b"', b'"a\\\\b"', b"&bad", b"&AOQ-/x", b'"\xe4"', b"a b"]
    )
    | st.binary(max_size=8),
)
def test_common_listings_are_read_as_exactly(attributes: list[bytes], delimiter: bytes, name: bytes) -> None:
    line = b"* LIST (%s) %s %s" % (b" ".join(attributes), delimiter, name)
    read: list[Folder | bytes | str] = []
    for each in (line, line.replace(b"LIST", b"list")):  # the second goes the exact way
        try:
            read.append(parse_list([each]))
        except ProtocolError as error:
            read.append(error.code)
    assert read[0] == read[1]


def test_a_long_listing_takes_no_time_to_refuse() -> None:
    for junk in (b"a" * 100_000, b"a " * 50_000, b"\\" * 100_000, b'"' * 100_000):
        with pytest.raises(ProtocolError):
            parse_list([b"* LIST (" + junk + b"! x"])
