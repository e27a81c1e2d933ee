"""The secret store: a login's source in, its secret out; and the keyring's entries of a gateway."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from math import inf
from threading import Lock
from time import monotonic

from mailctl.domain.gateway import Gateway, LoginRole, SecretSource, SourceKind
from mailctl.domain.record import dataclass
from mailctl.domain.secret import Secret, accept, is_secret
from mailctl.domain.server import Protocol
from mailctl.errors import SecretError
from mailctl.secrets.keyring import Keyring

_OURS = ("MAILCTL_CONFIG_DIR", "MAILCTL_STATE_DIR")


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


FAILURE_HOLDS = 30.0
"""Seconds for which a password command that failed is not asked again: what it asks may be unlocked by then."""


class _Answer:
    """What a password command answered, once it has; failed_at: when it failed, in seconds on a monotonic scale."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.secret: Secret | None = None
        self.error: SecretError | None = None
        self.failed_at = 0.0


class SecretStore:
    """Gets secrets from where their sources say, and keeps those of the keyring; thread-safe.

    env: the environment of the command. keyring: makes the keyring when it is first needed. realm: tells its entries
    from others ("" for the usual configuration folder). withheld: gives the names of variables that hold somebody's
    password, which no password command may see. command_seconds: how long one may take.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        keyring: Callable[[], Keyring],
        *,
        realm: str = "",
        withheld: Callable[[], Iterable[str]] = tuple,
        command_seconds: float = 30.0,
    ) -> None:
        self._env, self._make_keyring, self._realm, self._withheld = env, keyring, realm, withheld
        self._command_seconds = command_seconds
        self._made: Keyring | None = None
        self._answers: dict[tuple[str, ...], _Answer] = {}
        self._lock = Lock()

    def for_login(self, gateway: Gateway, protocol: Protocol, *, seconds: float | None = None) -> Secret:
        """The secret with which `gateway` signs in to `protocol`; as `get`."""
        return self.get(gateway.name, gateway.role_for(protocol), gateway.login_for(protocol).secret, seconds=seconds)

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
        from mailctl.secrets.file import secret_from_file, secret_path

        argument = source.argument[0] if source.argument else ""
        match source.kind:
            case SourceKind.KEYRING:
                with self._named(gateway):
                    secret = self._keyring.get(self.service(gateway), role).secret
                if not secret:
                    raise self._nothing_kept(gateway, role)
                return secret
            case SourceKind.COMMAND:
                return self._answer_of(source.argument, min(seconds or inf, self._command_seconds))
            case SourceKind.ENV:
                value = self._env.get(argument, "")
                if not value:
                    state = "empty" if argument in self._env else "not set"
                    raise SecretError(f"The variable {argument!r} is {state}", code="secret_missing")
                return accept(value, f"the variable {argument!r}")
            case SourceKind.FILE:
                path = secret_path(argument, self._env)
                return secret_from_file(path, credential=not argument.startswith(("/", "~")))
        raise SecretError(
            "Sign-in by OAuth is not in this version of mailctl",
            hint=f"Where the provider offers an app password: `mailctl gateway password set {gateway}`.",
            code="oauth_unsupported",
        )

    def set(self, gateway: str, role: LoginRole, secret: Secret) -> str:
        """Put `secret` into the keyring, and read it back; returns the backend's name."""
        accept(secret.reveal(), "the command line")
        with self._named(gateway):
            return self._keyring.set(self.service(gateway), role, secret)

    def clear(self, gateway: str, role: LoginRole) -> bool:
        """Remove the keyring's entry; False if there was none."""
        with self._named(gateway):
            return self._keyring.delete(self.service(gateway), role)

    def copy(self, gateway: Gateway, new_name: str) -> tuple[LoginRole, ...]:
        """Copy the gateway's keyring entries to a new name; `forget` the old one once the gateway has it.

        Returns what was copied. On SecretError nothing is left under the new name.
        """
        copied: list[LoginRole] = []
        try:
            for role, login in gateway.logins.items():
                if login.secret.kind is SourceKind.KEYRING:
                    with self._named(gateway.name):
                        secret = self._keyring.get(self.service(gateway.name), role).secret
                    if secret:
                        self.set(new_name, role, secret)
                        copied.append(role)
        except SecretError:
            for role in copied:
                with suppress(SecretError):  # the first error is the one to report
                    self.clear(new_name, role)
            raise
        return tuple(copied)

    def forget(self, gateway: Gateway) -> tuple[LoginRole, ...]:
        """Remove all keyring entries of the gateway, also ones that a source used earlier; returns what was removed.

        SecretError only where a login's source is the keyring: elsewhere a machine without one is no fault.
        """
        kept_here = any(login.secret.kind is SourceKind.KEYRING for login in gateway.logins.values())
        try:
            return tuple(role for role in LoginRole if self.clear(gateway.name, role))
        except SecretError:
            if kept_here:
                raise
            return ()

    def check(self, gateway: str, role: LoginRole, source: SecretSource) -> SecretCheck:
        """Ask the source and say what it answered; the value is dropped."""
        where, backend, kept_at = self.where(gateway, role, source), "", None
        try:
            if source.kind is SourceKind.KEYRING:
                with self._named(gateway):
                    entry = self._keyring.get(self.service(gateway), role)
                backend, kept_at = entry.backend, entry.kept_at
                if not entry.secret:
                    raise self._nothing_kept(gateway, role)
            else:
                self.get(gateway, role, source)
                kept_at = self._changed(source)
        except SecretError as error:
            return SecretCheck(source, where, backend, error=error)
        return SecretCheck(source, where, backend, available=True, kept_at=kept_at)

    def service(self, gateway: str) -> str:
        """The service name of the gateway's keyring entries; the user name is the role's."""
        return f"mailctl:{gateway}:{self._realm}" if self._realm else f"mailctl:{gateway}"

    def where(self, gateway: str, role: LoginRole, source: SecretSource) -> str:
        """The place that `source` means, in words."""
        import shlex

        match source.kind:
            case SourceKind.KEYRING:
                return f"keyring entry {self.service(gateway)}, {role}"
            case SourceKind.COMMAND:
                return f"command {shlex.join(source.argument)}"
            case SourceKind.ENV | SourceKind.FILE:
                return f"{'variable' if source.kind is SourceKind.ENV else 'file'} {''.join(source.argument)}"
        return "OAuth"

    @staticmethod
    @contextmanager
    def _named(gateway: str) -> Iterator[None]:
        """Hints of the keyring, which knows of no gateways, name this one."""
        try:
            yield
        except SecretError as error:
            error.hint = error.hint.replace("GATEWAY", gateway)
            raise

    @property
    def _keyring(self) -> Keyring:
        with self._lock:
            self._made = self._made or self._make_keyring()
            return self._made

    def _answer_of(self, argv: tuple[str, ...], seconds: float) -> Secret:
        """What a password command prints. It is asked once: three protocols must not make a person unlock thrice."""
        from mailctl.secrets.command import secret_from_command

        with self._lock:
            answer = self._answers.setdefault(argv, _Answer())
        with answer.lock:
            if answer.error and monotonic() < answer.failed_at + FAILURE_HOLDS:
                raise answer.error
            if answer.secret is None:
                answer.error = None
                try:
                    answer.secret = secret_from_command(argv, child_env(self._env, self._withheld()), seconds=seconds)
                except SecretError as error:
                    answer.error, answer.failed_at = error, monotonic()
                    raise
            return answer.secret

    def _nothing_kept(self, gateway: str, role: LoginRole) -> SecretError:
        option = " --smtp" if role is LoginRole.SMTP_LOGIN else ""
        return SecretError(
            f"The keyring has no password for {gateway!r} ({self.service(gateway)}, {role})",
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


def child_env(env: Mapping[str, str], withheld: Iterable[str]) -> dict[str, str]:
    """`env` for a child process: without `withheld`, mailctl's variables but for the folders', and secrets in use."""
    hidden = set(withheld)
    return {
        name: value
        for name, value in env.items()
        if name not in hidden and (not name.startswith("MAILCTL_") or name in _OURS) and not is_secret(value)
    }
