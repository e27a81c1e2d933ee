"""Running programs from where they were unpacked: `copied` with compiled-in texts changed, `libraries`."""

import shutil
from collections.abc import Mapping
from pathlib import Path


class NotRelocatableError(Exception):
    """A program of this release has not the texts in it that were to be replaced."""


def copied(source: Path, target: Path, replacements: Mapping[bytes, bytes]) -> Path:
    """Copy one program or library and replace texts of the same length in it, in order; returns `target`.

    Some paths and account names are compiled in and no setting changes them. Changing a copy spares what else would put
    other files there, a mount namespace, and so root.

    Raises:
        NotRelocatableError: there is none of them in it.
    """
    for old, new in replacements.items():
        assert len(old) == len(new), (old, new)
    shutil.copyfile(source, target)
    target.chmod(0o755)  # and no set-user-ID, with which LD_LIBRARY_PATH would not count
    before = after = target.read_bytes()
    for old, new in replacements.items():
        after = after.replace(old, new)
    if after == before:
        raise NotRelocatableError(f"{source.name} has none of {[old.decode() for old in replacements]} in it")
    target.write_bytes(after)
    return target


def libraries(root: Path) -> str:
    """The folders of shared libraries below an unpacked package, as LD_LIBRARY_PATH wants them."""
    folders = (*root.glob("usr/lib/*-linux-gnu*"), *root.glob("lib/*-linux-gnu*"), root / "usr/lib")
    return ":".join(map(str, folders))
