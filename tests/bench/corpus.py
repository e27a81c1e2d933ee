"""Mailboxes for the benchmarks, written straight into a server's Maildir++, the same for the same seed.

Sizes are as in real mailboxes: most messages a few KB, a quarter some tens, one in twenty an attachment of up to
2 MB; about 60 KB on average. `small`: newsletters and notes alone.
"""

import base64
import hashlib
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from imapclient.imap_utf7 import encode

# share of all messages, least and greatest octets; the last range is filled evenly on a logarithmic scale
_MIXED = ((0.70, 2_000, 8_000), (0.25, 20_000, 80_000), (0.05, 300_000, 2_000_000))
_SMALL = ((1.00, 1_500, 6_000),)
_WORDS = ("report meeting", "invoice", "garden", "river", "letter", "window", "a", "morning", "answer", "question of")
_FIRST_DAY = 1_400_000_000


@dataclass(frozen=True)
class Message:
    """data: with LF line ends. time: when it was received, seconds since 1970."""

    data: bytes
    time: int


class Corpus:
    """An endless row of messages. name: also makes their Message-IDs unlike those of others."""

    def __init__(self, name: str, *, small: bool = False) -> None:
        self._name, self._sizes = name, _SMALL if small else _MIXED
        self._random = random.Random(name)
        words = " ".join(self._random.choices(_WORDS, k=60_000))
        lines = [words[at : at + 72].strip() for at in range(0, len(words), 72)]
        self._prose = "\n".join(lines).encode()
        self._encoded = base64.encodebytes(self._random.randbytes(2_400_000))

    def messages(self, count: int) -> Iterator[Message]:
        """The next `count` messages."""
        for number in range(count):
            yield self._message(number)

    def _size(self) -> int:
        chosen = self._random.random()
        for share, least, most in self._sizes:
            if chosen < share:
                return int(least * (most / least) ** self._random.random())
            chosen -= share
        return most

    def _message(self, number: int) -> Message:
        made, size = self._random, self._size()
        received = _FIRST_DAY + number * 3607 % 300_000_000
        date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(received))
        unique = hashlib.sha256(f"{self._name} {number}".encode()).hexdigest()
        sender = made.randrange(1000)
        head = (
            f"Return-Path: <sender{sender}@example.org>\n"
            f"Received: from mx.example.org (mx.example.org [192.0.2.{sender % 250}])\n"
            f"\tby mail.example.net with ESMTPS id {unique[:12]}\n\tfor <me@example.net>; {date}\n"
            f"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=key; h=from:to:subject:date;\n\tbh={unique};\n"
            f"\tb={unique * 4}\nFrom: Sender {sender} <sender{sender}@example.org>\nTo: Me <me@example.net>\n"
            f"Subject: {' '.join(made.choices(_WORDS, k=made.randrange(2, 9)))}\nDate: {date}\n"
            f"Message-ID: <{unique[:32]}@example.org>\nMIME-Version: 1.0\n"
        )
        if size < 15_000:
            head += "Content-Type: text/plain; charset=utf-8\n\n"
            return Message(head.encode() + self._part(self._prose, size - len(head)), received)
        boundary = f"=_{unique[:20]}"
        text = (
            f'{head}Content-Type: multipart/mixed; boundary="{boundary}"\n\n--{boundary}\n'
            "Content-Type: text/plain; charset=utf-8\n\n"
        )
        file = (
            f'\n--{boundary}\nContent-Type: application/octet-stream; name="{number}.bin"\n'
            f"Content-Transfer-Encoding: base64\n\n"
        )
        prose = self._part(self._prose, 3000)
        encoded = self._part(self._encoded, size - len(text) - len(file) - len(prose))
        return Message(b"".join((text.encode(), prose, file.encode(), encoded, f"--{boundary}--\n".encode())), received)

    def _part(self, whole: bytes, size: int) -> bytes:
        """About that many octets of it, from a line's beginning to a line's end."""
        size = max(size, 100)
        begin = whole.index(b"\n", self._random.randrange(max(1, len(whole) - size - 200))) + 1
        return whole[begin : whole.rindex(b"\n", begin, begin + size) + 1]


def few_folders(count: int) -> list[tuple[str, int]]:
    """Four folders with that many messages in all, most of them in INBOX."""
    archive, sent, lists = count // 4, count // 10, count // 20
    return [("INBOX", count - archive - sent - lists), ("Archive", archive), ("Sent", sent), ("Lists/dev", lists)]


def many_folders(folders: int, count: int) -> list[tuple[str, int]]:
    """That many folders, nested and with names in Unicode among them, with as many messages each."""
    names = [
        f"Projects/team {n // 20:02}/folder {n:03}" if n % 10 else f"Größe & Maß {n:03}" for n in range(1, folders)
    ]
    return [(name, count // folders) for name in ("INBOX", *names)]


def write_maildir(root: Path, folders: Sequence[tuple[str, int]], corpus: Corpus, owner: tuple[int, int] | None) -> int:
    """Fill a new Maildir++ and return its octets. owner: the account that its server runs as; None: this one."""
    octets = number = 0
    root.mkdir(parents=True)
    directories = [root]
    for name, count in folders:
        folder = root if name == "INBOX" else root / f".{encode(name).decode().replace('/', '.')}"
        for part in ("cur", "new", "tmp"):
            (folder / part).mkdir(parents=True)
        directories += [folder, *(folder / part for part in ("cur", "new", "tmp"))]
        for message in corpus.messages(count):
            number += 1
            octets += len(message.data)
            _write(folder / "cur", number, message, owner)
    subscriptions = root / "subscriptions"
    subscriptions.write_bytes(b"".join(encode(name) + b"\n" for name, _ in folders))
    if owner:
        for path in (*directories, subscriptions):
            os.chown(path, *owner)
    return octets


def _write(folder: Path, number: int, message: Message, owner: tuple[int, int] | None) -> None:
    """Dovecot reads the size and the size with CRLF from the name; four of five messages are read, some flagged."""
    size = len(message.data)
    flags = "F" * (number % 23 == 0) + "R" * (number % 11 == 0) + "S" * (number % 5 != 0)
    name = f"{_FIRST_DAY + number}.M{number}P1.bench,S={size},W={size + message.data.count(10)}:2,{flags}"
    with open(folder / name, "xb", buffering=0, opener=lambda path, how: os.open(path, how, 0o600)) as file:
        file.write(message.data)
        os.utime(file.fileno(), (message.time, message.time))
        if owner:
            os.fchown(file.fileno(), *owner)
