"""A server as a file: `servers/NAME.toml`, both ways. Pure."""

from collections.abc import Mapping
from typing import Any

from mailctl.config import kinds, schema
from mailctl.config.schema import KeyProblem, Spec
from mailctl.domain.server import DEFAULT_PORTS, CertificatePolicy, Endpoint, Protocol, Security, Server

SPEC: Spec = {
    "provider": kinds.IDENTIFIER,
    **{
        f"{protocol.value}.{key}": kind
        for protocol in Protocol
        for key, kind in (("host", kinds.HOST), ("port", kinds.PORT), ("security", kinds.choice(Security)))
    },
    "certificate.ca_file": kinds.SOME_TEXT,
    "certificate.fingerprints": kinds.several(kinds.FINGERPRINT),
    "certificate.verify": kinds.FLAG,
    "certificate.minimum_tls": kinds.word("1.2", "1.3"),
}


def to_server(name: str, data: Mapping[str, Any]) -> tuple[Server, list[KeyProblem]]:
    """The server that TOML tables describe, and everything wrong with them; usable only if nothing is."""
    values, problems = schema.read_values(SPEC, data)
    endpoints: dict[Protocol, Endpoint] = {}
    for protocol in Protocol:
        if protocol.value not in data:
            continue
        host = values.get(f"{protocol.value}.host")
        if host is None:
            if not any(problem.key == f"{protocol.value}.host" for problem in problems):
                problems.append(KeyProblem(f"{protocol.value}.host", "is missing", "Every endpoint needs a host."))
            continue
        security = values.get(f"{protocol.value}.security", Security.TLS)
        port = values.get(f"{protocol.value}.port", DEFAULT_PORTS[protocol, security])
        endpoints[protocol] = Endpoint(host, port, security)
    if not endpoints and not problems:
        problems.append(KeyProblem("", "has no endpoint", "Give it a table [imap], [pop3] or [smtp] with a host."))
    certificate = CertificatePolicy(
        ca_file=values.get("certificate.ca_file"),
        fingerprints=values.get("certificate.fingerprints", ()),
        verify=values.get("certificate.verify", True),
        minimum_tls=values.get("certificate.minimum_tls", "1.2"),
    )
    return Server(name, values.get("provider"), endpoints, certificate), problems


def from_server(server: Server) -> dict[str, Any]:
    """The TOML tables of a server; what equals the default is left out, but for endpoints."""
    values: dict[str, Any] = {"provider": server.provider}
    for protocol, endpoint in server.endpoints.items():
        for key in ("host", "port", "security"):
            values[f"{protocol.value}.{key}"] = getattr(endpoint, key)
    default = CertificatePolicy()
    for key in ("ca_file", "fingerprints", "verify", "minimum_tls"):
        value = getattr(server.certificate, key)
        values[f"certificate.{key}"] = None if value == getattr(default, key) else value
    return schema.write_values(SPEC, values)
