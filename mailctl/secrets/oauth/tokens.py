"""The tokens of logins: kept in a keyring, renewed in time by one process at a time, never lost in a renewal."""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from time import monotonic

from mailctl.domain.deadline import Deadline
from mailctl.domain.gateway import LoginRole, SecretSource, SourceKind
from mailctl.domain.kept import token_users
from mailctl.domain.oauth import Application, Grant, HttpPoster, Token, Use
from mailctl.domain.oauth_grants import fit, lapsed
from mailctl.domain.secret import BearerToken, Secret
from mailctl.errors import NetworkError, SecretError
from mailctl.secrets.keyring import Keyring, naming
from mailctl.secrets.oauth.answers import RefusalError
from mailctl.secrets.oauth.client import ApplicationSecret, Client
from mailctl.secrets.oauth.kept import from_text, to_text
from mailctl.secrets.oauth.steady import steadily
from mailctl.secrets.private import locked

LONGEST = 60.0
"""Seconds that getting a token may take."""
JUST_NOW = timedelta(minutes=1)
"""So young a token isn't renewed because a server refused it: another of the kind would be refused as well."""
REFUSAL_HOLDS = 900.0
"""Seconds for which a refresh token that was refused isn't shown again by this process."""

FindApplication = Callable[[str, LoginRole, SecretSource], tuple[Application, str]]
"""The application of one login, and the login's user. Raises SecretError (oauth_no_application), or ConfigError."""


