"""Signing in with a login's secret, and once more with a fresh token where the server refused the one at hand."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from mailctl.errors import AuthError

if TYPE_CHECKING:
    from mailctl.domain.secret import Secret

T = TypeVar("T")


def signed_in(secret: "Callable[[bool], Secret]", sign_in: "Callable[[Secret], T]") -> T:
    """What `sign_in` gives for the secret.

    secret: gives it; with True another token, since the one at hand was refused. It is asked for that once at most, and
    never for a password: a second attempt with that could lock the account. Raises what both raise.
    """
    held = secret(False)
    try:
        return sign_in(held)
    except AuthError as refusal:
        if refusal.code != "token_refused":
            raise
        fresh = secret(True)  # why there is none tells more than the refusal
        if fresh == held:
            raise
    return sign_in(fresh)
