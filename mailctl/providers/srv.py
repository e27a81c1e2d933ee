"""What SRV records say of a domain's mail service (RFC 6186, RFC 8314), once DNS has answered."""

from collections.abc import Sequence

from mailctl.domain.discovery import Candidate, Finding, Source, SrvRecord, host_name, ordered
from mailctl.domain.server import Endpoint, Protocol, Security

SERVICES: dict[str, tuple[Protocol, Security]] = {
    "_imaps._tcp": (Protocol.IMAP, Security.TLS),
    "_imap._tcp": (Protocol.IMAP, Security.STARTTLS),
    "_pop3s._tcp": (Protocol.POP3, Security.TLS),
    "_pop3._tcp": (Protocol.POP3, Security.STARTTLS),
    "_submissions._tcp": (Protocol.SMTP, Security.TLS),
    "_submission._tcp": (Protocol.SMTP, Security.STARTTLS),
}
"""Implicit TLS goes first (RFC 8314 section 5.1). The services without it mean STARTTLS, never plain text."""
_TLS_PORTS = {(Protocol.IMAP, 993), (Protocol.POP3, 995), (Protocol.SMTP, 465)}


def from_srv(name: str, records: Sequence[SrvRecord]) -> tuple[list[Candidate], list[str]]:
    """Candidates by the records of `name` (`_imaps._tcp.example.org`), in order, and warnings about unusable ones.

    A target of "" (the root) says that the service is not offered (RFC 6186 section 3.4), and no candidate comes of it.
    """
    protocol, security = SERVICES[".".join(name.split(".")[:2])]
    candidates: list[Candidate] = []
    warnings: list[str] = []
    for record in ordered(records):
        if not record.target:
            continue
        host = host_name(record.target)
        if not host or not 1 <= record.port <= 65535:
            warnings.append(f"An SRV record of {name} names no usable host and port; it is left out.")
            continue
        really = security
        if (protocol, record.port) in _TLS_PORTS and security is Security.STARTTLS:
            really = Security.TLS
            warnings.append(f"{name} names port {record.port}, which is for implicit TLS; it is taken as that.")
        evidence = f"{name} SRV {record.priority} {record.weight} {record.port} {host}"
        endpoint = Endpoint(host, record.port, really)
        candidates.append(Candidate(protocol, endpoint, (Finding(Source.SRV, evidence),)))
    return candidates, warnings
