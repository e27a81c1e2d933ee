"""What registering an application with an OAuth service takes, and what is wrong with what was entered. Pure."""

import re
from collections.abc import Container

from mailctl.domain.oauth import Grant
from mailctl.domain.provider import OAuthService
from mailctl.domain.secret import Secret
from mailctl.errors import UsageError

ANY_TENANT = ("common", "organizations", "consumers")
"""Microsoft's names for no tenant in particular: any account, those of organisations, personal ones."""
_GUID = r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_DOMAIN = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+"


def all_scopes(service: OAuthService) -> tuple[str, ...]:
    """Every scope that mail by any protocol may need, as it is registered."""
    protocols = ("imap", "pop3", "smtp")
    return tuple(dict.fromkeys(scope for name in protocols for scope in service.scopes.get(name, ())))


def setup_command(name: str, services: Container[str], service: str = "") -> str:
    """The command that sets an application up under `name`; "" for any name.

    services: the ids of those that are known. service: of which it is, where something tells.
    """
    if name and name in services:
        return f"mailctl auth setup {name}"
    return f"mailctl auth setup {service or 'PROVIDER'} --name {name or 'NAME'}"


def registration_steps(service: OAuthService, grant: Grant, redirect: str) -> tuple[str, ...]:
    """What to click, one sentence a step. The service's own steps, or what holds for any."""
    steps = service.steps.get(grant) or (grant.by_person and service.steps.get(Grant.AUTHORIZATION_CODE)) or ()
    if not steps:
        where = service.issuer if service.issuer and "{" not in service.issuer else service.id
        steps = (
            f"Have a client registered with {where}. {service.registration}".strip(),
            *(["Its redirect URI: {redirect}, with any port."] if grant is Grant.AUTHORIZATION_CODE else []),
            *(["Its scopes: {scopes}"] if all_scopes(service) else []),
            "Copy the client id and, if there is one, the client secret.",
        )
    scopes = ", ".join(all_scopes(service))
    return tuple(step.replace("{redirect}", redirect).replace("{scopes}", scopes) for step in steps)


def check_grant(service: OAuthService, grant: Grant) -> None:
    """UsageError (oauth_grant) where the service is known not to give tokens for mail in that way."""
    if grant is Grant.DEVICE_CODE and service.device_flow == "no":
        raise UsageError(
            f"{service.id} gives no tokens for mail by a code on another device",
            hint=f"--no-browser needs no browser on this machine either. {service.device_flow_note}",
            code="oauth_grant",
            cause="device_flow_not_allowed",
        )
    if not grant.by_person and service.registration and grant not in service.steps:
        raise UsageError(
            f"{service.id} lets no application sign in for itself by {grant}",
            hint="Leave out --grant: then a person signs in, once.",
            code="oauth_grant",
        )


def check_client_id(service: OAuthService, client_id: str) -> str:
    """`client_id` without white space around it; UsageError if it can't be one of this service, or is another's."""
    import hashlib

    client_id = client_id.strip()
    digest = hashlib.sha256(client_id.lower().encode("utf-8", "replace")).hexdigest()[:16]
    if whose := service.others.get(digest):
        raise UsageError(
            f"That client id belongs to {whose}; it is no key of yours, and the service may refuse it (AADSTS65002)"
            if service.id == "microsoft"
            else f"That client id belongs to {whose}; it is no key of yours",
            hint=f"`mailctl auth setup {service.id}` shows how to register an application of your own.",
            code="oauth_client_of_others",
        )
    if not re.fullmatch(service.client_id_form or r"[!-~]{1,512}", client_id):
        example = f" It looks like {service.client_id_example}." if service.client_id_example else ""
        raise UsageError(
            f"{client_id[:80]!r} is no client id of {service.id}",
            hint=f"Copy it from where the application is registered.{example}",
            code="oauth_client_id",
        )
    return client_id


def check_tenant(grant: Grant, tenant: str, client_id: str) -> str:
    """`tenant` without white space around it; UsageError if it can't be one, or not for this grant."""
    tenant = tenant.strip()
    if tenant.lower() in ANY_TENANT:
        if not grant.by_person:
            raise UsageError(
                f"{tenant} is no single tenant, and an application that acts for itself does so in one",
                hint='Give the "Directory (tenant) ID", or a domain of the organisation.',
                code="oauth_tenant",
            )
        return tenant.lower()
    if tenant.lower() == client_id.lower():
        hint = 'It is the "Directory (tenant) ID" that is meant, below the "Application (client) ID".'
        raise UsageError("That is the client id, not the tenant", hint=hint, code="oauth_tenant")
    if not re.fullmatch(f"{_GUID}|{_DOMAIN}", tenant):
        hint = f"It is an id such as 00001111-aaaa-2222-bbbb-3333cccc4444, a domain, or one of {', '.join(ANY_TENANT)}."
        raise UsageError(f"{tenant[:80]!r} is no tenant", hint=hint, code="oauth_tenant")
    return tenant


def doubts_of_secret(service: OAuthService, secret: Secret) -> list[str]:
    """What looks unintended about a client secret, as sentences that don't show it."""
    value = secret.reveal()
    if value != value.strip():
        return ["The client secret begins or ends with white space, which was kept."]
    if service.id == "microsoft" and re.fullmatch(_GUID, value):
        return ["This looks like the Secret ID; what is needed is the Value beside it, which is shown once."]
    if service.client_id_form and re.fullmatch(service.client_id_form, value):
        return ["This looks like a client id, not like a client secret."]
    if service.id == "google" and not value.startswith("GOCSPX-"):
        return ["Google's client secrets begin with GOCSPX- nowadays; this one doesn't."]
    return []
