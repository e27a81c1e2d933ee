"""An Exim of the tests' own: submission, implicit TLS and MX ports on loopback, in front of a Dovecot: `Exim`."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from .certificates import Certificates
from .dovecot import Dovecot
from .dovecot_programs import CACHE
from .process import Daemon, start_on_free_ports
from .relocation import copied, libraries
from .workspace import Workspace

_CHECKED = "${if eq{%s}{${lookup{${local_part:%s}}lsearch{%s}{$value}{}}}}"


@dataclass(frozen=True)
class EximSettings:
    """What tests vary.

    Args:
        certificate: an attribute of `Certificates`; None: no TLS at all.
        priority: GnuTLS's priority string, such as `NORMAL:-VERS-ALL:+VERS-TLS1.0`.
        size_limit: SIZE in bytes.
        rcpt: statements of an access control list put before all others for RCPT, such as
            `("defer message = Greylisted",)`.
        parameters: settings of the main section.
    """

    certificate: str | None = "good"
    priority: str = "NORMAL"
    size_limit: int = 200_000
    rcpt: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)


def find_exim() -> Path | str:
    """The folder below which `tests/setup/packages` unpacked Exim; or why there is none to be had."""
    root = CACHE / "exim"
    return root if (root / "usr/sbin/exim4").exists() else "not in .cache/servers"


class Exim:
    """A mail server for the domain mail.test; a context manager, or `start` and `stop`. It runs without any rights.

    It takes mail for every local part but those that begin with `unknown`, signs in the users that its Dovecot had when
    it was made (with or without @mail.test) and nobody whose name begins with `later` ("at present"), lets them send
    only as NAME@mail.test, and delivers into that Dovecot.

    Attributes:
        host: the address it listens on.
        submission, submissions, mx: its ports, once started: STARTTLS demanded before sign-in and sign-in demanded;
            implicit TLS and sign-in demanded; neither demanded, but then only mail for mail.test is taken.
    """

    host = "127.0.0.1"
    submission: int
    submissions: int
    mx: int

    def __init__(
        self,
        workspace: Workspace,
        root: Path,
        certificates: Certificates,
        dovecot: Dovecot,
        settings: EximSettings | None = None,
    ) -> None:
        self._root, self._dovecot, self._user = root, dovecot, workspace.user
        self._settings = settings or EximSettings()
        self._certificate = certificates[self._settings.certificate] if self._settings.certificate else None
        self._folder = workspace.folder("exim")
        # whoever runs a daemon must be the account that is compiled in, of Debian's package; a number does as well
        account = {b"Debian-exim\0": str(self._user.uid).encode().ljust(12, b"\0")}
        self._program = copied(root / "usr/sbin/exim4", self._folder / "exim4", account)
        users = "".join(f"{name}: {password}\n" for name, password in dovecot.passwords.items() if password.isascii())
        (self._folder / "users").write_text(users)
        self._daemon: Daemon | None = None

    def start(self) -> Self:
        """Start it on free ports; returns when it listens.

        Raises:
            NotStartedError: it did not come up; the message has its words.
        """
        _, self._daemon = start_on_free_ports(self.host, 3, self._make, lambda *_: "listening for SMTP" in self.log())
        return self

    def stop(self) -> None:
        """End it; its log and mail not yet delivered are lost."""
        if self._daemon is not None:
            self._daemon.stop()
            self._daemon = None
            for left in ("spool", "log"):
                shutil.rmtree(self._folder / left, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def log(self) -> str:
        """All that Exim logged."""
        return "".join(path.read_text(errors="replace") for path in sorted((self._folder / "log").glob("*")))

    def _make(self, ports: Sequence[int]) -> Daemon:
        self.submission, self.submissions, self.mx = ports
        config = self._folder / "exim.conf"
        config.write_text(self._config())
        env = {"PATH": "/usr/bin:/bin", "TZ": "UTC", "LD_LIBRARY_PATH": libraries(self._root)}
        argv: list[str | Path] = [self._program, "-C", config, "-bdf", "-q1m"]
        return Daemon(argv, output=self._folder / "output", env=env, user=self._user, patience=0.1)

    def _config(self) -> str:
        folder = self._folder
        parameters = {
            "primary_hostname": "mail.test",
            "spool_directory": f"{folder}/spool",
            "log_file_path": f"{folder}/log/%slog",
            "pid_file_path": "",
            "keep_environment": "LD_LIBRARY_PATH",
            "deliver_drop_privilege": "true",
            "daemon_startup_retries": "0",
            "local_interfaces": self.host,
            "daemon_smtp_ports": f"{self.submission} : {self.submissions} : {self.mx}",
            "tls_on_connect_ports": str(self.submissions),
            "tls_advertise_hosts": "*" if self._certificate else "",
            "tls_require_ciphers": self._settings.priority,
            "auth_advertise_hosts": "${if and{{!eq{$tls_in_cipher}{}}{!eq{$received_port}{MX}}}{*}}",
            "message_size_limit": str(self._settings.size_limit),
            "smtputf8_advertise_hosts": "*",
            "dsn_advertise_hosts": "*",
            "acl_smtp_rcpt": "rcpt",
        }
        if self._certificate:
            parameters["tls_certificate"] = str(self._certificate.certificate)
            parameters["tls_privatekey"] = str(self._certificate.key)
        parameters |= self._settings.parameters
        lines = [
            f"MX = {self.mx}",
            "domainlist ours = mail.test",
            *(f"{name} = {value}" for name, value in parameters.items()),
            "begin acl",
            "rcpt:",
            *(f"  {statement}" for statement in self._settings.rcpt),
            "  deny !authenticated = *\n       condition = ${if !eq{$received_port}{MX}}",
            "       message = authentication required",
            "  deny authenticated = *",
            "       !condition = ${if eqi{$sender_address}{${local_part:$authenticated_id}@mail.test}}",
            "       message = Sender address $sender_address is not owned by $authenticated_id",
            "  deny domains = !+ours\n       !authenticated = *\n       message = relay not permitted",
            "  deny domains = !+ours\n       message = no mail leaves the tests",
            "  deny local_parts = ^unknown\n       message = Unrouteable address",
            "  accept",
            "begin routers",
            "all:\n  driver = accept\n  transport = dovecot",
            "begin transports",
            f"dovecot:\n  driver = smtp\n  protocol = lmtp\n  hosts = {self._dovecot.host}\n"
            f"  port = {self._dovecot.lmtp}\n  allow_localhost\n  hosts_try_fastopen =",
            "begin authenticators",
            self._authenticator("PLAIN", ":", "$auth2", "$auth3"),
            self._authenticator("LOGIN", "<| Username: | Password:", "$auth1", "$auth2"),
        ]
        return "\n".join([*lines, ""])

    def _authenticator(self, name: str, prompts: str, user: str, password: str) -> str:
        checked = _CHECKED % (password, user, self._folder / "users")
        return (
            f"{name}:\n  driver = plaintext\n  public_name = {name}\n  server_prompts = {prompts}\n"
            f"  server_condition = ${{if match{{{user}}}{{^later}}{{defer}}{{{checked}}}}}\n  server_set_id = {user}"
        )
