"""How a long value is divided for keyrings that hold only short ones."""

from hypothesis import given
from hypothesis import strategies as st

from mailctl.secrets.keyring_parts import MANIFEST, SHORT, Parts, _pieces, _units

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)


@given(TEXT, st.integers(2, 50))
def test_pieces_are_short_enough_and_make_the_whole(text: str, size: int) -> None:
    pieces = _pieces(text, size)
    assert "".join(pieces) == text
    assert all(len(piece.encode("utf-16-le")) <= 2 * size for piece in pieces)
    assert all(pieces) or text == ""


@given(TEXT)
def test_units_are_those_of_UTF_16(text: str) -> None:
    assert 2 * _units(text) == len(text.encode("utf-16-le"))


def test_what_could_be_taken_for_a_manifest_is_divided_however_short() -> None:
    assert Parts.is_long(f"{MANIFEST}x")
    assert not Parts.is_long("x" * SHORT)
    assert Parts.is_long("x" * (SHORT + 1))
