"""Keyrings in memory: for the demo and for tests, and for what need not outlive the process."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from threading import Lock

from mailctl.domain.secret import Secret
from mailctl.errors import SecretError, StorageError
from mailctl.secrets.keyring import Entry, Keyring


class MemoryKeyring:
    """Keeps secrets as long as it lives; a `Keyring`."""

    backend = "memory"

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], tuple[Secret, datetime]] = {}
        self._lock = Lock()

    def get(self, service: str, user: str) -> Entry:
        """What is kept there."""
        secret, kept_at = self._entries.get((service, user), (None, None))
        return Entry(self.backend, secret, kept_at)

    def set(self, service: str, user: str, secret: Secret) -> str:
        """Keep `secret`; returns the backend's name."""
        with self._lock:
            self._entries[service, user] = secret, datetime.now(UTC)
        return self.backend

    def delete(self, service: str, user: str) -> bool:
        """Remove it; False if nothing was there."""
        with self._lock:
            return self._entries.pop((service, user), None) is not None

    @property
    def names(self) -> list[tuple[str, str]]:
        """(service, user) of everything kept, sorted."""
        return sorted(self._entries)


class Spare(MemoryKeyring):
    """For what can be had again at any time: kept in `ring`, or held in memory where that keeps nothing."""

    def __init__(self, ring: Callable[[], Keyring]) -> None:
        super().__init__()
        self._ring = ring

    def get(self, service: str, user: str) -> Entry:
        """What is held or kept there; nothing, where `ring` can't tell."""
        held = super().get(service, user)
        if held.secret is None:
            with suppress(SecretError, StorageError):
                return self._ring().get(service, user)
        return held

    def set(self, service: str, user: str, secret: Secret) -> str:
        """Keep `secret`; returns the backend's name."""
        try:
            backend = self._ring().set(service, user, secret)
        except (SecretError, StorageError):
            return super().set(service, user, secret)
        super().delete(service, user)
        return backend

    def delete(self, service: str, user: str) -> bool:
        """Remove it; False if nothing was there."""
        found = super().delete(service, user)
        with suppress(SecretError, StorageError):
            found = self._ring().delete(service, user) or found
        return found
