"""A connection that is made while it is not yet known what will be said on it: importing the rest takes as long."""

from threading import Event
from typing import TYPE_CHECKING

from mailctl.domain.deadline import Deadline
from mailctl.domain.server import Endpoint, Security
from mailctl.protocols import dial as tcp
from mailctl.protocols.resolve import resolve

if TYPE_CHECKING:
    from mailctl.protocols.wire import Wire


def dial(endpoint: Endpoint, timeout: float | None, stop: Event | None = None) -> "Wire":
    """Connect within `timeout` seconds, and begin TLS where the endpoint begins with it; nothing is read yet.

    stop: see `Waits`. Raises NetworkError, TlsError; then nothing is left open.
    """
    deadline = Deadline(timeout)
    connection, address, failed = tcp.dial(str(endpoint), resolve(endpoint.host, endpoint.port, deadline), deadline)
    try:
        from mailctl.protocols.wire import Wire  # TLS takes as long to load as the packets are on their way

        wire = Wire(connection, address, endpoint, deadline)
        wire.failed, wire.waits.stop = failed, stop
        if endpoint.security is Security.TLS:
            wire.start_tls()
    except BaseException:
        connection.close()
        raise
    return wire
