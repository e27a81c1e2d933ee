"""What a message is called for people: whatever its header holds, within bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.sync.describe import describe, identity


def test_fields_are_decoded_unfolded_and_cut() -> None:
    header = (
        b"Received: from x\r\nFROM: =?utf-8?b?SsO8cmdlbg==?=\r\n <j@x>\r\nSubject: =?iso-8859-1?q?caf=E9?= a\r\n\tb\r\n"
        b"Date: Thu, 29 Feb 2024 23:30:00 -0100\r\nSubject: second\r\n\r\nSubject: body\r\n"
    )
    found = describe(header)
    assert (found.sender, found.subject, found.date) == ("Jürgen <j@x>", "café a b", "2024-03-01T00:30:00Z")
    assert str(found) == "2024-03-01, Jürgen <j@x>, “café a b”"
    assert describe(b"\r\nSubject: body\r\n") == describe(b"")
    assert str(describe(b"")) == ""


@pytest.mark.parametrize(
    "subject",
    [
        b"=?utf-8?q?a?= " * 100_000,
        b"=?x?b?!!!?=",
        b"=?unknown-8?q?a?=",
        b"\xff\xfe" * 5000,
        b"a" * 1_000_000,
        b"=?" * 9999,
    ],
)
def test_B25_hostile_headers_are_bounded(subject: bytes) -> None:
    found = describe(b"Subject: " + subject + b"\r\nDate: " + subject + b"\r\nFrom: " + subject + b"\r\n\r\n")
    assert len(found.subject) <= 200
    assert len(found.sender) <= 200


@given(st.binary(max_size=300))
def test_no_header_is_too_strange(data: bytes) -> None:
    describe(b"Subject: " + data + b"\nDate: " + data)
    describe(data)
    assert all(len(value) <= 1000 for value in identity(data).values())
