"""The sources that mailctl only reads: a command, a variable, a private file; and what of it no child may see."""

from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from time import monotonic

from mailctl.domain.gateway import SecretSource, SourceKind
from mailctl.domain.secret import Secret, accept, is_secret
from mailctl.errors import SecretError

_OURS = ("MAILCTL_CONFIG_DIR", "MAILCTL_STATE_DIR")

FAILURE_HOLDS = 30.0
"""Seconds for which a password command that failed is not asked again: what it asks may be unlocked by then."""


class _Answer:
    """What a password command answered, once it has; failed_at: when it failed, in seconds on a monotonic scale."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.secret: Secret | None = None
        self.error: SecretError | None = None
        self.failed_at = 0.0


class Sources:
    """Reads secrets from where others keep them; thread-safe.

    env: the environment of the command. withheld: gives the names of variables that hold somebody's password, which no
    password command may see. command_seconds: how long one may take.
    """

    def __init__(self, env: Mapping[str, str], withheld: Callable[[], Iterable[str]], command_seconds: float) -> None:
        self._env, self._withheld, self._command_seconds = env, withheld, command_seconds
        self._answers: dict[tuple[bool, tuple[str, ...]], _Answer] = {}
        self._lock = Lock()

    def read(self, source: SecretSource, *, whole: bool = False, what: str = "password") -> Secret:
        """The secret that a command, a variable or a file holds; SecretError if it can't be had.

        whole: of a file or a command's output, more than the first line. what: what it is called in messages.
        """
        argument = source.argument[0]
        match source.kind:
            case SourceKind.COMMAND:
                return self._answer_of(source.argument, whole=whole)
            case SourceKind.ENV:
                value = self._env.get(argument, "")
                if not value:
                    state = "empty" if argument in self._env else "not set"
                    raise SecretError(f"The variable {argument!r} is {state}", code="secret_missing")
                return accept(value, f"the variable {argument!r}", what)
            case SourceKind.FILE:
                from mailctl.secrets.file import secret_from_file, secret_path

                path, credential = secret_path(argument, self._env, what), not argument.startswith(("/", "~"))
                return secret_from_file(path, credential=credential, what=what, whole=whole)
        raise AssertionError(source.kind)

    def _answer_of(self, argv: tuple[str, ...], *, whole: bool) -> Secret:
        """What a password command prints. It is asked once: three protocols must not make a person unlock thrice."""
        from mailctl.secrets.command import secret_from_command

        with self._lock:
            answer = self._answers.setdefault((whole, argv), _Answer())
        with answer.lock:
            if answer.error and monotonic() < answer.failed_at + FAILURE_HOLDS:
                raise answer.error
            if answer.secret is None:
                answer.error = None
                try:
                    answer.secret = secret_from_command(
                        argv, child_env(self._env, self._withheld()), seconds=self._command_seconds, whole=whole
                    )
                except SecretError as error:
                    answer.error, answer.failed_at = error, monotonic()
                    raise
            return answer.secret


def child_env(env: Mapping[str, str], withheld: Iterable[str]) -> dict[str, str]:
    """`env` for a child process: without `withheld`, mailctl's variables but for the folders', and secrets in use."""
    hidden = set(withheld)
    return {
        name: value
        for name, value in env.items()
        if name not in hidden and (not name.startswith("MAILCTL_") or name in _OURS) and not is_secret(value)
    }
