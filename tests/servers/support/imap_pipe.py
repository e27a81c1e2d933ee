"""An IMAP session with Dovecot's `imap` program over pipes, signed in already: `ImapPipe`.

It passes by the ports, so that passwords, TLS, and limits on connections that a test has set don't matter to the test's
own deliveries.
"""

import datetime as dt
import imaplib
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from imapclient.imap_utf7 import encode

from .mail import Mail
from .process import User

_BATCH = 1 << 20  # bytes in one command, about: MULTIAPPEND (RFC 3502) makes a batch one transaction


class ImapRefusedError(Exception):
    """The server answered NO or BAD; the message is its line."""


class ImapPipe:
    """A context manager; `argv` starts the program."""

    def __init__(self, argv: Sequence[str | Path], env: Mapping[str, str], user: User | None) -> None:
        account = {} if user is None else {"user": user.uid, "group": user.gid, "extra_groups": []}
        self._process = subprocess.Popen(  # type: ignore[call-overload]  # keywords by case
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, cwd="/", **account
        )
        greeting = self._process.stdout.readline()
        if not greeting.startswith(b"* PREAUTH"):
            self._process.kill()
            self._process.communicate()
            raise ImapRefusedError(f"no session: {greeting!r}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(10)
        finally:
            self._process.kill()
            self._process.stdout.close()
            self._process.wait()

    def command(self, *parts: str | bytes) -> list[bytes]:
        """Send one command and return the response lines, the tagged OK last.

        Raises:
            ImapRefusedError: the server said NO or BAD, or went away.
        """
        line = b" ".join(part if isinstance(part, bytes) else part.encode() for part in parts)
        self._process.stdin.write(b"t " + line + b"\r\n")
        self._process.stdin.flush()
        lines: list[bytes] = []
        while not lines or not lines[-1].startswith(b"t "):
            lines.append(self._process.stdout.readline())
            if not lines[-1]:
                raise ImapRefusedError(f"the session ended after {line[:80]!r}")
        if not lines[-1].startswith(b"t OK"):
            raise ImapRefusedError(lines[-1].decode(errors="replace").strip())
        return lines

    def append(self, folder: str, mails: Iterable[Mail]) -> list[int]:
        """Append messages in batches and return their UIDs."""
        uids: list[int] = []
        for batch in _batches(mails):
            answer = self.command(b"APPEND " + quote(folder), *batch)[-1]
            found = re.search(rb"\[APPENDUID \d+ ([\d:,]+)\]", answer)
            assert found, answer
            for part in found.group(1).split(b","):
                first, _, last = part.partition(b":")
                uids += range(int(first), int(last or first) + 1)
        return uids


def quote(folder: str) -> bytes:
    """A folder's name as a literal in modified UTF-7 (RFC 3501, section 5.1.3)."""
    name: bytes = encode(folder)
    return b"{%d+}\r\n%b" % (len(name), name)


def _batches(mails: Iterable[Mail]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for mail in mails:
        batch.append(_append_item(mail))
        size += len(batch[-1])
        if size > _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _append_item(mail: Mail) -> bytes:
    date = b""
    if mail.received is not None:
        moment = mail.received.astimezone(dt.UTC)
        date = f"{imaplib.Time2Internaldate(moment)} ".encode()
    return b"(%b) %b{%d+}\r\n%b" % (" ".join(mail.flags).encode(), date, len(mail.data), mail.data)
