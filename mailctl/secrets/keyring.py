"""What the secret store needs of a keyring, and the system's keyring behind it.

The system's keyring is used in a child process (`keyring_child.py`), started at the first call and kept: a D-Bus prompt
that nobody answers, a backend that asks on the terminal, prints or crashes can then be ended, and the child sees the
environment that the command was given, not whatever this process has.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from mailctl.domain.kept import PREFIX
from mailctl.domain.record import dataclass
from mailctl.domain.secret import Secret, accept, mask
from mailctl.errors import LockedError, SecretError, StorageError

if TYPE_CHECKING:
    from subprocess import Popen

START_SECONDS = 20.0
"""Time for the child to import the keyring library; it asks nobody anything while it does."""
PAUSE_SECONDS = 30.0
"""After a call that timed out, later ones fail at once for this long: fifty gateways must not wait fifty times.

So long, too, one that found no keyring is believed: the library looks for backends once in a process.
"""

WAYS_ON = (
    "Unlock or start a keyring; or let a password manager answer: `mailctl gateway password source GATEWAY "
    "--password-command COMMAND`; or name a private file or a variable: --password-file PATH, --password-env VAR; "
    "or let mailctl keep it in a file of its own: `mailctl gateway password set GATEWAY --encrypted`."
)
"""What to do without a usable keyring; `naming` puts the gateway's name in."""
GIVE_AGAIN = "`mailctl gateway password set GATEWAY` gives it again; what was signed in, `mailctl auth login GATEWAY`."


@contextmanager
def naming(gateway: str) -> Iterator[None]:
    """Hints of the keyring, which knows of no gateways, name this one."""
    try:
        yield
    except SecretError as error:
        error.hint = error.hint.replace("GATEWAY", gateway)
        raise


@contextmanager
def instead(ways: str) -> Iterator[None]:
    """Where the keyring's hint would be WAYS_ON, which are those of passwords, it is `ways`."""
    try:
        yield
    except SecretError as error:
        if error.hint == WAYS_ON:
            error.hint = ways
        raise


@dataclass(frozen=True, slots=True)
class Entry:
    """What a keyring has under one name. secret: None if nothing. kept_at: when it was last changed, if known."""

    backend: str
    secret: Secret | None = None
    kept_at: datetime | None = None


class Keyring(Protocol):
    """A place for secrets, each under (service, user). Every method raises SecretError, and is thread-safe.

    Those that change something also raise StorageError and LockedError, where the place is a file.
    """

    def get(self, service: str, user: str) -> Entry:
        """What is kept there."""

    def set(self, service: str, user: str, secret: Secret) -> str:
        """Keep `secret`, having made sure that it can be read back; returns the backend's name."""

    def delete(self, service: str, user: str) -> bool:
        """Remove it; False if nothing was there."""

    @property
    def names(self) -> list[tuple[str, str]]:
        """(service, user) of mailctl's entries, sorted, as far as they can be listed."""


