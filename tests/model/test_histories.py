"""Random histories on Dovecot and on Cyrus: after every whole sync both sides are what the rules say, nothing doubled.

MAILCTL_HISTORIES says how many in all; MAILCTL_HISTORY takes one seed, or a range such as 7-30, and MAILCTL_SHRINK=1
finds the steps that a history needs to fail.
"""

import itertools
import os
from collections.abc import Iterator, Sequence

import pytest

from tests.servers.support.certificates import Certificates
from tests.servers.support.cutter import Cutter
from tests.servers.support.cyrus import Cyrus
from tests.servers.support.dovecot import Dovecot

from .lives import Lives
from .steps import ARCHIVE, MIRROR, Step, history
from .world import Port, User, World, shrunk

HISTORIES = int(os.environ.get("MAILCTL_HISTORIES", "12"))
FIRST, _, LAST = os.environ.get("MAILCTL_HISTORY", "").partition("-")
SEEDS = range(int(FIRST), int(LAST or FIRST) + 1) if FIRST else range(HISTORIES // 4)
_numbers = itertools.count(1)


class Stage:
    """A server, and the ways to it: one that is cut, and one that never is."""

    def __init__(self, name: str, server: Dovecot | Cyrus, cutter: Cutter, straight: Cutter) -> None:
        self.name, self._server, self.cutter, self._straight = name, server, cutter, straight

    def new_user(self) -> User:
        """With an empty mailbox."""
        name = f"model{next(_numbers)}"
        self._server.add_user(name, f"{name}-pw")
        return User(Port(self.cutter.port), name, f"{name}-pw", f"{name}@mail.test", self._straight.port)


@pytest.fixture(scope="module", params=["dovecot", "cyrus"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Both servers in turn."""
    server = request.getfixturevalue(request.param)
    with Cutter(server.imaps) as cutter, Cutter(server.imaps) as straight:
        yield Stage(request.param, server, cutter, straight)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("mode", ["archive", "mirror"])
def test_history(
    mode: str,
    seed: int,
    stage: Stage,
    certificates: Certificates,
    lives: Lives,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    def fails(steps: Sequence[Step]) -> str:
        world = World(tmp_path_factory.mktemp("w"), stage.new_user(), certificates, stage.cutter, lives, mode)
        try:
            world.live(steps)
        except AssertionError as error:
            return "\n".join([*world.told, "", str(error)])
        finally:
            world.close()
        return ""

    steps = history(seed, MIRROR if mode == "mirror" else ARCHIVE)
    if wrong := fails(steps):
        if os.environ.get("MAILCTL_SHRINK"):
            steps = shrunk(steps, lambda fewer: bool(fails(fewer)))
            wrong = fails(steps) or "it did not fail again"
        pytest.fail(f"{mode} on {stage.name}, MAILCTL_HISTORY={seed}:\n{wrong}", pytrace=False)
