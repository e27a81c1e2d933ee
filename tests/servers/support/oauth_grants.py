"""The grants of the authorization server of the tests, by Authlib, over what it remembers: `Register`, `build`."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7523 import JWTBearerGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant, DeviceCredentialDict
from flask import Flask
from joserfc.jwk import RSAKey

from .tokens import make_jwt

METHODS = ["none", "client_secret_post", "client_secret_basic"]


@dataclass
class RegisteredClient(ClientMixin):
    """A client: public without a secret. ways: how it may show one. key: a service account's public key in PEM form."""

    client_id: str
    secret: str = ""
    scopes: tuple[str, ...] = ("mail", "offline_access")
    redirects: tuple[str, ...] = ("http://127.0.0.1", "http://localhost")
    grants: tuple[str, ...] = ("authorization_code", "refresh_token", DeviceCodeGrant.GRANT_TYPE)
    ways: tuple[str, ...] = ("client_secret_post", "client_secret_basic")
    key: str = ""

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return self.redirects[0]

    def get_allowed_scope(self, scope: str | None) -> str:
        return " ".join(each for each in (scope or " ".join(self.scopes)).split() if each in self.scopes)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Of a loopback one the port doesn't count (RFC 8252 section 7.3)."""
        from urllib.parse import urlsplit

        came = urlsplit(redirect_uri)
        return f"{came.scheme}://{came.hostname}{came.path.rstrip('/')}" in self.redirects

    def check_client_secret(self, client_secret: str) -> bool:
        return secrets.compare_digest(self.secret, client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in (self.ways if self.secret else ("none",))

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.grants


@dataclass
class Code:
    """An authorization code, good once."""

    client_id: str
    user: str
    redirect_uri: str
    scope: str
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope


@dataclass
class Issued:
    """What one answer of the token endpoint gave. family: the sign-in that it came of."""

    access: str
    refresh: str
    client_id: str
    user: str
    scope: str
    ends: float
    family: int
    revoked: bool = False
    used: bool = False

    def check_client(self, client: RegisteredClient) -> bool:
        return client.client_id == self.client_id

    def get_scope(self) -> str:
        return self.scope


@dataclass
class Register:
    """What the server remembers, and how it behaves; a test changes it while the server runs.

    lifetime: of access tokens, in seconds. rotate: each refresh gives a new refresh token, and one that is used twice
    ends the whole sign-in (RFC 9700 section 4.14.2). refreshes: whether there are refresh tokens at all. grace: one
    that was used may be used again. claims: more for the JWTs. too_fast: how often a device is told to slow down.
    """

    clients: dict[str, RegisteredClient]
    issuer: str = "https://issuer.test"
    lifetime: int = 3600
    rotate: bool = True
    refreshes: bool = True
    grace: bool = False
    claims: Mapping[str, object] = field(default_factory=dict)
    too_fast: int = 0
    device_lifetime: int = 600
    codes: dict[str, Code] = field(default_factory=dict)
    issued: list[Issued] = field(default_factory=list)
    devices: dict[str, DeviceCredentialDict] = field(default_factory=dict)
    answers: dict[str, tuple[str, bool]] = field(default_factory=dict)

    def find(self, token: str) -> Issued | None:
        """Which answer gave that token."""
        return next((each for each in self.issued if token and token in (each.access, each.refresh)), None)

    def active(self, access: str) -> Issued | None:
        """The same for an access token that is good."""
        found = self.find(access)
        good = found and found.access == access and not found.revoked and found.ends > time.time()
        return found if good else None

    def end(self, family: int) -> None:
        """Withdraw all that came of a sign-in."""
        for each in self.issued:
            each.revoked |= each.family == family

    def revoke_all(self) -> None:
        """Withdraw everything, as a changed password does."""
        for each in self.issued:
            each.revoked = True

    def access_token(self, client: RegisteredClient, grant_type: str, user: str | None, scope: str) -> str:
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": client.client_id,
            "scope": scope,
            "jti": secrets.token_hex(8),
        }
        return make_jwt(user or client.client_id, self.lifetime, **{**claims, **self.claims})

    def save(self, token: dict[str, Any], request: Any) -> None:
        """Remember what is given out; Authlib's `save_token`."""
        before: Issued | None = getattr(request, "refresh_token", None)
        if not self.refreshes or (before and not self.rotate):
            token.pop("refresh_token", None)
        refresh = token.get("refresh_token", before.refresh if before else "")
        family = before.family if before else len(self.issued)
        user = request.user or request.client.client_id
        ends = time.time() + self.lifetime
        scope = token.get("scope", "")
        self.issued.append(Issued(token["access_token"], refresh, request.client.client_id, user, scope, ends, family))


