"""A gateway as it works: its own values, its server's, its provider's and the settings, joined. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from mailctl.domain.gateway import Gateway, Inbound, Outbound, resolve_inbound, resolve_outbound
from mailctl.domain.record import dataclass
from mailctl.domain.server import Endpoint, Protocol, Server
from mailctl.domain.settings import Settings
from mailctl.errors import ConfigError


@dataclass(frozen=True, slots=True)
class EffectiveGateway:
    """What `test` and `sync` work with; picklable, holds no secret.

    inbound, outbound: every value decided; None is left only where nothing limits (`since`, `max_per_run`, `max_size`,
    `attachment_limit`, `daily_limit`) and for `maildir` (its default is a matter of paths).
    endpoints: what the server offers, each with the certificate policy that holds for it.
    """

    gateway: Gateway
    server: Server
    inbound: Inbound
    outbound: Outbound
    endpoints: Mapping[Protocol, Endpoint]

    @property
    def name(self) -> str:
        """The gateway's name."""
        return self.gateway.name

    @property
    def provider(self) -> str:
        """Id of the server's preset, or ""."""
        return self.server.provider or ""

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """The protocols that it uses: the inbound one, then SMTP, each if switched on and offered by the server."""
        wanted = ((self.inbound.protocol, self.inbound.enabled), (Protocol.SMTP, self.outbound.enabled))
        return tuple(p for p, on in wanted if p is not None and on and p in self.endpoints)

    def endpoint(self, protocol: Protocol) -> Endpoint:
        """Where `protocol` answers; ConfigError (no_endpoint) if the server has no such endpoint."""
        found = self.endpoints.get(protocol)
        if found is None:
            raise ConfigError(
                f"The server {self.server.name!r} has no {protocol.value.upper()} endpoint",
                hint=f"mailctl server edit {self.server.name} --{protocol.value} HOST",
                code="no_endpoint",
            )
        return found


def effective(
    gateway: Gateway,
    server: Server,
    settings: Settings,
    provider_inbound: Inbound | None = None,
    provider_outbound: Outbound | None = None,
) -> EffectiveGateway:
    """Join them. Order: the gateway, the provider's defaults (if known), config.toml, the built-in defaults.

    Where a server offers one way only to bring mail in, config.toml can't mean the other.
    """
    offered = [protocol for protocol in (Protocol.IMAP, Protocol.POP3) if protocol in server.endpoints]
    only = Inbound(protocol=offered[0] if len(offered) == 1 else None)
    inbound_layers = [gateway.inbound, *([provider_inbound] if provider_inbound else []), only, settings.inbound]
    outbound_layers = [gateway.outbound, *([provider_outbound] if provider_outbound else []), settings.outbound]
    return EffectiveGateway(
        gateway,
        server,
        resolve_inbound(*inbound_layers),
        resolve_outbound(*outbound_layers),
        effective_endpoints(server, settings),
    )


def effective_endpoints(server: Server, settings: Settings) -> dict[Protocol, Endpoint]:
    """The server's endpoints with its certificate policy, and at least the TLS version that the limits ask for."""
    least = max(server.certificate.minimum_tls, settings.limits.minimum_tls)
    policy = replace(server.certificate, minimum_tls=least)
    return {protocol: replace(endpoint, certificate=policy) for protocol, endpoint in server.endpoints.items()}
