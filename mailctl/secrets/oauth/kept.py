"""The form in which a token is kept: JSON with a version, as `domain.oauth.Token` has its parts."""

import json
from datetime import UTC, datetime
from typing import Any

from mailctl.domain.oauth import Token
from mailctl.domain.secret import BearerToken, Secret
from mailctl.errors import SecretError

VERSION = 1


def to_text(token: Token) -> Secret:
    """`token` as one line of JSON; times in ISO 8601, UTC. What isn't known is left out."""
    parts = {
        "version": VERSION,
        "access_token": token.access_token.reveal(),
        "expires": _iso(token.expires),
        "scopes": list(token.scopes),
        "refresh_token": token.refresh_token.reveal() if token.refresh_token else None,
        "refreshed": _iso(token.refreshed),
        "refresh_expires": _iso(token.refresh_expires),
        "application": token.application,
        "client_id": token.client_id,
        "tenant": token.tenant,
        "user": token.user,
        "issued": _iso(token.issued),
        "refused": _iso(token.refused),
    }
    return Secret(json.dumps({name: value for name, value in parts.items() if value}, separators=(",", ":")))


def from_text(text: Secret) -> Token:
    """The token that `to_text` wrote. SecretError (oauth_unreadable) for anything else, which it doesn't quote."""
    try:
        parts = _object(text)
        if parts.get("version") == VERSION:
            return _token(parts)
        newer = isinstance(parts.get("version"), int)
    except (ValueError, TypeError, RecursionError):  # the cause's text would quote what was kept
        newer = False
    raise SecretError(
        f"What is kept as a token {'is of a newer mailctl' if newer else 'is none'}",
        hint="Sign in again: `mailctl auth login GATEWAY`.",
        code="oauth_unreadable",
    )


def _object(text: Secret) -> dict[str, Any]:
    parts = json.loads(text.reveal())
    if not isinstance(parts, dict):
        raise ValueError("not an object")  # noqa: TRY004 - for the caller it is one fault: not what was kept
    return parts


def _token(parts: dict[str, Any]) -> Token:
    refresh = _string(parts, "refresh_token")
    return Token(
        access_token=BearerToken(_string(parts, "access_token")),
        expires=_time(parts, "expires"),
        scopes=tuple(str(scope) for scope in parts.get("scopes") or ()),
        refresh_token=Secret(refresh) if refresh else None,
        refreshed=_time(parts, "refreshed"),
        refresh_expires=_time(parts, "refresh_expires"),
        application=_string(parts, "application"),
        client_id=_string(parts, "client_id"),
        tenant=_string(parts, "tenant"),
        user=_string(parts, "user"),
        issued=_time(parts, "issued"),
        refused=_time(parts, "refused"),
    )


def _string(parts: dict[str, Any], name: str) -> str:
    value = parts.get(name, "")
    if not isinstance(value, str):
        raise ValueError(name)  # noqa: TRY004 - as above
    return value


def _iso(time: datetime | None) -> str | None:
    return time.astimezone(UTC).isoformat(timespec="seconds") if time else None


def _time(parts: dict[str, Any], name: str) -> datetime | None:
    text = _string(parts, name)
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
