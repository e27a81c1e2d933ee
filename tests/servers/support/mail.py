"""What tests put into a mailbox and what a server says it holds: `Mail`, `Held`."""

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True)
class Mail:
    """A message to deliver: its bytes (CRLF line ends), flags and keywords, and INTERNALDATE (None: now)."""

    data: bytes
    flags: tuple[str, ...] = ()
    received: dt.datetime | None = None


@dataclass(frozen=True)
class Held:
    """A message as the server holds it: flags and keywords without `\\Recent`, INTERNALDATE in UTC, bytes with LF."""

    uid: int
    flags: frozenset[str]
    received: dt.datetime
    data: bytes
