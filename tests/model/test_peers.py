"""The same histories by mailctl and by mbsync, each with a mailbox of its own: after every sync the servers are alike.

Where they are not, it must be a message that both sides had changed since the last sync, which is where they are known
to differ: mbsync follows a deletion whatever the other side did, mailctl keeps what was changed there (a conflict keeps
data); and of a message that both sides moved, mbsync makes two, as it does not know that it is the same. Keywords,
folders that are renamed or removed, and files that are moved under their names are left out: mbsync 1.4 syncs no
keywords, removes no folders that hold mail, and takes a moved name's UID for another message's.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers.support.certificates import Certificates
from tests.servers.support.cutter import Cutter
from tests.servers.support.dovecot import Dovecot
from tests.servers.support.requirement import unavailable

from .lives import Lives
from .rules import Epoch, by_token
from .steps import PLAIN, Kind, history
from .world import Port, User, World

HISTORIES = max(1, int(os.environ.get("MAILCTL_HISTORIES", "12")) // 50)

_CONFIG = """\
IMAPAccount box
Host localhost
Port {port}
User {user}
Pass {password}
AuthMechs LOGIN
SSLType IMAPS
CertificateFile {authority}

IMAPStore far
Account box

MaildirStore near
Path {mail}/
Inbox {mail}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
Sync All
SyncState {state}/
"""


class MbsyncWorld(World):
    """One that is synced by mbsync, and judged by nobody."""

    def __init__(
        self, folder: Path, user: User, certificates: Certificates, cutter: Cutter, lives: Lives, program: str
    ) -> None:
        super().__init__(folder, user, certificates, cutter, lives, "mirror", plain=True)
        self.home.mail.mkdir(parents=True)
        (folder / "state").mkdir()
        self._config = folder / "mbsyncrc"
        self._config.touch(mode=0o600)
        text = _CONFIG.format(
            port=user.imaps,
            user=user.user,
            password=user.password,
            authority=certificates.ca,
            mail=self.home.mail,
            state=folder / "state",
        )
        self._config.write_text(text)
        self._program = program

    def _whole(self) -> None:
        done = subprocess.run(
            [self._program, "-q", "-c", self._config, "-a"], env=self.home.cli.env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        self._epoch = Epoch()


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_mbsync_ends_alike(
    seed: int, dovecot: Dovecot, certificates: Certificates, lives: Lives, tmp_path: Path
) -> None:
    program = shutil.which("mbsync") or unavailable("mbsync", "not installed")
    with Cutter(dovecot.imaps) as way:
        users = []
        for _ in range(2):
            name = dovecot.new_user()
            users.append(User(Port(way.port), name, dovecot.passwords[name], f"{name}@mail.test", way.port))
        ours = World(tmp_path / "ours", users[0], certificates, way, lives, "mirror", plain=True)
        theirs = MbsyncWorld(tmp_path / "theirs", users[1], certificates, way, lives, program)
        try:
            for step in [*history(seed, PLAIN), *history(seed, {Kind.SYNC: 1}, 1)[-1:]]:
                contested = ours.contested()
                ours.take(step)
                theirs.take(step)
                one, other = by_token(ours.there()), by_token(theirs.there())
                differ = {token for token in {*one, *other} if sorted(one[token]) != sorted(other[token])}
                assert differ <= contested, "\n".join([*ours.told, f"{differ}: {one}, by mbsync {other}"])
                if differ:  # from here on their histories are others
                    break
        finally:
            ours.close()
            theirs.close()
