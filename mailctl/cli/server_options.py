"""The options that describe a server, declared once for `add` and `edit`, and what they make of one. Pure."""

from dataclasses import replace
from typing import Annotated

import typer

from mailctl.domain.record import dataclass
from mailctl.domain.server import (
    DEFAULT_PORTS,
    CertificatePolicy,
    Endpoint,
    Protocol,
    Security,
    Server,
    check_host,
    parse_fingerprint,
    parse_host_port,
)
from mailctl.errors import UsageError

_ENDPOINT = "Where {} answers; the default port follows from the security."
_SECURITY = "How {} is protected; default tls, or starttls on a port that is known for it."
_NO = "Without {}."

STARTTLS_PORTS = {port for (_, security), port in DEFAULT_PORTS.items() if security is Security.STARTTLS} | {25}


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What the command line says of a server; None and empty: nothing."""

    imap: Annotated[str | None, typer.Option(metavar="HOST[:PORT]", help=_ENDPOINT.format("IMAP"))] = None
    imap_security: Annotated[Security | None, typer.Option(help=_SECURITY.format("IMAP"))] = None
    no_imap: Annotated[bool, typer.Option("--no-imap", help=_NO.format("IMAP"))] = False
    pop3: Annotated[str | None, typer.Option(metavar="HOST[:PORT]", help=_ENDPOINT.format("POP3"))] = None
    pop3_security: Annotated[Security | None, typer.Option(help=_SECURITY.format("POP3"))] = None
    no_pop3: Annotated[bool, typer.Option("--no-pop3", help=_NO.format("POP3"))] = False
    smtp: Annotated[str | None, typer.Option(metavar="HOST[:PORT]", help=_ENDPOINT.format("SMTP"))] = None
    smtp_security: Annotated[Security | None, typer.Option(help=_SECURITY.format("SMTP"))] = None
    no_smtp: Annotated[bool, typer.Option("--no-smtp", help=_NO.format("SMTP"))] = False
    ca_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Believe the authorities in this PEM file as well; '' for none.")
    ] = None
    fingerprint: Annotated[
        list[str] | None,
        typer.Option(
            metavar="sha256:HEX", help="Believe the certificate with this fingerprint; repeatable; '' for none."
        ),
    ] = None
    verify_certificate: Annotated[
        bool | None,
        typer.Option(
            "--verify-certificate/--no-verify-certificate",
            help="Whether the certificate is checked at all; not doing so exposes passwords.",
        ),
    ] = None
    minimum_tls: Annotated[str | None, typer.Option(metavar="1.2|1.3", help="The oldest TLS version to accept.")] = None

    def endpoints_given(self) -> bool:
        """Whether any endpoint is named."""
        return any((self.imap, self.pop3, self.smtp))

    def apply(self, server: Server) -> Server:
        """`server` with what the options say. Raises UsageError."""
        endpoints = dict(server.endpoints)
        for protocol in Protocol:
            where: str | None = getattr(self, protocol.value)
            security: Security | None = getattr(self, f"{protocol.value}_security")
            if getattr(self, f"no_{protocol.value}"):
                if where or security:
                    raise UsageError(f"--no-{protocol.value} contradicts --{protocol.value}")
                endpoints.pop(protocol, None)
            elif where is not None or security is not None:
                endpoints[protocol] = _endpoint(protocol, endpoints.get(protocol), where, security)
        return replace(server, endpoints=endpoints, certificate=self._certificate(server.certificate))

    def _certificate(self, policy: CertificatePolicy) -> CertificatePolicy:
        if self.ca_file is not None:
            policy = replace(policy, ca_file=self.ca_file or None)
        if self.fingerprint:
            given = tuple(parse_fingerprint(text) for text in self.fingerprint if text)
            policy = replace(policy, fingerprints=tuple(dict.fromkeys(given)))
        if self.verify_certificate is not None:
            policy = replace(policy, verify=self.verify_certificate)
        return replace(policy, minimum_tls=self.minimum_tls) if self.minimum_tls else policy


def _endpoint(protocol: Protocol, old: Endpoint | None, where: str | None, security: Security | None) -> Endpoint:
    if where is None:
        if old is None:
            raise UsageError(
                f"--{protocol.value}-security needs an endpoint", hint=f"Add --{protocol.value} HOST[:PORT]."
            )
        security = security or old.security
        usual = old.port == DEFAULT_PORTS[protocol, old.security]
        return replace(old, security=security, port=DEFAULT_PORTS[protocol, security] if usual else old.port)
    host, port = parse_host_port(where, 0)
    if security is None:
        security = Security.STARTTLS if port in STARTTLS_PORTS else Security.TLS
    return Endpoint(check_host(host), port or DEFAULT_PORTS[protocol, security], security)


def certificate_warnings(server: Server) -> list[str]:
    """What is risky about a server, as sentences."""
    found = []
    if not server.certificate.verify:
        found.append(
            f"Certificates of {server.name!r} are not checked: whoever is on the way can read the password "
            f"(mailctl server edit {server.name} --verify-certificate)"
        )
    for protocol, endpoint in server.endpoints.items():
        if endpoint.security is Security.NONE:
            found.append(
                f"{protocol.value.upper()} of {server.name!r} is not encrypted: a password goes there only to a "
                "loopback address, or from a gateway with --allow-plaintext"
            )
    return found
