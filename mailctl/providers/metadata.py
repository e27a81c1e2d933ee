"""An identity provider of the user's own tells its endpoints (RFC 8414; OpenID Connect Discovery 1.0).

What is fetched is a stranger's JSON: bounded, and believed only where it names the issuer that was asked.
"""

import json
from typing import Any
from urllib.parse import urlsplit

from mailctl.domain.deadline import Deadline
from mailctl.domain.discovery import Getter, Page
from mailctl.domain.provider import OAuthService
from mailctl.domain.server import Protocol
from mailctl.errors import NotFoundError, ProtocolError, UsageError

_ENDPOINTS = (
    "authorization_endpoint",
    "token_endpoint",
    "device_authorization_endpoint",
    "revocation_endpoint",
)
_USUAL_SCOPES = ("openid", "email", "offline_access")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def metadata_urls(issuer: str) -> tuple[str, ...]:
    """Where the metadata of `issuer` may lie (RFC 8414 sections 3 and 5); UsageError for what is no issuer."""
    try:
        parts = urlsplit(issuer)
        usable = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    except ValueError:
        usable = False
    if not usable or not parts.hostname or parts.query or parts.fragment or not issuer.isascii() or " " in issuer:
        raise UsageError(
            f"{issuer[:200]!r} is no issuer", hint="It is an https address, such as https://sso.example.org/realms/mail"
        )
    base, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return (
        f"{base}{path}/.well-known/openid-configuration",
        f"{base}/.well-known/oauth-authorization-server{path}",
    )


def service_of(id_: str, issuer: str, document: bytes) -> OAuthService:
    """The service that an issuer's metadata describes.

    Raises ProtocolError where it isn't metadata, is another issuer's (RFC 8414 section 3.3), or has no way to a token.
    """
    try:
        found: Any = json.loads(document)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _refused(issuer, "is no JSON object")
    said = found.get("issuer")
    if said != issuer:  # "identical", by code points: RFC 8414 section 3.3
        raise _refused(issuer, f"is of another issuer: {str(said)[:200]!r}")
    endpoints: dict[str, Any] = {name: _endpoint(issuer, found, name) for name in _ENDPOINTS}
    if not endpoints["token_endpoint"]:
        raise _refused(issuer, "names no token endpoint")
    offered = found.get("scopes_supported")
    scopes = tuple(each for each in _USUAL_SCOPES if each in offered) if isinstance(offered, list) else ()
    return OAuthService(
        id=id_,
        issuer=issuer,
        **endpoints,
        scopes=dict.fromkeys((each.value for each in Protocol), scopes) if scopes else {},
        sasl=("OAUTHBEARER", "XOAUTH2"),
        names_issuer=found.get("authorization_response_iss_parameter_supported") is True,
    )


def discover_issuer(id_: str, issuer: str, get: Getter, deadline: Deadline) -> OAuthService:
    """The service `id_` as its issuer describes it.

    Raises NotFoundError where it doesn't, and what `metadata_urls`, `service_of` and `get` raise.
    """
    for url in metadata_urls(issuer):
        page: Page | None = get(url, deadline)
        if page is not None:
            return service_of(id_, issuer, page.body)
    raise NotFoundError(
        f"{urlsplit(issuer).hostname} has no metadata of that issuer",
        hint=f"Look at {metadata_urls(issuer)[0]}; or write the endpoints into [oauth.{id_}] of config.toml.",
    )


def _endpoint(issuer: str, found: dict[str, Any], key: str) -> str:
    value = found.get(key, "")
    if value and (not isinstance(value, str) or not _safe(value)):
        raise _refused(issuer, f"has a {key} that tokens can't be sent to")
    return str(value)


def _safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            len(url) <= 1000
            and all("!" <= each <= "~" for each in url)
            and bool(parts.hostname)
            and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK))
        )
    except ValueError:
        return False


def _refused(issuer: str, fault: str) -> ProtocolError:
    return ProtocolError(
        f"What {urlsplit(issuer).hostname} answers as its metadata {fault}",
        hint="Give the issuer exactly as the identity provider shows it.",
        code="oauth_metadata",
    )
