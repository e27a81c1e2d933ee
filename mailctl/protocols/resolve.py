"""From a host name to the addresses of its server, both families, bounded in time."""

import socket
from threading import Thread

from mailctl.domain.deadline import Deadline
from mailctl.domain.record import dataclass
from mailctl.errors import NetworkError
from mailctl.protocols.idn import a_labels

LONGEST = 15.0
"""Seconds that one look-up may take: the system resolver's three tries of five seconds."""
_NO_ADDRESS = getattr(socket, "EAI_NODATA", None)
"""The name exists, without an address; not every system tells it from no such name."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server answers. ip: as text. sockaddr: what `socket.connect` takes."""

    family: socket.AddressFamily
    ip: str
    sockaddr: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]


def resolve(host: str, port: int, deadline: Deadline) -> list[Address]:
    """Addresses of `host` (name or IP address), in the order in which they should be tried (RFC 6724), each once.

    Raises NetworkError with cause dns_not_found, dns_temporary or dns_bad_name. A resolver that hangs is left behind in
    its thread: getaddrinfo can't be interrupted.
    """
    name = a_labels(host)
    answers: list[list[Address] | Exception] = []

    def look_up() -> None:
        try:
            answers.append(_look_up(name, port))
        except (OSError, UnicodeError) as error:
            answers.append(error)

    thread = Thread(target=look_up, name=f"resolve {name}", daemon=True)
    thread.start()
    thread.join(deadline.remaining(LONGEST))
    if not answers:
        raise NetworkError(f"Looking up {host} took too long", hint="Is this machine online?", cause="dns_temporary")
    found = answers[0]
    if isinstance(found, Exception):
        raise failure(host, found) from found
    return found


def _look_up(name: str, port: int) -> list[Address]:
    found: dict[str, Address] = {}
    octets = name.encode("ascii")  # of text it would make the same, by a codec that takes a while to load
    for family, _, _, _, sockaddr in socket.getaddrinfo(octets, port, type=socket.SOCK_STREAM):
        ip = str(sockaddr[0])
        found.setdefault(ip, Address(family, ip, sockaddr))
    return list(found.values())


def failure(host: str, error: Exception) -> NetworkError:
    """The NetworkError for what getaddrinfo raised."""
    if isinstance(error, UnicodeError):
        return NetworkError(f"{host!r} is not a host name", cause="dns_bad_name")
    if isinstance(error, socket.gaierror) and error.errno == _NO_ADDRESS:
        return NetworkError(
            f"{host} exists, but has no address",
            hint="Check the spelling of the server's name.",
            code="dns_no_address",
            cause="dns_not_found",
        )
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME:
        return NetworkError(
            f"There is no host named {host}", hint="Check the spelling of the server's name.", cause="dns_not_found"
        )
    return NetworkError(f"Looking up {host} failed", hint="Is this machine online?", cause="dns_temporary")
