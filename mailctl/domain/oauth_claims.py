"""What an access token says of itself where it is a JWT (RFC 7519, RFC 9068): read for a diagnosis, never believed.

The signature isn't looked at: only the mail server's word on a token counts. Pure and bounded, whatever the token is.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mailctl.domain.record import dataclass
from mailctl.domain.secret import Secret

MOST = 48 * 1024
"""Characters of a token's claims that are read."""
MOST_VALUES = 200
"""Values of one claim that are read."""
LONGEST = 256
"""Characters that are kept of one value."""
_USER = ("upn", "preferred_username", "email", "unique_name")
"""Claims that may hold the account's address (or a name, which counts less), the surest first: Entra's, OpenID's."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Some claims of a token; "", () and None stand for what it doesn't say.

    audience: whom it is for (`aud`). scopes: what a person agreed to (`scope`, or Entra's `scp`). roles: what the
    application may do for itself. user: the account's address or name. tenant: Entra's directory (`tid`). application:
    whether it is of an application that acts for itself. expires: `exp`.
    """

    issuer: str = ""
    audience: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    user: str = ""
    tenant: str = ""
    application: bool = False
    expires: datetime | None = None


def read_claims(token: Secret) -> Claims | None:
    """The claims of `token`, None where it is opaque (most are: Google's, those of Microsoft's personal accounts).

    An ID token (OpenID Connect) may be given as well, as it comes from the token endpoint itself.
    """
    import json
    from base64 import urlsafe_b64decode

    parts = token.reveal().split(".", 3)
    if len(parts) != 3 or not parts[1] or len(parts[1]) > MOST:
        return None
    try:
        found = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):  # no base64, no UTF-8, no JSON, or beyond all sense
        return None
    return _claims(found) if isinstance(found, dict) else None


def _claims(found: Mapping[str, Any]) -> Claims:
    users = [user for name in _USER if (user := _text(found.get(name)))]
    return Claims(
        issuer=_text(found.get("iss")),
        audience=_texts(found.get("aud")),
        scopes=_words(found.get("scp")) or _words(found.get("scope")),
        roles=_texts(found.get("roles")),
        user=next(iter(sorted(users, key=lambda user: "@" not in user)), ""),
        tenant=_text(found.get("tid")).lower(),
        application=found.get("idtyp") == "app",
        expires=_moment(found.get("exp")),
    )


def _text(value: object) -> str:
    return value[:LONGEST] if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    """A claim that is one text or a list of them."""
    many = value[:MOST_VALUES] if isinstance(value, list) else [value]
    return tuple(text for each in many if (text := _text(each)))


def _words(value: object) -> tuple[str, ...]:
    """A claim that is a list of words, or one text of them (RFC 8693 section 4.2)."""
    if isinstance(value, str):
        return tuple(word[:LONGEST] for word in value[: MOST_VALUES * LONGEST].split()[:MOST_VALUES])
    return _texts(value)


def _moment(value: object) -> datetime | None:
    """NumericDate (RFC 7519 section 2)."""
    try:
        return datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else None
    except (ValueError, OverflowError, OSError):
        return None
