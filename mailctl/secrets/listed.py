"""A keyring whose entries can be listed: most backends can't, so that the names of what is kept are noted in a file."""

import json
from contextlib import suppress
from pathlib import Path
from threading import Lock

from mailctl.domain.secret import Secret
from mailctl.errors import MailctlError, SecretError
from mailctl.secrets.keyring import Entry, Keyring
from mailctl.secrets.private import locked, read_private, write_private

MOST_BYTES = 4 << 20
WHAT = "list of keyring entries"

Name = tuple[str, str]
Names = frozenset[Name]


class ListedKeyring:
    """`ring`, with a list of names, no secrets, in the file `index`.

    A list that can't be read or written stands in nobody's way: then only what the backend itself lists is known.
    """

    def __init__(self, ring: Keyring, index: Path) -> None:
        self._ring, self._index = ring, index
        self._lock = Lock()

    def get(self, service: str, user: str) -> Entry:
        """What is kept there."""
        return self._ring.get(service, user)

    def set(self, service: str, user: str, secret: Secret) -> str:
        """Keep `secret`; noted first, so that nothing is kept that isn't listed."""
        self._note((service, user), kept=True)
        return self._ring.set(service, user, secret)

    def delete(self, service: str, user: str) -> bool:
        """Remove it; False if nothing was there."""
        found = self._ring.delete(service, user)
        self._note((service, user), kept=False)
        return found

    @property
    def names(self) -> list[Name]:
        """(service, user) of what is kept, sorted: what the backend lists, and what was noted and is there."""
        found = frozenset(self._ring.names)
        return sorted(found | {name for name in self._noted() - found if self._has(name)})

    def _has(self, name: Name) -> bool:
        """Whether something is kept there, were it a part of a secret only."""
        try:
            return self._ring.get(*name).secret is not None
        except SecretError as error:
            if error.code != "secret_torn":
                raise
            return True

    def _noted(self) -> Names:
        try:
            return frozenset((str(service), str(user)) for service, user in json.loads(self._read()))
        except (SecretError, ValueError, TypeError, RecursionError):
            return frozenset()

    def _read(self) -> bytes:
        return read_private(self._index, MOST_BYTES, what=WHAT)

    def _note(self, name: Name, *, kept: bool) -> None:
        if (name in self._noted()) is kept:
            return
        with (
            suppress(MailctlError),  # see above
            self._lock,
            locked(self._index.with_name(f".{self._index.name}.lock"), what=f"the {WHAT}"),
        ):
            names = self._noted() | {name} if kept else self._noted() - {name}
            write_private(self._index, json.dumps(sorted(names), indent=1).encode() + b"\n", what=WHAT)
