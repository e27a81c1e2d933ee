"""The part of a command's context that builds what gives and keeps secrets, OAuth tokens among them."""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mailctl.cli.configured import Configured
from mailctl.domain.gateway import SecretSource, SourceKind
from mailctl.domain.home import home_folder
from mailctl.errors import ConfigError, NotFoundError, SecretError

if TYPE_CHECKING:
    from datetime import datetime

    from mailctl.domain.gateway import Gateway, LoginRole
    from mailctl.domain.oauth import Application, Token
    from mailctl.domain.secret import Secret
    from mailctl.protocols.redirect import RedirectListener
    from mailctl.secrets.encrypted import EncryptedFile
    from mailctl.secrets.keyring import Keyring
    from mailctl.secrets.oauth.client import Client
    from mailctl.secrets.oauth.device import DeviceCode, Pause
    from mailctl.secrets.oauth.tokens import Tokens
    from mailctl.secrets.store import SecretStore

    KeyringFactory = Callable[[], Keyring]

T = TypeVar("T")
KEY_VARIABLE, KEY_FILE_VARIABLE = "MAILCTL_SECRETS_KEY", "MAILCTL_SECRETS_KEY_FILE"
"""Variables that hold the key of the encrypted file, or name the file that has it; they come before `config.toml`."""


