"""A Cyrus of the tests' own, IMAP and POP3 on loopback: `Cyrus`."""

import imaplib
import os
import ssl
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from .certificates import Certificates
from .dovecot_programs import CACHE
from .process import Daemon, listening, start_on_free_ports
from .relocation import libraries
from .workspace import Workspace

_SERVICES = {"imap": "imapd", "imaps": "imapd -s", "pop3": "pop3d", "pop3s": "pop3d -s"}


@dataclass(frozen=True)
class CyrusSettings:
    """What tests vary.

    Args:
        certificate: an attribute of `Certificates`; None: no TLS at all.
        plaintext_auth: whether a password may travel without TLS.
        quota: kibioctets that each new user may use; None: no limit.
        parameters: further settings of imapd.conf.
    """

    certificate: str | None = "good"
    plaintext_auth: bool = False
    quota: int | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


def find_cyrus() -> Path | str:
    """The folder below which `tests/setup/packages` unpacked Cyrus; or why there is none to be had."""
    root = CACHE / "cyrus"
    return root if (root / "usr/lib/cyrus/bin/imapd").exists() else "not in .cache/servers"


class Cyrus:
    """A server and its users alice (`alice-pw`) and bob (`bob-pw`); a context manager, or `start` and `stop`.

    A mailbox (INBOX, Sent, Trash) comes with the first sign-in by IMAP, and not by POP3.

    Attributes:
        host: the address it listens on.
        imap, imaps, pop3, pop3s: its ports, once started.
    """

    host = "127.0.0.1"
    imap: int
    imaps: int
    pop3: int
    pop3s: int

    def __init__(
        self, workspace: Workspace, root: Path, certificates: Certificates, settings: CyrusSettings | None = None
    ) -> None:
        self._root, self._user = root, workspace.user
        self._settings = settings or CyrusSettings()
        self._certificate = certificates[self._settings.certificate] if self._settings.certificate else None
        self._folder = workspace.folder("cyrus")
        self._daemon: Daemon | None = None
        self._passwords: dict[str, str] = {}
        plugins = ":".join(str(path) for path in root.glob("usr/lib/*-linux-gnu*/sasl2"))
        self._env = {"PATH": "/usr/bin:/bin", "TZ": "UTC", "LD_LIBRARY_PATH": libraries(root), "SASL_PATH": plugins}
        for user in ("alice", "bob"):
            self.add_user(user, f"{user}-pw")

    def add_user(self, name: str, password: str) -> None:
        """Add a user, at any time."""
        self._passwords[name] = password
        database = self._folder / "sasldb2"
        subprocess.run(
            [self._root / "usr/sbin/saslpasswd2", "-p", "-c", "-f", database, "-u", "localhost", name],
            input=password.encode(),
            env=self._env,
            check=True,
            capture_output=True,
        )
        if os.getuid() == 0:
            os.chown(database, self._user.uid, self._user.gid)

    def deny(self, name: str) -> None:
        """Let a user in no more, at any time once it was started; the password stays right."""
        program, config = self._root / "usr/lib/cyrus/bin/cyr_deny", self._folder / "imapd.conf"
        account = {"user": self._user.uid, "group": self._user.gid, "extra_groups": []} if os.getuid() == 0 else {}
        subprocess.run([program, "-C", config, name], env=self._env, check=True, capture_output=True, **account)  # type: ignore[call-overload]  # keywords by case

    def open_mailboxes(self, trust: ssl.SSLContext) -> None:
        """Let all users sign in once, which makes their mailboxes; two at once that do so stand in each other's way."""
        for name, password in self._passwords.items():
            with imaplib.IMAP4_SSL(self.host, self.imaps, ssl_context=trust) as client:
                client.login(name, password)

    def start(self) -> Self:
        """Start it on free ports; returns when it listens.

        Raises:
            NotStartedError: it did not come up; the message has its words.
        """
        _, self._daemon = start_on_free_ports(self.host, len(_SERVICES), self._make, lambda _, port: listening(port))
        return self

    def stop(self) -> None:
        """End it; the mail stays."""
        if self._daemon is not None:
            self._daemon.stop()
            self._daemon = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _make(self, ports: Sequence[int]) -> Daemon:
        for name, port in zip(_SERVICES, ports, strict=True):
            setattr(self, name, port)
        programs, folder = self._root / "usr/lib/cyrus/bin", self._folder
        for each in ("db", "log", "proc", "socket", "lock", "ptclient", "msg", "quota", "sieve", "user"):
            self._own(folder / "conf" / each)
        self._own(folder / "spool")
        imapd, services = folder / "imapd.conf", folder / "cyrus.conf"
        imapd.write_text("".join(f"{name}: {value}\n" for name, value in self._parameters().items()))
        listeners = [
            f'  {name} cmd="{programs}/{command} -C {imapd}" listen="{self.host}:{port}" prefork=0 maxchild=20\n'
            for (name, command), port in zip(_SERVICES.items(), ports, strict=True)
        ]
        recovery = f'  recover cmd="{programs}/ctl_cyrusdb -C {imapd} -r"\n'
        services.write_text(f"START {{\n{recovery}}}\nSERVICES {{\n{''.join(listeners)}}}\nEVENTS {{\n}}\n")
        argv: list[str | Path] = [programs / "master", "-C", imapd, "-M", services, "-p", folder / "master.pid", "-D"]
        return Daemon(argv, output=folder / "output", env=self._env, user=self._user, patience=0.1)

    def _own(self, path: Path) -> None:
        """Make a folder and its parents, the servers' account's."""
        path.mkdir(parents=True, exist_ok=True)
        if os.getuid() == 0:
            for each in (path, path.parent):
                os.chown(each, self._user.uid, self._user.gid)

    def _parameters(self) -> dict[str, str]:
        folder = self._folder
        parameters = {
            "configdirectory": f"{folder}/conf",
            "defaultpartition": "default",
            "partition-default": f"{folder}/spool",
            "sievedir": f"{folder}/conf/sieve",
            "cyrus_user": self._user.name,
            "admins": "cyrus",
            "servername": "localhost",
            "defaultdomain": "localhost",
            "virtdomains": "off",
            "unixhierarchysep": "yes",
            "altnamespace": "yes",
            "autocreate_quota": str(self._settings.quota or 0),
            "autocreate_inbox_folders": "Sent | Trash",
            "autocreate_subscribe_folders": "Sent | Trash",
            "xlist-Sent": "Sent",
            "xlist-Trash": "Trash",
            "allowplaintext": "yes" if self._settings.plaintext_auth else "no",
            "sasl_mech_list": "PLAIN LOGIN",
            "sasl_pwcheck_method": "auxprop",
            "sasl_auxprop_plugin": "sasldb",
            "sasl_sasldb_path": f"{folder}/sasldb2",
            "failedloginpause": "0",  # by default, a failed sign-in is answered after three seconds
            "imapidlepoll": "1",
            "sync_log": "no",
            "duplicatesuppression": "no",
        }
        if self._certificate:
            parameters["tls_server_cert"] = str(self._certificate.certificate)
            parameters["tls_server_key"] = str(self._certificate.key)
            parameters["tls_ciphers"] = "ALL:@SECLEVEL=0"  # so that old versions and weak keys can be had
        return parameters | dict(self._settings.parameters)
