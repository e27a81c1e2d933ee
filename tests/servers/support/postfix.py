"""A Postfix of the tests' own: submission, implicit TLS and MX ports on loopback, in front of a Dovecot: `Postfix`."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from .certificates import Certificates
from .dovecot import Dovecot
from .dovecot_programs import CACHE
from .process import Daemon, start_on_free_ports
from .workspace import Workspace

# accounts of every Debian; Postfix wants one that is neither root nor nobody, and a group that isn't that account's
_OWNER, _GROUP = "daemon", "operator"

_SERVICES = """
pickup    unix      n - n 60    1 pickup
cleanup   unix      n - n -     0 cleanup
qmgr      unix      n - n 300   1 qmgr
tlsmgr    unix      - - n 1000? 1 tlsmgr
rewrite   unix      - - n -     - trivial-rewrite
bounce    unix      - - n -     0 bounce
defer     unix      - - n -     0 bounce
trace     unix      - - n -     0 bounce
verify    unix      - - n -     1 verify
flush     unix      n - n 1000? 0 flush
proxymap  unix      - - n -     - proxymap
proxywrite unix     - - n -     1 proxymap
showq     unix      n - n -     - showq
error     unix      - - n -     - error
retry     unix      - - n -     - error
discard   unix      - - n -     - discard
lmtp      unix      - - n -     - lmtp
anvil     unix      - - n -     1 anvil
scache    unix      - - n -     1 scache
postlog   unix-dgram n - n -    1 postlogd
"""


@dataclass(frozen=True)
class PostfixSettings:
    """What tests vary: the certificate (an attribute of `Certificates`), SIZE in bytes, and parameters of main.cf."""

    certificate: str = "good"
    size_limit: int = 200_000
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PostfixPrograms:
    """Where Postfix's daemons and the shared libraries are (its own first), and what makes a command run as root."""

    daemons: Path
    libraries: tuple[Path, ...]
    as_root: tuple[str, ...]


def find_postfix() -> PostfixPrograms | str:
    """Postfix as `tests/setup/packages` unpacked it, else an installed one; or why there is none to be had."""
    as_root: tuple[str, ...] = ()
    if os.getuid() != 0:
        as_root = ("sudo", "-n")
        if not shutil.which("sudo") or subprocess.run([*as_root, "true"], capture_output=True, check=False).returncode:
            return "neither root nor sudo without a question, and Postfix runs as nobody else"
    for root in (CACHE / "postfix", Path("/")):
        postfix = root / "usr/lib/postfix"
        if (postfix / "sbin/master").exists():
            others = (*root.glob("usr/lib/*-linux-gnu*"), *root.glob("lib/*-linux-gnu*"))
            return PostfixPrograms(postfix / "sbin", (postfix, *others), as_root)
    return "neither in .cache/servers nor installed"


