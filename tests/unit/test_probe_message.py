"""The octets of a probe, and of any message on its way by SMTP."""

import email
import email.policy
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.diagnosis.probes.message import probe_message
from mailctl.errors import UsageError
from mailctl.protocols.submission import wire_form

NOW = datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)


def unstuffed(wire: bytes) -> bytes:
    """The message that a server makes of what DATA brought; fails if the end came early (RFC 5321 section 4.5.2)."""
    assert not wire or wire.endswith(b"\r\n")
    lines = wire.split(b"\r\n")[:-1]
    assert b"." not in lines
    return b"".join((line[1:] if line.startswith(b".") else line) + b"\r\n" for line in lines)


@given(st.binary(max_size=300) | st.lists(st.sampled_from([b".", b"\r", b"\n", b"a", b"\r\n"])).map(b"".join))
def test_B7_one_message_comes_out_whatever_goes_in(message: bytes) -> None:
    wire = wire_form(message)
    assert b"\r\n.\r\n" not in b"\r\n" + wire
    assert b"\n" not in wire.replace(b"\r\n", b"")
    assert b"\r" not in wire.replace(b"\r\n", b"")
    plain = message.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    expected = plain if not plain or plain.endswith(b"\n") else plain + b"\n"
    assert unstuffed(wire) == expected.replace(b"\n", b"\r\n")


def test_a_probe_is_polite_and_says_what_it_is() -> None:
    made = probe_message("alice@mail.test", NOW, "0123456789abcdef")
    assert made.message_id == "<mailctl-probe-0123456789abcdef@mail.test>"
    assert made.data.isascii()
    assert max(map(len, made.data.split(b"\r\n"))) <= 78
    parsed = email.message_from_bytes(made.data, policy=email.policy.strict)
    assert parsed["From"] == parsed["To"] == "alice@mail.test"
    assert parsed["Message-ID"] == made.message_id
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed["Subject"] == made.subject
    assert parsedate_to_datetime(str(parsed["Date"])) == NOW
    assert "mailctl" in parsed.get_payload()
    assert wire_form(made.data) == made.data


@given(st.text(max_size=70).map(lambda local: f"{local}@mail.test") | st.text(max_size=90))
def test_B5_B6_nothing_gets_into_a_header_that_ends_its_line(address: str) -> None:
    try:
        made = probe_message(address, NOW, "0123456789abcdef")
    except UsageError:
        return
    head, _, _ = made.data.partition(b"\r\n\r\n")
    assert [line.partition(b":")[0] for line in head.split(b"\r\n")] == [
        *(b"Date", b"From", b"To", b"Subject", b"Message-ID", b"X-Mailctl-Probe"),
        *(b"Auto-Submitted", b"X-Auto-Response-Suppress"),
        *(b"MIME-Version", b"Content-Type", b"Content-Transfer-Encoding"),
    ]
    assert unstuffed(wire_form(made.data)) == made.data


@pytest.mark.parametrize(
    "address", ["a\r\nBcc: x@y.test@mail.test", "a\n@mail.test", "a@mail.test\r\nX: y", "a\0@b.test"]
)
def test_B5_B6_a_line_break_is_refused(address: str) -> None:
    with pytest.raises(UsageError):
        probe_message(address, NOW, "0")


def test_an_address_beyond_ascii_is_sent_as_utf8() -> None:
    made = probe_message("jörg@mail.test", NOW, "0123456789abcdef")
    assert "From: <jörg@mail.test>\r\n".encode() in made.data
    assert b"charset=utf-8" in made.data
