"""A Courier of the tests' own, IMAP and POP3 on loopback: `Courier`, in front of `CourierUsers`."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from .certificates import Certificates
from .courier_users import CourierUsers
from .process import Daemon, listening, start_on_free_ports
from .workspace import Workspace

_CAPABILITIES = "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA IDLE"


@dataclass(frozen=True)
class CourierSettings:
    """What tests vary.

    Args:
        certificate: an attribute of `Certificates`; None: no TLS at all.
        plaintext_auth: whether a password may travel without TLS.
        priority: GnuTLS's priority string, such as `NORMAL:-VERS-ALL:+VERS-TLS1.0`.
        connections: how many one address may have at once, on each port.
        variables: further settings, in the environment of all its programs.
    """

    certificate: str | None = "good"
    plaintext_auth: bool = False
    priority: str = "NORMAL"
    connections: int = 40
    variables: Mapping[str, str] = field(default_factory=dict)


class Courier:
    """A server for the users of its `CourierUsers`; a context manager, or `start` and `stop`.

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
        self,
        workspace: Workspace,
        users: CourierUsers,
        certificates: Certificates,
        settings: CourierSettings | None = None,
    ) -> None:
        self._users, self._user = users, workspace.user
        self._settings = settings or CourierSettings()
        self._folder = workspace.folder("courier")
        self._pem = self._folder / "certificate.pem"
        if self._settings.certificate:
            certificate = certificates[self._settings.certificate]
            self._pem.write_bytes(certificate.key.read_bytes() + certificate.certificate.read_bytes())
        self._daemon: Daemon | None = None

    def start(self) -> Self:
        """Start it on free ports; returns when it listens.

        Raises:
            NotStartedError: it did not come up; the message has its words.
        """
        _, self._daemon = start_on_free_ports(self.host, 4, self._make, lambda _, port: listening(port))
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
        self.imap, self.imaps, self.pop3, self.pop3s = ports
        listeners = [
            self._listener(self.imap, False, "imaplogin", "usr/bin/imapd"),
            self._listener(self.imaps, True, "imaplogin", "usr/bin/imapd"),
            self._listener(self.pop3, False, "courierpop3login", "usr/lib/courier/courier/courierpop3d"),
            self._listener(self.pop3s, True, "courierpop3login", "usr/lib/courier/courier/courierpop3d"),
        ]
        script = self._folder / "start"
        script.write_text("".join(f"{listener} &\n" for listener in listeners) + "wait\n")
        return Daemon(
            ["/bin/sh", script], output=self._folder / "output", env=self._env(), user=self._user, patience=0.1
        )

    def _listener(self, port: int, implicit: bool, login: str, session: str) -> str:
        """The shell command that serves one port: who accepts, who speaks TLS, who signs in, who has the mail."""
        root = self._users.root
        tls = [root / "usr/bin/couriertls", "-server", "-tcpd"] if implicit else []
        limits = ["-maxprocs=40", f"-maxperip={self._settings.connections}", "-nodnslookup", "-noidentlookup"]
        argv = [root / "usr/sbin/couriertcpd", f"-address={self.host}", *limits, str(port)]
        command = shlex.join(map(str, [*argv, *tls, self._users.logins / login, root / session, "Maildir"]))
        secured = "IMAP_TLS=1 POP3_TLS=1 IMAP_TLS_REQUIRED=0 POP3_TLS_REQUIRED=0"
        return f"{secured} {command}" if implicit else command

    def _env(self) -> dict[str, str]:
        secured = "0" if self._settings.plaintext_auth else "1"
        env = {
            "IMAP_CAPABILITY": _CAPABILITIES,
            "IMAP_CAPABILITY_TLS": f"{_CAPABILITIES} AUTH=PLAIN",
            "IMAP_TLS_REQUIRED": secured,
            "IMAP_KEYWORDS": "1",
            "IMAP_MAILBOX_SANITY_CHECK": "1",
            "POP3_TLS_REQUIRED": secured,
            "POP3AUTH_TLS": "PLAIN LOGIN",
            "MAILDIRPATH": "Maildir",
        }
        for watcher in self._users.root.glob(
            "usr/lib*/**/gam_server"
        ):  # of folders; without, each session waits for it
            env |= {"GAMIN_DEBUG_SERVER": str(watcher), "GAM_CLIENT_ID": self._folder.parent.name}
        if self._settings.certificate:
            env |= {
                "COURIERTLS": str(self._users.root / "usr/bin/couriertls"),
                "IMAP_STARTTLS": "YES",
                "POP3_STARTTLS": "YES",
                "TLS_CERTFILE": str(self._pem),
                "TLS_PRIORITY": self._settings.priority,
                "TLS_VERIFYPEER": "NONE",
            }
        return dict(self._users.env) | env | dict(self._settings.variables)
