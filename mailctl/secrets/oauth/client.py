"""The client of an authorization server (RFC 6749 section 2): each grant's request out, a token in.

Authlib makes the requests; it sends them by the `HttpPoster` that is handed in, and every answer passes `answers`
before anything is made of it; what Authlib makes of one is not used.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from mailctl.domain.deadline import Deadline
from mailctl.domain.gateway import SecretSource
from mailctl.domain.oauth import Application, Grant, HttpPoster, Token
from mailctl.domain.secret import Secret
from mailctl.errors import ConfigError, SecretError
from mailctl.secrets.oauth.answers import RefusalError, facts_of, token_of
from mailctl.secrets.oauth.authorization import Authorization, with_port
from mailctl.secrets.oauth.device import DeviceCode, device_code_of
from mailctl.secrets.oauth.service_account import assertion
from mailctl.secrets.oauth.session import HEADERS, NoClient, Read, Session, by_basic, revoked

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
ASSERTION_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
NOBODY = "00000000-0000-4000-8000-000000000000"
"""A client id that no service has given."""
ApplicationSecret = Callable[[Application, str, SecretSource], Secret]
"""Gives the `client_secret` or the `key` (the second argument) of an application from where it is."""


class Client:
    """An application at its service. Every method raises what `answers.facts_of` and the HttpPoster do.

    secret: gives its client secret or key. now: the moment, aware.
    """

    def __init__(
        self, application: Application, post: HttpPoster, secret: ApplicationSecret, now: Callable[[], datetime]
    ) -> None:
        self.application = application
        self._post, self._secret, self._now = post, secret, now

    def authorization(self, user: str = "", port: int | None = None) -> Authorization:
        """What a person is sent to the authorization endpoint with.

        user: whom the service should offer to sign in. port: on which the answer is listened for; None: the person
        copies the address to which the browser was sent.
        """
        redirect = self.application.redirect
        redirect = redirect if port is None else with_port(redirect, port)
        return Authorization.begin(self.application, redirect, user, _library())

    def redeem(self, authorization: Authorization, code: Secret, deadline: Deadline) -> Token:
        """The token for an authorization code (RFC 6749 section 4.1.3), with the verifier (RFC 7636 section 4.5)."""
        return self._token(
            deadline,
            "the sign-in",
            grant_type="authorization_code",
            code=code.reveal(),
            redirect_uri=authorization.redirect,
            code_verifier=authorization.verifier.reveal(),
        )

    def refresh(self, token: Token, deadline: Deadline) -> Token:
        """A new token for the refresh token of `token` (RFC 6749 section 6); what the answer leaves out stays."""
        assert token.refresh_token is not None  # the caller's to see  # noqa: S101
        held = token.refresh_token.reveal()
        new = self._token(deadline, "the refresh", grant_type="refresh_token", refresh_token=held)
        if new.refresh_token is None or new.refresh_token == token.refresh_token:
            new = replace(
                new,
                refresh_token=token.refresh_token,
                refreshed=token.refreshed,
                refresh_expires=new.refresh_expires or token.refresh_expires,
            )
        return replace(new, scopes=new.scopes or token.scopes, user=new.user or token.user)

    def recognised(self, deadline: Deadline) -> bool:
        """Whether the service knows this client and its secret, False where it doesn't tell; raises its refusal if not.

        What is shown is a refresh token that is none: that alone is refused (`invalid_grant`) where the client is right
        (RFC 6749 section 5.2). A service that says so to a client that doesn't exist has looked at the token alone. A
        client that acts for itself is given a token.
        """
        if self.application.grant is Grant.CLIENT_CREDENTIALS:
            self.client_credentials(deadline)
            return True
        if not self._passes(deadline):
            return False
        nobody = replace(self.application, client_id=NOBODY, client_secret=None)
        try:
            return not Client(nobody, self._post, self._secret, self._now)._passes(deadline)
        except RefusalError:
            return True

    def _passes(self, deadline: Deadline) -> bool:
        """Whether of client and token only the token is refused; False where it is the request itself."""
        try:
            self._token(deadline, "the application", grant_type="refresh_token", refresh_token="none")  # noqa: S106
        except RefusalError as refusal:
            if refusal.error == "invalid_request":
                return False
            if refusal.error != "invalid_grant":
                raise
        return True

    def client_credentials(self, deadline: Deadline) -> Token:
        """A token for the application itself (RFC 6749 section 4.4)."""
        if self.application.client_secret is None:
            raise ConfigError(
                f"The application {self.application.name!r} signs in for itself, and has no client_secret",
                hint=f"Name where it is under [oauth.{self.application.name}] in config.toml.",
            )
        scope = " ".join(self.application.wanted_scopes)
        return self._token(deadline, "the sign-in", grant_type="client_credentials", scope=scope)

    def service_account(self, user: str, deadline: Deadline) -> Token:
        """A token for `user` by a signed assertion (RFC 7523 section 2.1), as Google has it."""
        application = self.application
        if application.key is None:
            raise ConfigError(
                f"The application {application.name!r} is a service account, and has no key",
                hint=f"Name where its key file is under [oauth.{application.name}] in config.toml.",
            )
        key = self._secret(application, "key", application.key)
        _library()
        signed = assertion(key, application, user, self._now())
        new = self._token(
            deadline, "the sign-in", auth=NoClient(), grant_type=ASSERTION_GRANT, assertion=signed.reveal()
        )
        return replace(new, user=user)

    def device_code(self, deadline: Deadline) -> DeviceCode:
        """A code for a person to enter on another device (RFC 8628 section 3.1)."""
        service = self.application.service
        if not service.device_authorization_endpoint:
            raise ConfigError(
                f"{service.id} has no sign-in by a code on another device",
                hint="Without a browser on this machine: --no-browser instead of --device.",
                code="oauth_no_device_flow",
                cause="device_flow_not_allowed",
            )
        data = {"scope": " ".join(self.application.wanted_scopes)}
        client = self._authlib(deadline, "the device code")
        auth = client.client_auth(client.token_endpoint_auth_method)
        client.session.post(service.device_authorization_endpoint, data=data, headers={}, auth=auth)
        return device_code_of(client.session.facts, service.device_authorization_endpoint)

    def poll(self, code: DeviceCode, deadline: Deadline) -> Token:
        """The token once the person has agreed (RFC 8628 section 3.4); RefusalError `authorization_pending` before."""
        return self._token(deadline, "the sign-in", grant_type=DEVICE_GRANT, device_code=code.device_code.reveal())

    def revoke(self, token: Token, deadline: Deadline) -> bool:
        """Have `token` and all that came of it withdrawn (RFC 7009); False where the service has no way to."""
        endpoint = self.application.service.revocation_endpoint
        if not endpoint:
            return False
        held, hint = (
            token.refresh_token or token.access_token,
            "refresh_token" if token.refresh_token else "access_token",
        )
        client = self._authlib(deadline, "the revocation", revoked)
        try:
            client.revoke_token(endpoint, token=held.reveal(), token_type_hint=hint, headers=dict(HEADERS))
        except RefusalError as refusal:
            if refusal.error not in ("invalid_token", "invalid_grant"):  # it is no good any more, which was wanted
                raise
        return True

    def _token(self, deadline: Deadline, doing: str, **request: Any) -> Token:
        endpoint = self.application.service.token_endpoint
        client = self._authlib(deadline, doing)
        client.fetch_token(endpoint, headers=dict(HEADERS), **request)
        return token_of(client.session.facts, self.application, self._now(), endpoint)

    def _authlib(self, deadline: Deadline, doing: str, read: Read = facts_of) -> Any:
        """Authlib's client. It sends the client secret in the form; where that is refused, see `Session`."""
        source = self.application.client_secret
        secret = self._secret(self.application, "client_secret", source) if source else None
        method = "client_secret_post" if secret else "none"
        return _library()(
            Session(self._post, deadline, doing, read, by_basic(self.application.client_id, secret)),
            self.application.client_id,
            secret.reveal() if secret else None,
            token_endpoint_auth_method=method,
            revocation_endpoint_auth_method=method,
        )


def _library() -> Any:
    """Authlib's OAuth2Client; SecretError (oauth_library) where it isn't installed."""
    try:
        from authlib.oauth2.client import OAuth2Client
    except ImportError as error:
        raise SecretError(
            "Sign-in by OAuth needs the library Authlib, which is not installed",
            hint=f"Install it beside mailctl: {sys.executable} -m pip install 'Authlib>=1.9'",
            code="oauth_library",
        ) from error
    return OAuth2Client
