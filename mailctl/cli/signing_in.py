"""Signing in with a login's secret, and once more with a fresh token where the server refused the one at hand."""

from collections.abc import Callable
from typing import TypeVar

from mailctl.domain.secret import BearerToken, Secret
from mailctl.errors import AuthError

T = TypeVar("T")


def signed_in(secret: Callable[[str], Secret], sign_in: Callable[[Secret], T]) -> T:
    """What `sign_in` gives for the secret.

    secret: gives it; with the digest of a token another one, since that was refused. It is asked for that once at most,
    and never for a password: a second attempt with that could lock the account. Raises what both raise.
    """
    held = secret("")
    try:
        return sign_in(held)
    except AuthError as refusal:
        if refusal.code != "token_refused" or not isinstance(held, BearerToken):
            raise
        fresh = secret(held.digest)  # why there is none tells more than the refusal
        if fresh == held:
            raise
    return sign_in(fresh)