class Postfix:
    """A mail server for the domain mail.test; a context manager, or `start` and `stop`.

    It takes mail for every local part but those that begin with `unknown`, signs in the users of its Dovecot, lets them
    send only as NAME@mail.test, and delivers into that Dovecot. Mail to elsewhere bounces: nothing leaves.

    Attributes:
        host: the address it listens on.
        submission, submissions, mx: its ports, once started: STARTTLS and sign-in demanded; implicit TLS and
            sign-in demanded; neither demanded, but then only mail for mail.test is taken.
    """

    host = "127.0.0.1"
    submission: int
    submissions: int
    mx: int

    def __init__(
        self,
        workspace: Workspace,
        programs: PostfixPrograms,
        certificates: Certificates,
        dovecot: Dovecot,
        settings: PostfixSettings | None = None,
    ) -> None:
        self._programs, self._dovecot = programs, dovecot
        self._settings = settings or PostfixSettings()
        self._certificate = certificates[self._settings.certificate]
        self._folder = workspace.folder("postfix")
        self._daemon: Daemon | None = None

    def start(self) -> Self:
        """Start it on free ports; returns when it listens.

        Raises:
            NotStartedError: it did not come up; the message has its words.
        """
        _, self._daemon = start_on_free_ports(self.host, 3, self._make, self._listens)
        return self

    def stop(self) -> None:
        """End it; mail not yet delivered is lost."""
        if self._daemon is not None:
            self._daemon.stop()
            self._daemon = None
            left = [self._folder / "queue", self._folder / "data"]  # of other accounts
            subprocess.run([*self._programs.as_root, "rm", "-rf", *left], check=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def log(self) -> str:
        """All that Postfix logged."""
        return (self._folder / "output").read_text(errors="replace")

    def _make(self, ports: Sequence[int]) -> Daemon:
        self.submission, self.submissions, self.mx = ports
        config = self._folder / "etc"
        config.mkdir(exist_ok=True)
        for name, text in self._config().items():
            (config / name).write_text(text)
            os.utime(config / name, (0, 0))  # Postfix waits until a file is two seconds old
        start = self._folder / "start"
        start.write_text(self._start())
        libraries = ":".join(map(str, self._programs.libraries))
        variables = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LD_LIBRARY_PATH": libraries}
        prefix = (*self._programs.as_root, "env", *(f"{name}={value}" for name, value in variables.items()))
        return Daemon(["/bin/sh", start], output=self._folder / "output", env=variables, prefix=prefix)

    def _listens(self, daemon: Daemon, port: int) -> bool:
        """By its log: a connection as a probe would stay in there."""
        return "daemon started" in daemon.output()

    def _config(self) -> dict[str, str]:
        address = self.host
        parameters = {
            "compatibility_level": "3.6",
            "queue_directory": f"{self._folder}/queue",
            "data_directory": f"{self._folder}/data",
            "daemon_directory": str(self._programs.daemons),
            "shlib_directory": str(self._programs.libraries[0]),
            "import_environment": "MAIL_CONFIG TZ LANG=C LD_LIBRARY_PATH",
            "mail_owner": _OWNER,
            "setgid_group": _GROUP,
            "maillog_file": "/dev/stdout",
            "inet_interfaces": address,
            "inet_protocols": "ipv4",
            "myhostname": "mail.test",
            "mydestination": "",
            "mynetworks": "",
            "alias_maps": "",
            "local_recipient_maps": "",
            "virtual_mailbox_domains": "mail.test",
            "virtual_mailbox_maps": f"regexp:{self._folder}/etc/mailboxes",
            "virtual_transport": f"lmtp:inet:{self._dovecot.host}:{self._dovecot.lmtp}",
            "default_transport": "error:5.1.2 no mail leaves the tests",
            "relay_transport": "error:5.1.2 no mail leaves the tests",
            "smtpd_tls_cert_file": str(self._certificate.certificate),
            "smtpd_tls_key_file": str(self._certificate.key),
            "smtpd_tls_security_level": "may",
            "smtpd_tls_auth_only": "yes",
            "smtpd_sasl_type": "dovecot",
            "smtpd_sasl_path": f"inet:{self._dovecot.host}:{self._dovecot.sasl}",
            "smtpd_sasl_auth_enable": "yes",
            "smtpd_sasl_security_options": "noanonymous",
            "smtpd_relay_restrictions": "permit_sasl_authenticated, reject_unauth_destination",
            "smtpd_sender_login_maps": f"regexp:{self._folder}/etc/senders",
            "smtpd_client_connection_rate_limit": "0",
            "smtpd_error_sleep_time": "0",
            "message_size_limit": str(self._settings.size_limit),
            "smtputf8_enable": "yes",
        } | dict(self._settings.parameters)
        demanded = (
            " -o smtpd_client_restrictions=permit_sasl_authenticated,reject"
            " -o smtpd_sender_restrictions=reject_sender_login_mismatch"
        )
        listeners = (
            f"{address}:{self.submission} inet n - n - - smtpd -o smtpd_tls_security_level=encrypt{demanded}\n"
            f"{address}:{self.submissions} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes{demanded}\n"
            f"{address}:{self.mx} inet n - n - - smtpd -o smtpd_sasl_auth_enable=no"
        )
        return {
            "main.cf": "".join(f"{name} = {value}\n" for name, value in parameters.items()),
            "master.cf": listeners + _SERVICES,
            "mailboxes": "!/^unknown/ exists\n",
            "senders": "/^([^@]+)@mail\\.test$/ $1\n",
        }

    def _start(self) -> str:
        """A script for root: the queue's folders with their owners (as `postfix start` makes them), then the daemon."""
        private = "active bounce corrupt defer deferred flush hold incoming private saved trace"
        return (
            f"set -e\ncd {self._folder}\ninstall -d queue queue/pid\n"
            f"install -d -o {_OWNER} -m 700 data\ncd queue\ninstall -d -o {_OWNER} -m 700 {private}\n"
            f"install -d -o {_OWNER} -g {_GROUP} -m 730 maildrop\ninstall -d -o {_OWNER} -g {_GROUP} -m 710 public\n"
            f"exec '{self._programs.daemons}/master' -s -c {self._folder}/etc\n"
        )
