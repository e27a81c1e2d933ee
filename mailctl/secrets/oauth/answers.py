"""What an authorization server answers: a JSON object, an error of its own, or something that is neither."""

import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from mailctl.domain.oauth import Application, HttpAnswer, Token
from mailctl.domain.oauth_claims import read_claims
from mailctl.domain.secret import BearerToken, Secret, mask
from mailctl.errors import AuthError, MailctlError, NetworkError, ProtocolError

MOST_TEXT = 500
"""Characters of a server's own words that are passed on."""
MOST_TOKEN = 16 * 1024
_LONGEST = timedelta(days=3650)
_CAUSES = {
    "invalid_grant": "token_expired",
    "bad_verification_code": "token_expired",
    "invalid_client": "client_secret_invalid",
    "unauthorized_client": "app_config",
    "unsupported_grant_type": "app_config",
    "unsupported_response_type": "app_config",
    "invalid_request": "app_config",
    "invalid_scope": "scope_invalid",
    "redirect_uri_mismatch": "redirect_mismatch",
    "access_denied": "consent_declined",
    "authorization_declined": "consent_declined",
    "consent_required": "consent_required",
    "interaction_required": "interaction_required",
    "login_required": "interaction_required",
    "expired_token": "device_code_expired",
    "deleted_client": "app_not_found",
    "disabled_client": "app_disabled",
    "org_internal": "blocked_by_admin",
    "admin_policy_enforced": "blocked_by_admin",
    "server_error": "provider_fault",
    "temporarily_unavailable": "temp_unavailable",
}
"""Causes of the errors of RFC 6749 (sections 4.1.2.1 and 5.2), RFC 8628 (section 3.5), OpenID Connect and providers."""


class RefusalError(AuthError):
    """The authorization server refused. error: its code, such as `invalid_grant` (RFC 6749 section 5.2)."""

    default_code = "oauth_refused"

    def __init__(self, error: str, description: str, where: str, doing: str) -> None:
        self.error = error
        said = f"{error}: {description}" if description else error
        super().__init__(f"{where} refused {doing}", cause=_CAUSES.get(error, ""), server_text=bounded(said))


def bounded(text: str) -> str:
    """A server's words, masked and cut."""
    return mask(text[: 4 * MOST_TEXT])[:MOST_TEXT]


def facts_of(answer: HttpAnswer, url: str, doing: str) -> dict[str, Any]:
    """The JSON object in `answer` of the endpoint `url`.

    doing: what was asked for, for the message ("the refresh"). Raises RefusalError, NetworkError for a server that
    is not well, or ProtocolError for what isn't one.
    """
    where = str(urlsplit(url).hostname)
    found = _object(answer.body)
    error = found.get("error") if found else None
    if isinstance(error, dict):  # some nest it as in their other interfaces, where a code may be the status's number
        found, error = error, _first_text(error.get("code"), error.get("status"))
    if found and isinstance(error, str) and error:
        description = _first_text(found.get("error_description"), found.get("message"))
        failure: MailctlError = RefusalError(error, description, where, doing)
        if failure.cause in ("provider_fault", "temp_unavailable"):
            failure = _unwell(where, failure.cause, failure.server_text)
        raise failure
    if answer.status >= 500 or answer.status in (408, 429):
        raise _unwell(where, "throttled" if answer.status == 429 else "provider_fault", f"HTTP status {answer.status}")
    if found is None or not 200 <= answer.status < 300:
        raise _no_server(where, answer)
    return found


def _first_text(*values: object) -> str:
    return next((value for value in values if isinstance(value, str) and value), "")


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _unwell(where: str, cause: str, said: str) -> NetworkError:
    return NetworkError(
        f"{where} can't answer at the moment",
        hint="Try again later.",
        code="oauth_unavailable",
        cause=cause,
        server_text=said,
    )


def _no_server(where: str, answer: HttpAnswer) -> ProtocolError:
    page = answer.content_type.startswith("text/html") or answer.body.lstrip()[:1] == b"<"
    what = "a web page" if page else "something that is no answer of an authorization server"
    redirected = " and wants to send us elsewhere" if 300 <= answer.status < 400 else ""
    return ProtocolError(
        f"{where} answered with {what} (HTTP status {answer.status}){redirected}",
        hint="The endpoint's address may be wrong, or a proxy or a sign-in page of the network answers instead.",
        code="oauth_answer",
        cause="protocol_violation",
    )


def token_of(facts: dict[str, Any], application: Application, now: datetime, url: str) -> Token:
    """The token in an answer of the token endpoint (RFC 6749 section 5.1), had at `now`.

    Raises ProtocolError unless it is a bearer token (RFC 6750) in printable ASCII of a sensible size.
    """
    where = str(urlsplit(url).hostname)
    access, kind = facts.get("access_token"), facts.get("token_type", "Bearer")
    if not isinstance(access, str) or not access:
        raise _bad_token(where, "holds no access token")
    refresh = facts.get("refresh_token") or ""
    for value in (access, refresh):
        Secret(value) if isinstance(value, str) else None  # masked from here on, whatever comes of it
        if not isinstance(value, str) or len(value) > MOST_TOKEN or not _visible(value):
            raise _bad_token(where, "holds a token that is none")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise _bad_token(where, "holds a token of a kind that no mail server takes")
    scope = facts.get("scope")
    return Token(
        access_token=BearerToken(access),
        expires=_after(now, facts.get("expires_in")),
        scopes=tuple(scope[: 4 * MOST_TOKEN].split()) if isinstance(scope, str) else (),
        refresh_token=Secret(refresh) if refresh else None,
        refreshed=now if refresh else None,
        refresh_expires=_refresh_end(facts, now),
        application=application.name,
        client_id=application.client_id,
        tenant=application.tenant,
        user=_user(facts.get("id_token")),
        issued=now,
    )


def _user(id_token: object) -> str:
    """Who signed in, by the ID token that comes along where `openid` is asked for.

    It came from the endpoint itself, so that its signature tells nothing more (OpenID Connect Core section 3.1.3.7).
    """
    claims = read_claims(Secret(id_token)) if isinstance(id_token, str) else None
    return claims.user if claims else ""


def _bad_token(where: str, fault: str) -> ProtocolError:
    return ProtocolError(f"The answer of {where} {fault}", code="oauth_answer", cause="protocol_violation")


def _visible(value: str) -> bool:
    """VSCHAR alone (RFC 6749 appendix A.12)."""
    return all("!" <= character <= "~" for character in value)


def _refresh_end(facts: dict[str, Any], now: datetime) -> datetime | None:
    """When the refresh token lapses, None if not known. Keycloak says 0 of one that doesn't by itself."""
    end = _after(now, facts.get("refresh_token_expires_in") or facts.get("refresh_expires_in"))
    return end if end and end > now else None


def _after(now: datetime, seconds: object) -> datetime | None:
    """`now` plus a lifetime, which some send as text; None for none that makes sense."""
    try:
        length = timedelta(seconds=int(seconds)) if isinstance(seconds, int | float | str) else _LONGEST
    except (ValueError, OverflowError):
        return None
    return now + max(length, timedelta()) if length < _LONGEST else None
