"""A systemd of a user, private to a test: `UserManager`. The machine's own is neither needed nor seen."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Self

from .process import Daemon, NotStartedError
from .workspace import Workspace

_PROGRAMS = ("/usr/lib/systemd/systemd", "/lib/systemd/systemd")
# it starts only where systemd has booted the machine, which a folder in a /run of its own pretends; what it mounts for
# the credentials of a unit has to spread among the mounts of that unit, and no further
_BEGIN = (
    "mount --make-rprivate / && mount --make-rshared / && mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system "
    "&& exec {} --user"
)


def find_systemd() -> Path | str:
    """The program; or why there is none to be had."""
    missing = [name for name in ("systemctl", "unshare") if shutil.which(name) is None]
    found = [Path(name) for name in _PROGRAMS if Path(name).exists()]
    return found[0] if found and not missing else f"no {' nor '.join(missing) or 'systemd'}"


class UserManager:
    """`systemd --user` for the home folder `home`; a context manager.

    Attributes:
        env: what `systemctl --user` and mailctl need in their environment.
    """

    def __init__(self, workspace: Workspace, program: Path, home: Path) -> None:
        self._home = home
        runtime = workspace.folder("systemd")
        os.chown(runtime, os.getuid(), os.getgid())
        runtime.chmod(0o700)
        self.env = {"HOME": str(home), "XDG_RUNTIME_DIR": str(runtime), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        unshare = ["unshare", "-m"] if os.getuid() == 0 else ["unshare", "-m", "-U", "-r"]
        argv = [*unshare, "sh", "-c", _BEGIN.format(program)]
        self._daemon = Daemon(argv, output=runtime.parent / "systemd.log", env=self.env)

    def __enter__(self) -> Self:
        """Start it.

        Raises:
            NotStartedError: it did not come up, such as in a container that may not mount.
        """
        self._daemon.start()
        try:
            self._daemon.wait_until(self._answers)
        except NotStartedError:
            self._daemon.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["systemctl", "--user", "exit"], env=self.env, capture_output=True, check=False, timeout=60)
        self._daemon.stop()

    def systemctl(self, *words: str) -> str:
        """Run `systemctl --user WORDS`; what it prints."""
        done = subprocess.run(
            ["systemctl", "--user", *words], env=self.env, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout

    def _answers(self) -> bool:
        done = subprocess.run(
            ["systemctl", "--user", "show", "--property=Version"],
            env=self.env,
            capture_output=True,
            check=False,
            timeout=60,
        )
        return done.returncode == 0
