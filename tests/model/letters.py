"""The messages of the histories: each has a token of its own in its body, so that it is known wherever it turns up."""

import random
import re

_TOKEN = re.compile(rb"token-(\d{6})-")


def letter(number: int, chance: float) -> bytes:
    """A message with CRLF line ends; of several sizes, some without Message-ID, some with one that others have too."""
    made = random.Random(chance)
    lines = [f"From: a{number}@example.org", f"Subject: number {number}"]
    if chance < 0.1:
        lines.append("Message-ID: <the-same@example.org>")
    elif chance < 0.8:
        lines.append(f"Message-ID: <{number}@example.org>")
    lines += ["", f"token-{number:06}-", *("x" * made.randrange(70) for _ in range(made.choice((1, 20, 300))))]
    return "\r\n".join(lines).encode() + b"\r\n" * (1 + number % 3)


def token_of(data: bytes) -> int:
    """The number of the message that these octets are.

    Raises:
        AssertionError: there is none, or there are several.
    """
    (found,) = _TOKEN.findall(data)
    return int(found)
