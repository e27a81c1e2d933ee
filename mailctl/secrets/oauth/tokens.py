"""The tokens of logins: kept in a keyring, renewed in time by one process at a time, never lost in a renewal."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Lock
from time import monotonic, sleep

from mailctl.domain.deadline import Deadline
from mailctl.domain.gateway import STORES, LoginRole, SecretSource, SourceKind
from mailctl.domain.oauth import Application, Grant, HttpPoster, Token, Use
from mailctl.domain.oauth_grants import fit, lapsed
from mailctl.domain.secret import BearerToken, Secret
from mailctl.errors import MailctlError, NetworkError, ProtocolError, SecretError, StorageError, TlsError
from mailctl.secrets.keyring import Keyring
from mailctl.secrets.memory import Spare
from mailctl.secrets.oauth.answers import RefusalError
from mailctl.secrets.oauth.client import ApplicationSecret, Client
from mailctl.secrets.oauth.place import Place
from mailctl.secrets.oauth.steady import steadily
from mailctl.secrets.private import locked

WAIT = 60.0
"""Seconds for which others that renew the same token are waited for."""
LONGEST = 60.0
"""Seconds that an exchange of tokens may take after that.

One that was given up early could leave the server with a new token and us with the old one.
"""
JUST_NOW = timedelta(minutes=1)
"""So young a token isn't renewed because a server refused it: another of the kind would be refused as well."""
PAUSES = (0.5, 2.0)
"""Seconds after which a store that fails is tried again: a keyring that crashed may be started anew."""
REFUSAL_HOLDS = 900.0
"""Seconds for which a refresh token that was refused isn't shown again by this process."""

FindApplication = Callable[[str, LoginRole, SecretSource], tuple[Application, str]]
"""The application of one login, and the login's user. Raises SecretError (oauth_no_application), or ConfigError."""


