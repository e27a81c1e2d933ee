"""The programs that are measured: how each is set up for a mailbox, and its command. `TOOLS`."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.servers.support.process import service_user


@dataclass(frozen=True)
class Access:
    """A mailbox as a client sees it. authority: the PEM file to trust; None: a connection without TLS."""

    port: int
    user: str
    password: str
    authority: Path | None


@dataclass(frozen=True)
class Command:
    """What to run, again and again, for one home."""

    argv: Sequence[str]
    env: Mapping[str, str]


@dataclass(frozen=True)
class Tool:
    """A program and a way of using it.

    Args:
        program: what must be on the PATH; package: where it is, when it isn't.
        prepare: makes its configuration in an empty folder, below which all its files will lie.
        rounds: how often it runs at most, the first time apart; None: as often as the others.
        steady: whether it takes part in the steps that need no disk.
        durable: whether what it has written survives a power loss.
        most: messages that it is run with unless asked for by name; the slow ones would take hours.
    """

    name: str
    program: str
    package: str
    prepare: Callable[[Path, Access], Command]
    durable: bool = False
    steady: bool = True
    rounds: int | None = None
    most: int | None = None

    def path(self) -> str | None:
        """The program; None: not here."""
        return shutil.which(self.program)


def mailctl_program() -> list[str]:
    """The installed program beside this Python, or what MAILCTL_BENCH names (such as another version's)."""
    return os.environ.get("MAILCTL_BENCH", str(Path(sys.executable).with_name("mailctl"))).split()


def _mailctl(home: Path, access: Access, *, mode: str) -> Command:
    """Set up by its own commands, in a home of its own; the password in the environment costs no time."""
    env = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "BENCH_PASSWORD": access.password}
    if "PYTHONPATH" in os.environ:
        env["PYTHONPATH"] = os.environ["PYTHONPATH"]
    program = mailctl_program()
    secured = ["--imap-security", "none"]
    if access.authority:
        secured = ["--imap-security", "tls", "--ca-file", str(access.authority)]
    server = ["server", "add", "bench", "--imap", f"localhost:{access.port}", *secured]
    gateway = ["gateway", "add", "box", "--server", "bench", "--email", f"{access.user}@mail.test"]
    gateway += ["--login", access.user, "--password-env", "BENCH_PASSWORD", "--maildir", str(home / "mail")]
    gateway += ["--mode", mode, *([] if access.authority else ["--allow-plaintext"])]
    for arguments in (server, gateway):
        subprocess.run([*program, *arguments, "--no-input"], env=env, cwd=home, check=True, capture_output=True)
    return Command([*program, "sync", "box", "--quiet"], env)


_MBSYNC = """\
FSync {fsync}

IMAPAccount bench
Host localhost
Port {port}
User {user}
Pass {password}
AuthMechs LOGIN
{security}
{extra}

IMAPStore far
Account bench

MaildirStore near
Path {home}/mail/
Inbox {home}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Near
Expunge Near
Sync Pull
SyncState {home}/state/
"""


def _mbsync(home: Path, access: Access, *, compress: bool, fsync: bool) -> Command:
    for name in ("mail", "state"):
        (home / name).mkdir()
    security = f"SSLType IMAPS\nCertificateFile {access.authority}" if access.authority else "SSLType None"
    text = _MBSYNC.format(
        port=access.port,
        user=access.user,
        password=access.password,
        security=security,
        extra="" if compress else "DisableExtension COMPRESS=DEFLATE",
        home=home,
        fsync="yes" if fsync else "no",
    )
    return _configured(home, text, ["mbsync", "-q", "-c", "{file}", "-a"])


_OFFLINEIMAP = """\
[general]
accounts = bench
metadata = {home}/state
fsync = false
[Account bench]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {home}/mail
[Repository far]
type = IMAP
readonly = true
remotehost = localhost
remoteport = {port}
remoteuser = {user}
remotepass = {password}
maxconnections = 2
{security}
"""


def _offlineimap(home: Path, access: Access) -> Command:
    security = f"ssl = yes\nsslcacertfile = {access.authority}" if access.authority else "ssl = no\nstarttls = no"
    text = _OFFLINEIMAP.format(
        home=home, port=access.port, user=access.user, password=access.password, security=security
    )
    return _configured(home, text, ["offlineimap", "-o", "-u", "quiet", "-c", "{file}"])


_GETMAIL = """\
[retriever]
type = SimpleIMAP{kind}Retriever
server = localhost
port = {port}
username = {user}
password = {password}
mailboxes = ALL
{security}
[destination]
type = Maildir
path = {home}/mail/
{account}
[options]
read_all = false
delete = false
received = false
delivered_to = false
verbose = 0
"""


def _getmail(home: Path, access: Access) -> Command:
    """As root it refuses to deliver but as another."""
    account = service_user()
    for name in (".", "cur", "new", "tmp"):
        (home / "mail" / name).mkdir(parents=True, exist_ok=True)
        os.chown(home / "mail" / name, account.uid, account.gid)
    text = _GETMAIL.format(
        account=f"user = {account.name}" if os.getuid() == 0 else "",
        kind="SSL" if access.authority else "",
        security=f"ca_certs = {access.authority}" if access.authority else "",
        home=home,
        port=access.port,
        user=access.user,
        password=access.password,
    )
    return _configured(home, text, ["getmail", "--getmaildir", str(home), "--rcfile", "{file}"])


def _configured(home: Path, text: str, argv: Sequence[str]) -> Command:
    """Its configuration in a private file, whose name takes the place of {file}."""
    file = home / "config"
    file.touch(mode=0o600)
    file.write_text(text)
    env = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    return Command([part.format(file=file) for part in argv], env)


REFERENCE = "mbsync-nc"  # its default, server-side zlib, is six times slower on a fast line: no yardstick
DURABLE_REFERENCE = "mbsync-nc-fsync"
TOOLS = {
    tool.name: tool
    for tool in (
        Tool("mailctl", mailctl_program()[0], "mailctl", partial(_mailctl, mode="archive"), durable=True),
        Tool("mailctl-mirror", mailctl_program()[0], "mailctl", partial(_mailctl, mode="mirror"), durable=True),
        Tool(REFERENCE, "mbsync", "isync", partial(_mbsync, compress=False, fsync=False)),
        Tool("mbsync", "mbsync", "isync", partial(_mbsync, compress=True, fsync=False)),
        Tool(
            DURABLE_REFERENCE,
            "mbsync",
            "isync",
            partial(_mbsync, compress=False, fsync=True),
            durable=True,
            steady=False,
        ),
        Tool("offlineimap", "offlineimap", "offlineimap3", _offlineimap, rounds=1, most=1000),
        Tool("getmail", "getmail", "getmail6", _getmail, rounds=1, most=1000),
    )
}
