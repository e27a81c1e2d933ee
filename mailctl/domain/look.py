"""Second looks: what a check that failed may find out around its server without signing in; values and who is asked."""

from collections.abc import Sequence
from typing import Protocol as Interface

from mailctl.domain.deadline import Deadline
from mailctl.domain.provider import Provider
from mailctl.domain.record import dataclass


@dataclass(frozen=True, slots=True)
class PortSeen:
    """What one port of a host answered.

    tls: whether TLS was spoken there. speaks: whose greeting came (imap, pop3, smtp, http, ssh), "" if none that is
    known. text: the greeting's first line, raw, bounded. cause: why there was no connection, "" if there was one.
    """

    port: int
    tls: bool = False
    speaks: str = ""
    text: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class MailHome:
    """Where the mail of a domain arrives.

    exists: False where there is no such domain, None where nobody asked or answered. hosts: its MX hosts, preferred
    first; "" among them says that it takes no mail (RFC 7505). provider: who serves it, if that is known. similar: a
    domain of a known provider that looks almost the same, where there is no such domain; else "".
    """

    domain: str
    exists: bool | None = None
    hosts: tuple[str, ...] = ()
    provider: Provider | None = None
    similar: str = ""


class Looks(Interface):
    """Who carries second looks out. No secret takes part, nothing is signed in to, and nothing is ever raised."""

    def ports(
        self, host: str, ports: Sequence[tuple[int, bool]], deadline: Deadline, family: str = ""
    ) -> tuple[PortSeen, ...]:
        """What `ports` of `host` answer, asked side by side, in the order asked; those alone that were settled in time.

        ports: each with whether TLS is spoken from the start. family: `IPv4` or `IPv6`, to go that way alone.
        Nothing is sent but the handshake of TLS.
        """
        ...

    def mail_home(self, domain: str, deadline: Deadline) -> MailHome:
        """Where the mail of `domain` arrives, by what is known of providers, else by its MX records."""
        ...

    def owner(self, host: str) -> Provider | None:
        """The provider among whose servers `host` is, or None."""
        ...

    def similar_host(self, host: str) -> str:
        """The host of a known provider that looks almost the same, or ""."""
        ...