class Secrets(Configured):
    """interactive: whether a question can be asked."""

    _make_keyring: "KeyringFactory"
    _typed: "Secret | None" = None
    _not_typed: SecretError | None = None

    if TYPE_CHECKING:  # the whole context has them

        @property
        def interactive(self) -> bool: ...
        def now(self) -> datetime: ...

    @cached_property
    def secrets(self) -> "SecretStore":
        """Where secrets come from and are kept."""
        from mailctl.secrets.store import SecretStore

        return SecretStore(
            self.env,
            self._make_keyring,
            encrypted=lambda: self.encrypted,
            realm=self.paths.realm(self.env),
            withheld=self._secret_variables,
            tokens=lambda: self.tokens,
        )

    @cached_property
    def tokens(self) -> "Tokens":
        """Gives OAuth tokens, and keeps them; its `client` goes through a sign-in."""
        from mailctl.domain.server import CertificatePolicy
        from mailctl.protocols.http import HttpPost
        from mailctl.secrets.oauth.tokens import Tokens

        def find(gateway: str, role: "LoginRole", source: SecretSource) -> "tuple[Application, str]":
            try:
                login = self.config.gateway(gateway).logins[role]
            except NotFoundError:
                raise SecretError(
                    f"Sign-in by OAuth needs a gateway, and {gateway!r} is none",
                    hint="`mailctl gateway add` makes one.",
                    code="oauth_no_gateway",
                ) from None
            return self.application_of(gateway, source), login.user

        post = HttpPost(CertificatePolicy(minimum_tls=self.config.settings.limits.minimum_tls))
        store, locks = self.secrets, self.paths.guards(self.env) / ".tokens"
        return Tokens(find, store.keeper, store.service, post, store.application_secret, locks, self.now)

    @staticmethod
    def listen_for(application: "Application") -> "RedirectListener":
        """What listens for the browser of a sign-in; ConfigError where the redirect doesn't lead to this machine."""
        from mailctl.protocols.redirect import RedirectListener
        from mailctl.secrets.oauth.authorization import check_loopback

        return RedirectListener(*check_loopback(application.redirect))

    @staticmethod
    def token_of_device(client: "Client", code: "DeviceCode", pause: "Pause") -> "Token":
        """The token once the person has entered the code."""
        from mailctl.secrets.oauth.device import wait_for

        return wait_for(client, code, pause)

    @staticmethod
    def steadily(work: "Callable[[], T]") -> "T":
        """What `work` returns or raises; no interrupt, no end of the command cuts it in two."""
        from mailctl.secrets.oauth.steady import steadily

        return steadily(work)

    @cached_property
    def encrypted(self) -> "EncryptedFile":
        """The encrypted file; its key is asked for when it is needed."""
        from mailctl.secrets.encrypted import EncryptedFile

        given = self.config.settings.secrets_file
        usual = self.paths.config / "secrets.jwe"
        path = home_folder(self.env) / given.removeprefix("~/") if given else usual
        return EncryptedFile(path, self._secrets_key)

    def unlock_for(self, gateways: "Iterable[Gateway]") -> None:
        """Ask a person for the passphrase of the encrypted file now, if one of `gateways` will need it.

        Later a progress display would be drawn over the question. What goes wrong is told where the secret is needed.
        """
        needed = any(login.secret.store is SourceKind.ENCRYPTED for each in gateways for login in each.logins.values())
        if needed and self.secrets_key is None and self.interactive and self.encrypted.exists:
            with suppress(SecretError):
                self.encrypted.unlock()

    @staticmethod
    def new_secrets_key() -> str:
        """A new random key, as it stands in a file."""
        from mailctl.secrets.jose import new_key

        return new_key()

    @property
    def secrets_key(self) -> SecretSource | None:
        """Where the key of the encrypted file is; None: a person is asked."""
        if self.env.get(KEY_VARIABLE):
            return SecretSource(SourceKind.ENV, (KEY_VARIABLE,))
        if path := self.env.get(KEY_FILE_VARIABLE):
            return SecretSource(SourceKind.FILE, (path,))
        return self.config.settings.secrets_key

    def _secrets_key(self, new: bool) -> "Secret":
        """The key of the encrypted file. A person is asked once a command; twice if the file is to be made."""
        source = self.secrets_key
        if source is not None:
            return self.read_secrets_key(source)
        if self._not_typed is not None:  # asked before anything was drawn, and not to be asked by each gateway again
            raise self._not_typed
        if self._typed is None:
            from mailctl.cli.password_options import ask_passphrase

            try:
                self._typed = ask_passphrase(self, new=new)  # type: ignore[arg-type]  # the whole context
            except SecretError as error:
                self._not_typed = error
                raise
        return self._typed

    def read_secrets_key(self, source: SecretSource) -> "Secret":
        """The key of the encrypted file from `source`; SecretError says who names it."""
        try:
            return self.secrets.read(source, what="key")
        except SecretError as error:
            names = (KEY_VARIABLE, KEY_FILE_VARIABLE)
            said = next((name for name in names if self.env.get(name)), "[secrets] key in config.toml")
            error.hint = error.hint or f"{said} says that the key of the encrypted file is there."
            raise

    def _system_keyring(self) -> "Keyring":
        from mailctl.secrets.keyring import SystemKeyring
        from mailctl.secrets.listed import ListedKeyring
        from mailctl.secrets.sources import child_env

        # on a desktop a locked keyring asks the person, who needs time to type
        asks = self.interactive and bool(self.env.get("DISPLAY") or self.env.get("WAYLAND_DISPLAY"))
        session = self.env.get("XDG_RUNTIME_DIR", "")  # the keyring is the session's, so are the turns at it
        turns = (Path(session) if os.path.isdir(session) else self.paths.state) / "mailctl-keyring.lock"
        env, seconds = child_env(self.env, self._secret_variables()), 60.0 if asks else 3.0
        ring = SystemKeyring(env, seconds=seconds, turns=turns)
        return ListedKeyring(ring, self.paths.guards(self.env) / "keyring.json")

    def _secret_variables(self) -> set[str]:
        """Names of the variables from which gateways and applications take secrets; no child process gets them."""
        logins = [login for each in self.config.gateways_holding("env").objects for login in each.logins.values()]
        sources = [login.secret for login in logins]
        with suppress(ConfigError):  # told where the settings themselves are needed
            sources += [key] if (key := self.config.settings.secrets_key) else []
            if self.config.settings.oauth or (self.paths.config / "oauth").is_dir():
                applications = self.config.applications.listing().objects
                sources += [each for found in applications for each in (found.client_secret, found.key) if each]
        return {source.argument[0] for source in sources if source.kind is SourceKind.ENV}

    @staticmethod
    def memory_keyring() -> "KeyringFactory":
        """A keyring of this process alone, for `mailctl demo`."""
        from mailctl.secrets.memory import MemoryKeyring

        ring = MemoryKeyring()
        return lambda: ring

    def child_env(self) -> dict[str, str]:
        """The environment for a program that the user named: without passwords, and without what is for us alone."""
        from mailctl.secrets.sources import child_env

        ours = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "CREDENTIALS_DIRECTORY"}
        return child_env(self.env, self._secret_variables() | ours)
