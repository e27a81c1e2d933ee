"""The secret store: the source of a login in, its secret out."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mailctl.domain.gateway import STORES, Gateway, LoginRole, SecretSource, SourceKind
from mailctl.domain.kept import users_of, way_into_file
from mailctl.domain.record import dataclass
from mailctl.domain.secret import Secret
from mailctl.domain.server import Protocol
from mailctl.errors import SecretError
from mailctl.secrets.keyring import Keyring, instead, naming
from mailctl.secrets.sources import Sources
from mailctl.secrets.stores import Stores, called, no_encrypted_file

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


class SecretStore(Stores):
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
        super().__init__(keyring, encrypted, realm)
        self._env, self._tokens = env, tokens
        self._sources = Sources(env, withheld, command_seconds)

    def for_login(self, gateway: Gateway, protocol: Protocol, *, refused: str = "") -> Secret:
        """The secret with which `gateway` signs in to `protocol`; as `get`.

        A token is compared with what the protocol needs. refused: the digest of one that the server refused.
        """
        role, source = gateway.role_for(protocol), gateway.login_for(protocol).secret
        if source.kind is not SourceKind.OAUTH or self._tokens is None:
            return self.get(gateway.name, role, source)
        from mailctl.domain.oauth import Use

        use = Use(protocol, shared=gateway.shared)
        return self._tokens().access_token(gateway.name, role, source, refused=refused, use=use)

    def get(self, gateway: str, role: LoginRole, source: SecretSource) -> Secret:
        """The secret of one login; SecretError if it can't be had."""
        try:
            return self._secret(gateway, role, source)
        except SecretError as error:
            error.hint = (
                error.hint or f"`mailctl gateway password source {gateway}` shows and changes where it comes from."
            )
            raise

    def _secret(self, gateway: str, role: LoginRole, source: SecretSource) -> Secret:
        if source.kind is SourceKind.OAUTH:
            if self._tokens is None:
                raise SecretError("There are no OAuth tokens here", code="oauth_no_gateway")
            return self._tokens().access_token(gateway, role, source)
        if source.store is None:
            return self.read(source)
        with naming(gateway):
            secret = self.keeper(source.store).get(self.service(gateway), role).secret
        if not secret:
            raise self._nothing_kept(gateway, role, source.store)
        return secret

    def read(self, source: SecretSource, *, what: str = "password") -> Secret:
        """The secret that a command, a variable or a file holds, whosever it is; SecretError if it can't be had.

        what: what it is called in messages.
        """
        return self._sources.read(source, what=what)

    def application_secret(self, application: "Application", what: str, source: SecretSource) -> Secret:
        """The `client_secret` or the `key` (`what`) of an OAuth application. A key is all that its source has."""
        if source.store is None:
            return self._sources.read(source, whole=what == "key")
        again = f"`mailctl auth setup {application.name} --client-secret-store encrypted`"
        with instead(f"Unlock or start a keyring; or give the client secret anew, to be kept elsewhere: {again}."):
            secret = self.keeper(source.store).get(self.service(f"oauth/{application.name}"), what).secret
        if not secret:
            raise SecretError(
                f"There is no {what} of the application {application.name!r} in the {source.store}",
                hint=f"`mailctl auth setup {application.name}` puts it there.",
                code="secret_missing",
            )
        return secret

    def set_application_secret(self, name: str, secret: Secret, store: SourceKind = SourceKind.KEYRING) -> str:
        """Put the client secret of an OAuth application into a store; returns the backend's name."""
        return self.keeper(store).set(self.service(f"oauth/{name}"), "client_secret", secret)

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
        where, user = f"{called(store)}, {self.service(gateway)}, {role}:oauth", users_of(role, source)[0]
        try:
            with naming(gateway):
                entry = self.keeper(store).get(self.service(gateway), user)
        except SecretError as error:
            if store is SourceKind.KEYRING:
                name = source.argument[0] if source.argument else ""
                error.hint = f"To keep its tokens in a file: {way_into_file(gateway, role, name)}."
            return SecretCheck(source, where, error=error)
        if entry.secret:
            return SecretCheck(source, where, entry.backend, available=True, kept_at=entry.kept_at)
        hint = f"`mailctl auth login {gateway}` signs in."
        none = SecretError(f"The {called(store)} has no token for {gateway!r}", hint=hint, code="secret_missing")
        return SecretCheck(source, where, entry.backend, error=none)

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
        return f"OAuth tokens{name}, in the {called(source.store or SourceKind.KEYRING)}"

    def _nothing_kept(self, gateway: str, role: LoginRole, store: SourceKind) -> SecretError:
        option = " --smtp" if role is LoginRole.SMTP_LOGIN else ""
        return SecretError(
            f"The {called(store)} has no password for {gateway!r} ({self.service(gateway)}, {role})",
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