class SystemKeyring:
    """The user's keyring, by the keyring library, in a child process.

    env: the child's whole environment. seconds: time for one call; SecretError (keyring_timeout) beyond it. turns: a
    file by which the processes of mailctl take turns.
    """

    def __init__(self, env: Mapping[str, str], *, seconds: float = 3.0, turns: Path | None = None) -> None:
        self._env, self._seconds, self._turns = dict(env), seconds, turns
        self._lock = Lock()
        self._child: Popen[bytes] | None = None
        self._paused_until = 0.0
        self._alone_until = 0.0
        self._stale_at = inf

    def get(self, service: str, user: str) -> Entry:
        """What is kept there."""
        answer = self._ask("get", service, user)
        value, kept_at = answer.get("value"), answer.get("kept_at")
        return Entry(
            _name(answer),
            accept(value, "the keyring") if isinstance(value, str) and value else None,
            datetime.fromtimestamp(kept_at, UTC) if isinstance(kept_at, int | float) and kept_at > 0 else None,
        )

    def set(self, service: str, user: str, secret: Secret) -> str:
        """Keep `secret`, read back by the child; returns the backend's name."""
        return _name(self._ask("set", service, user, secret.reveal()))

    def delete(self, service: str, user: str) -> bool:
        """Remove it; False if nothing was there."""
        return bool(self._ask("delete", service, user).get("deleted"))

    @property
    def names(self) -> list[tuple[str, str]]:
        """(service, user) of mailctl's entries, sorted, as far as the backend lists them: a Secret Service does."""
        found = self._ask("names", PREFIX, "").get("names")
        return [(str(service), str(user)) for service, user in found] if isinstance(found, list) else []

    def close(self) -> None:
        """End the child; the next call starts another."""
        child, self._child, self._stale_at = self._child, None, inf
        if child is not None:
            end(child)

    def _ask(self, *request: str) -> dict[str, Any]:
        import json

        with self._lock:
            if monotonic() < self._paused_until:
                raise _timeout(self._seconds)
            with self._turn():
                answer = self._exchange(json.dumps([self._seconds, *request]).encode() + b"\n")
            if answer.get("fault") in _FOUND_NONE:
                self._stale_at = min(self._stale_at, monotonic() + PAUSE_SECONDS)
        if "fault" in answer:
            raise _refusal(answer)
        return answer

    def _exchange(self, request: bytes) -> dict[str, Any]:
        if monotonic() >= self._stale_at:
            self.close()
        try:
            child = self._child or self._start()
            assert child.stdin is not None  # noqa: S101 - a pipe, by Popen's arguments
            child.stdin.write(request)
            child.stdin.flush()
            return _answer(child, self._seconds)
        except TimeoutError:
            self.close()
            self._paused_until = monotonic() + PAUSE_SECONDS
            raise _timeout(self._seconds) from None
        except (OSError, ValueError):
            self.close()
            raise SecretError(
                "The keyring's backend crashed", hint=WAYS_ON, code="secret_unavailable"
            ) from None  # the cause's text could quote what was sent
        except BaseException:  # Ctrl-C in the middle of an answer: the next call must not read the rest of it
            self.close()
            raise

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One process at a time, as far as that can be had: nobody is kept waiting for longer than for the keyring.

        NOTE: gnome-keyring 42.1 crashes where one client leaves while another reads or writes (an assertion in GDBus,
        `invoke_get_property_in_idle_cb`), and then all programs of the session are without their passwords.
        """
        from mailctl.secrets.private import locked

        with ExitStack() as stack:
            if self._turns is not None and monotonic() >= self._alone_until:
                try:
                    stack.enter_context(locked(self._turns, what="the keyring", seconds=self._seconds))
                except LockedError:  # by one that hangs: waiting again for each secret helps nobody
                    self._alone_until = monotonic() + PAUSE_SECONDS
                except StorageError:
                    pass
            yield

    def _start(self) -> "Popen[bytes]":
        import weakref
        from subprocess import DEVNULL, PIPE, Popen

        # -P: neither the working folder nor this one is searched for modules
        self._child = child = Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("keyring_child.py"))],
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env=self._env,
            start_new_session=True,
        )
        weakref.finalize(self, end, child)
        try:
            _answer(child, START_SECONDS)
        except TimeoutError:
            raise OSError("not started") from None
        return child


def end(child: "Popen[bytes]") -> None:
    """Kill the child and what it started, and close its pipes."""
    import os
    import signal

    if child.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with suppress(OSError):  # what was not sent yet has no reader any more
                pipe.close()


def _answer(child: "Popen[bytes]", seconds: float) -> dict[str, Any]:
    """The child's next line as an object; TimeoutError, or ValueError where it ended or wrote something else."""
    import json
    import os
    import selectors

    assert child.stdout is not None  # noqa: S101 - a pipe, by Popen's arguments
    line, deadline = b"", monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            if not selector.select(max(0.0, deadline - monotonic())):
                raise TimeoutError
            chunk = os.read(child.stdout.fileno(), 65536)
            if not chunk:
                raise ValueError("ended")
            line += chunk
            if len(line) > 4 << 20:
                raise ValueError("too long")
    answer = json.loads(line)
    if not isinstance(answer, dict):
        raise ValueError("not an object")  # noqa: TRY004 - for the caller it is one fault: no usable answer
    return answer


def _name(answer: Mapping[str, Any]) -> str:
    return str(answer.get("backend", ""))


def _timeout(seconds: float) -> SecretError:
    return SecretError(
        f"The keyring did not answer within {seconds:g} s: it hangs, or it is locked and nobody answers its question",
        hint=WAYS_ON,
        code="keyring_timeout",
    )


_FAULTS: dict[str, tuple[str, str]] = {
    "none": ("keyring_none", "There is no keyring here"),
    "locked": ("keyring_locked", "The keyring is locked"),
    "null": ("keyring_refused", "The keyring's backend drops what it is given"),
    "plaintext": ("keyring_refused", "The keyring's backend keeps passwords in plain text, which mailctl doesn't use"),
    "not_kept": ("keyring_refused", "The keyring did not give back what it was given"),
    "torn": ("secret_torn", "The keyring has a part of the secret only; it has to be given again"),
    "config": ("secret_unavailable", "The keyring's backend can't be loaded"),
    "failed": ("secret_unavailable", "The keyring failed"),
}


_FOUND_NONE = frozenset({"none", "null", "plaintext", "config"})
"""Faults of what the library found when it looked for backends; D-Bus may be up by now."""


def _refusal(answer: Mapping[str, Any]) -> SecretError:
    """The error for a fault that the child reports."""
    code, text = _FAULTS.get(str(answer["fault"]), _FAULTS["failed"])
    tried = f" (tried: {_name(answer)})" if _name(answer) else ""
    detail = mask(str(answer.get("detail", ""))[:300].rstrip(". "))  # a backend may quote in any form what it was given
    hint = GIVE_AGAIN if code == "secret_torn" else WAYS_ON
    return SecretError(f"{text}{tried}{': ' if detail else ''}{detail}", hint=hint, code=code)
