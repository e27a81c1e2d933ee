"""A sign-in is tried again only with another token, where the token was what was refused, and only once."""

import pytest

from mailctl.cli.signing_in import signed_in
from mailctl.domain.secret import BearerToken, Secret
from mailctl.errors import AuthError, MailctlError, NetworkError, SecretError

REFUSED = AuthError("no", code="token_refused", cause="token_rejected")


class Server:
    """Takes the secrets in `good`, refuses others by `error`; remembers what it was shown."""

    def __init__(self, *good: str, error: MailctlError = REFUSED) -> None:
        self.good, self.error = good, error
        self.shown: list[str] = []

    def __call__(self, secret: Secret) -> str:
        self.shown.append(secret.reveal())
        if secret.reveal() not in self.good:
            raise self.error
        return "in"


def held_and_fresh(refused: str) -> Secret:
    return BearerToken("fresh" if refused == BearerToken("held").digest else "held")


def test_a_token_that_works_is_shown_once() -> None:
    server = Server("held")
    assert signed_in(held_and_fresh, server) == "in"
    assert server.shown == ["held"]


def test_F11_a_refused_token_is_replaced_once() -> None:
    server = Server("fresh")
    assert signed_in(held_and_fresh, server) == "in"
    assert server.shown == ["held", "fresh"]


def test_F11_a_second_refusal_is_the_error() -> None:
    server = Server()
    with pytest.raises(AuthError):
        signed_in(held_and_fresh, server)
    assert server.shown == ["held", "fresh"]


@pytest.mark.parametrize("error", [AuthError("no"), NetworkError("lost"), AuthError("no", cause="scope_missing")])
def test_other_errors_are_no_reason_for_a_second_attempt(error: MailctlError) -> None:
    server = Server(error=error)
    with pytest.raises(type(error)):
        signed_in(held_and_fresh, server)
    assert server.shown == ["held"]


def test_the_same_token_again_is_not_tried() -> None:
    server = Server()
    with pytest.raises(AuthError):
        signed_in(lambda refused: BearerToken("held"), server)
    assert server.shown == ["held"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SecretError("sign in again", code="oauth_expired"), SecretError),
        (NetworkError("no way there"), NetworkError),
    ],
)
def test_why_there_is_no_other_is_told(error: MailctlError, told: type[MailctlError]) -> None:
    def secret(refused: str) -> Secret:
        if refused:
            raise error
        return BearerToken("held")

    with pytest.raises(told):
        signed_in(secret, Server())
