"""The OAuth applications that are configured: in `config.toml`, which is the user's and wins, or a file each."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mailctl.config import files
from mailctl.config.oauth import Services, from_application, names_secrets, to_application
from mailctl.config.schema import KeyProblem
from mailctl.config.shelf import Listing, Saved, Shelf
from mailctl.domain.gateway import Gateway, SourceKind
from mailctl.domain.names import nearest
from mailctl.domain.oauth import Application
from mailctl.domain.oauth_setup import setup_command
from mailctl.domain.problem import Problem
from mailctl.errors import NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from mailctl.config.store import ConfigStore


class Applications:
    """Those of one configuration folder. Raises as `ConfigStore` does.

    services: the shipped OAuth services by id.
    """

    def __init__(self, store: "ConfigStore", services: Services) -> None:
        self._store, self._services = store, services

        def parse(name: str, data: Mapping[str, Any]) -> tuple[Application, list[KeyProblem]]:
            return to_application(name, data, services)

        def dump(application: Application) -> dict[str, Any]:
            return from_application(application, services)

        self._shelf = Shelf("application", store.root / "oauth", parse, dump, names_secrets)

    def names(self) -> list[str]:
        """The names of all, good or broken, sorted."""
        return sorted({*self._store.settings.oauth, *self._shelf.names()})

    def read(self, name: str) -> Application:
        """One application."""
        if found := self._store.settings.oauth.get(name):
            return found
        if not self._shelf.exists(name):
            match = nearest(name, self.names())
            hint = f"Did you mean {match!r}?" if match else f"`{setup_command(name, self._services)}` makes one."
            raise NotFoundError(f"There is no OAuth application named {name!r}", hint=hint)
        return self._shelf.read(name)

    def listing(self) -> Listing[Application]:
        """All of them, by name, and what is wrong with broken files."""
        own, listing = self._store.settings.oauth, self._shelf.listing()
        found = {each.name: each for each in listing.objects} | dict(own)
        return Listing([found[name] for name in sorted(found)], listing.problems)

    def path(self, name: str) -> "Path":
        """The file of an application that is not in `config.toml`."""
        return self._shelf.path(name)

    def in_settings(self, name: str) -> bool:
        """Whether `config.toml` describes it, so that its own file doesn't count."""
        return name in self._store.settings.oauth

    def check(self, application: Application) -> Application:
        """The application, if a file could hold it; UsageError otherwise. Writes nothing."""
        self._shelf.path(application.name)
        self._shelf.text(application)
        return application

    def save(self, application: Application) -> Saved:
        """Write it to its own file."""
        with self._store.locked():
            return self._shelf.save(application)

    def problems(self, gateways: Iterable[Gateway], in_settings: Iterable[str]) -> list[Problem]:
        """What is wrong with the files, and logins that name an application which isn't there.

        in_settings: the names of those in `config.toml`, which is told of apart.
        """
        found = list(self._shelf.listing().problems)
        named = [
            (gateway, role, login.secret.argument[0])
            for gateway in gateways
            for role, login in gateway.logins.items()
            if login.secret.kind is SourceKind.OAUTH and login.secret.argument and login.secret.argument[0]
        ]
        known = {*self._shelf.names(), *in_settings}
        for gateway, role, name in named:
            if name not in known:
                match = nearest(name, known)
                fix = f"Did you mean {match!r}?" if match else setup_command(name, self._services)
                message = f"there is no OAuth application named {name!r}"
                path = str(self._store.gateway_path(gateway.name))
                found.append(Problem(path, f"{role}.secret", message, fix, gateway.name))
        return found


def distrust(path: "Path", content: files.Content, applications: Mapping[str, Application]) -> list[KeyProblem]:
    """Why `config.toml` must not be believed in what it says of applications; none if it may be."""
    reason, fix = files.distrust(path, content, commands=any(map(names_secrets, applications.values())))
    return [KeyProblem("oauth", f"is not used: {reason}", fix)] if reason else []
