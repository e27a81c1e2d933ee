"""The fixtures, for conftest files to import. What this machine lacks skips the test, or fails it (`requirement`)."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .certificates import Certificates
from .dovecot import Dovecot
from .dovecot_config import DovecotSettings
from .dovecot_programs import DovecotPrograms, find_dovecot
from .keyring import NEEDED, Keyring
from .keyring import without_keyring as environment_without_keyring
from .mailbox import Mailbox
from .requirement import unavailable
from .workspace import Workspace

MakeDovecot = Callable[[DovecotSettings], Dovecot]


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
    """A D-Bus session with a gnome-keyring that was never unlocked, and nobody to answer its prompt."""
    _need_keyring()
    with Keyring(workspace, unlocked=False) as session:
        yield session


@pytest.fixture
def without_keyring(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine with no D-Bus session and no keyring."""
    home = tmp_path / "home"
    (home / "run").mkdir(parents=True, mode=0o700)
    return environment_without_keyring(home)
