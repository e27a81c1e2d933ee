"""The fixtures, for conftest files to import. What this machine lacks skips the test, or fails it (`requirement`)."""

import contextlib
import os
import shutil
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest

from tests.cli.support import Cli

from .certificates import Certificates
from .courier import Courier, CourierSettings
from .courier_users import CourierUsers, find_courier
from .cyrus import Cyrus, CyrusSettings, find_cyrus
from .dns_server import DnsServer
from .dovecot import Dovecot
from .dovecot_config import DovecotSettings
from .dovecot_programs import DovecotPrograms, find_dovecot
from .exim import Exim, EximSettings, find_exim
from .home import Home
from .keyring import NEEDED, Keyring
from .keyring import without_keyring as environment_without_keyring
from .mailbox import Mailbox
from .oauth_server import OAuthServer
from .postfix import Postfix, PostfixSettings, find_postfix
from .process import NotStartedError
from .relocation import NotRelocatableError
from .requirement import unavailable
from .web_server import Answer, WebServer
from .workspace import Workspace

MakeDovecot = Callable[[DovecotSettings], Dovecot]
MakeCyrus = Callable[[CyrusSettings], Cyrus]
MakeCourier = Callable[[CourierSettings], Courier]
MakeExim = Callable[[EximSettings], Exim]
MakeDns = Callable[..., DnsServer]


class MakePostfix(Protocol):
    """What `make_postfix` gives."""

    def __call__(self, settings: PostfixSettings, before: Dovecot | None = None) -> Postfix:
        """Start a Postfix in front of `before`, or of the Dovecot of all tests."""


class MakeWeb(Protocol):
    """What `make_web` gives."""

    def __call__(self, answers: Mapping[str, Answer], certificate: str | None = None) -> WebServer:
        """Start a web server."""


@pytest.fixture(scope="session")
def workspace() -> Iterator[Workspace]:
    """The temporary folder of all servers."""
    with Workspace() as made:
        yield made


@pytest.fixture(scope="session")
def certificates(workspace: Workspace) -> Certificates:
    """Good and bad certificates, and the authority to trust: `certificates.ca`."""
    return Certificates(workspace.folder("certificates"))


@pytest.fixture(scope="session")
def dovecot_programs(workspace: Workspace) -> DovecotPrograms:
    """Dovecot's programs."""
    return find_dovecot(workspace) or unavailable("Dovecot", "neither in .cache/servers nor installed")


@pytest.fixture(scope="session")
def dovecot(workspace: Workspace, dovecot_programs: DovecotPrograms, certificates: Certificates) -> Iterator[Dovecot]:
    """A running server for all tests; don't stop it, and use a user of your own (`mailbox`)."""
    with Dovecot(workspace, dovecot_programs, certificates) as server:
        yield server


@pytest.fixture
def make_dovecot(
    workspace: Workspace, dovecot_programs: DovecotPrograms, certificates: Certificates
) -> Iterator[MakeDovecot]:
    """A function: settings in, a running server of the test's own out."""
    with contextlib.ExitStack() as stack:
        yield lambda settings: stack.enter_context(Dovecot(workspace, dovecot_programs, certificates, settings))


@pytest.fixture
def mailbox(dovecot: Dovecot) -> Mailbox:
    """A new, empty mailbox (INBOX, Sent, Junk, Trash) of a new user."""
    return Mailbox(dovecot, dovecot.new_user())


@pytest.fixture(scope="session")
def postfix(workspace: Workspace, certificates: Certificates, dovecot: Dovecot) -> Iterator[Postfix]:
    """A running Postfix for all tests, in front of `dovecot`; don't stop it."""
    programs = find_postfix()
    if isinstance(programs, str):
        unavailable("Postfix", programs)
    with Postfix(workspace, programs, certificates, dovecot) as server:
        yield server


@pytest.fixture
def make_postfix(workspace: Workspace, certificates: Certificates, dovecot: Dovecot) -> Iterator[MakePostfix]:
    """A function: settings in, a running Postfix of the test's own out, in front of `dovecot` or one that is given."""
    programs = find_postfix()
    if isinstance(programs, str):
        unavailable("Postfix", programs)
    with contextlib.ExitStack() as stack:
        yield lambda settings, before=None: stack.enter_context(
            Postfix(workspace, programs, certificates, before or dovecot, settings)
        )


@pytest.fixture(scope="session")
def exim(workspace: Workspace, certificates: Certificates, dovecot: Dovecot) -> Iterator[Exim]:
    """A running Exim for all tests, in front of `dovecot`; don't stop it."""
    root = find_exim()
    if isinstance(root, str):
        unavailable("Exim", root)
    with Exim(workspace, root, certificates, dovecot) as server:
        yield server


