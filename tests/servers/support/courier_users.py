"""Courier's account daemon, and its users: `find_courier`, `CourierUsers`."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Self

from .dovecot_programs import CACHE
from .process import Daemon, NotStartedError, service_user
from .relocation import copied, libraries
from .workspace import Workspace


def find_courier() -> Path | str:
    """The folder below which `tests/setup/packages` unpacked Courier; or why there is none to be had."""
    root = CACHE / "courier"
    if len(name := service_user().name) > len("courier"):  # see `_relocate`
        return f"the account name {name} is too long"
    return root if (root / "usr/bin/imapd").exists() else "not in .cache/servers"


class CourierUsers:
    """Courier's account daemon with alice (`alice-pw`) and bob (`bob-pw`); a context manager. One in a workspace.

    Attributes:
        root: the folder that has Courier's programs.
        logins: the folder of imaplogin and courierpop3login.
        env: what they need in their environment.
    """

    def __init__(self, workspace: Workspace, root: Path) -> None:
        self.root, self._user = root, workspace.user
        self._top, self._folder = workspace.root, workspace.folder("courier-users")
        self.logins = self._top / "authlibs"
        self._relocate()
        found = f"{self.logins}:{libraries(root)}"
        self.env = {"PATH": "/usr/bin:/bin", "TZ": "UTC", "LD_LIBRARY_PATH": found}
        self._users: dict[str, tuple[str, str]] = {}  # account, password's hash
        self._daemon: Daemon | None = None
        for user in ("alice", "bob"):
            self.add_user(user, f"{user}-pw")

    def add_user(self, name: str, password: str, *, options: str = "", quota: str = "") -> None:
        """Add a user with an empty mailbox (INBOX, INBOX.Sent, INBOX.Trash), at any time.

        Args:
            options: such as `disableimap=1,disablepop3=1`.
            quota: such as `1000S`, octets.
        """
        home = self._folder / name
        home.mkdir()
        made = [["Maildir"], ["-f", "Sent", "Maildir"], ["-f", "Trash", "Maildir"]]
        made += [["-q", quota, "Maildir"]] if quota else []
        for arguments in made:
            self._run("usr/bin/maildirmake.courier", *arguments, cwd=home)
        if os.getuid() == 0:
            for path in (home, *home.rglob("*")):
                os.chown(path, self._user.uid, self._user.gid)
        account = f"uid={self._user.uid}|gid={self._user.gid}|home={home}|mail={home}/Maildir"
        account += f"|options={options}" if options else ""
        hashed = self._run("usr/sbin/userdbpw", "-md5", given=f"{password}\n{password}\n").strip()
        self._users[name] = account, f"systempw={hashed}"
        for suffix, index in (("", 0), ("shadow", 1)):
            table = f"{self._top}/udbs{suffix}"
            lines = "".join(f"{user}\t{fields[index]}\n" for user, fields in self._users.items())
            program = "usr/lib/courier/courier-authlib/makedatprog"
            self._run(program, "-", f"{table}.tmp", f"{table}.dat", given=f"{lines}.\n")
            Path(f"{table}.dat").chmod(0o644)  # the daemon reads it under another account

    def remove_home(self, name: str) -> None:
        """Take a user's mail away; the account stays."""
        shutil.rmtree(self._folder / name)

    def start(self) -> Self:
        """Start it; returns when it answers.

        Raises:
            NotStartedError: it did not come up; the message has its words.
        """
        program, output = self.logins / "authdaemond", self._folder / "output"
        self._daemon = Daemon([program], output=output, env=self.env, user=self._user, patience=0.1)
        self._daemon.start()
        try:
            self._daemon.wait_until((self._top / "authdaem/socket").exists)
        except NotStartedError:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End it."""
        if self._daemon is not None:
            self._daemon.stop()
            self._daemon = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _relocate(self) -> None:
        """Copy what has paths compiled in, and change them to ones of the same length, which are the workspace's."""
        top = self._top
        state, plugins = top / "authdaem", self.logins
        state.mkdir()
        plugins.mkdir()
        if os.getuid() == 0:
            os.chown(state, self._user.uid, self._user.gid)
        socket = bytes(state / "socket")
        paths = {
            b"/run/courier/authdaemon/socket": socket,
            b"/run/courier/aut": socket[:16],  # compilers load the text in overlapping pieces of 16 bytes
            b"uthdaemon/socket": socket[14:],
            b"thdaemon/socket": socket[15:],
            b"/etc/courier/authdaemonrc": bytes(top / "authdaemrc"),
            b"/etc/courier/userdb": bytes(top / "udbs"),
            b"/usr/lib/courier-authlib": bytes(plugins) + b"/",
        }
        lib = self.root / "usr/lib"
        copied(lib / "courier/courier-authlib/authdaemond", plugins / "authdaemond", paths)
        copied(lib / "libcourierauth.so.0", plugins / "libcourierauth.so.0", paths)
        copied(lib / "courier-authlib/libauthuserdb.so.0", plugins / "libauthuserdb.so.0", paths)
        account = {b"\0courier\0": b"\0" + self._user.name.encode().ljust(8, b"\0")}  # theirs that speak TLS
        for login in ("imaplogin", "courierpop3login"):
            copied(lib / "courier/courier" / login, plugins / login, account)
        (plugins / "libauthuserdb.so").symlink_to("libauthuserdb.so.0")
        (top / "authdaemrc").write_text('authmodulelist="authuserdb"\ndaemons=2\nDEFAULTOPTIONS=""\n')

    def _run(self, program: str, *arguments: str, given: str = "", cwd: Path | None = None) -> str:
        done = subprocess.run(
            [self.root / program, *arguments],
            input=given,
            env=self.env,
            cwd=cwd,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout
