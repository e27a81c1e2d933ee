"""Fetches one small document over HTTPS, for autoconfig, or sends one form, for OAuth; bounded in time and size."""

import io
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urljoin, urlsplit

from mailctl.domain.deadline import Deadline
from mailctl.domain.discovery import Page
from mailctl.domain.oauth import HttpAnswer
from mailctl.domain.server import CertificatePolicy
from mailctl.errors import NetworkError, ProtocolError
from mailctl.protocols.arguments import ascii_argument
from mailctl.protocols.dial import dial
from mailctl.protocols.idn import a_labels
from mailctl.protocols.resolve import Address, resolve

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from ipaddress import IPv4Address, IPv6Address

    from mailctl.protocols.tls_stream import TlsStream

MOST_BYTES = 256 * 1024
MOST_REDIRECTS = 3
LONGEST = 8.0
"""Seconds that one fetch may take, redirects included."""
LONGEST_POST = 30.0
"""Seconds that one form may take: what it asks for may cost the other side some work."""
_REDIRECTS = {301, 302, 303, 307, 308}
_NOTHING = {404, 410}

Resolve = Callable[[str, int, Deadline], list[Address]]


class Http:
    """Fetches documents; an instance is a `domain.discovery.Getter`.

    policy: whose certificates are believed, and the oldest TLS version. find: gives the addresses of a host.
    """

    def __init__(self, policy: CertificatePolicy | None = None, find: Resolve = resolve) -> None:
        self._policy, self._find = policy or CertificatePolicy(), find

    def __call__(self, url: str, deadline: Deadline) -> Page | None:
        """The document at `url`, None if the server has none (404, 410).

        https only, or http to a loopback address. Follows up to 3 redirects, none from https to http and none into a
        private network from outside. Raises NetworkError, TlsError, or ProtocolError for an answer that is no HTTP or
        larger than 256 KiB.
        """
        deadline = Deadline(deadline.remaining(LONGEST))
        first: Sequence[Address] | None = None
        for _ in range(MOST_REDIRECTS + 1):
            parts = _checked(url)
            addresses = _addresses(parts, self._find, deadline)
            if first is None:
                first = addresses
            elif reaches_inside(first, addresses):
                raise NetworkError(f"{url} is inside a private network; the redirect to it is not followed")
            _private_enough(parts, addresses)
            answer = _exchange(parts, addresses, _request(parts), self._policy, deadline)
            if answer.status == 200:
                return Page(url, answer.body)
            if answer.status in _NOTHING:
                return None
            location = answer.headers.get("location", "")
            if answer.status not in _REDIRECTS or not location:
                raise NetworkError(f"{parts.hostname} answered with HTTP status {answer.status}", code="http_status")
            url = _target(url, location)
            if parts.scheme == "https" and not url.startswith("https:"):
                raise NetworkError(f"{parts.hostname} redirects away from https", code="not_https")
        raise NetworkError(f"{parts.hostname} redirects more than {MOST_REDIRECTS} times", code="too_many_redirects")


class HttpPost:
    """Sends forms; an instance is a `domain.oauth.HttpPoster`.

    policy, find: as for `Http`. Neither redirects nor cookies: what is sent may be a secret, and goes to `url` alone.
    """

    def __init__(self, policy: CertificatePolicy | None = None, find: Resolve = resolve) -> None:
        self._policy, self._find = policy or CertificatePolicy(), find

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str], deadline: Deadline) -> HttpAnswer:
        """The answer to `body`, whatever its status; see `domain.oauth.HttpPoster`."""
        deadline = Deadline(deadline.remaining(LONGEST_POST))
        parts = _checked(url)
        addresses = _addresses(parts, self._find, deadline)
        _private_enough(parts, addresses)
        return _exchange(parts, addresses, _request(parts, body, headers), self._policy, deadline)


def _addresses(parts: SplitResult, find: Resolve, deadline: Deadline) -> list[Address]:
    return find(str(parts.hostname), parts.port or (80 if parts.scheme == "http" else 443), deadline)


def _private_enough(parts: SplitResult, addresses: Sequence[Address]) -> None:
    """NetworkError unless the way is https, or ends on this machine."""
    if parts.scheme == "http" and not all(_ip(each).is_loopback for each in addresses):
        raise NetworkError(f"{parts.scheme}://{parts.netloc}{parts.path} is not https", code="not_https")


