"""The part of a command's context that builds what gives and keeps secrets."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from mailctl.cli.configured import Configured

if TYPE_CHECKING:
    from mailctl.secrets.keyring import Keyring
    from mailctl.secrets.store import SecretStore

    KeyringFactory = Callable[[], Keyring]


class Secrets(Configured):
    """interactive: whether a question can be asked."""

    _make_keyring: "KeyringFactory"

    if TYPE_CHECKING:  # the whole context has it

        @property
        def interactive(self) -> bool: ...

    @cached_property
    def secrets(self) -> "SecretStore":
        """Where secrets come from and are kept."""
        from mailctl.secrets.store import SecretStore

        return SecretStore(
            self.env, self._make_keyring, realm=self.paths.realm(self.env), withheld=self._secret_variables
        )

    def _system_keyring(self) -> "Keyring":
        from mailctl.secrets.keyring import SystemKeyring
        from mailctl.secrets.store import child_env

        # on a desktop a locked keyring asks the person, who needs time to type
        asks = self.interactive and bool(self.env.get("DISPLAY") or self.env.get("WAYLAND_DISPLAY"))
        return SystemKeyring(child_env(self.env, self._secret_variables()), seconds=60.0 if asks else 3.0)

    def _secret_variables(self) -> set[str]:
        """Names of the variables from which gateways take passwords; no child process gets them."""
        logins = [login for each in self.config.gateways_holding("env").objects for login in each.logins.values()]
        return {login.secret.argument[0] for login in logins if login.secret.kind.value == "env"}

    def child_env(self) -> dict[str, str]:
        """The environment for a program that the user named: without passwords, and without what is for us alone."""
        from mailctl.secrets.store import child_env

        ours = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "CREDENTIALS_DIRECTORY"}
        return child_env(self.env, self._secret_variables() | ours)

    @staticmethod
    def memory_keyring() -> "KeyringFactory":
        """A keyring of this process alone, for `mailctl demo`."""
        from mailctl.secrets.memory import MemoryKeyring

        ring = MemoryKeyring()
        return lambda: ring
