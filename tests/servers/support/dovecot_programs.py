"""Finding Dovecot's programs, unpacked below .cache/servers or installed: `find_dovecot`."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .workspace import Workspace

CACHE = Path(__file__).parents[3] / ".cache" / "servers"


@dataclass(frozen=True)
class DovecotPrograms:
    """Where Dovecot's programs are, what they need in their environment, and the version, such as (2, 3, 19)."""

    dovecot: Path
    doveadm: Path
    libexec: Path
    version: tuple[int, ...]
    env: Mapping[str, str]


def find_dovecot(workspace: Workspace) -> DovecotPrograms | None:
    """Dovecot as `tests/setup/packages` unpacked it, else an installed one with IMAP, POP3 and LMTP, else None."""
    cached = CACHE / "dovecot"
    if (cached / "usr/sbin/dovecot").exists():
        return _programs(*_relocated(cached, workspace.root))
    libexec = Path("/usr/lib/dovecot") if Path("/usr/lib/dovecot/imap").exists() else Path("/usr/libexec/dovecot")
    dovecot, doveadm = Path("/usr/sbin/dovecot"), Path("/usr/bin/doveadm")
    if all(path.exists() for path in (dovecot, doveadm, libexec / "imap", libexec / "pop3", libexec / "lmtp")):
        return _programs(dovecot, doveadm, libexec, "")
    return None


def _relocated(source: Path, target: Path) -> tuple[Path, Path, Path, str]:
    """Copy the programs below `target`, to find their parts there; returns (dovecot, doveadm, libexec, libraries).

    Two paths are compiled in that no setting changes, where the TLS module is and where doveconf is. A path of
    the same length put in their place spares a mount namespace, and so root: `target` must be 14 characters long.
    """
    replacements = {b"/usr/lib/dovecot": bytes(target / "l"), b"/usr/bin/doveconf": bytes(target / "dc")}
    assert all(len(old) == len(new) for old, new in replacements.items()), target
    shutil.copytree(source / "usr/lib/dovecot", target / "l", symlinks=True)
    for name, program in (("dc", "bin/doveconf"), ("doveadm", "bin/doveadm"), ("dovecot", "sbin/dovecot")):
        shutil.copy2(source / "usr" / program, target / name)
    libraries = target / "lib"
    libraries.mkdir()
    for folder in (*(source / "usr/lib").glob("*-linux-gnu*"), *(source / "lib").glob("*-linux-gnu*")):
        shutil.copytree(folder, libraries, symlinks=True, dirs_exist_ok=True)
    for path in [*(target / "l").rglob("*"), target / "dc", target / "doveadm", target / "dovecot"]:
        if path.is_file() and not path.is_symlink():
            before = after = path.read_bytes()
            for old, new in replacements.items():
                after = after.replace(old, new)
            if after != before:
                path.write_bytes(after)
    return target / "dovecot", target / "doveadm", target / "l", str(libraries)


def _programs(dovecot: Path, doveadm: Path, libexec: Path, libraries: str) -> DovecotPrograms:
    env = {"PATH": os.defpath, "TZ": "UTC"} | ({"LD_LIBRARY_PATH": libraries} if libraries else {})
    answer = subprocess.run([dovecot, "--version"], env=env, capture_output=True, text=True, check=True).stdout
    found = re.match(r"[\d.]+", answer)
    assert found, answer
    return DovecotPrograms(dovecot, doveadm, libexec, tuple(map(int, found.group().strip(".").split("."))), env)
