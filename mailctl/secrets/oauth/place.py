"""The place of one login's token in a keyring: two names, so that an end in the middle leaves a whole token."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mailctl.domain.gateway import LoginRole
from mailctl.domain.kept import token_users, way_into_file
from mailctl.domain.oauth import Token
from mailctl.domain.secret import Secret
from mailctl.errors import SecretError
from mailctl.secrets.keyring import Keyring, instead, naming
from mailctl.secrets.oauth.kept import from_text, to_text

TRIAL = 3000
"""Bytes of chance of which what is tried out is made: 4,000 characters, as Microsoft's tokens have."""


class Place:
    """Whoever changes it holds the lock of the login.

    service: of the gateway's entries. application: as the gateway names it, "" for that of its server's provider.
    """

    def __init__(self, ring: Keyring, service: str, gateway: str, role: LoginRole, application: str = "") -> None:
        self.gateway, self.role, self._application = gateway, role, application
        self._ring, self._service = ring, service
        self._main, self._next = token_users(role)

    def main(self, *, strict: bool = True) -> Token | None:
        """What is under the first name; unless `strict`, what can't be read counts as nothing."""
        with self._answering():
            text = self._ring.get(self._service, self._main).secret
            try:
                return from_text(text) if text else None
            except SecretError:
                if strict:
                    raise
                return None

    def newer(self) -> Token | None:
        """What a process that ended in the middle of `keep` left; None if it was cut short: the older one is whole."""
        with self._answering():
            text = self._ring.get(self._service, self._next).secret
        with suppress(SecretError):
            return from_text(text) if text else None
        return None

    def keep(self, token: Token) -> str:
        """Put `token` in place, first under the second name; returns the keyring's name."""
        self.try_out(token)
        backend = self._put(self._main, token)
        with self._answering():
            self._ring.delete(self._service, self._next)
        return backend

    def try_out(self, token: Token) -> None:
        """Put it under the second name alone: what can't be kept there could not be kept at all."""
        self._put(self._next, token)

    def trial(self) -> None:
        """Put something as long as tokens are, that is none, under the second name; and remove it."""
        from secrets import token_urlsafe

        text = Secret(token_urlsafe(TRIAL))
        with self._answering():
            backend = self._ring.set(self._service, self._next, text)
            given = self._ring.get(self._service, self._next).secret
            self._ring.delete(self._service, self._next)
        self._same(backend, given, text)

    def finish(self) -> Token | None:
        """What `newer` gives, put in place."""
        newer = self.newer()
        if newer:
            self.keep(newer)
        return newer

    def clear(self) -> Token | None:
        """Remove what is there; returns it, None where it can't be read."""
        token = self.newer() or self.main(strict=False)
        with self._answering():
            for user in (self._next, self._main):
                self._ring.delete(self._service, user)
        return token

    def _put(self, user: str, token: Token) -> str:
        text = to_text(token)
        with self._answering():
            backend = self._ring.set(self._service, user, text)
            given = self._ring.get(self._service, user).secret
        self._same(backend, given, text)
        return backend

    @staticmethod
    def _same(backend: str, given: Secret | None, text: Secret) -> None:
        if given != text:
            raise SecretError(f"{backend} did not give the token back as it was kept", code="keyring_refused")

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Hints name the gateway, and the ways that tokens have: those of passwords would end the sign-in by OAuth."""
        ways = (
            "Unlock or start a keyring; or keep the tokens in mailctl's encrypted file: "
            f"{way_into_file(self.gateway, self.role, self._application)}."
        )
        with naming(self.gateway), instead(ways):
            yield
