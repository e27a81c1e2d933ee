"""The transcript: no secrets, no bodies, bounded."""

from base64 import b64encode

import pytest

from mailctl.domain.secret import Secret
from mailctl.protocols.transcript import Transcript


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (b'A1 LOGIN alice "hunter2"\r\n', "A1 LOGIN ***"),
        (b"a login alice hunter2\r\n", "a login ***"),
        (b"PASS hunter2\r\n", "PASS ***"),
        (b"PASS two words\r\n", "PASS ***"),
        (b"AUTH PLAIN AGFsaWNlAGh1bnRlcjI=\r\n", "AUTH PLAIN ***"),
        (b"T1 AUTHENTICATE PLAIN AGFsaWNlAGh1bnRlcjI=\r\n", "T1 AUTHENTICATE PLAIN ***"),
        (b"APOP alice c4c9334bac560ecc979e58001b3e22fb\r\n", "APOP alice ***"),
        (b"AUTH LOGIN\r\n", "AUTH LOGIN"),
        (b"USER alice\r\n", "USER alice"),
        (b"A2 CAPABILITY\r\n", "A2 CAPABILITY"),
    ],
)
def test_secret_arguments_are_masked_by_their_place(sent: bytes, shown: str) -> None:
    transcript = Transcript(clock=lambda: 0.0)
    transcript.sent(sent)
    assert transcript.lines() == (f"+0.000 C: {shown}",)


def test_continuations_are_masked_by_the_word_of_the_sender() -> None:
    transcript = Transcript(clock=lambda: 0.0)
    transcript.sent(b"aHVudGVyMg==\r\n", secret=True)
    assert transcript.lines() == ("+0.000 C: ***",)


def test_what_a_server_quotes_is_masked_by_value() -> None:
    secret = Secret("hunter2-unit-transcript")
    transcript = Transcript(width=60)
    transcript.received(f"-ERR no user with {secret.reveal()}\r\n".encode())
    transcript.received(b"x" * 38 + b64encode(secret.reveal().encode()) + b"y" * 500)
    shown = "\n".join(transcript.lines())
    assert "hunter2" not in shown
    assert b64encode(b"hunter2-unit").decode()[:8] not in shown


def test_bodies_are_left_out_and_lines_are_bounded() -> None:
    transcript = Transcript(lines=3, width=30, clock=lambda: 0.0)
    transcript.left_out(613)
    transcript.received(b"x" * 50 + b"\r\n")
    transcript.received(b"\xff\xfe\r\n")
    transcript.received(b"one too many\r\n")
    assert transcript.lines() == (
        "+0.000 S: {613 octets left out}",
        f"+0.000 S: {'x' * 30}… (50 octets)",
        "+0.000 S: \\xff\\xfe",
        "1 more lines left out",
    )
