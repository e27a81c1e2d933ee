"""Secrets show nothing, and the mask knows the spellings in which software quotes them."""

import base64
import copy
import dataclasses
import json
import pickle
import threading
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.domain import secret as module
from mailctl.domain.secret import MASK, MAX_SECRET, BearerToken, Secret, accept, is_secret, mask, mask_within
from mailctl.errors import SecretError
from mailctl.output.json import to_plain

TRICKY = 'p"ä\\s s/€+%&<w>?~'


@pytest.mark.parametrize("show", [str, repr, "{}".format, "{!r}".format, "{:>3}".format, "%s".__mod__])
def test_nothing_is_shown(show: object) -> None:
    assert callable(show)
    assert show(Secret("hunter2")) == MASK


@pytest.mark.parametrize("use", [pickle.dumps, copy.copy, copy.deepcopy, hash, json.dumps, to_plain, list, len, vars])
def test_it_can_not_be_taken_apart(use: object) -> None:
    assert callable(use)
    with pytest.raises(TypeError) as caught:
        use(Secret("hunter2"))
    assert "hunter2" not in str(caught.value)


def test_a_dataclass_does_not_give_it_away() -> None:
    @dataclasses.dataclass
    class Holder:
        secret: Secret

    assert "hunter2" not in repr(Holder(Secret("hunter2")))
    with pytest.raises(TypeError):
        dataclasses.asdict(Holder(Secret("hunter2")))


def test_equality_takes_anything() -> None:
    assert Secret("a\ud800") == Secret("a\ud800")
    assert Secret("ä") != Secret("a")
    assert Secret("x") != "x"
    assert not Secret("")


def test_only_text_is_a_secret() -> None:
    with pytest.raises(TypeError):
        Secret(b"bytes")  # type: ignore[arg-type]  # what a careless caller does


@pytest.mark.parametrize(
    ("value", "fault"),
    [("", "empty"), ("a\0b", "NUL"), ("a\udcff", "UTF-8"), ("x" * (MAX_SECRET + 1), "longer")],
)
def test_what_nobody_can_sign_in_with_is_refused(value: str, fault: str) -> None:
    with pytest.raises(SecretError, match=fault) as caught:
        accept(value, "somewhere")
    assert caught.value.code == "secret_invalid"
    assert "somewhere" in caught.value.message


def spellings(value: str) -> list[str]:
    """How libraries and servers quote a password, not taken from the mask's own list."""
    raw = value.encode()
    plain = b"\0alice@example.org\0" + raw
    return [
        value,
        repr({"password": value}),
        repr(plain),
        json.dumps([value]),
        json.dumps([value], ensure_ascii=False),
        base64.b64encode(raw).decode(),
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode(),
        base64.b64encode(plain).decode(),
        base64.b64encode(b"\0al\0" + raw).decode(),
        base64.b64encode(b"\0a\0" + raw + b"\1\1").decode(),
        raw.hex(),
        raw.hex().upper(),
        urllib.parse.quote(value, safe=""),
        urllib.parse.urlencode({"password": value}),
        f'LOGIN alice "{value}"'.replace("\\", "\\\\"),
    ]


@pytest.mark.parametrize("value", [TRICKY, "hunter2-plain-words", "ünïcödé-pässwörd"])
def test_every_spelling_is_masked(value: str) -> None:
    Secret(value)
    raw = value.encode()
    inner = base64.b64encode(raw).decode()[4:-4]
    for text in spellings(value):
        shown = mask(f"before {text} after")
        assert MASK in shown
        assert value not in shown
        assert raw.hex() not in shown.lower()
        assert inner not in shown


@given(st.text(st.characters(codec="utf-8", exclude_characters="*"), min_size=5, max_size=40))
def test_a_masked_text_never_holds_it(value: str) -> None:
    Secret(value)
    assert value not in mask(f"error near {value!r}: {value} {json.dumps(value)}")


def test_the_longest_goes_first() -> None:
    Secret("abcdef")
    Secret("abcdef-and-more")
    assert mask("<abcdef-and-more>") == "<***>"


def test_the_registry_does_not_grow_with_repetition() -> None:
    Secret("said-again-and-again")
    before = len(module._seen), len(module._masked)
    for _ in range(1000):
        Secret("said-again-and-again")
    assert (len(module._seen), len(module._masked)) == before
    assert is_secret("said-again-and-again")
    assert not is_secret("never-said")


def test_threads_may_make_secrets() -> None:
    def make(number: int) -> None:
        for index in range(50):
            Secret(f"thread-{number}-secret-{index}")

    threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(mask(f"thread-{number}-secret-{index}.") == "***." for number in range(8) for index in range(50))


def test_a_huge_one_is_masked_too() -> None:
    value = "0123456789abcdef" * (MAX_SECRET // 16)
    assert accept(value, "here") == Secret(value)
    assert mask(f"-{value}-") == "-***-"


def test_what_is_nested_is_masked_and_keys_stay() -> None:
    Secret("hunter2")
    assert mask_within({"hunter2": ["a hunter2", ("hunter2",), {"x": 1}], "n": None}) == {
        "hunter2": ["a ***", ["***"], {"x": 1}],
        "n": None,
    }


def test_tokens_of_long_ago_are_forgotten_and_passwords_never() -> None:
    password, first = Secret("hunter2-hunter2"), BearerToken("first" * 200)
    again = f"again-{'x' * 2000}"
    for number in range(2000):
        BearerToken(f"{number}-{'y' * 2000}")
        BearerToken(again)
        if number % 500 == 0:
            mask("text")
    assert mask(password.reveal()) == MASK
    assert mask(again) == MASK
    assert mask(f"1999-{'y' * 2000}") == MASK
    assert mask(first.reveal()) == first.reveal()
    assert sum(map(len, module._seen)) < module.MOST_LONG + 10_000
    assert len(module._masked) < 30 * len(module._seen)
