"""The configuration as a whole: servers, gateways, settings, and what ties them together."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mailctl.config import files
from mailctl.config.gateways import from_gateway, names_secrets, to_gateway
from mailctl.config.renaming import Belongings, Note, rename_gateway, rename_server, users_of
from mailctl.config.schema import KeyProblem
from mailctl.config.servers import from_server, to_server
from mailctl.config.settings import to_settings
from mailctl.config.shelf import Listing, Saved, Shelf, parse_toml
from mailctl.domain.gateway import Gateway
from mailctl.domain.names import is_name
from mailctl.domain.problem import Problem
from mailctl.domain.server import Server
from mailctl.domain.settings import Settings
from mailctl.errors import ConfigError, ExistsError

if TYPE_CHECKING:
    from mailctl.config.applications import Applications
    from mailctl.config.oauth import Services

DEFAULT = "default-gateway"


class ConfigStore:
    """Reads and writes the files below `root`. Nothing is read before it is asked for.

    Methods raise NotFoundError, ExistsError, ConfigError (a file is wrong), StorageError (a file can't be read or
    written), LockedError (another process holds the lock for long), UsageError (a name or value that can't be).
    """

    def __init__(self, root: Path, services: "Callable[[], Services]" = dict) -> None:
        """services: gives the shipped OAuth services by id."""
        self.root, self._services = root, services
        self._held = 0
        self._servers = Shelf("server", root / "servers", to_server, from_server)
        self._gateways = Shelf("gateway", root / "gateways", to_gateway, from_gateway, names_secrets)
        self._server_note = Note("server", root / ".renaming-server")
        self._gateway_note = Note("gateway", root / ".renaming")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else changes the configuration meanwhile; may be nested. Every change below takes it by itself."""
        if self._held:
            self._held += 1
            try:
                yield
            finally:
                self._held -= 1
            return
        with files.lock(self.root / ".lock"):
            self._held = 1
            try:
                yield
            finally:
                self._held = 0

    # servers

    def servers(self) -> Listing[Server]:
        """All servers, and what is wrong with broken files."""
        return self._servers.listing()

    def server(self, name: str) -> Server:
        """One server."""
        return self._servers.read(name)

    def server_names(self) -> list[str]:
        """Names of all servers, good or broken; reads no file."""
        return self._servers.names()

    def server_exists(self, name: str) -> bool:
        """Whether the name is taken, be it by a broken file."""
        return self._servers.exists(name)

    def server_path(self, name: str) -> Path:
        """The file of a server."""
        return self._servers.path(name)

    def check_server(self, server: Server) -> Server:
        """The server, if a file could hold it; UsageError otherwise. Writes nothing."""
        self._servers.path(server.name)
        self._servers.text(server)
        return server

    def save_server(self, server: Server, *, new: bool = False) -> Saved:
        """Write a server. new: it must not exist."""
        with self.locked():
            return self._servers.save(server, new=new)

    def server_users(self, name: str) -> list[str]:
        """Names of the gateways on a server, and of broken ones that may be on it."""
        users, problems = users_of(name, self._gateways)
        return sorted({*(gateway.name for gateway in users), *(each.name for each in problems if each.name)})

    def check_removable(self, name: str) -> None:
        """ExistsError (code in_use) naming the gateways that use a server; NotFoundError if there is no such server."""
        if not self.server_exists(name):
            self._servers.read(name)  # says what there is instead
        if users := self.server_users(name):
            shown = ", ".join(users[:5]) + (f" and {len(users) - 5} more" if len(users) > 5 else "")
            raise ExistsError(
                f"The server {name!r} is in use by {shown}",
                hint=f"Remove them, or move them: mailctl gateway edit {users[0]} --server OTHER",
                code="in_use",
            )

    def remove_server(self, name: str) -> None:
        """Remove a server that no gateway uses; raises like `check_removable`."""
        with self.locked():
            self.check_removable(name)
            files.remove(self._servers.path(name))

    def rename_server(self, old: str, new: str) -> tuple[list[str], list[str]]:
        """Rename a server; its gateways follow. Returns their names, and warnings on their files.

        Resumed and undone like a gateway's.
        """
        with self.locked():
            return rename_server(old, new, self._servers, self._gateways, self._server_note)

    # gateways

    def gateways(self) -> Listing[Gateway]:
        """All gateways, and what is wrong with broken files."""
        return self._gateways.listing()

    def gateway_names(self) -> list[str]:
        """Names of all gateways, good or broken; reads no file."""
        return self._gateways.names()

    def gateway(self, name: str) -> Gateway:
        """One gateway. ConfigError (code rename_unfinished) while its renaming is under way."""
        self._gateway_note.refuse(name)
        return self._gateways.read(name)

    def gateway_exists(self, name: str) -> bool:
        """Whether the name is taken, be it by a broken file."""
        return self._gateways.exists(name)

    def gateway_path(self, name: str) -> Path:
        """The file of a gateway."""
        return self._gateways.path(name)

    def gateways_holding(self, value: str) -> Listing[Gateway]:
        """The gateways in whose files `value` may stand (an owner, a server, an address), without parsing the rest."""
        return self._gateways.listing(holding=value)

    def check_gateway(self, gateway: Gateway) -> Gateway:
        """The gateway, if a file could hold it; UsageError otherwise. Writes nothing."""
        self._gateways.path(gateway.name)
        self._gateways.text(gateway)
        return gateway

    def save_gateway(self, gateway: Gateway, *, new: bool = False) -> Saved:
        """Write a gateway. new: it must not exist."""
        with self.locked():
            self._gateway_note.refuse(gateway.name)
            return self._gateways.save(gateway, new=new)

    def remove_gateway(self, name: str) -> None:
        """Remove a gateway's file, and its being the default. Its secrets, state and mail are others' to remove."""
        with self.locked():
            if not self.gateway_exists(name):
                self._gateways.read(name)
            if self.default_gateway == name:
                self.set_default_gateway("")
            files.remove(self._gateways.path(name))
            files.remove(self._gateways.path(name).with_suffix(".toml~"))

    def rename_gateway(self, old: str, new: str, belongings: Belongings) -> None:
        """Rename a gateway; being the default follows, and so do its belongings.

        What fails is rolled back. An interrupted one is finished by the same call, or undone by the opposite one; until
        then `gateway` refuses both names.
        """
        with self.locked():
            rename_gateway(old, new, self._gateways, self._gateway_note, self._follow_default, belongings)

    def _follow_default(self, old: str, new: str) -> None:
        if self.default_gateway == old:
            files.write(self.root / DEFAULT, new + "\n")

    def unfinished_rename(self) -> tuple[str, str] | None:
        """The renaming of a gateway that was begun and not finished, as (old, new)."""
        return self._gateway_note.read()

    # settings

    @cached_property
    def settings(self) -> Settings:
        """What `config.toml` holds; the defaults if there is none. ConfigError if it is wrong."""
        path = self.root / "config.toml"
        settings, problems = self._settings(path)
        if problems:
            first = problems[0]
            raise ConfigError(str(first), hint=first.fix, code="bad_file")
        return settings

    def _settings(self, path: Path) -> tuple[Settings, list[Problem]]:
        try:
            content = files.read(path)
            settings, wrong = to_settings(parse_toml(content.text), self._services)
        except FileNotFoundError:
            return Settings(), []
        except ConfigError as error:
            return Settings(), [Problem(str(path), "", error.message.removeprefix(f"{path} "), error.hint)]
        if settings.oauth:
            from mailctl.config.applications import distrust

            wrong = [*distrust(path, content, settings.oauth), *wrong]
        if settings.secrets_key:  # it is run, or read, like a gateway's
            reason, fix = files.distrust(path, content, commands=True)
            wrong = [*wrong, *([KeyProblem("secrets.key", reason, fix)] if reason else [])]
        return settings, [Problem(str(path), one.key, one.message, one.fix) for one in wrong]

    @cached_property
    def applications(self) -> "Applications":
        """The OAuth applications."""
        from mailctl.config.applications import Applications

        return Applications(self, self._services())

    @property
    def default_gateway(self) -> str:
        """Name of the gateway meant when none is named, "" if none was chosen."""
        try:
            name = files.read(self.root / DEFAULT).text.strip()
        except FileNotFoundError:
            return ""
        return name if is_name(name) else ""

    def set_default_gateway(self, name: str) -> None:
        """Choose it; "" chooses none."""
        with self.locked():
            path = self.root / DEFAULT
            if not name:
                files.remove(path)
                return
            self.gateway(name)
            files.write(path, name + "\n")

    # the whole

    def problems(self) -> list[Problem]:
        """Everything wrong in every file, references that lead nowhere, and what the limits forbid."""
        from mailctl.domain.limits import broken_rules

        settings, found = self._settings(self.root / "config.toml")
        servers, gateways = self.servers(), self.gateways()
        found = [*found, *servers.problems, *gateways.problems]
        found += self.applications.problems(gateways.objects, settings.oauth)
        found += [*self._gateway_note.problems(), *self._server_note.problems()]
        if (default := self.default_gateway) and not self.gateway_exists(default):
            path = str(self.root / DEFAULT)
            found.append(Problem(path, "", f"there is no gateway named {default!r}", "mailctl gateway default NAME"))
        known = set(self._servers.names())
        for gateway, key, message, fix in broken_rules(gateways.objects, known, settings.limits):
            found.append(Problem(str(self.gateway_path(gateway)), key, message, fix, gateway))
        return found
