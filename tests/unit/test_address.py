"""E-mail addresses: parsed, or refused in one sentence."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.domain.address import parse_address
from mailctl.errors import UsageError


@pytest.mark.parametrize(
    ("text", "local", "domain"),
    [
        ("anna@example.org", "anna", "example.org"),
        ("Anna.Müller+x@EXAMPLE.org.", "Anna.Müller+x", "example.org"),
        ("a@bücher.example", "a", "bücher.example"),
        ("a@बीमा.example", "a", "बीमा.example"),
        ("a@localhost", "a", "localhost"),
        ("o'neil@a-b.example", "o'neil", "a-b.example"),
    ],
)
def test_addresses(text: str, local: str, domain: str) -> None:
    assert parse_address(text) == (local, domain)


WRONG = [
    *("", "anna", "@x.org", "anna@", "a b@x.org", "a@x..org", "a@-x.org", "a@x-.org", "a@x_y.org", "a@x.org\n"),
    *("a@x\xa0.org", "a\x1b@x.org", "a\u202eb@x.org", "a@@x.org", "a,b@x.org", "https://x.org/@x.org/"),
    *("l" * 65 + "@x.org", "a@" + "x" * 64 + ".org", "a@" + "x." * 130 + "org"),
]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_none_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(text)
    assert "\n" not in caught.value.message.replace(repr(text), "")


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    with contextlib.suppress(UsageError):
        address = parse_address(text)
        assert parse_address(str(address)) == address
