"""How a connection broke, as the error that people are told: pure, no sockets used."""

import ssl

from mailctl.domain.server import Endpoint
from mailctl.errors import MailctlError, NetworkError
from mailctl.protocols import dial, tls_faults


def failure(endpoint: Endpoint, error: OSError, *, received: bool, begun: bool) -> MailctlError:
    """What an error of the socket becomes. received: whether octets ever came; begun: whether an answer had begun."""
    if isinstance(error, TimeoutError) and begun:
        what = f"{endpoint} began an answer and did not finish it in time"
        return NetworkError(what, code="unfinished", cause="tcp_timeout")
    if isinstance(error, TimeoutError):
        return NetworkError(f"{endpoint} does not answer any more", code="timeout", cause="tcp_timeout")
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return ended(endpoint, received=received)
    if isinstance(error, ssl.SSLError):
        return tls_faults.failure(endpoint.host, error, {})
    cause = dial.cause_of(error)
    if cause == "tcp_reset" and received:
        cause = "connection_lost"
    return NetworkError(f"The connection to {endpoint} was cut", cause=cause)


def ended(endpoint: Endpoint, *, received: bool) -> NetworkError:
    """The other side ended the connection."""
    if received:
        return NetworkError(f"{endpoint} ended the connection in the middle of work", cause="connection_lost")
    return NetworkError(f"{endpoint} ended the connection before it said anything", cause="eof_no_greeting")
