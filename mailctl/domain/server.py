"""A server: a named set of endpoints, one per protocol."""

from dataclasses import field
from enum import StrEnum

from mailctl.domain.record import dataclass
from mailctl.errors import UsageError


class Protocol(StrEnum):
    """The protocols that a gateway can speak."""

    IMAP = "imap"
    POP3 = "pop3"
    SMTP = "smtp"


class Security(StrEnum):
    """How an endpoint is protected: implicit TLS (RFC 8314), STARTTLS (RFC 2595, 3207), or not at all."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


DEFAULT_PORTS: dict[tuple[Protocol, Security], int] = {
    (Protocol.IMAP, Security.TLS): 993,
    (Protocol.IMAP, Security.STARTTLS): 143,
    (Protocol.IMAP, Security.NONE): 143,
    (Protocol.POP3, Security.TLS): 995,
    (Protocol.POP3, Security.STARTTLS): 110,
    (Protocol.POP3, Security.NONE): 110,
    (Protocol.SMTP, Security.TLS): 465,
    (Protocol.SMTP, Security.STARTTLS): 587,
    (Protocol.SMTP, Security.NONE): 25,
}


@dataclass(frozen=True, slots=True)
class CertificatePolicy:
    """Whom to believe.

    ca_file: PEM file of extra trust anchors, or None for the system's store alone.
    fingerprints: SHA-256 of accepted leaf certificates, as 64 lower-case hex digits; if any, one must match and
        nothing else is asked of the certificate.
    verify: False accepts any certificate; every use warns.
    minimum_tls: "1.2" or "1.3".
    """

    ca_file: str | None = None
    fingerprints: tuple[str, ...] = ()
    verify: bool = True
    minimum_tls: str = "1.2"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one protocol of a server answers. host: a host name (U- or A-labels) or an IP address."""

    host: str
    port: int
    security: Security
    certificate: CertificatePolicy = CertificatePolicy()

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def risk(self) -> str:
        """What exposes a password that goes there, as a sentence without its end; "" if nothing does."""
        if self.security is Security.NONE:
            return f"{self} is used without encryption"
        if not self.certificate.verify and not self.certificate.fingerprints:
            return f"the certificate of {self} is not checked (verification is switched off)"
        return ""


@dataclass(frozen=True, slots=True)
class Server:
    """A named set of endpoints. provider: id of the preset it was made from, or None."""

    name: str
    provider: str | None = None
    endpoints: dict[Protocol, Endpoint] = field(default_factory=dict)
    certificate: CertificatePolicy = CertificatePolicy()

    def endpoint(self, protocol: Protocol) -> Endpoint | None:
        """The endpoint of `protocol`, or None if the server has none."""
        return self.endpoints.get(protocol)


def parse_host_port(text: str, default_port: int) -> tuple[str, int]:
    """`HOST`, `HOST:PORT`, `[V6]`, `[V6]:PORT` or a bare IPv6 address → (host, port).

    Raises UsageError for a scheme, an empty host, white space, or a port outside 1 to 65535.
    """
    if "://" in text or "/" in text:
        raise UsageError(f"{text!r} is not a host name; leave out the scheme and the path", code="bad_host")
    host, port = text, ""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        if port and not port.startswith(":"):
            raise UsageError(f"{text!r} is not HOST:PORT", code="bad_host")
        port = port[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
        if not port:
            raise UsageError(f"{text!r} has no port after the colon", code="bad_port")
    if not host or any(c.isspace() or not c.isprintable() for c in host) or len(host) > 255:
        raise UsageError(f"{text!r} is not a host name", code="bad_host")
    return host, check_port(port) if port else default_port


def check_port(value: str | int) -> int:
    """A TCP port, 1 to 65535; raises UsageError otherwise."""
    try:
        port = int(value)
    except ValueError:
        port = 0
    if not 1 <= port <= 65535 or (isinstance(value, str) and not value.isascii()):
        raise UsageError(f"{value!r} is not a port; ports are 1 to 65535", code="bad_port")
    return port


def check_host(text: str) -> str:
    """A host name (U- or A-labels) or an IP address, returned as it is; raises UsageError for what can't be one."""
    fits = all(c.isalnum() or c in "-._:%" or (c > "\x7f" and c.isprintable()) for c in text)
    if not text or not fits or len(text) > 255 or text.startswith(("-", ".")) or ".." in text:
        raise UsageError(f"{text!r} is not a host name", code="bad_host")
    return text


def parse_fingerprint(text: str) -> str:
    """`sha256:HEX` (colons between the bytes, as OpenSSL prints them, are fine) → 64 lower-case hex digits.

    Raises UsageError.
    """
    kind, _, digits = text.strip().lower().partition(":")
    digits = digits.replace(":", "")
    if kind != "sha256" or len(digits) != 64 or set(digits) - set("0123456789abcdef"):
        raise UsageError(
            f"{text!r} is not a SHA-256 fingerprint",
            hint="Write it as sha256: and 64 hex digits; `mailctl test` shows a server's.",
            code="bad_fingerprint",
        )
    return digits


def is_local(host: str) -> bool:
    """Whether `host`, a name or address as it was given, is this machine (RFC 6761 section 6.3)."""
    host = host.lower().rstrip(".")
    return host == "localhost" or host.endswith(".localhost") or host.startswith("127.") or host == "::1"
