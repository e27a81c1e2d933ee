"""From addresses to one TCP connection: tried side by side, staggered (RFC 8305), so that a dead one costs little."""

import errno
import selectors
import socket
from collections.abc import Iterable
from itertools import chain, zip_longest
from time import monotonic

from mailctl.domain.deadline import Deadline
from mailctl.errors import NetworkError
from mailctl.protocols.resolve import Address

STAGGER = 0.25
"""Seconds before the next address is tried beside the ones that have not answered (RFC 8305 section 5)."""
LONGEST = 15.0
"""Seconds after which no address is waited for any more, however long the deadline."""
AFTER = 2.5
"""Seconds of the deadline that are left over, so that a second look can tell why nothing answered; at most half."""
_CAUSES = {
    errno.ECONNREFUSED: "tcp_refused",
    errno.ECONNRESET: "tcp_reset",
    errno.EPIPE: "tcp_reset",
    errno.EACCES: "tcp_blocked_locally",
    errno.EPERM: "tcp_blocked_locally",
    errno.ETIMEDOUT: "tcp_timeout",
    errno.ENETUNREACH: "tcp_unreachable",
    errno.EHOSTUNREACH: "tcp_unreachable",
    errno.ENETDOWN: "tcp_unreachable",
    errno.EADDRNOTAVAIL: "tcp_unreachable",
    errno.EAFNOSUPPORT: "tcp_unreachable",
}
_MESSAGES = {
    "tcp_refused": "{} refuses connections",
    "tcp_reset": "{} cut the connection at once",
    "tcp_blocked_locally": "This machine does not allow the connection to {}",
    "tcp_timeout": "{} does not answer",
    "tcp_unreachable": "There is no way to {} from here",
}
"""Most telling first: where addresses fail in different ways, the first of these is the cause."""


def dial(where: str, addresses: Iterable[Address], deadline: Deadline) -> tuple[socket.socket, Address, dict[str, str]]:
    """Connect to the first address that answers → (blocking socket, its address, causes of the ones that failed by ip).

    where: host and port, for the message. Raises NetworkError with a cause of TCP, `detail` holding all of them.
    """
    waiting = _interleaved(addresses)
    failed: dict[str, str] = {}
    left = deadline.remaining()
    end = monotonic() + (LONGEST if left is None else min(LONGEST, max(left - AFTER, left / 2)))
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or selector.get_map():
                if waiting:
                    _begin(waiting.pop(0), selector, failed)
                left = end - monotonic()
                if left <= 0:
                    break
                while selector.get_map() and left > 0:
                    ready = selector.select(min(left, STAGGER) if waiting else left)
                    for key, _ in ready:
                        connection, address = _finish(key, selector, failed)
                        if connection:
                            return connection, address, failed
                    if waiting:
                        break
                    left = end - monotonic()
            for key in selector.get_map().values():
                failed[key.data.ip] = "tcp_timeout"
        finally:
            for key in list(selector.get_map().values()):
                _drop(key, selector)
    cause = next((cause for cause in _MESSAGES if cause in failed.values()), "tcp_timeout")
    raise NetworkError(_MESSAGES[cause].format(where), cause=cause, detail={"addresses": failed})


def cause_of(error: OSError) -> str:
    """The cause that an error of the socket tells; `connection_lost` for one that tells nothing else."""
    return _CAUSES.get(error.errno or 0, "connection_lost")


def _interleaved(addresses: Iterable[Address]) -> list[Address]:
    """Families in turn, beginning with that of the first address (RFC 8305 section 4)."""
    families: dict[int, list[Address]] = {}
    for address in addresses:
        families.setdefault(address.family, []).append(address)
    return [address for address in chain.from_iterable(zip_longest(*families.values())) if address is not None]


def _begin(address: Address, selector: selectors.BaseSelector, failed: dict[str, str]) -> None:
    try:
        connection = socket.socket(address.family, socket.SOCK_STREAM)
    except OSError as error:
        failed[address.ip] = cause_of(error)
        return
    connection.setblocking(False)
    code = connection.connect_ex(address.sockaddr)
    if code in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
        selector.register(connection, selectors.EVENT_WRITE, address)
    else:
        failed[address.ip] = _CAUSES.get(code, "tcp_unreachable")
        connection.close()


def _finish(
    key: selectors.SelectorKey, selector: selectors.BaseSelector, failed: dict[str, str]
) -> tuple[socket.socket | None, Address]:
    connection, address = key.fileobj, key.data
    assert isinstance(connection, socket.socket)  # only sockets are registered  # noqa: S101
    code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        failed[address.ip] = _CAUSES.get(code, "tcp_unreachable")
        _drop(key, selector)
        return None, address
    selector.unregister(connection)
    connection.setblocking(True)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection, address


def _drop(key: selectors.SelectorKey, selector: selectors.BaseSelector) -> None:
    selector.unregister(key.fileobj)
    assert isinstance(key.fileobj, socket.socket)  # as above  # noqa: S101
    key.fileobj.close()
