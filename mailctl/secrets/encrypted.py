"""The encrypted file: a keyring for machines that have none.

The file is JSON: `version`; `key`, a JWE (RFC 7516) that holds the data key; `entries`, a JWE of the entries under the
data key (`dir`, A256GCM); `sha256` over both, which tells a damaged file from a wrong key. What opens `key` is a
passphrase (PBES2-HS512+A256KW, RFC 7518 section 4.8) or a random key of 256 bits as a JWK (A256KW). So the slow
derivation is done once, however often entries are read and written.
"""

import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

from mailctl.domain.record import dataclass
from mailctl.domain.secret import Secret, accept
from mailctl.errors import SecretError
from mailctl.secrets import jose
from mailctl.secrets.keyring import Entry
from mailctl.secrets.private import locked, read_private, write_private

VERSION = 1
WHAT = "encrypted file"

_Entries = dict[tuple[str, str], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Sealed:
    """The file as it lies on the disk: two JWEs in compact form."""

    key: str
    entries: str


class EncryptedFile:
    """A `Keyring` in the file at `path`; thread-safe, and safe with other processes.

    key: gives what opens it, a passphrase or a JWK. Its argument says whether the file is to be made, so that a person
    is asked twice. Raises SecretError.
    """

    backend = WHAT

    def __init__(self, path: Path, key: Callable[[bool], Secret]) -> None:
        self.path, self._key = path, key
        self._lock = Lock()
        self._opened: tuple[str, bytes] | None = None
        self._refused: tuple[str, Secret, SecretError] | None = None
        self._last: tuple[_Sealed, _Entries] | None = None  # hundreds of gateways ask, and the file seldom changes

    def get(self, service: str, user: str) -> Entry:
        """What is kept there. Needs no key where there is no file."""
        found = self._read(self._sealed()).get((service, user))
        if found is None:
            return Entry(self.backend)
        return Entry(self.backend, accept(found["value"], f"the {WHAT}"), datetime.fromtimestamp(found["kept_at"], UTC))

    def set(self, service: str, user: str, secret: Secret) -> str:
        """Keep `secret`, and read it back; returns the backend's name. Makes the file if there is none."""
        self.unlock()
        with self._changing():
            sealed = self._sealed()
            kept_at = int(datetime.now(UTC).timestamp())
            self._write(sealed, {**self._read(sealed), (service, user): {"value": secret.reveal(), "kept_at": kept_at}})
        if self.get(service, user).secret != secret:
            raise SecretError(f"The {WHAT} {self.path} did not give back what it was given", code="secrets_damaged")
        return self.backend

    def delete(self, service: str, user: str) -> bool:
        """Remove it; False if nothing was there."""
        if not self.exists:
            return False
        self.unlock()
        with self._changing():
            sealed = self._sealed()
            entries = self._read(sealed)
            if entries.pop((service, user), None) is None:
                return False
            self._write(sealed, entries)
        return True

    @property
    def names(self) -> list[tuple[str, str]]:
        """(service, user) of everything kept, sorted."""
        return sorted(self._read(self._sealed()))

    @property
    def exists(self) -> bool:
        """Whether there is a file."""
        return os.path.lexists(self.path)

    @property
    def takes_passphrase(self) -> bool:
        """Whether a passphrase opens it, not a random key; so, too, where there is no file. SecretError if damaged."""
        sealed = self._sealed()
        return sealed is None or jose.algorithm_of(sealed.key) == jose.PASSPHRASE

    def change_key(self, key: Secret) -> None:
        """Have the file open with `key` from now on, and with the old one no more; a new data key, too."""
        self.unlock()
        with self._changing():
            entries, data_key = self._read(self._sealed()), os.urandom(32)
            envelope = jose.wrap(data_key, key)
            if jose.unwrap(envelope, key) != data_key:  # or nobody could open it
                raise SecretError("The new key did not open what it had closed", code="secrets_key_invalid")
            self._put(envelope, data_key, entries)
            with self._lock:
                self._opened = (envelope, data_key)

    def _changing(self) -> AbstractContextManager[None]:
        return locked(self.path.with_name(f".{self.path.name}.lock"), what=f"the {WHAT}")

    def unlock(self) -> None:
        """Have the key at hand before others are kept waiting: a person may have to type it."""
        sealed = self._sealed()
        if sealed is not None:
            self._data_key(sealed)
        else:
            jose.kind_of(self._key(True))

    def make_ready(self) -> None:
        """Make sure, as far as that goes without writing, that it can be changed. SecretError, StorageError."""
        self.unlock()
        with self._changing():
            pass

    def _read(self, sealed: _Sealed | None) -> _Entries:
        if sealed is None:
            return {}
        last = self._last
        if last and last[0] == sealed:
            return dict(last[1])
        try:
            plain = json.loads(jose.unseal(sealed.entries, self._data_key(sealed)))
            entries = {(each["service"], each["user"]): each for each in plain["entries"]}
        except (ValueError, LookupError, TypeError):
            raise self._damaged("its entries can't be read") from None
        self._last = sealed, entries
        return dict(entries)

    def _write(self, sealed: _Sealed | None, entries: _Entries) -> None:
        if sealed is None:
            data_key = os.urandom(32)
            envelope = jose.wrap(data_key, self._key(True))
            with self._lock:
                self._opened = (envelope, data_key)
        else:
            envelope, data_key = sealed.key, self._data_key(sealed)
        self._put(envelope, data_key, entries)

    def _put(self, envelope: str, data_key: bytes, entries: _Entries) -> None:
        plain = {"entries": [{**each, "service": name[0], "user": name[1]} for name, each in sorted(entries.items())]}
        body = jose.seal(json.dumps(plain).encode(), data_key)
        content = {"version": VERSION, "key": envelope, "entries": body, "sha256": _digest(envelope, body)}
        write_private(self.path, json.dumps(content, indent=1).encode() + b"\n", what=WHAT)

    def _sealed(self) -> _Sealed | None:
        """The file, undamaged as far as can be told without its key; None if there is none."""
        if not self.exists:
            return None
        raw = read_private(self.path, jose.MOST_BYTES, what=WHAT)
        version: object = None
        whole = False
        try:
            content = json.loads(raw)
            version = content["version"]
            sealed = _Sealed(content["key"], content["entries"])
            whole = version == VERSION and content["sha256"] == _digest(sealed.key, sealed.entries)
        except (ValueError, RecursionError, LookupError, TypeError):
            pass  # told below
        if isinstance(version, int) and version > VERSION:
            raise SecretError(
                f"The {WHAT} {self.path} was written by a newer mailctl (version {version} of its format)",
                hint="Use that mailctl; this one changes nothing in it.",
                code="secrets_newer",
            )
        if not whole:
            raise self._damaged("it is not as mailctl wrote it")
        return sealed

    def _data_key(self, sealed: _Sealed) -> bytes:
        """The key of the entries; the slow derivation is done once, also where it fails."""
        with self._lock:
            if self._opened and self._opened[0] == sealed.key:
                return self._opened[1]
            key = self._key(False)
            if self._refused and self._refused[:2] == (sealed.key, key):
                raise self._refused[2]
            try:
                found = jose.unwrap(sealed.key, key)
            except ValueError:
                error = SecretError(
                    f"The {WHAT} {self.path} doesn't open: the key, or passphrase, is not the one it was made with",
                    hint="`mailctl secrets doctor` says where the key is taken from. If the right one is lost, so is "
                    "what is in there: move the file away, and give the passwords again.",
                    code="secrets_key_wrong",
                )
                self._refused = (sealed.key, key, error)
                raise error from None
            self._opened = (sealed.key, found)
            return found

    def _damaged(self, why: str) -> SecretError:
        return SecretError(
            f"The {WHAT} {self.path} is damaged: {why}",
            hint="Nothing was changed. Put a backup in its place; or move it away, and give the passwords again.",
            code="secrets_damaged",
        )


def _digest(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()
