"""A service account's key file, and the assertion signed with it (RFC 7523; Google's domain-wide delegation)."""

import json
from datetime import datetime, timedelta

from mailctl.domain.oauth import Application
from mailctl.domain.secret import Secret
from mailctl.errors import SecretError

LIFETIME = 3600
"""Seconds for which an assertion is good: the most that Google takes."""
SKEW = timedelta(minutes=1)
"""How far our clock may be ahead of the server's."""


def assertion(key: Secret, application: Application, user: str, now: datetime) -> Secret:
    """The signed JWT with which the account asks for a token in the name of `user`.

    key: the JSON that Google gives (client_email, private_key, private_key_id). SecretError (oauth_key) for another.
    """
    from authlib.oauth2.rfc7523.assertion import sign_jwt_bearer_assertion
    from joserfc.errors import JoseError
    from joserfc.jwk import RSAKey

    account, private, number = _parts(key, application)
    try:
        return Secret(
            sign_jwt_bearer_assertion(
                RSAKey.import_key(private.reveal()),
                issuer=account,
                audience=application.service.token_endpoint,
                subject=user,
                issued_at=int((now - SKEW).timestamp()),
                expires_in=LIFETIME,
                claims={"scope": " ".join(application.wanted_scopes)},
                header={"alg": "RS256", "typ": "JWT", **({"kid": number} if number else {})},
            )
        )
    except (ValueError, TypeError, JoseError):  # the cause's text could quote the key
        raise _no_key(application, "its private key can't be used (an RSA key in PEM form is wanted)") from None


def _parts(key: Secret, application: Application) -> tuple[str, Secret, str]:
    """The account's address, its private key, and the key's number or ""."""
    try:
        found = json.loads(key.reveal())
    except (ValueError, RecursionError):
        raise _no_key(application, "it is not JSON") from None
    account = found.get("client_email") if isinstance(found, dict) else None
    private = found.get("private_key") if isinstance(found, dict) else None
    if not isinstance(account, str) or not isinstance(private, str) or not account or not private:
        raise _no_key(application, "it has no client_email and private_key")
    number = found.get("private_key_id")
    return account, Secret(private), number if isinstance(number, str) else ""


def _no_key(application: Application, fault: str) -> SecretError:
    return SecretError(
        f"The key of the application {application.name!r} is not the key file of a service account: {fault}",
        hint="Create a key of type JSON for the service account, and name that file.",
        code="oauth_key",
    )
