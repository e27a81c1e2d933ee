"""The way through a Maildir root, from directory to directory: no symbolic link is followed, no hidden one entered."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from mailctl.sync.local.files import Files, storage_error
from mailctl.sync.local.maildir import SUBDIRECTORIES, LocalFile, scan_directory


@contextmanager
def opened(files: Files, root: int, path: tuple[str, ...]) -> Iterator[int | None]:
    """The directory at `path` below the root, None if there is none; StorageError if something else is there."""
    directory: int | None = None
    try:
        directory = files.descend(root, path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise storage_error(f"look into {'/'.join(path)}", error) from error
    try:
        yield directory
    finally:
        if directory is not None:
            os.close(directory)


def walk(files: Files, root: int) -> Iterator[tuple[tuple[str, ...], list[LocalFile]]]:
    """(path, its messages) of every Maildir below the root; symbolic links and hidden names are left out."""
    pending: list[tuple[str, ...]] = [()]
    while pending:
        path = pending.pop()
        with opened(files, root, path) as descriptor:
            if descriptor is None:
                continue
            with os.scandir(descriptor) as entries:
                names = sorted(e.name for e in entries if e.is_dir(follow_symlinks=False) and e.name[0] != ".")
            if "cur" in names:
                yield path, _messages(files, descriptor, names, "/".join(path))
            pending += [(*path, name) for name in names if name not in SUBDIRECTORIES]


def _messages(files: Files, descriptor: int, names: list[str], shown: str) -> list[LocalFile]:
    found: list[LocalFile] = []
    for subdirectory in ("new", "cur"):
        if subdirectory in names:
            try:
                inner = files.open_directory(descriptor, subdirectory)
            except OSError as error:
                raise storage_error(f"look into {shown}/{subdirectory}", error) from error
            try:
                found += scan_directory(inner, subdirectory, shown)
            finally:
                os.close(inner)
    return found