class Turn:
    """Whose turn it is among the threads that want a token for one login; and how the last one failed, and when."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.error: MailctlError | None = None
        self.failed_at = 0.0


class Tokens:
    """Gives access tokens for logins whose source is OAUTH; thread-safe. SecretError where there is none to be had.

    find: see FindApplication. ring: the store of a source, KEYRING or ENCRYPTED. service: the name of a gateway's
    entries there. post: sends forms. secret: gives an application's secret. locks: the folder of the lock files. now:
    the moment, aware.
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
        self._spare = {store: Spare(partial(ring, store)) for store in STORES}
        self._had: dict[str, datetime] = {}  # when this process got the token of a login
        self._spoiled: dict[str, str] = {}  # the digest of the token of a login that a mail server refused last
        self._refused: dict[str, tuple[float, Secret | None, SecretError]] = {}
        self._mutex = Lock()
        self._turns: dict[str, Turn] = {}

    def client(self, application: Application) -> Client:
        """The client with which the flows of `application` go."""
        return Client(application, self._post, self._secret, self._now)

    def access_token(
        self,
        gateway: str,
        role: LoginRole,
        source: SecretSource,
        *,
        refused: str = "",
        use: Use | None = None,
    ) -> BearerToken:
        """An access token that is good for long enough to sign in; got anew where the one at hand isn't.

        refused: the digest of one that the server refused, so that another is needed. use: what it must be good for
        (see `oauth_grants.fit`). Raises SecretError (oauth_lacks, oauth_not_signed_in, oauth_expired,
        oauth_no_application, oauth_library), AuthError or NetworkError of the authorization server, LockedError where
        another process takes too long.
        """
        application, user = self._find(gateway, role, source)
        place = self._place(gateway, role, source, again=not application.grant.by_person)
        deadline = Deadline(WAIT)
        try:
            token = self._token(place, application, user, deadline, refused)
        except MailctlError as error:
            if not application.grant.by_person:  # signing in is not what helps
                error.detail["by_itself"] = True
            raise
        return fit(token, application, use, user, gateway, self._now()) if use else token.access_token

    def keep(self, gateway: str, role: LoginRole, source: SecretSource, token: Token) -> str:
        """Keep `token`, read back before what it replaces is let go; returns the keyring's name."""
        with self.held(gateway, role):
            return self._place(gateway, role, source).keep(token)

    def try_out(self, gateway: str, role: LoginRole, source: SecretSource) -> None:
        """Raises what `keep` would where nothing can be kept for a login, before anybody signs in for nothing."""
        with self.held(gateway, role):
            place = self._place(gateway, role, source)
            place.finish()
            place.main(strict=False)
            place.trial()

    def kept(self, gateway: str, role: LoginRole, source: SecretSource, *, again: bool = False) -> Token | None:
        """What is kept for a login, None if nothing is. SecretError (oauth_unreadable) where it is no token.

        again: it can be had again without a person; then a place that keeps nothing is no fault.
        """
        place = self._place(gateway, role, source, again=again)
        return place.newer() or place.main()

    def forget(self, gateway: str, role: LoginRole, source: SecretSource) -> Token | None:
        """Remove what is kept for a login; returns it, so that it can be revoked (`client(…).revoke`)."""
        with self.held(gateway, role):
            return self._place(gateway, role, source).clear()

    def held(self, gateway: str, role: LoginRole) -> AbstractContextManager[None]:
        """Nobody renews the token of a login meanwhile. LockedError where another process takes too long."""
        return self._locked(gateway, role, WAIT)

    def _token(self, place: Place, application: Application, user: str, deadline: Deadline, refused: str) -> Token:
        seen, key = place.main(strict=False), _key(place)
        if refused:
            self._spoiled[key] = refused
        spoiled = seen is not None and key in self._spoiled and self._spoiled[key] == seen.access_token.digest
        at_hand = seen if seen and not spoiled and self._fits(seen, application) else None
        if at_hand and at_hand.usable(self._now()):
            return at_hand
        try:
            with self._turn(place, deadline):
                held = place.finish() or place.main(strict=application.grant.by_person)
                if held and self._fits(held, application) and self._good(place, held, seen, spoiled=spoiled):
                    return held
                return self._renewed(place, application, user, held)
        except (NetworkError, TlsError, ProtocolError, StorageError):  # a network's sign-in page is any of them
            if at_hand and at_hand.good(self._now()):  # for a short while
                return at_hand
            raise

    @contextmanager
    def _turn(self, place: Place, deadline: Deadline) -> Iterator[None]:
        """One at a time, of all threads and processes. Who waited for one that failed fails in the same way."""
        with self._mutex:
            turn = self._turns.setdefault(_key(place), Turn())
        begun = monotonic()
        if not turn.lock.acquire(timeout=deadline.remaining() or 0):
            raise NetworkError("Getting a token takes too long", code="timeout", cause="tcp_timeout")
        try:
            if turn.error and turn.failed_at >= begun:
                raise turn.error
            with self._locked(place.gateway, place.role, deadline.remaining() or 0):
                yield
        except MailctlError as error:
            turn.error, turn.failed_at = error, monotonic()
            raise
        finally:
            turn.lock.release()

    def _good(self, place: Place, held: Token, seen: Token | None, *, spoiled: bool) -> bool:
        """Whether what is kept, read once more when the lock was had, serves."""
        now = self._now()
        if not held.good(now):
            return False
        if seen is None or held.access_token != seen.access_token:
            return True  # somebody got it meanwhile
        if not spoiled:
            return held.usable(now)
        had = self._had.get(_key(place))
        return had is not None and timedelta() <= now - had < JUST_NOW

    def _renewed(self, place: Place, application: Application, user: str, held: Token | None) -> Token:
        """A new token, kept. Where it will take the old one's place, that it can be kept is tried out first."""

        def renew() -> Token:
            if held and held.refresh_token and application.grant.by_person:
                place.try_out(held)
            token = self._fetch(place, application, user, held, Deadline(LONGEST))
            _keep(place, token)
            with self._mutex:
                self._had[_key(place)] = self._now()
            return token

        return steadily(renew)

    def _fetch(
        self, place: Place, application: Application, user: str, held: Token | None, deadline: Deadline
    ) -> Token:
        client, gateway = self.client(application), place.gateway
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
        key = _key(place)
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
            if held.refused is None:
                with suppress(MailctlError):  # for `auth status` alone; that the sign-in has ended is what counts
                    place.keep(replace(held, refused=self._now()))
            raise ended from refusal

    def _place(self, gateway: str, role: LoginRole, source: SecretSource, *, again: bool = False) -> Place:
        """again: the token can be had again at any time, so that a place that keeps nothing is no fault."""
        name, store = source.argument[0] if source.argument else "", source.store or SourceKind.KEYRING
        ring: Keyring = self._spare[store] if again else self._ring(store)
        return Place(ring, self._service(gateway), gateway, role, name)

    def _locked(self, gateway: str, role: LoginRole, seconds: float) -> AbstractContextManager[None]:
        return locked(self._locks / f"{gateway}.{role}.lock", what=f"the token of {gateway!r}", seconds=seconds)

    @staticmethod
    def _fits(token: Token, application: Application) -> bool:
        return (token.client_id, token.tenant) == (application.client_id, application.tenant)


def _keep(place: Place, token: Token) -> None:
    """Keep what the old token was given for: a store that fails just now is tried again before it is given up."""
    for pause in (*PAUSES, None):
        try:
            place.keep(token)
        except (SecretError, StorageError) as error:
            if pause is None:
                raise SecretError(
                    f"The new token of {place.gateway!r} could not be kept: {error.message}",
                    hint=f"Once that is mended, sign in again: `mailctl auth login {place.gateway}`.",
                    code="oauth_not_kept",
                ) from error
            sleep(pause)
        else:
            return


def _key(place: Place) -> str:
    return f"{place.gateway}.{place.role}"
