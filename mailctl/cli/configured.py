"""What is configured, read as it works: gateways joined with their server, its provider and the settings."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mailctl.cli.paths import Paths
from mailctl.domain.home import home_folder

if TYPE_CHECKING:
    from mailctl.config.store import ConfigStore
    from mailctl.domain.effective import EffectiveGateway
    from mailctl.domain.gateway import Gateway, Inbound, SecretSource
    from mailctl.domain.oauth import Application
    from mailctl.domain.provider import OAuthService, Provider
    from mailctl.domain.server import Server


class Configured:
    """The part of a command's context that reads servers, gateways and settings together.

    env: the process's environment. paths: where files live. config: the files of servers, gateways and settings.
    """

    if TYPE_CHECKING:  # the whole context has them
        env: Mapping[str, str]

        @cached_property
        def paths(self) -> Paths: ...
        @cached_property
        def config(self) -> ConfigStore: ...

    def gateway(self, name: str) -> "EffectiveGateway":
        """The gateway `name` as it works: joined with its server, its provider's defaults and the settings."""
        gateway = self.config.gateway(name)
        return self.join(gateway, self.server(gateway.server))

    def server(self, name: str) -> "Server":
        """The server `name`, read once a command."""
        if name not in self._servers:
            self._servers[name] = self.config.server(name)
        return self._servers[name]

    @cached_property
    def _servers(self) -> "dict[str, Server]":
        return {}

    def load_gateways(self, names: Sequence[str] = ()) -> "tuple[list[Gateway], list[str]]":
        """The gateways `names`, in that order, or all, by their `order` and name; and a warning a broken file.

        Raises NotFoundError, or ConfigError for a broken file, of a gateway that was named.
        """
        if names:
            return [self.config.gateway(name) for name in dict.fromkeys(names)], []
        listing = self.config.gateways()
        found = sorted(listing.objects, key=lambda gateway: (gateway.order, gateway.name))
        broken: dict[str, list[str]] = {}
        for problem in listing.problems:
            said = f"{problem.key}: {problem.message}" if problem.key else problem.message
            broken.setdefault(problem.file, []).append(said)
        return found, [f"{file}: {'; '.join(said)}" for file, said in broken.items()]

    def inbound_of(self, gateway: "Gateway") -> "Inbound":
        """How mail comes in, every value decided; without the server's and provider's say if that file is broken."""
        from mailctl.domain.gateway import resolve_inbound
        from mailctl.errors import ConfigError

        try:
            return self.join(gateway, self.server(gateway.server)).inbound
        except ConfigError:
            return resolve_inbound(gateway.inbound, self.config.settings.inbound)

    def join(self, gateway: "Gateway", server: "Server") -> "EffectiveGateway":
        """A gateway, saved or not, as it works on `server`."""
        from mailctl.domain.effective import effective

        provider = self.provider(server)
        if provider is None:
            return effective(gateway, server, self.config.settings, None, None)
        from mailctl.domain.provider import inbound_defaults, outbound_defaults

        defaults = inbound_defaults(provider), outbound_defaults(provider)
        return effective(gateway, server, self.config.settings, *defaults)

    def provider(self, server: "Server") -> "Provider | None":
        """The facts on the provider that `server` was made from, or None if there are none."""
        if not server.provider:
            return None
        from mailctl.errors import NotFoundError
        from mailctl.providers.catalog import load

        try:
            return load(server.provider)
        except NotFoundError:  # a server file may name a provider that this version doesn't know
            return None

    @staticmethod
    def oauth_services() -> "Mapping[str, OAuthService]":
        """The OAuth services that mailctl knows, by id."""
        from mailctl.providers.catalog import oauth_services

        return oauth_services()

    def application(self, source: "SecretSource", server: "Server", whose: str) -> "Application":
        """The OAuth application with which a login of that source signs in on `server`.

        It is the one that the source names, or else that of the server's provider: the one called as its OAuth
        service, or the only one of that service. whose: the gateway, for the message. Raises SecretError
        (oauth_no_application), or ConfigError for a broken file.
        """
        from mailctl.domain.oauth_setup import setup_command
        from mailctl.errors import SecretError

        applications = self.config.applications
        name = source.argument[0] if source.argument else ""
        provider = self.provider(server)
        service = provider.oauth if provider else ""
        if name:
            if name in applications.names():
                return applications.read(name)
            raise SecretError(
                f"{whose} signs in by the OAuth application {name!r}, which isn't set up",
                hint=f"`{setup_command(name, self.oauth_services(), service)}` sets it up.",
                code="oauth_no_application",
                cause="application_missing",
            )
        if service in applications.names():
            return applications.read(service)
        of_service = [each for each in applications.listing().objects if each.service.id == service]
        if len(of_service) == 1:
            return of_service[0]
        if of_service:
            many = ", ".join(each.name for each in of_service)
            message, hint = f"{whose} could sign in by {many}", f"Choose: mailctl gateway edit {whose} --oauth NAME"
        elif service:
            message = f"{whose} signs in by OAuth, and no application of {service} is set up"
            hint = f"`mailctl auth setup {service}` walks through it."
        else:
            message = f"{whose} signs in by OAuth, and nothing tells by which application"
            hint = f"`{setup_command('', ())}` sets one up; then: mailctl gateway edit {whose} --oauth NAME"
        raise SecretError(message, hint=hint, code="oauth_no_application", cause="application_missing")

    def application_of(self, gateway: str, source: "SecretSource") -> "Application":
        """The same for a login of a saved gateway."""
        return self.application(source, self.server(self.config.gateway(gateway).server), gateway)

    def maildir(self, gateway: "Gateway") -> Path:
        """Where the mail of a gateway lies: what it says, relative to the home folder, or `<data>/mail/NAME`."""
        if gateway.inbound.maildir:
            return home_folder(self.env) / gateway.inbound.maildir.removeprefix("~/")
        return self.paths.data / "mail" / gateway.name
