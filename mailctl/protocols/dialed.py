"""A connection that is made while it is not yet known what will be said on it: importing the rest takes as long."""

from threading import Event

from mailctl.domain.deadline import Deadline
from mailctl.domain.server import Endpoint, Security
from mailctl.protocols.resolve import resolve
from mailctl.protocols.wire import Wire


def dial(endpoint: Endpoint, timeout: float | None, stop: Event | None = None) -> Wire:
    """Connect within `timeout` seconds, and begin TLS where the endpoint begins with it; nothing is read yet.

    stop: see `Waits`. Raises NetworkError, TlsError; then nothing is left open.
    """
    deadline = Deadline(timeout)
    wire = Wire.connect(endpoint, resolve(endpoint.host, endpoint.port, deadline), deadline)
    wire.waits.stop = stop
    if endpoint.security is Security.TLS:
        try:
            wire.start_tls()
        except BaseException:
            wire.close()
            raise
    return wire