class Tokens:
    """Gives access tokens for logins whose source is OAUTH; thread-safe. SecretError where there is none to be had.

    find: see FindApplication. ring: the store of a source, KEYRING or ENCRYPTED. service: the name of
    a gateway's entries there. post: sends forms. secret: gives an application's secret. locks: the folder of the lock
    files. now: the moment, aware.
    """

    def __init__(
        self,
        find: FindApplication,
        ring: Callable[[SourceKind], Keyring],
        service: Callable[[str], str],
        post: HttpPoster,
        secret: ApplicationSecret,
        locks: Path,
        now: Callable[[], datetime],
    ) -> None:
        self._find, self._ring, self._service, self._post = find, ring, service, post
        self._secret, self._locks, self._now = secret, locks, now
        self._had: dict[str, datetime] = {}  # when this process got the token of a login
        self._refused: dict[str, tuple[float, Secret | None, SecretError]] = {}
        self._mutex = Lock()

    def client(self, application: Application) -> Client:
        """The client with which the flows of `application` go."""
        return Client(application, self._post, self._secret, self._now)

    def access_token(
        self,
        gateway: str,
        role: LoginRole,
        source: SecretSource,
        *,
        fresh: bool = False,
        seconds: float | None = None,
        use: Use | None = None,
    ) -> BearerToken:
        """An access token that is good for long enough to sign in; got anew where the one at hand isn't.

        fresh: the server refused the one at hand. seconds: the most that it may take. use: what it must be good for
        (see `oauth_grants.fit`). Raises SecretError (oauth_lacks, oauth_not_signed_in, oauth_expired,
        oauth_no_application, oauth_library), AuthError or NetworkError of the authorization server, LockedError where
        another process takes too long.
        """
        application, user = self._find(gateway, role, source)
        token = self._token(gateway, role, source, (application, user), seconds, fresh=fresh)
        return fit(token, application, use, user, gateway, self._now()) if use else token.access_token

    def _token(
        self,
        gateway: str,
        role: LoginRole,
        source: SecretSource,
        wanted: tuple[Application, str],
        seconds: float | None,
        *,
        fresh: bool,
    ) -> Token:
        application, user = wanted
        deadline = Deadline(min(seconds or LONGEST, LONGEST))
        seen = self._kept(gateway, role, source, strict=False)
        if seen and not fresh and self._fits(seen, application) and seen.usable(self._now()):
            return seen
        with self._locked(gateway, role, deadline):
            held = self._finished(gateway, role, source)
            held = held or self._kept(gateway, role, source, strict=application.grant.by_person)
            if held and self._fits(held, application) and self._good(gateway, role, held, seen, fresh=fresh):
                return held
            return self._renewed(gateway, role, source, (application, user, held), deadline, fresh=fresh)

    def keep(self, gateway: str, role: LoginRole, source: SecretSource, token: Token) -> str:
        """Keep `token`, read back before what it replaces is let go; returns the keyring's name."""
        with self._locked(gateway, role, Deadline(LONGEST)):
            return self._keep(gateway, role, source, token)

    def kept(self, gateway: str, role: LoginRole, source: SecretSource) -> Token | None:
        """What is kept for a login, None if nothing is. SecretError (oauth_unreadable) where it is no token."""
        return self._newer(gateway, role, source) or self._kept(gateway, role, source)

    def forget(self, gateway: str, role: LoginRole, source: SecretSource) -> Token | None:
        """Remove what is kept for a login; returns it, so that it can be revoked (`client(…).revoke`)."""
        ring, service = self._ring(source.store or SourceKind.KEYRING), self._service(gateway)
        with self._locked(gateway, role, Deadline(LONGEST)), naming(gateway):
            try:
                token = self.kept(gateway, role, source)
            except SecretError as error:
                if error.code != "oauth_unreadable":
                    raise
                token = None
            for user in token_users(role):
                ring.delete(service, user)
        return token

    def held(self, gateway: str, role: LoginRole) -> AbstractContextManager[None]:
        """Nobody renews the token of a login meanwhile. LockedError where another process takes too long."""
        return self._locked(gateway, role, Deadline(LONGEST))

    def _good(self, gateway: str, role: LoginRole, held: Token, seen: Token | None, *, fresh: bool) -> bool:
        """Whether what is kept, read once more when the lock was had, serves."""
        now = self._now()
        if held.expires is not None and held.expires <= now:
            return False
        if seen is None or held.access_token != seen.access_token:
            return True  # somebody got it meanwhile
        if not fresh:
            return held.usable(now)
        had = self._had.get(_key(gateway, role))
        return had is not None and timedelta() <= now - had < JUST_NOW

    def _renewed(
        self,
        gateway: str,
        role: LoginRole,
        source: SecretSource,
        at_hand: tuple[Application, str, Token | None],
        deadline: Deadline,
        *,
        fresh: bool,
    ) -> Token:
        """A new token, kept; the one at hand where that can't be had now and it is good for a while."""
        application, user, held = at_hand

        def renew() -> Token:
            token = self._fetch(gateway, role, application, user, held, deadline)
            self._keep(gateway, role, source, token)
            with self._mutex:
                self._had[_key(gateway, role)] = self._now()
            return token

        try:
            return steadily(renew)
        except NetworkError:
            if not fresh and held and self._fits(held, application) and held.expires and self._now() < held.expires:
                return held
            raise

    def _fetch(
        self, gateway: str, role: LoginRole, application: Application, user: str, held: Token | None, deadline: Deadline
    ) -> Token:
        client = self.client(application)
        match application.grant:
            case Grant.CLIENT_CREDENTIALS:
                return replace(client.client_credentials(deadline), user=user)
            case Grant.SERVICE_ACCOUNT:
                return client.service_account(user, deadline)
        again = f"Sign in: `mailctl auth login {gateway}`."
        if held is None:
            raise SecretError(
                f"Nobody has signed in for {gateway!r} yet",
                hint=again,
                code="oauth_not_signed_in",
                cause="sign_in_needed",
            )
        if not self._fits(held, application):
            raise SecretError(
                f"The sign-in of {gateway!r} was made with another application than {application.name!r} is now",
                hint=again,
                code="oauth_not_signed_in",
                cause="sign_in_needed",
            )
        if held.refresh_token is None:
            raise SecretError(
                f"The sign-in of {gateway!r} has ended: its token has lapsed, and there is none to renew it with",
                hint=again,
                code="oauth_expired",
                cause=lapsed(held, application, self._now()),
            )
        key = _key(gateway, role)
        since, refused, error = self._refused.get(key, (0.0, None, None))
        if error and refused == held.refresh_token and monotonic() < since + REFUSAL_HOLDS:
            raise error
        try:
            return client.refresh(held, deadline)
        except RefusalError as refusal:
            if refusal.error != "invalid_grant":
                raise
            ended = SecretError(
                f"The sign-in of {gateway!r} has ended: {refusal.message}",
                hint=again,
                code="oauth_expired",
                cause=lapsed(held, application, self._now()) or refusal.cause,
                server_text=refusal.server_text,
            )
            with self._mutex:
                self._refused[key] = monotonic(), held.refresh_token, ended
            raise ended from refusal

    def _keep(self, gateway: str, role: LoginRole, source: SecretSource, token: Token) -> str:
        """First under a second name, so that a process that ends in the middle leaves one of the two whole."""
        ring, service, text = self._ring(source.store or SourceKind.KEYRING), self._service(gateway), to_text(token)
        first, second = token_users(role)
        with naming(gateway):
            for user in (second, first):
                backend = ring.set(service, user, text)
                if ring.get(service, user).secret != text:
                    raise SecretError(f"{backend} did not give the token back as it was kept", code="keyring_refused")
            ring.delete(service, second)
        return backend

    def _kept(self, gateway: str, role: LoginRole, source: SecretSource, *, strict: bool = True) -> Token | None:
        """What is kept under the first name; unless `strict`, what can't be read counts as nothing."""
        with naming(gateway):
            text = (
                self._ring(source.store or SourceKind.KEYRING).get(self._service(gateway), token_users(role)[0]).secret
            )
            try:
                return from_text(text) if text else None
            except SecretError:
                if strict:
                    raise
                return None

    def _newer(self, gateway: str, role: LoginRole, source: SecretSource) -> Token | None:
        """What a process that ended in the middle of `_keep` left; None if it was cut short: the older is whole."""
        with naming(gateway):
            text = (
                self._ring(source.store or SourceKind.KEYRING).get(self._service(gateway), token_users(role)[1]).secret
            )
        with suppress(SecretError):
            return from_text(text) if text else None
        return None

    def _finished(self, gateway: str, role: LoginRole, source: SecretSource) -> Token | None:
        """The same, put where it belongs."""
        newer = self._newer(gateway, role, source)
        if newer:
            self._keep(gateway, role, source, newer)
        return newer

    def _locked(self, gateway: str, role: LoginRole, deadline: Deadline) -> AbstractContextManager[None]:
        seconds = deadline.remaining() or 0
        return locked(self._locks / f"{gateway}.{role}.lock", what=f"the token of {gateway!r}", seconds=seconds)

    @staticmethod
    def _fits(token: Token, application: Application) -> bool:
        return (token.client_id, token.tenant) == (application.client_id, application.tenant)


def _key(gateway: str, role: LoginRole) -> str:
    return f"{gateway}.{role}"
