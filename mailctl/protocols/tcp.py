"""What the system is asked to do with a connection besides carrying octets."""

import socket
from contextlib import suppress

IDLE, INTERVAL, COUNT = 120, 30, 4
"""Seconds of silence before the first probe, seconds between two, and how many may stay unanswered."""


def keep_alive(connection: socket.socket) -> None:
    """Find within four minutes that the peer is gone, or that a router on the way forgot the connection.

    RFC 9293 section 3.8.4 (keep-alive), RFC 5482 (user timeout).
    """
    tcp = socket.IPPROTO_TCP
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (
        ("TCP_KEEPIDLE", IDLE),
        ("TCP_KEEPALIVE", IDLE),  # what macOS calls it
        ("TCP_KEEPINTVL", INTERVAL),
        ("TCP_KEEPCNT", COUNT),
        ("TCP_USER_TIMEOUT", 1000 * (IDLE + COUNT * INTERVAL)),
    ):
        option = getattr(socket, name, None)
        if option is not None:
            options.append((tcp, option, value))
    with suppress(OSError):  # the connection is gone: whoever reads from it next is told so
        for each in options:
            connection.setsockopt(*each)


def acknowledge(connection: socket.socket) -> None:
    """Acknowledge at once what came, where the system can be asked to (RFC 9293 section 3.8.6.3).

    NOTE: Cyrus and Courier send no second small packet before the first is acknowledged (Nagle's algorithm), and
    systems wait 40 ms before they acknowledge what nothing is sent back for: so long, again and again, answers paused.
    """
    option = getattr(socket, "TCP_QUICKACK", None)
    if option is not None:
        with suppress(OSError):  # as above
            connection.setsockopt(socket.IPPROTO_TCP, option, 1)
