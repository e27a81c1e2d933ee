"""What must hold before a gateway is saved: its server is there, its name is free, the limits allow it."""

from mailctl.cli.context import Context
from mailctl.cli.gateway_options import GatewayOptions
from mailctl.domain.address import parse_address
from mailctl.domain.gateway import Gateway
from mailctl.domain.limits import domain_problem, owner_problem
from mailctl.domain.names import check_name
from mailctl.domain.server import Server
from mailctl.errors import ConfigError, ExistsError, NotFoundError, UsageError


def check_new(context: Context, name: str, options: GatewayOptions) -> Server:
    """The server of a gateway to add. ExistsError, NotFoundError, or UsageError for what is left out."""
    begun = context.config.unfinished_rename()
    if context.config.gateway_exists(check_name(name, "gateway")) or (begun and name in begun):
        raise ExistsError(
            f"There is a gateway named {name!r} already", hint=f"`mailctl gateway edit {name}` changes it."
        )
    if not options.email:
        raise UsageError("Which mailbox? --email is missing", hint="Add --email NAME@DOMAIN.")
    parse_address(options.email)
    if not options.server:
        raise UsageError("Through which server? --server is missing", hint=_server_hint(context, options.email))
    return named_server(context, options.server)


def named_server(context: Context, name: str) -> Server:
    """The server that an option names; if only a preset has that name, the error says how to add it."""
    try:
        return context.server(name)
    except NotFoundError as error:
        from mailctl.providers.catalog import load

        try:
            provider = load(name)
        except NotFoundError:
            raise error from None
        raise NotFoundError(
            f"There is no server named {name!r} yet; {provider.name} is a preset", hint=f"mailctl server add {name}"
        ) from None


def check_limits(context: Context, gateway: Gateway, old: Gateway | None) -> None:
    """ConfigError (code limit) if config.toml forbids `gateway`; what `old` was already is not asked again."""
    limits = context.config.settings.limits
    problem = domain_problem(gateway.email, limits) if old is None or old.email != gateway.email else ""
    counted = (gateway.owner, gateway.shared)
    if not problem and (old is None or (old.owner, old.shared) != counted) and limits.gateways_per_owner is not None:
        others = context.config.gateways_holding(gateway.owner).objects
        problem = owner_problem(gateway, (each for each in others if each.name != gateway.name), limits)
    if problem:
        settings = context.paths.config / "config.toml"
        raise ConfigError(f"Not allowed: {problem}", hint=f"The [limits] stand in {settings}.", code="limit")


def _server_hint(context: Context, email: str) -> str:
    from mailctl.providers.catalog import by_domain

    provider = by_domain(parse_address(email).domain)
    names = context.config.server_names()
    if provider and provider.id in names:
        return f"Add --server {provider.id}."
    if provider:
        return f"This is {provider.name}: mailctl server add {provider.id}, then add --server {provider.id}."
    if names:
        return f"Add --server with one of {', '.join(names[:5])}; `mailctl server list` shows them."
    return f"`mailctl server discover {email} --save NAME` finds one and keeps it."
