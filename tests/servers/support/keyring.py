"""A D-Bus session with a real gnome-keyring, open or locked, and a machine without: `Keyring`, `without_keyring`."""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import secretstorage
from jeepney import DBusErrorResponse  # type: ignore[import-untyped]  # ships no types
from jeepney.io.blocking import DBusConnection, open_dbus_connection  # type: ignore[import-untyped]  # ships no types

from .process import Daemon
from .workspace import Workspace

_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""
_PROMPTER = Path(__file__).with_name("silent_prompter.py")
NEEDED = ("dbus-daemon", "gnome-keyring-daemon")


def without_keyring(home: Path) -> dict[str, str]:
    """The environment of a process on a machine with no D-Bus session and no keyring; `home` is its home."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_STATE_HOME": str(home / ".local/state"),
        "XDG_CACHE_HOME": str(home / ".cache"),
    }


class Keyring:
    """A private session with gnome-keyring in a home of its own; a context manager, or `start` and `stop`.

    Args:
        unlocked: whether the login keyring exists and is open at the start. If not, none exists yet, and making
            or opening one asks the user.
        silent: whether a prompt appears, which nobody answers, so that callers wait for ever. If not, there is nothing
            to prompt with, as under cron or ssh: the session starts no services by itself.
        bus_only: whether there is a session and no keyring in it, be it GNOME's or KDE's.

    Attributes:
        env: the whole environment for processes of that session; copy it and add to it.
    """

    def __init__(
        self, workspace: Workspace, *, unlocked: bool = True, silent: bool = False, bus_only: bool = False
    ) -> None:
        self._home = workspace.folder("keyring")
        if os.getuid() == 0:
            os.chown(self._home, 0, 0)  # the session is of whoever runs the tests, the bus admits nobody else
        self._unlocked, self._silent, self._bus_only = unlocked, silent, bus_only
        self._daemons: list[Daemon] = []
        self._address = f"unix:path={self._home}/bus"
        self.env = {**without_keyring(self._home), "DBUS_SESSION_BUS_ADDRESS": self._address}
        for name in ("XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
            Path(self.env[name]).mkdir(mode=0o700, parents=True)

    def start(self) -> Self:
        """Start the bus and the keyring; returns when the keyring answers.

        Raises:
            NotStartedError: one did not come up; the message has its words.
        """
        config, master = self._home / "bus.conf", self._home / "master-password"
        config.write_text(_CONFIG.format(socket=self._home / "bus"))
        master.write_text("master-pw")
        try:
            bus = self._run("dbus-daemon", "--nofork", "--nopidfile", f"--config-file={config}")
            bus.wait_until(self._home.joinpath("bus").exists)
            if self._bus_only:
                return self
            if self._silent:
                prompter = self._run(sys.executable, str(_PROMPTER), self._address)
                prompter.wait_until(lambda: "ready" in prompter.output())
            unlock = ("--unlock",) if self._unlocked else ()
            daemon = self._run("gnome-keyring-daemon", "--foreground", "--components=secrets", *unlock, stdin=master)
            daemon.wait_until(self._answers)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End both; what was kept is lost."""
        while self._daemons:
            self._daemons.pop().stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def lock(self) -> None:
        """Lock the login keyring; opening it again asks the user."""
        with self._connection() as connection:
            secretstorage.get_default_collection(connection).lock()

    def passwords(self) -> dict[tuple[str, str], str]:
        """What an unlocked keyring holds, by (service, username)."""
        with self._connection() as connection:
            items = list(secretstorage.get_default_collection(connection).get_all_items())
            found = [(item.get_attributes(), item.get_secret().decode()) for item in items]
        return {(attributes["service"], attributes["username"]): secret for attributes, secret in found}

    def _run(self, program: str, *args: str, stdin: Path | None = None) -> Daemon:
        path = shutil.which(program, path=self.env["PATH"])
        assert path, program
        output = self._home / f"{Path(path).name}.log"
        daemon = Daemon([path, *args], output=output, env=self.env, stdin=stdin, patience=0.5)
        daemon.start()
        self._daemons.append(daemon)
        return daemon

    @contextlib.contextmanager
    def _connection(self) -> Iterator[DBusConnection]:
        with open_dbus_connection(self._address) as connection:
            yield connection

    def _answers(self) -> bool:
        try:
            with self._connection() as connection:
                if not secretstorage.check_service_availability(connection):
                    return False
                return not self._unlocked or not secretstorage.get_default_collection(connection).is_locked()
        except (OSError, DBusErrorResponse, secretstorage.SecretStorageException):
            return False
