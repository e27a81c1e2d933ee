"""An OAuth application as a table, both ways: `[oauth.NAME]` of `config.toml`, or the file `oauth/NAME.toml`. Pure.

What a table leaves out is taken from the shipped service of that name, or of the one that `service` names.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from mailctl.config import kinds, schema
from mailctl.config.schema import KeyProblem, Kind, Spec, WrongValueError
from mailctl.domain.gateway import SourceKind
from mailctl.domain.names import is_name, nearest
from mailctl.domain.oauth import Application, Grant
from mailctl.domain.provider import OAuthService
from mailctl.domain.server import Protocol
from mailctl.errors import UsageError

Services = Mapping[str, OAuthService]
"""The shipped services by id."""

REDIRECT = "http://127.0.0.1"
_ENDPOINTS = (
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "device_authorization_endpoint",
    "revocation_endpoint",
)
NAMES_ISSUER = "authorization_response_iss_parameter_supported"
"""The metadata's word (RFC 9207 section 3) for `OAuthService.names_issuer`."""
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_ANY_TENANT = ("common", "organizations", "consumers")
_OWN = OAuthService("", "", "", "", sasl=("OAUTHBEARER", "XOAUTH2"))
"""What is taken of an identity provider of the user's own that doesn't say."""


def check_url(value: Any) -> str:
    """`value` if it is an address to which secrets may be sent; UsageError otherwise. HTTP goes to loopback only."""
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]{1,1000}", value):
        raise WrongValueError
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise WrongValueError from None
    if parts.scheme not in ("https", "http") or not host or re.search(r'[<>"{}|\\^`]', value):
        raise WrongValueError
    if parts.username is not None or parts.fragment:
        raise UsageError("must have neither a user nor a #fragment")
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise UsageError("must be https: only to 127.0.0.1, ::1 or localhost may it be http")
    return value


def _tenant(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}", value):
        raise WrongValueError
    return value


def _client_id(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]{1,512}", value):  # RFC 6749 appendix A.1, without spaces
        raise WrongValueError
    return value


def _scopes(value: Any) -> dict[str, tuple[str, ...]]:
    if isinstance(value, list):
        value = dict.fromkeys(Protocol, value)
    if not isinstance(value, dict) or not value.keys() <= {*Protocol}:
        raise WrongValueError
    return {str(Protocol(name)): _scope_list(scopes) for name, scopes in value.items()}


