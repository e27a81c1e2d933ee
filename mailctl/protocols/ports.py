"""Which ports of a host answer, and with what: a look from outside, without a word of any mail protocol."""

import socket
from collections.abc import Iterable, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic

from mailctl.domain.deadline import Deadline
from mailctl.domain.look import PortSeen
from mailctl.errors import MailctlError, NetworkError
from mailctl.protocols import tls
from mailctl.protocols.buffer import decode
from mailctl.protocols.dial import dial
from mailctl.protocols.resolve import Address, resolve

WORDS = 1.2
"""Seconds that a greeting is waited for; a mail server greets at once."""
SHARE = 0.9
"""Of the time in all, what one port gets: a silence is told before the time is up."""
MOST = 512
"""Octets of a greeting that are looked at."""
LINE = 200
"""Characters of it that are kept."""
_FAMILIES = {"IPv4": socket.AF_INET, "IPv6": socket.AF_INET6}
_SPEAKS = (
    (b"* OK", "imap"),
    (b"* PREAUTH", "imap"),
    (b"* BYE", "imap"),
    (b"+OK", "pop3"),
    (b"-ERR", "pop3"),
    (b"220", "smtp"),
    (b"554", "smtp"),
    (b"421", "smtp"),
    (b"HTTP/", "http"),
    (b"<!DOCTYPE", "http"),
    (b"<HTML", "http"),
    (b"SSH-", "ssh"),
)


def see_ports(
    host: str, ports: Sequence[tuple[int, bool]], deadline: Deadline, family: str = ""
) -> tuple[PortSeen, ...]:
    """See `domain.look.Looks.ports`."""
    answers: SimpleQueue[tuple[int, PortSeen]] = SimpleQueue()
    each_within = Deadline((deadline.remaining() or WORDS) * SHARE)

    def see(number: int, port: int, implicit: bool) -> None:
        try:
            addresses = resolve(host, port, each_within)
            if family:
                addresses = [each for each in addresses if each.family == _FAMILIES[family]]
            answers.put((number, _see(host, addresses, port, implicit, each_within)))
        except MailctlError:
            return  # a look that can't be had tells nothing

    for number, (port, implicit) in enumerate(ports):
        Thread(target=see, args=(number, port, implicit), name=f"look at {port}", daemon=True).start()
    seen: dict[int, PortSeen] = {}
    try:
        while len(seen) < len(ports):
            number, answer = answers.get(timeout=deadline.remaining())
            seen[number] = answer
    except (Empty, MailctlError):  # the time is up
        pass
    return tuple(seen[number] for number in sorted(seen))


def _see(host: str, addresses: Iterable[Address], port: int, implicit: bool, deadline: Deadline) -> PortSeen:
    try:
        connection, _, _ = dial(host, addresses, deadline)
    except NetworkError as error:
        return PortSeen(port, cause=error.cause)
    speaker: socket.socket | None = connection
    if implicit:
        speaker = tls.unverified(connection, host, deadline.remaining() or WORDS)
    try:
        words = _first_words(speaker, deadline) if speaker else b""
    finally:
        (speaker or connection).close()
    start = words.lstrip().upper()
    speaks = next((name for beginning, name in _SPEAKS if start.startswith(beginning)), "")
    return PortSeen(port, implicit and speaker is not None, speaks, decode(words.split(b"\n")[0])[:LINE])


def _first_words(connection: socket.socket, deadline: Deadline) -> bytes:
    """The first octets, up to a line end, that come at once."""
    words, end = b"", monotonic() + (deadline.remaining(WORDS) or WORDS)
    try:
        while b"\n" not in words and len(words) < MOST and (left := end - monotonic()) > 0:
            connection.settimeout(left)
            more = connection.recv(MOST)
            if not more:
                break
            words += more
    except OSError:  # timeouts too: what came is all there is
        pass
    return words
