"""The one argument validator, and host names in A-labels."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.errors import NetworkError, UsageError
from mailctl.protocols.arguments import MOST, argument, ascii_argument, octets, word
from mailctl.protocols.idn import a_labels


@given(st.text())
def test_what_passes_can_neither_end_a_line_nor_a_string(text: str) -> None:
    if {"\r", "\n", "\0"} & set(text):
        with pytest.raises(UsageError):
            argument(text, "value")
    else:
        assert argument(text, "value") == text


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc"])))
def test_a_refusal_says_the_same_of_every_value(text: str) -> None:
    """So it quotes none."""
    with pytest.raises(UsageError) as caught:
        argument(text + "\n", "password")
    assert (caught.value.message, caught.value.hint) == ("The password has a line break in it", "Nothing was sent.")


def test_lone_surrogates_and_endless_values_are_refused() -> None:
    with pytest.raises(UsageError, match="UTF-8"):
        argument("\udc80", "user name")
    with pytest.raises(UsageError, match="longer"):
        argument("é" * MOST, "user name")


@pytest.mark.parametrize("value", [b"a\rb", b"a\nb", b"a\0b", b"x" * (MOST + 1)])
def test_octets_are_held_to_the_same(value: bytes) -> None:
    with pytest.raises(UsageError):
        octets(value, "folder name")


def test_ascii_and_words() -> None:
    assert ascii_argument("a b", "value") == "a b"
    assert word("INBOX", "value") == "INBOX"
    for bad in ("é", "\x7f", "\x1b"):
        with pytest.raises(UsageError):
            ascii_argument(bad, "value")
    for bad in ("", "a b"):
        with pytest.raises(UsageError):
            word(bad, "value")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("Mail.Example.", "mail.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("faß.de", "xn--fa-hia.de"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("_imaps._tcp.example", "_imaps._tcp.example"),
    ],
)
def test_host_names_become_a_labels(host: str, expected: str) -> None:
    assert a_labels(host) == expected


BAD = ["", ".", "a..b", ".a", "a b", "-a.example", "a" * 64, "a." * 127 + "aa", "x:y", "\u2028.x", "a\n", "http://a"]


@pytest.mark.parametrize("host", BAD)
def test_what_is_no_host_name_is_named_so(host: str) -> None:
    with pytest.raises(NetworkError) as caught:
        a_labels(host)
    assert caught.value.cause == "dns_bad_name"


@given(st.text())
def test_any_text_gives_a_host_name_or_the_one_error(text: str) -> None:
    with suppress(NetworkError):
        assert a_labels(text).isascii()