def _scope_list(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > 100:
        raise WrongValueError
    for scope in value:
        if not isinstance(scope, str) or not re.fullmatch(r"[!#-\[\]-~]{1,1000}", scope):  # RFC 6749 appendix A.4
            raise UsageError("each scope must be text without spaces, quotes and backslashes")
    return tuple(value)


def _write_scopes(scopes: Mapping[str, tuple[str, ...]]) -> Any:
    lists = {name: list(each) for name, each in scopes.items()}
    alike = lists.keys() == {*Protocol} and len({*scopes.values()}) == 1
    return next(iter(lists.values())) if alike else lists


URL = Kind("an address such as https://login.example.org/token", check_url)
SPEC: Spec = {
    "service": kinds.IDENTIFIER,
    "client_id": Kind("text without spaces", _client_id),
    "tenant": Kind("a tenant's id or domain, or one of common, organizations, consumers", _tenant),
    "redirect": Kind("an address such as http://127.0.0.1", check_url),
    "grant": kinds.choice(Grant),
    "client_secret": kinds.STATIC_SECRET,
    "key": kinds.FOREIGN_SECRET,
    "scopes": Kind("a list of scopes, or one each for imap, pop3 and smtp", _scopes, _write_scopes),
    "sasl": kinds.several(kinds.word("XOAUTH2", "OAUTHBEARER")),
    **dict.fromkeys(_ENDPOINTS, URL),
    NAMES_ISSUER: kinds.FLAG,
}


def to_application(name: str, data: Mapping[str, Any], services: Services) -> tuple[Application, list[KeyProblem]]:
    """The application that a TOML table describes, and everything wrong with it; usable only if nothing is."""
    values, problems = schema.read_values(SPEC, data)
    problems = [_without_secret(problem) for problem in problems]
    id_ = values.get("service", name)
    shipped = services.get(id_)
    if shipped is None and not problems and (unknown := _unknown_service(name, data, services)):
        problems.append(unknown)
    base = replace(_OWN, id=id_) if shipped is None else shipped
    tenant = values.get("tenant", "") or default_tenant(base)
    base = with_tenant(base, tenant)
    own = {key: values[key] for key in (*_ENDPOINTS, "scopes", "sasl") if key in values}
    application = Application(
        name=name,
        service=replace(base, **own, names_issuer=values.get(NAMES_ISSUER, base.names_issuer)),
        client_id=values.get("client_id", ""),
        grant=values.get("grant", Grant.AUTHORIZATION_CODE),
        tenant=tenant,
        redirect=values.get("redirect", base.redirect or REDIRECT),
        client_secret=values.get("client_secret"),
        key=values.get("key"),
    )
    if not problems:
        problems = _missing(application, shipped or base)
    return application, problems


def to_applications(tables: Mapping[str, Any], services: Services) -> tuple[dict[str, Application], list[KeyProblem]]:
    """The applications of the `[oauth.NAME]` tables of `config.toml`; keys of problems are dotted from its top."""
    found: dict[str, Application] = {}
    problems: list[KeyProblem] = []
    for name, table in tables.items():
        key = f"oauth.{name}"
        if not is_name(name):
            problems.append(KeyProblem(key, "can't be a name", "Use letters, digits or . _ @ + -."))
        elif not isinstance(table, dict):
            problems.append(KeyProblem(key, f"must be a table: [oauth.NAME] with {name} in it"))
        else:
            found[name], wrong = to_application(name, table, services)
            problems += [replace(each, key=f"{key}.{each.key}" if each.key else key) for each in wrong]
    return found, problems


def from_application(application: Application, services: Services) -> dict[str, Any]:
    """The TOML table of an application; what equals the shipped service's, or the default, is left out."""
    service = application.service
    shipped = services.get(service.id)
    base = with_tenant(shipped, application.tenant) if shipped else replace(_OWN, id=service.id)
    values: dict[str, Any] = {
        "service": service.id if shipped and service.id != application.name else None,
        "client_id": application.client_id or None,
        "tenant": application.tenant or None,
        "redirect": None if application.redirect == (base.redirect or REDIRECT) else application.redirect,
        "grant": None if application.grant is Grant.AUTHORIZATION_CODE else application.grant,
        "client_secret": application.client_secret,
        "key": application.key,
        NAMES_ISSUER: None if service.names_issuer == base.names_issuer else service.names_issuer,
    }
    for key in (*_ENDPOINTS, "scopes", "sasl"):
        value = getattr(service, key)
        values[key] = None if value == getattr(base, key) else value
    return schema.write_values(SPEC, values)


def names_secrets(application: Application) -> bool:
    """Whether its table names a command to run, or a file to read, for a secret."""
    sources = [source for source in (application.client_secret, application.key) if source]
    return any(source.kind in (SourceKind.COMMAND, SourceKind.FILE) for source in sources)


def default_tenant(service: OAuthService) -> str:
    """The tenant that is meant where none is named; "" if the service has none."""
    return service.tenants.get("either", "common") if "{tenant}" in service.token_endpoint else ""


def with_tenant(service: OAuthService, tenant: str) -> OAuthService:
    """`service` with the tenant in its addresses."""
    return replace(service, **{key: getattr(service, key).replace("{tenant}", tenant) for key in _ENDPOINTS})


def _unknown_service(name: str, data: Mapping[str, Any], services: Services) -> KeyProblem | None:
    known = ", ".join(services)
    if "service" in data:
        match = nearest(data["service"], services)
        fix = f"Did you mean {match!r}?" if match else f"There are: {known}."
        return KeyProblem("service", f"there is no service named {data['service']!r}", fix)
    if not data.keys() & {*_ENDPOINTS}:
        match = nearest(name, services)
        fix = f"Did you mean {match!r}?" if match else f"Name one of {known}; or give token_endpoint and the others."
        return KeyProblem("service", "is missing", fix)
    return None


def _missing(application: Application, shipped: OAuthService) -> list[KeyProblem]:
    """What the way of signing in needs and the application hasn't."""
    service, grant = application.service, application.grant
    found = []

    def need(key: str, fix: str) -> None:
        found.append(KeyProblem(key, f"is missing; grant = {grant.value!r} needs it", fix))

    if not application.client_id and grant is not Grant.SERVICE_ACCOUNT:
        found.append(KeyProblem("client_id", "is missing", "The service shows it where the application is registered."))
    if not service.token_endpoint:
        need("token_endpoint", "The identity provider's metadata has it (RFC 8414).")
    if grant is Grant.AUTHORIZATION_CODE and not service.authorization_endpoint:
        need("authorization_endpoint", "The identity provider's metadata has it (RFC 8414).")
    if grant is Grant.DEVICE_CODE and not service.device_authorization_endpoint:
        need(
            "device_authorization_endpoint",
            service.device_flow_note or "The identity provider may not offer device codes.",
        )
    if grant is Grant.CLIENT_CREDENTIALS and application.client_secret is None:
        need("client_secret", 'Name where it is: client_secret = {file = "..."} or "keyring".')
    if grant is Grant.SERVICE_ACCOUNT and application.key is None:
        need("key", 'Name the file that the service gave: key = {file = "..."}.')
    if "{tenant}" not in shipped.token_endpoint:
        if application.tenant:
            found.append(KeyProblem("tenant", f"{service.id} has no tenants", "Remove it."))
    elif grant is Grant.CLIENT_CREDENTIALS and application.tenant in _ANY_TENANT:
        need("tenant", "An application that acts for itself does so in one tenant: give its id or domain.")
    return found


def _without_secret(problem: KeyProblem) -> KeyProblem:
    """The problem, with the way out where a client secret may stand in the file; its value is never shown."""
    if problem.key not in ("client_secret", "key", "secret", "password"):
        return problem
    message = problem.message if problem.key in SPEC else "unknown key"
    fix = (
        'A secret never stands in a configuration file. Name where it is: client_secret = {file = "..."} or "keyring".'
    )
    if problem.key == "key":
        fix = 'A key never stands in a configuration file. Name the file that the service gave: key = {file = "..."}.'
    return KeyProblem(problem.key, message, fix)
