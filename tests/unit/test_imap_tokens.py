"""Responses as values: exact, bounded."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.errors import ProtocolError
from mailctl.protocols.imap.tokens import MAX_DEPTH, Atom, Value, literal_size, number, parse_values

ATOMS = st.text("abcXYZ019\\$.:;<>#!~+-_*%", min_size=1, max_size=12).map(lambda text: Atom(text.encode()))
STRINGS = st.binary(max_size=20)


def spell(value: Value, parts: list[bytes]) -> None:
    """Write `value` at the end of `parts`, as a server may: quoted where it can be, else as a literal."""
    if value is None:
        parts[-1] += b"NIL"
    elif isinstance(value, list):
        parts[-1] += b"("
        for index, each in enumerate(value):
            parts[-1] += b" " if index else b""
            spell(each, parts)
        parts[-1] += b")"
    elif isinstance(value, Atom):
        parts[-1] += value
    elif b"\r" in value or b"\n" in value or len(value) % 3 == 0:
        parts[-1] += b"{%d}" % len(value)
        parts.extend((value, b""))
    else:
        parts[-1] += b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


VALUES = st.recursive(
    st.none() | ATOMS.filter(lambda atom: atom.upper() != b"NIL") | STRINGS,
    lambda inner: st.lists(inner, max_size=5),
    max_leaves=20,
)


@given(st.lists(VALUES, max_size=6))
def test_what_is_spelt_is_read(values: list[Value]) -> None:
    parts = [b""]
    for index, value in enumerate(values):
        parts[-1] += b" " if index else b""
        spell(value, parts)
    read = parse_values(parts)
    assert read == values
    assert [type(value) for value in read] == [type(value) for value in values]


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5))
def test_junk_is_a_typed_error_or_a_value(parts: list[bytes]) -> None:
    try:
        parse_values(parts)
    except ProtocolError as error:
        assert error.message  # noqa: PT017  # both outcomes are right


def test_sections_are_one_word() -> None:
    line = b"BODY[] BODY[HEADER.FIELDS (Subject To)]<0> \\Seen $a] []x"
    assert parse_values([line]) == [b"BODY[]", b"BODY[HEADER.FIELDS (Subject To)]<0>", b"\\Seen", b"$a]", b"[]x"]


def test_B11_900_nested_parentheses_are_a_typed_error() -> None:
    with pytest.raises(ProtocolError, match="nested"):
        parse_values([b"(" * 900 + b")" * 900])
    assert parse_values([b"(" * MAX_DEPTH + b")" * MAX_DEPTH])


@pytest.mark.parametrize("line", [b"(", b")", b'"', b"a)", b'("x', b"{5}", b'"a\nb"', b"a{5} b"])
def test_what_does_not_end_is_a_typed_error(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_values([line])


@pytest.mark.parametrize(
    ("line", "size"),
    [
        (b"x {0}", 0),
        (b"x {12}", 12),
        (b"x ~{12}", 12),
        (b"{3+}", 3),
        (b"x {12} ", None),
        (b"x }", None),
        (b"{x}", None),
    ],
)
def test_a_literal_is_announced_at_the_end_of_a_line(line: bytes, size: int | None) -> None:
    assert literal_size(line, 100) == size


@pytest.mark.parametrize("line", [b"{99999999999}", b"{-5}", b"{101}", b"{" + b"9" * 5000 + b"}"])
def test_B8_B9_a_literal_beyond_bounds_is_a_typed_error(line: bytes) -> None:
    with pytest.raises(ProtocolError, match="literal"):
        literal_size(b"* 1 FETCH (BODY[] " + line, 100)


@pytest.mark.parametrize("value", [b"", b"-1", b"1x", None, [], b"9" * 21, str(2**63).encode(), "٣".encode()])
def test_numbers_are_bounded(value: Value) -> None:
    with pytest.raises(ProtocolError):
        number(value)
    assert number(b"9223372036854775807") == 2**63 - 1


@pytest.mark.parametrize("line", [b'"' + b"\\" * 200_001, b"[" * 200_000, b"a[" * 100_000, b" " * 200_000 + b'"'])
def test_hostile_lines_cost_no_more_than_their_length(line: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        parse_values([line])  # would take minutes if it were quadratic
