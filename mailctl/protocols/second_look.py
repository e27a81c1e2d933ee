"""Closer looks at a server that did not do what was expected, each by a second connection that only looks.

Whatever goes wrong with a look, nothing was seen: it is for the details of an error that is raised anyway.
"""

import socket
import ssl
from collections.abc import Callable
from contextlib import closing, suppress
from typing import TYPE_CHECKING, TypeVar

from mailctl.errors import MailctlError, TlsError
from mailctl.protocols import tls, tls_faults
from mailctl.protocols.certificate import certificate_facts, chain_facts

if TYPE_CHECKING:
    from mailctl.protocols.wire import Wire

PATIENCE = 2.0
"""Seconds for a look at the certificate that was not accepted, or at the version that was."""
_PERHAPS_OLD = frozenset({"tls_eof", "tls_handshake_refused"})
"""Causes of a handshake that failed, behind which there may be a server that knows old versions only."""
_REQUEST = b"GET / HTTP/1.0\r\n\r\n"
_T = TypeVar("_T")


def tls_refused(wire: "Wire", prelude: "Callable[[Wire], object] | None", error: TlsError) -> TlsError:
    """The error of a handshake, with what a look tells of the certificate, or of the version, that was refused.

    prelude: see `Wire.start_tls`.
    """
    endpoint = wire.endpoint
    if isinstance(error.__cause__, ssl.SSLCertVerificationError):
        return tls_faults.failure(endpoint.host, error.__cause__, certificate(wire, prelude))
    if error.cause in _PERHAPS_OLD:  # not every TLS library says so when it knows only old versions
        version = once_more(wire, prelude, tls.agreed_version) or ""
        if version and version < f"TLSv{endpoint.certificate.minimum_tls}":
            return tls_faults.too_old(endpoint.host, version, error.detail)
    return error


def certificate(wire: "Wire", prelude: "Callable[[Wire], object] | None") -> dict[str, object]:
    """Facts of the certificate that was not accepted; {} if they can't be had at once."""
    chain = once_more(wire, prelude, tls.look)
    return certificate_facts(chain[0]) | chain_facts(chain) if chain else {}


def once_more(
    wire: "Wire", prelude: "Callable[[Wire], object] | None", look: Callable[[socket.socket, str, float], _T]
) -> _T | None:
    """What `look` sees on a second connection that `prelude` brought to this point; None if it can't at once."""
    with suppress(MailctlError), closing(wire.again(PATIENCE)) as other:
        if prelude is not None:
            prelude(other)
        return look(other.connection, wire.endpoint.host, other.deadline.remaining() or PATIENCE)
    return None


def speaks_tls(wire: "Wire", seconds: float) -> bool:
    """Whether a second connection to the same address answers a TLS handshake within `seconds`."""
    with suppress(MailctlError), closing(wire.again(seconds)) as other:
        return bool(tls.look(other.connection, wire.endpoint.host, other.deadline.remaining() or seconds))
    return False


def web_answer(wire: "Wire", seconds: float) -> bytes:
    """What a second connection to the same address, with TLS if this one has it, answers a web browser; b""."""
    with suppress(MailctlError), closing(wire.again(seconds)) as other:
        if wire.encrypted:
            inside = tls.unverified(other.connection, wire.endpoint.host, other.deadline.remaining() or seconds)
            other.connection = other.through = inside or other.connection
            other.waits.forget(other.connection)
        other.send(_REQUEST)
        other.fill()
        answer = bytes(other.view[: other.hi])
        return answer if answer.startswith(b"HTTP/") else b""
    return b""
