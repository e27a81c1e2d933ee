"""The secret store: a login's source in, its secret out; and what keyring and encrypted file keep of a gateway."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING

from mailctl.domain.gateway import STORES, Gateway, LoginRole, SecretSource, SourceKind
from mailctl.domain.kept import PREFIX, KeptSecret, every_user, kept_secret, users_of
from mailctl.domain.oauth import Use
from mailctl.domain.record import dataclass
from mailctl.domain.secret import Secret, accept
from mailctl.domain.server import Protocol
from mailctl.errors import SecretError
from mailctl.secrets.keyring import Keyring, naming
from mailctl.secrets.sources import Sources

if TYPE_CHECKING:
    from mailctl.domain.oauth import Application
    from mailctl.secrets.oauth.tokens import Tokens


@dataclass(frozen=True, slots=True)
class SecretCheck:
    """What a source answered, without the value.

    where: the place in words ("keyring entry mailctl:work, login"). backend: the keyring's, or "". kept_at: when it was
    last changed, if the place knows. error: why it is not available, or None.
    """

    source: SecretSource
    where: str
    backend: str = ""
    available: bool = False
    kept_at: datetime | None = None
    error: SecretError | None = None


def no_encrypted_file() -> Keyring:
    """For whoever has none."""
    raise SecretError("There is no encrypted file here", code="secret_unavailable")


class SecretStore:
    """Gets secrets from where their sources say, and keeps those of the two stores; thread-safe.

    env: the environment of the command. keyring, encrypted: make the stores when they are first needed. realm: tells
    their entries from others ("" for the usual configuration folder). withheld: gives the names of variables that hold
    somebody's password, which no password command may see. command_seconds: how long one may take. tokens:
    makes what gives OAuth tokens.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        keyring: Callable[[], Keyring],
        *,
        encrypted: Callable[[], Keyring] = no_encrypted_file,
        realm: str = "",
        withheld: Callable[[], Iterable[str]] = tuple,
        command_seconds: float = 30.0,
        tokens: "Callable[[], Tokens] | None" = None,
    ) -> None:
        self._env, self._realm, self._tokens = env, realm, tokens
        self._sources = Sources(env, withheld, command_seconds)
        self._make = {SourceKind.KEYRING: keyring, SourceKind.ENCRYPTED: encrypted}
        self._made: dict[SourceKind, Keyring] = {}
        self._lock = Lock()

    def for_login(
        self, gateway: Gateway, protocol: Protocol, *, seconds: float | None = None, fresh: bool = False
    ) -> Secret:
        """The secret with which `gateway` signs in to `protocol`; as `get`.

        A token is compared with what the protocol needs. fresh: the server refused the one at hand.
        """
        role, source = gateway.role_for(protocol), gateway.login_for(protocol).secret
        if source.kind is not SourceKind.OAUTH or self._tokens is None:
            return self.get(gateway.name, role, source, seconds=seconds)
        use = Use(protocol, shared=gateway.shared)
        return self._tokens().access_token(gateway.name, role, source, fresh=fresh, seconds=seconds, use=use)

    def get(self, gateway: str, role: LoginRole, source: SecretSource, *, seconds: float | None = None) -> Secret:
        """The secret of one login; SecretError if it can't be had.

        seconds: the most that a password command may take, if less than usual.
        """
        try:
            return self._secret(gateway, role, source, seconds)
        except SecretError as error:
            error.hint = (
                error.hint or f"`mailctl gateway password source {gateway}` shows and changes where it comes from."
            )
            raise

    def _secret(self, gateway: str, role: LoginRole, source: SecretSource, seconds: float | None) -> Secret:
        if source.kind is SourceKind.OAUTH:
            if self._tokens is None:
                raise SecretError("There are no OAuth tokens here", code="oauth_no_gateway")
            return self._tokens().access_token(gateway, role, source, seconds=seconds)
        if source.store is None:
            return self.read(source, seconds=seconds)
        with naming(gateway):
            secret = self.keeper(source.store).get(self.service(gateway), role).secret
        if not secret:
            raise self._nothing_kept(gateway, role, source.store)
        return secret

    def read(self, source: SecretSource, *, seconds: float | None = None) -> Secret:
        """The secret that a command, a variable or a file holds, whosever it is; SecretError if it can't be had."""
        return self._sources.read(source, seconds=seconds)

    def application_secret(self, application: "Application", what: str, source: SecretSource) -> Secret:
        """The `client_secret` or the `key` (`what`) of an OAuth application. A key is the whole of its file."""
        if source.store is None:
            return self._sources.read(source, whole=what == "key")
        secret = self.keeper(source.store).get(self.service(f"oauth/{application.name}"), what).secret
        if not secret:
            raise SecretError(
                f"There is no {what} of the application {application.name!r} in the {source.store}",
                hint=f"`mailctl auth setup {application.name}` puts it there.",
                code="secret_missing",
            )
        return secret

    def keeper(self, store: SourceKind) -> Keyring:
        """What keeps secrets: the KEYRING, or the ENCRYPTED file; made when first needed."""
        with self._lock:
            if store not in self._made:
                self._made[store] = self._make[store]()
            return self._made[store]

    def set(self, gateway: str, role: LoginRole, secret: Secret, store: SourceKind = SourceKind.KEYRING) -> str:
        """Put `secret` into a store, and read it back; returns the backend's name."""
        accept(secret.reveal(), "the command line")
        with naming(gateway):
            return self.keeper(store).set(self.service(gateway), role, secret)

    def set_application_secret(self, name: str, secret: Secret, store: SourceKind = SourceKind.KEYRING) -> str:
        """Put the client secret of an OAuth application into a store; returns the backend's name."""
        return self.keeper(store).set(self.service(f"oauth/{name}"), "client_secret", secret)

    def clear(self, gateway: str, role: LoginRole, store: SourceKind = SourceKind.KEYRING) -> bool:
        """Remove a store's password; False if there was none."""
        with naming(gateway):
            return self.keeper(store).delete(self.service(gateway), role)

    def copy(self, gateway: Gateway, new_name: str) -> tuple[LoginRole, ...]:
        """Copy what the stores keep of the gateway to a new name; `forget` the old one once the gateway has it.

        Returns the logins of which something was copied. On SecretError nothing is left under the new name.
        """
        copied: list[tuple[LoginRole, SourceKind, str]] = []
        old, new = self.service(gateway.name), self.service(new_name)
        try:
            for role, login in gateway.logins.items():
                if (store := login.secret.store) is None:
                    continue
                for user in users_of(role, login.secret):
                    with naming(gateway.name):
                        secret = self.keeper(store).get(old, user).secret
                    if secret:
                        copied.append((role, store, user))
                        with naming(new_name):
                            self.keeper(store).set(new, user, secret)
        except SecretError:
            for _, store, user in copied:
                with suppress(SecretError):  # the first error is the one to report
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

    def check(self, gateway: str, role: LoginRole, source: SecretSource) -> SecretCheck:
        """Ask the source and say what it answered; the value is dropped."""
        where, backend, kept_at = self.where(gateway, role, source), "", None
        try:
            if source.kind in STORES:
                with naming(gateway):
                    entry = self.keeper(source.kind).get(self.service(gateway), role)
                backend, kept_at = entry.backend, entry.kept_at
                if not entry.secret:
                    raise self._nothing_kept(gateway, role, source.kind)
            else:
                self.get(gateway, role, source)
                kept_at = self._changed(source)
        except SecretError as error:
            return SecretCheck(source, where, backend, error=error)
        return SecretCheck(source, where, backend, available=True, kept_at=kept_at)

    def peek(self, gateway: str, role: LoginRole, source: SecretSource) -> SecretCheck:
        """As `check`; of a sign-in by OAuth only whether a token is kept, which asks no network."""
        if source.kind is not SourceKind.OAUTH or source.store is None:
            return self.check(gateway, role, source)
        store = source.store
        where, user = f"{_called(store)}, {self.service(gateway)}, {role}:oauth", users_of(role, source)[0]
        try:
            with naming(gateway):
                entry = self.keeper(store).get(self.service(gateway), user)
        except SecretError as error:
            if store is SourceKind.KEYRING:
                error.hint = f"`mailctl gateway edit {gateway} --secret oauth --encrypted` keeps its tokens in a file."
            return SecretCheck(source, where, error=error)
        if entry.secret:
            return SecretCheck(source, where, entry.backend, available=True, kept_at=entry.kept_at)
        hint = f"`mailctl auth login {gateway}` signs in."
        none = SecretError(f"The {_called(store)} has no token for {gateway!r}", hint=hint, code="secret_missing")
        return SecretCheck(source, where, entry.backend, error=none)

    def kept(self, store: SourceKind) -> list[KeptSecret]:
        """What a store keeps for this configuration folder, as far as it can be listed."""
        found = [kept_secret(store, service, user, self._realm) for service, user in self.keeper(store).names]
        return [each for each in found if each is not None]

    def remove(self, kept: KeptSecret) -> bool:
        """Remove one entry; False if it is gone already."""
        return self.keeper(kept.store).delete(kept.service, kept.user)

    def transfer(self, gateway: str, users: Iterable[str], old: SourceKind, new: SourceKind) -> int:
        """Copy entries of a gateway from one store to the other, each read back; returns how many there were."""
        count, service = 0, self.service(gateway)
        with naming(gateway):
            for user in users:
                secret = self.keeper(old).get(service, user).secret
                if secret:
                    self.keeper(new).set(service, user, secret)
                    if self.keeper(new).get(service, user).secret != secret:
                        raise SecretError(f"The {_called(new)} did not give back what it was given")
                    count += 1
        return count

    def drop(self, gateway: str, users: Iterable[str], old: SourceKind, new: SourceKind) -> int:
        """Remove from `old` what `new` has as well, and has alike; returns how many there were."""
        count, service = 0, self.service(gateway)
        with naming(gateway):
            for user in users:
                secret = self.keeper(old).get(service, user).secret
                if secret and self.keeper(new).get(service, user).secret == secret:
                    count += self.keeper(old).delete(service, user)
        return count

    def service(self, gateway: str) -> str:
        """The service name of the gateway's entries; the user name is the role's."""
        return f"{PREFIX}{gateway}:{self._realm}" if self._realm else f"{PREFIX}{gateway}"

    def where(self, gateway: str, role: LoginRole, source: SecretSource) -> str:
        """The place that `source` means, in words."""
        import shlex

        match source.kind:
            case SourceKind.KEYRING | SourceKind.ENCRYPTED:
                name = "keyring entry" if source.kind is SourceKind.KEYRING else "encrypted file, entry"
                return f"{name} {self.service(gateway)}, {role}"
            case SourceKind.COMMAND:
                return f"command {shlex.join(source.argument)}"
            case SourceKind.ENV | SourceKind.FILE:
                return f"{'variable' if source.kind is SourceKind.ENV else 'file'} {''.join(source.argument)}"
        name = f" of the application {source.argument[0]}" if source.argument and source.argument[0] else ""
        return f"OAuth tokens{name}, in the {_called(source.store or SourceKind.KEYRING)}"

    def _nothing_kept(self, gateway: str, role: LoginRole, store: SourceKind) -> SecretError:
        option = " --smtp" if role is LoginRole.SMTP_LOGIN else ""
        return SecretError(
            f"The {_called(store)} has no password for {gateway!r} ({self.service(gateway)}, {role})",
            hint=f"`mailctl gateway password set {gateway}{option}` puts one there.",
            code="secret_missing",
        )

    def _changed(self, source: SecretSource) -> datetime | None:
        from mailctl.secrets.file import secret_path

        if source.kind is not SourceKind.FILE:
            return None
        with suppress(OSError):
            return datetime.fromtimestamp(secret_path(source.argument[0], self._env).stat().st_mtime, UTC)
        return None


def _called(store: SourceKind) -> str:
    return "keyring" if store is SourceKind.KEYRING else "encrypted file"
