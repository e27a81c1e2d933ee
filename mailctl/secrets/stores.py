"""What mailctl keeps of gateways in its two stores, the keyring and the encrypted file."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Lock

from mailctl.domain.gateway import STORES, Gateway, LoginRole, SourceKind
from mailctl.domain.kept import PREFIX, KeptSecret, every_user, kept_secret, users_of
from mailctl.domain.secret import Secret, accept
from mailctl.errors import MailctlError, SecretError
from mailctl.secrets.keyring import Keyring, naming


def no_encrypted_file() -> Keyring:
    """For whoever has none."""
    raise SecretError("There is no encrypted file here", code="secret_unavailable")


def called(store: SourceKind) -> str:
    """A store's name in a sentence."""
    return "keyring" if store is SourceKind.KEYRING else "encrypted file"


class Stores:
    """Keeps secrets, copies, moves and forgets them; thread-safe. Everything raises what a `Keyring` does.

    keyring, encrypted: make the stores when they are first needed. realm: tells their entries from others.
    """

    def __init__(self, keyring: Callable[[], Keyring], encrypted: Callable[[], Keyring], realm: str) -> None:
        self._make = {SourceKind.KEYRING: keyring, SourceKind.ENCRYPTED: encrypted}
        self._made: dict[SourceKind, Keyring] = {}
        self._realm, self._lock = realm, Lock()

    def keeper(self, store: SourceKind) -> Keyring:
        """What keeps secrets: the KEYRING, or the ENCRYPTED file; made when first needed."""
        with self._lock:
            if store not in self._made:
                self._made[store] = self._make[store]()
            return self._made[store]

    def service(self, gateway: str) -> str:
        """The service name of the gateway's entries; the user name is the role's."""
        return f"{PREFIX}{gateway}:{self._realm}" if self._realm else f"{PREFIX}{gateway}"

    def set(self, gateway: str, role: LoginRole, secret: Secret, store: SourceKind = SourceKind.KEYRING) -> str:
        """Put `secret` into a store, and read it back; returns the backend's name."""
        accept(secret.reveal(), "the command line")
        with naming(gateway):
            return self.keeper(store).set(self.service(gateway), role, secret)

    def clear(self, gateway: str, role: LoginRole, store: SourceKind = SourceKind.KEYRING) -> bool:
        """Remove a store's password; False if there was none."""
        with naming(gateway):
            return self.keeper(store).delete(self.service(gateway), role)

    def copy(self, gateway: Gateway, new_name: str) -> tuple[LoginRole, ...]:
        """Copy what the stores keep of the gateway to a new name; `forget` the old one once the gateway has it.

        Returns the logins of which something was copied. On an error nothing is left under the new name.
        """
        copied: list[tuple[LoginRole, SourceKind, str]] = []
        old, new = self.service(gateway.name), self.service(new_name)
        try:
            for role, login in gateway.logins.items():
                if (store := login.secret.store) is None:
                    continue
                with naming(gateway.name):
                    found = {user: self.keeper(store).get(old, user).secret for user in users_of(role, login.secret)}
                for user, secret in found.items() if any(found.values()) else ():
                    with naming(new_name):
                        if secret:
                            copied.append((role, store, user))
                            self.keeper(store).set(new, user, secret)
                        else:  # an older gateway of that name may have left one
                            self.keeper(store).delete(new, user)
        except MailctlError:
            for _, store, user in copied:
                with suppress(MailctlError):  # the first error is the one to report
                    self.keeper(store).delete(new, user)
            raise
        return tuple(dict.fromkeys(role for role, _, _ in copied))

    def forget(self, gateway: Gateway) -> tuple[LoginRole, ...]:
        """Remove what the stores keep of the gateway, also what a source used earlier; the logins that had something.

        The encrypted file is opened only where a login's source is there. SecretError only where a login's source is
        the store that fails: elsewhere a machine without a keyring is no fault.
        """
        used = {login.secret.store for login in gateway.logins.values()}
        removed: list[LoginRole] = []
        for store in STORES:
            if store is not SourceKind.KEYRING and store not in used:
                continue
            try:
                with naming(gateway.name):
                    for role, user in every_user():
                        if self.keeper(store).delete(self.service(gateway.name), user):
                            removed.append(role)
            except SecretError:
                if store in used:
                    raise
        return tuple(dict.fromkeys(removed))

    def kept(self, store: SourceKind) -> list[KeptSecret]:
        """What a store keeps for this configuration folder, as far as it can be listed."""
        found = [kept_secret(store, service, user, self._realm) for service, user in self.keeper(store).names]
        return [each for each in found if each is not None]

    def remove(self, kept: KeptSecret) -> bool:
        """Remove one entry; False if it is gone already."""
        return self.keeper(kept.store).delete(kept.service, kept.user)

    def transfer(self, gateway: str, users: Iterable[str], old: SourceKind, new: SourceKind) -> int:
        """Copy entries of a gateway from one store to the other, each read back; returns how many there were.

        If there were any, none that is left in `new` from earlier stays beside them.
        """
        service = self.service(gateway)
        with naming(gateway):
            found = {user: self.keeper(old).get(service, user).secret for user in users}
            for user, secret in found.items() if any(found.values()) else ():
                if not secret:
                    self.keeper(new).delete(service, user)
                    continue
                self.keeper(new).set(service, user, secret)
                if self.keeper(new).get(service, user).secret != secret:
                    raise SecretError(f"The {called(new)} did not give back what it was given")
        return sum(secret is not None for secret in found.values())

    def drop(self, gateway: str, users: Iterable[str], old: SourceKind, new: SourceKind) -> int:
        """Remove from `old` what `new` has as well, and has alike; returns how many there were."""
        count, service = 0, self.service(gateway)
        with naming(gateway):
            for user in users:
                secret = self.keeper(old).get(service, user).secret
                if secret and self.keeper(new).get(service, user).secret == secret:
                    count += self.keeper(old).delete(service, user)
        return count
