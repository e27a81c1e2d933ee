"""A Dovecot of the tests' own, IMAP, POP3, LMTP and SASL on loopback: `Dovecot`."""

import datetime as dt
import itertools
import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from .certificates import Certificates
from .dovecot_config import AUTOMATIC, LISTENERS, OPENSSL, DovecotSettings, Place, render
from .dovecot_programs import DovecotPrograms
from .imap_pipe import ImapPipe, quote
from .mail import Held, Mail
from .process import Daemon, start_on_free_ports
from .tokens import KEY_TEXT
from .workspace import Workspace

ACCENTED_PASSWORD = "pässwörd €"


class Dovecot:
    """A server and what it holds; a context manager, or `start` and `stop`.

    There are users alice (`alice-pw`), bob (`bob-pw`) and accented (`ACCENTED_PASSWORD`), and those of `add_user`.

    Attributes:
        host: the address it listens on.
        imap, imaps, pop3, pop3s, lmtp, sasl: its ports, once started.
        passwords: each user's password.
    """

    imap: int
    imaps: int
    pop3: int
    pop3s: int
    lmtp: int
    sasl: int

    def __init__(
        self,
        workspace: Workspace,
        programs: DovecotPrograms,
        certificates: Certificates,
        settings: DovecotSettings | None = None,
    ) -> None:
        self.settings = settings or DovecotSettings()
        self.host = self.settings.host
        self.passwords: dict[str, str] = {}
        self._user = workspace.user
        self._programs = programs
        self._certificate = certificates[self.settings.certificate] if self.settings.certificate else None
        self._folder = workspace.folder("dovecot")
        self._numbers = itertools.count(1)
        self._daemon: Daemon | None = None
        (self._folder / "users").mkdir()
        for name, password in (("alice", "alice-pw"), ("bob", "bob-pw"), ("accented", ACCENTED_PASSWORD)):
            self.add_user(name, password)

    # -- the server

    def start(self) -> Self:
        """Start it on free ports, or after `stop` again on the same mail; returns when it listens.

        Raises:
            NotStartedError: it did not come up; the message has its words.
        """
        _, self._daemon = start_on_free_ports(self.host, len(LISTENERS), self._make, self._listens)
        return self

    def stop(self) -> None:
        """End it; the mail and the log stay."""
        if self._daemon is not None:
            self._daemon.stop()
            self._daemon = None

    def start_again(self) -> None:
        """After `stop`: start it on the same ports.

        Raises:
            NotStartedError: it did not come up; the message has its words.
        """
        self._daemon = self._make([getattr(self, name) for name in LISTENERS])
        (self._folder / "run/master.pid").unlink(missing_ok=True)
        self._daemon.start()
        self._daemon.wait_until(lambda: self._listens(self._daemon, 0) if self._daemon else False)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def log(self) -> str:
        """All that Dovecot logged."""
        path = self._folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def doveadm(self, *args: str) -> str:
        """Run `doveadm ARGS` and return its output.

        Raises:
            subprocess.CalledProcessError: it failed; `stderr` has its words.
        """
        return self._doveadm(*args).decode(errors="replace")

    def socket(self, name: str) -> Path:
        """The path of the Unix socket of a service that `DovecotSettings.extra` added."""
        return self._folder / "run" / name

    # -- users

    def add_user(self, name: str, password: str, extra: str = "") -> None:
        """Add a user, at any time. A password has no colon and no line end. extra: more fields, such as `nologin`."""
        # a file for each, since Dovecot looks for changes to a known file only once a second
        (self._folder / "users" / name).write_text(f"{name}:{{PLAIN}}{password}::::::{extra}\n", encoding="utf-8")
        self.passwords[name] = password

    def new_user(self) -> str:
        """Add a user with a name of its own and an empty mailbox; its password is in `passwords`."""
        name = f"user{next(self._numbers)}"
        self.add_user(name, f"{name}-pw")
        return name

    def home(self, name: str) -> Path:
        """Where a user's mail and indexes lie, once there are some; made, if need be, as the servers' account's."""
        path = self._folder / "mail" / name
        for each in (path.parent, path):
            if not each.exists():
                each.mkdir(mode=0o755)
                if os.getuid() == 0:
                    os.chown(each, self._user.uid, self._user.gid)
        return path

    def lock_out(self, name: str) -> None:
        """Make the home of a user who has none yet a folder that Dovecot can't enter."""
        (self._folder / "mail").mkdir(exist_ok=True)
        (self._folder / "mail" / name).mkdir(mode=0)

    # -- mail

    def deliver(
        self,
        user: str,
        folder: str,
        message: bytes,
        flags: Iterable[str] = (),
        received: dt.datetime | None = None,
    ) -> int:
        """Put one message (CRLF line ends) into an existing folder; flags and keywords as in IMAP; returns its UID."""
        return self.deliver_many(user, folder, [Mail(message, tuple(flags), received)])[0]

    def deliver_many(self, user: str, folder: str, mails: Iterable[Mail | bytes]) -> list[int]:
        """Put messages into an existing folder and return their UIDs; some thousands a second."""
        with self.session(user) as session:
            return session.append(folder, (Mail(mail) if isinstance(mail, bytes) else mail for mail in mails))

    def messages(self, user: str, folder: str) -> list[Held]:
        """What the folder holds, by UID, as `doveadm fetch` says."""
        guid = self._status(user, "guid", folder)[folder]
        return self._fetch(user, "mailbox-guid", guid).get(guid, [])

    def contents(self, user: str) -> dict[str, list[Held]]:
        """What every folder that exists holds, as `messages` would say of each: all of it in one `doveadm fetch`."""
        held = self._fetch(user, "ALL")
        return {folder: held.get(guid, []) for folder, guid in self._status(user, "guid").items()}

    def expunge(self, user: str, folder: str, uid: int) -> None:
        """Remove one message."""
        self.doveadm("expunge", "-u", user, *self._in(user, folder), "uid", str(uid))

    def set_flags(self, user: str, folder: str, uid: int, flags: Iterable[str]) -> None:
        """Replace the flags and keywords of one message."""
        self.doveadm("flags", "replace", "-u", user, " ".join(flags), *self._in(user, folder), "uid", str(uid))

    # -- folders

    def folders(self, user: str) -> list[str]:
        """The names of all folders that can be selected, separator `/`, in Unicode."""
        listed = set(self.doveadm("mailbox", "list", "-u", user).splitlines())
        return sorted(listed & {*self._status(user, "messages"), *AUTOMATIC})

    def create_folder(self, user: str, name: str) -> None:
        """Create a folder.

        Raises:
            ImapRefusedError: Dovecot doesn't permit the name.
        """
        with self.session(user) as session:
            session.command("CREATE", quote(name))

    def create_folders(self, user: str, names: Iterable[str]) -> None:
        """Create many folders over one connection."""
        with self.session(user) as session:
            for name in names:
                session.command("CREATE", quote(name))

    def delete_folder(self, user: str, name: str) -> None:
        """Delete a folder and what it holds."""
        with self.session(user) as session:
            session.command("DELETE", quote(name))

    def uidvalidity(self, user: str, folder: str) -> int:
        """The folder's UIDVALIDITY."""
        return int(self._status(user, "uidvalidity", folder)[folder])

    def set_uidvalidity(self, user: str, folder: str, value: int) -> None:
        """Change the folder's UIDVALIDITY; the messages keep their UIDs."""
        self.doveadm("mailbox", "update", "--uid-validity", str(value), "-u", user, "--", folder)

    def session(self, user: str) -> ImapPipe:
        """A context manager: an IMAP session of that user, signed in, for whatever has no method here."""
        account = self._user if os.getuid() == 0 else None
        argv: list[str | Path] = [self._programs.libexec / "imap", "-c", self._folder / "run/config", "-u", user]
        return ImapPipe(argv, self._programs.env, account)

    # -- within

    def _make(self, ports: Sequence[int]) -> Daemon:
        for name, port in zip(LISTENERS, ports, strict=True):
            setattr(self, name, port)
        env = dict(self._programs.env)
        if self.settings.tls_maximum:  # Dovecot has no such setting, but OpenSSL has
            openssl = self._folder / "openssl.conf"
            openssl.write_text(OPENSSL.format(self.settings.tls_maximum))
            env["OPENSSL_CONF"] = str(openssl)
        place = Place(
            self._folder,
            dict(zip(LISTENERS, ports, strict=True)),
            self._user,
            self._programs.libexec,
            {name: value for name, value in env.items() if name != "PATH"},
            self._programs.version,
        )
        if self.settings.oauth:
            self.settings.oauth.write(self._folder, KEY_TEXT)
        config = self._folder / "dovecot.conf"
        config.write_text(render(self.settings, place, self._certificate), encoding="utf-8")
        argv: list[str | Path] = [self._programs.dovecot, "-F", "-c", config]
        output = self._folder / "output"
        # mail is safe against SIGKILL, and Dovecot takes a second to end by SIGTERM
        return Daemon(argv, output=output, env=env, user=self._user, patience=0.1)

    def _listens(self, daemon: Daemon, port: int) -> bool:
        """Dovecot opens all its sockets, then writes master.pid; a connection as a probe would stay in its log."""
        return (self._folder / "run/master.pid").exists()

    def _status(self, user: str, field: str, folder: str = "INBOX") -> dict[str, str]:
        """One field of the status of each folder, by name; of an automatic one only if it exists, as `folder` will."""
        rows = self.doveadm("-f", "tab", "mailbox", "status", "-u", user, field, "*").splitlines()[1:]
        status = dict(row.split("\t") for row in rows)
        if folder not in status:
            with self.session(user) as session:
                session.command("SELECT", quote(folder))
            return self._status(user, field)
        return status

    def _fetch(self, user: str, *search: str) -> dict[str, list[Held]]:
        """The messages found, by the GUID of their folder."""
        fields = "mailbox-guid uid flags date.received size.physical text"
        return _parse_fetch(self._doveadm("-f", "pager", "fetch", "-u", user, fields, *search))

    def _in(self, user: str, folder: str) -> tuple[str, str]:
        """Search arguments for one folder; by its GUID, since a name such as `*` or `-x` would mean something else."""
        return "mailbox-guid", self._status(user, "guid", folder)[folder]

    def _doveadm(self, *args: str) -> bytes:
        account = {"user": self._user.uid, "group": self._user.gid, "extra_groups": []} if os.getuid() == 0 else {}
        argv: list[str | Path] = [self._programs.doveadm, "-c", self._folder / "run/config", *args]
        done = subprocess.run(  # type: ignore[call-overload]  # keywords by case
            argv, env=self._programs.env, cwd="/", capture_output=True, check=True, timeout=120, **account
        )
        output: bytes = done.stdout
        return output


def _parse_fetch(output: bytes) -> dict[str, list[Held]]:
    """The messages in the output of `doveadm -f pager fetch`, by folder and UID; sizes tell where a text ends."""
    held: dict[str, list[Held]] = {}
    position = 0
    pattern = re.compile(
        rb"mailbox-guid: (\w+)\nuid: (\d+)\nflags: (.*)\ndate\.received: (.*)\nsize\.physical: (\d+)\ntext:\n"
    )
    while position < len(output):
        found = pattern.match(output, position)
        assert found, output[position : position + 200]
        end = found.end() + int(found[5])
        flags = frozenset(found[3].decode().split()) - {"\\Recent"}
        received = dt.datetime.fromisoformat(found[4].decode()).replace(tzinfo=dt.UTC)
        data = output[found.end() : end].replace(b"\r\n", b"\n")
        held.setdefault(found[1].decode(), []).append(Held(int(found[2]), flags, received, data))
        assert output[end : end + 2] in (b"\f\n", b""), output[end : end + 20]
        position = end + 2
    return {guid: sorted(messages, key=lambda each: each.uid) for guid, messages in held.items()}
