"""Which OAuth service the user means: by its name, a preset's or an address; or an identity provider of one's own."""

from typing import TYPE_CHECKING

from mailctl.cli.context import Context
from mailctl.domain.names import check_name, is_name, nearest
from mailctl.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from mailctl.domain.gateway import Gateway, LoginRole
    from mailctl.domain.provider import OAuthService, Provider

SECONDS = 15.0
"""How long an identity provider may take to tell of itself."""


def chosen_service(context: Context, word: str, issuer: str | None) -> "tuple[OAuthService, str]":
    """The service that `word` means, and the preset by which it was found, "" for none.

    word: a service, an application, a preset, an address, or a gateway. issuer: of one's own identity provider, asked
    for its metadata (RFC 8414). Raises NotFoundError or UsageError; NetworkError, TlsError, ProtocolError for an issuer
    that can't be asked.
    """
    services = context.oauth_services()
    if issuer is not None:
        if word in services:
            raise UsageError(
                f"{word} is a service that mailctl knows, and --issuer is for others", hint="Give it another name."
            )
        from mailctl.domain.deadline import Deadline
        from mailctl.providers.metadata import discover_issuer

        check_name(word, "application")
        return discover_issuer(word, issuer, context.http(), Deadline(SECONDS)), ""
    if word in services:
        return services[word], ""
    known = {each.name: each for each in context.config.applications.listing().objects}
    if word in known:
        service = known[word].service
        return services.get(service.id) or service, ""
    provider = _provider(context, word)
    if provider is None:
        from mailctl.providers.catalog import ids

        match = nearest(word, [*services, *ids()])
        hint = f"Did you mean {match!r}? " if match else f"There are: {', '.join(services)}. "
        raise NotFoundError(
            f"There is no OAuth service named {word!r}",
            hint=f"{hint}For an identity provider of your own give --issuer URL.",
        )
    if not provider.oauth:
        raise UsageError(
            f"{provider.name} takes no OAuth tokens for mail, as far as is known",
            hint=f"`mailctl server presets {provider.id}` shows how to sign in there.",
        )
    return services[provider.oauth], provider.id


def _provider(context: Context, word: str) -> "Provider | None":
    """The provider that a preset's name, an address or a gateway's name means."""
    from mailctl.providers import catalog

    if is_name(word) and context.config.gateway_exists(word):
        return context.provider(context.server(context.config.gateway(word).server))
    try:
        return catalog.by_domain(word.rpartition("@")[2]) if "@" in word else catalog.load(word)
    except NotFoundError:
        return None


def usual_tenant(service: "OAuthService", preset: str) -> str:
    """The tenant that is meant if nobody says: at Outlook.com that of personal accounts, at Office 365 of others."""
    kinds = {"outlook": "consumers", "office365": "organizations"}
    return kinds.get(preset, "common") if "{tenant}" in service.token_endpoint else ""


def default_name(context: Context, service: "OAuthService", word: str) -> str:
    """What the application is called if nobody says: as the one that was named, or as its service."""
    return word if word in context.config.applications.names() else service.id


def users_of(context: Context, application: str) -> "list[tuple[Gateway, LoginRole]]":
    """The logins that sign in by `application`, in their gateways' order; without those that can't be told."""
    from mailctl.domain.gateway import SourceKind
    from mailctl.errors import MailctlError

    found = []
    for gateway in context.load_gateways()[0]:
        for role, login in gateway.logins.items():
            if login.secret.kind is not SourceKind.OAUTH:
                continue
            try:
                if context.application(login.secret, context.server(gateway.server), gateway.name).name == application:
                    found.append((gateway, role))
            except MailctlError:  # `config check` tells of it
                continue
    return found