def _exchange(
    parts: SplitResult, addresses: Sequence[Address], request: bytes, policy: CertificatePolicy, deadline: Deadline
) -> HttpAnswer:
    """One request over a connection of its own. The names of the answer's headers are in lower case."""
    from http.client import HTTPException, HTTPResponse

    host = str(parts.hostname)
    connection, _, _ = dial(host, addresses, deadline)
    through: socket.socket | TlsStream = connection
    try:
        if parts.scheme == "https":
            from mailctl.protocols.tls import handshake

            through = handshake(connection, host, policy, deadline.remaining()).stream
        connection.settimeout(deadline.remaining())
        through.sendall(request)
        # HTTPResponse asks nothing of a socket but this
        stream = _Stream(connection, through, deadline)
        response = HTTPResponse(stream, method=request.partition(b" ")[0].decode("ascii"))  # type: ignore[arg-type]
        response.begin()
        headers = {name.lower(): str(value) for name, value in reversed(response.headers.items())}
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        return HttpAnswer(response.status, kind, _body(response, host), headers)
    except HTTPException as error:
        raise ProtocolError(f"{host} gave no proper HTTP answer", code="bad_http") from error
    except TimeoutError as error:
        raise NetworkError(f"{host} did not answer in time", cause="tcp_timeout") from error
    except OSError as error:
        raise NetworkError(f"The connection to {host} broke", cause="connection_lost") from error
    finally:
        connection.close()


def reaches_inside(before: Sequence[Address], after: Sequence[Address]) -> bool:
    """Whether going from hosts at `before` to hosts at `after` would enter a loopback or private network."""
    return all(_ip(each).is_global for each in before) and not all(_ip(each).is_global for each in after)


def _ip(address: Address) -> "IPv4Address | IPv6Address":
    from ipaddress import IPv6Address, ip_address

    ip = ip_address(address.ip.partition("%")[0])
    return (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip


def _checked(url: str) -> SplitResult:
    """The parts of a URL that can be asked for. Raises NetworkError for any other."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise NetworkError(f"{url!r} is not a URL", code="bad_url") from None
    usable = parts.scheme in ("https", "http") and parts.hostname and not parts.username and port != 0
    if not usable or not url.isascii() or not url.isprintable() or " " in url or len(url) > 2000:
        raise NetworkError(f"{url!r} can't be fetched", code="bad_url")
    a_labels(str(parts.hostname))
    return parts


def _target(url: str, location: str) -> str:
    """Where a redirect leads. Raises NetworkError for what is no URL."""
    try:
        return urljoin(url, location)
    except ValueError:
        raise NetworkError(f"{url} redirects to what is no URL", code="bad_url") from None


def _request(parts: SplitResult, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> bytes:
    """A GET, or a POST of `body`."""
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    given = {"User-Agent": "mailctl", "Accept": "application/xml, text/xml, */*;q=0.1", **(headers or {})}
    for name, value in given.items():
        ascii_argument(name + value, "header")
    if body is not None:
        given["Content-Length"] = str(len(body))
    lines = [
        f"{'GET' if body is None else 'POST'} {target} HTTP/1.1",
        f"Host: {parts.netloc}",
        *(f"{name}: {value}" for name, value in given.items()),
        "Accept-Encoding: identity",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + (body or b"")


def _body(response: "HTTPResponse", host: str) -> bytes:
    body = response.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        raise ProtocolError(f"The document at {host} is larger than {MOST_BYTES // 1024} KiB", code="too_large")
    if response.length:  # http.client says nothing where less came than was promised
        raise ProtocolError(f"The document at {host} came cut short", code="bad_http")
    return body


class _Stream(io.RawIOBase):
    """Reads a socket so that every read obeys one deadline, and all together a bound of bytes."""

    def __init__(self, connection: socket.socket, through: "socket.socket | TlsStream", deadline: Deadline) -> None:
        self._connection, self._through, self._deadline = connection, through, deadline
        self._left = 2 * MOST_BYTES  # headers and chunk sizes come on top of the body

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]  # what BufferedReader gives
        self._connection.settimeout(self._deadline.remaining())
        count = self._through.recv_into(memoryview(buffer))
        self._left -= count
        if self._left < 0:
            raise ProtocolError("The web server sends without end", code="too_large")
        return count
