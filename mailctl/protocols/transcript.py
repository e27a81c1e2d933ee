"""The conversation with a server, kept for `--trace`: who said what and when, without secrets and without bodies."""

import re
from collections.abc import Callable
from time import monotonic

from mailctl.domain.pattern import pattern
from mailctl.domain.secret import MASK, mask

_SECRETS = pattern(
    rb"(?i)^((?:[^ ]+ )?LOGIN|PASS|APOP [^ ]+|(?:[^ ]+ )?AUTHENTICATE [^ ]+|AUTH [^ ]+)( .*)$", re.DOTALL
)
"""Commands whose further arguments can be secret: IMAP LOGIN, AUTHENTICATE; POP3 PASS, APOP, AUTH; SMTP AUTH."""


class Transcript:
    """Lines such as `+0.031 C: EHLO localhost`; at most `lines` of at most `width` characters each.

    A wire without a transcript records nothing, which costs nothing.
    """

    def __init__(self, *, lines: int = 2000, width: int = 1000, clock: Callable[[], float] = monotonic) -> None:
        self._lines: list[str] = []
        self._most, self._width, self._clock = lines, width, clock
        self._start = clock()
        self._left_out = 0

    def sent(self, data: bytes, *, secret: bool = False) -> None:
        """Keep what the client sent; `secret` data shows as `***`, secret arguments of known commands always do."""
        for line in data.splitlines():
            shown = MASK.encode() if secret else _SECRETS.sub(rb"\1 " + MASK.encode(), line)
            self._add("C", shown)

    def received(self, line: bytes) -> None:
        """Keep a line that the server sent."""
        self._add("S", line.rstrip(b"\r\n"))

    def left_out(self, octets: int) -> None:
        """Note that the server sent `octets` of message or literal, which are not kept."""
        self._add("S", b"{%d octets left out}" % octets)

    def note(self, text: str) -> None:
        """Keep a remark of the client's own (`TLSv1.3 from here on`)."""
        self._add("-", text.encode())

    def lines(self) -> tuple[str, ...]:
        """The conversation so far, every secret of this process masked by value too; still to be escaped for output."""
        end = (f"{self._left_out} more lines left out",) if self._left_out else ()
        return tuple(mask(line) for line in self._lines) + end

    def _add(self, who: str, line: bytes) -> None:
        if len(self._lines) >= self._most:
            self._left_out += 1
            return
        text = line.decode("utf-8", "backslashreplace")
        if len(text) > self._width:
            # masked before it is cut: half a secret would no longer be recognised
            text = f"{mask(text)[: self._width]}… ({len(line)} octets)"
        self._lines.append(f"+{self._clock() - self._start:.3f} {who}: {text}")
