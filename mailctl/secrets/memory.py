"""A keyring in memory, for the demo and for tests; it ends with the process."""

from datetime import UTC, datetime
from threading import Lock

from mailctl.domain.secret import Secret
from mailctl.secrets.keyring import Entry


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
