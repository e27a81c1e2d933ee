"""What a service tells the service manager that started it (sd_notify(3)): ready, reloading, status, still alive."""

import socket
from collections.abc import Callable
from contextlib import suppress


def supervisor(address: str) -> Callable[[str], None]:
    """A function that sends lines such as `READY=1` to the datagram socket at `address` ($NOTIFY_SOCKET).

    Does nothing where `address` is no path and no abstract name (`@…`). It never raises, and never waits: a service
    works on where nobody listens.
    """
    if not address.startswith(("/", "@")):
        return lambda text: None
    place = "\0" + address[1:] if address.startswith("@") else address

    def tell(text: str) -> None:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
            connection.setblocking(False)
            connection.sendto(text.encode("utf-8", "replace"), place)

    return tell