def build(app: Flask, register: Register, url: str) -> AuthorizationServer:
    """Authlib's server, with every grant that mailctl knows. url: the root, for verification pages and audiences."""

    class AuthorizationCode(grants.AuthorizationCodeGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = METHODS

        def save_authorization_code(self, code: str, request: Any) -> None:
            asked = request.payload.data
            challenge = asked.get("code_challenge", ""), asked.get("code_challenge_method", "")
            where, scope = request.payload.redirect_uri, request.client.get_allowed_scope(request.payload.scope)
            register.codes[code] = Code(request.client.client_id, request.user, where, scope, *challenge)

        def query_authorization_code(self, code: str, client: RegisteredClient) -> Code | None:
            found = register.codes.pop(code, None)
            return found if found and found.client_id == client.client_id else None

        def delete_authorization_code(self, authorization_code: Code) -> None:
            """It was taken out when it was shown."""

        def authenticate_user(self, authorization_code: Code) -> str:
            return authorization_code.user

    class StrictChallenge(CodeChallenge):
        SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

        def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
            if not grant.request.payload.data.get("code_challenge"):
                from authlib.oauth2.rfc6749 import InvalidRequestError

                raise InvalidRequestError("code_challenge is required", redirect_uri=redirect_uri)
            super().validate_code_challenge(grant, redirect_uri)

    class Refresh(grants.RefreshTokenGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = METHODS
        INCLUDE_NEW_REFRESH_TOKEN = True

        def authenticate_refresh_token(self, refresh_token: str) -> Issued | None:
            found = next((each for each in reversed(register.issued) if each.refresh == refresh_token), None)
            if found and found.used and not register.grace:
                register.end(found.family)  # used twice: somebody stole it
            return None if found is None or found.revoked else found

        def authenticate_user(self, refresh_token: Issued) -> str:
            return refresh_token.user

        def revoke_old_credential(self, refresh_token: Issued) -> None:
            refresh_token.used = register.rotate

    class Device(DeviceCodeGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = METHODS

        def query_device_credential(self, device_code: str) -> DeviceCredentialDict | None:
            return register.devices.get(device_code)

        def query_user_grant(self, user_code: str) -> tuple[str, bool] | None:
            return register.answers.get(user_code)

        def should_slow_down(self, credential: DeviceCredentialDict) -> bool:
            register.too_fast -= 1
            return register.too_fast >= 0

    class DeviceAuthorization(DeviceAuthorizationEndpoint):
        INTERVAL = 1

        def get_verification_uri(self) -> str:
            return f"{url}/device"

        def save_device_credential(self, client_id: str, scope: str, data: dict[str, Any]) -> None:
            data["expires_in"] = register.device_lifetime
            ends = time.time() + register.device_lifetime
            kept = DeviceCredentialDict(client_id=client_id, scope=scope, expires_at=ends, **data)
            register.devices[data["device_code"]] = kept

    class ClientCredentials(grants.ClientCredentialsGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    class Assertion(JWTBearerGrant):
        def get_audiences(self) -> list[str]:
            return [f"{url}/token"]

        def resolve_issuer_client(self, issuer: str) -> RegisteredClient | None:
            return register.clients.get(issuer)

        def resolve_client_public_key(self, client: RegisteredClient) -> RSAKey:
            return RSAKey.import_key(client.key)

        def authenticate_user(self, subject: str) -> str:
            return subject

        def has_granted_permission(self, client: RegisteredClient, user: str) -> bool:
            return JWTBearerGrant.GRANT_TYPE in client.grants

    class Revocation(RevocationEndpoint):
        CLIENT_AUTH_METHODS = METHODS

        def query_token(self, token_string: str, token_type_hint: str | None) -> Issued | None:
            return register.find(token_string)

        def revoke_token(self, token: Issued, request: Any) -> None:
            register.end(token.family)

    app.config["OAUTH2_ACCESS_TOKEN_GENERATOR"] = register.access_token
    app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
    server = AuthorizationServer(app, register.clients.get, register.save)
    server.register_token_generator("default", _by_lifetime(server, app, register))
    server.register_grant(AuthorizationCode, [StrictChallenge(required=True)])
    for grant in (Refresh, Device, ClientCredentials, Assertion):
        server.register_grant(grant)
    server.register_endpoint(DeviceAuthorization(server))
    server.register_endpoint(Revocation(server))
    return server


def _by_lifetime(server: AuthorizationServer, app: Flask, register: Register) -> Any:
    """Authlib's maker of tokens, with the lifetime that the register has at the time."""
    made = server.create_bearer_token_generator(app.config)
    made.expires_generator = lambda client, grant_type: register.lifetime
    return made