@pytest.fixture
def make_exim(workspace: Workspace, certificates: Certificates, dovecot: Dovecot) -> Iterator[MakeExim]:
    """A function: settings in, a running Exim of the test's own out, in front of `dovecot`."""
    root = find_exim()
    if isinstance(root, str):
        unavailable("Exim", root)
    with contextlib.ExitStack() as stack:
        yield lambda settings: stack.enter_context(Exim(workspace, root, certificates, dovecot, settings))


@pytest.fixture(scope="session")
def cyrus(workspace: Workspace, certificates: Certificates) -> Iterator[Cyrus]:
    """A running Cyrus for all tests; don't stop it."""
    root = find_cyrus()
    if isinstance(root, str):
        unavailable("Cyrus", root)
    with Cyrus(workspace, root, certificates) as server:
        server.open_mailboxes(ssl.create_default_context(cafile=certificates.ca))
        yield server


@pytest.fixture
def make_cyrus(workspace: Workspace, certificates: Certificates) -> Iterator[MakeCyrus]:
    """A function: settings in, a running Cyrus of the test's own out."""
    root = find_cyrus()
    if isinstance(root, str):
        unavailable("Cyrus", root)
    with contextlib.ExitStack() as stack:
        yield lambda settings: stack.enter_context(Cyrus(workspace, root, certificates, settings))


@pytest.fixture(scope="session")
def courier_users(workspace: Workspace) -> Iterator[CourierUsers]:
    """The accounts of all Couriers."""
    root = find_courier()
    if isinstance(root, str):
        unavailable("Courier", root)
    with contextlib.ExitStack() as stack:
        try:
            users = stack.enter_context(CourierUsers(workspace, root))
        except (NotRelocatableError, NotStartedError) as error:  # of another release than those that were tried
            unavailable("Courier", str(error))
        yield users


@pytest.fixture(scope="session")
def courier(workspace: Workspace, certificates: Certificates, courier_users: CourierUsers) -> Iterator[Courier]:
    """A running Courier for all tests; don't stop it."""
    with Courier(workspace, courier_users, certificates) as server:
        yield server


@pytest.fixture
def make_courier(
    workspace: Workspace, certificates: Certificates, courier_users: CourierUsers
) -> Iterator[MakeCourier]:
    """A function: settings in, a running Courier of the test's own out."""
    with contextlib.ExitStack() as stack:
        yield lambda settings: stack.enter_context(Courier(workspace, courier_users, certificates, settings))


@pytest.fixture
def oauth_server(certificates: Certificates) -> Iterator[OAuthServer]:
    """An authorization server of the test's own, over HTTPS."""
    with OAuthServer(certificates.good) as server:
        yield server


@pytest.fixture
def home(tmp_path: Path, certificates: Certificates) -> Home:
    """An empty home."""
    return Home(Cli(tmp_path), certificates)


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port where nothing listens, kept free of others."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def make_dns(workspace: Workspace) -> Iterator[MakeDns]:
    """A function: records in (see `DnsServer`), a running DNS server out that knows no others."""
    program = shutil.which("dnsmasq", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")
    if program is None:
        unavailable("dnsmasq", "not installed")
    with contextlib.ExitStack() as stack:
        yield lambda *records: stack.enter_context(DnsServer(workspace, program, records))


@pytest.fixture
def make_web(certificates: Certificates) -> Iterator[MakeWeb]:
    """A function: answers by path, and a certificate's name for HTTPS, in; a running web server out."""
    with contextlib.ExitStack() as stack:

        def make(answers: Mapping[str, Answer], certificate: str | None = None) -> WebServer:
            return stack.enter_context(WebServer(answers, certificates[certificate] if certificate else None))

        yield make


def _need_keyring() -> None:
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        unavailable("gnome-keyring", f"no {' nor '.join(missing)}")


@pytest.fixture
def keyring_session(workspace: Workspace) -> Iterator[Keyring]:
    """A D-Bus session with an unlocked, empty gnome-keyring, the test's own; `env` is for child processes."""
    _need_keyring()
    with Keyring(workspace) as session:
        yield session


@pytest.fixture
def locked_keyring(workspace: Workspace) -> Iterator[Keyring]:
    """A D-Bus session with a gnome-keyring that was never unlocked, and nothing to prompt with."""
    _need_keyring()
    with Keyring(workspace, unlocked=False) as session:
        yield session


@pytest.fixture
def hanging_keyring(workspace: Workspace) -> Iterator[Keyring]:
    """A D-Bus session with a gnome-keyring that was never unlocked, and a prompt that nobody answers: callers hang."""
    _need_keyring()
    with Keyring(workspace, unlocked=False, silent=True) as session:
        yield session


@pytest.fixture
def without_keyring(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine with no D-Bus session and no keyring."""
    home = tmp_path / "home"
    (home / "run").mkdir(parents=True, mode=0o700)
    return environment_without_keyring(home)
