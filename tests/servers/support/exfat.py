"""A small exFAT disk in a file, mounted: it tells no upper case from lower, and takes no colon in a name."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .relocation import libraries
from .requirement import unavailable

_ROOT = Path(__file__).resolve().parents[3] / ".cache/servers/exfat"


@contextmanager
def exfat_disk(image: Path, place: Path) -> Iterator[None]:
    """Make a disk in the new file `image`, and mount it at the new folder `place`.

    Skips the test where this system lets us mount nothing: that takes root, loop devices and FUSE.
    """
    make, mount = _ROOT / "usr/sbin/mkfs.exfat", _ROOT / "sbin/mount.exfat-fuse"
    if not (make.exists() and mount.exists()):
        unavailable("exFAT", "no exfatprogs and exfat-fuse in .cache/servers")
    losetup = shutil.which("losetup", path=f"{os.environ['PATH']}:/sbin:/usr/sbin")
    if (
        os.geteuid() != 0
        or losetup is None
        or not all(Path(f"/dev/{name}").exists() for name in ("fuse", "loop-control"))
    ):
        pytest.skip("mounting a disk needs root, loop devices and FUSE")
    env = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LD_LIBRARY_PATH": libraries(_ROOT)}

    def run(*words: str | Path) -> str:
        return subprocess.run(words, env=env, check=True, capture_output=True, text=True).stdout.strip()

    with image.open("xb") as file:
        file.truncate(32 << 20)
    run(make, image)
    place.mkdir(parents=True)
    try:
        device = run(losetup, "--find", "--show", image)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no loop device: {error.stderr.strip()}")
    try:
        run(mount, device, place)
        try:
            yield
        finally:
            run("umount", place)
    finally:
        run(losetup, "--detach", device)
