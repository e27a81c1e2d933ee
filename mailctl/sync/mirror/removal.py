"""Takes files and folders away here, each only while it is what it was when that was decided."""

import os
from contextlib import suppress

from mailctl.errors import StorageError
from mailctl.sync.local.files import Files
from mailctl.sync.local.maildir import KEYWORDS_FILE, LocalFile, MaildirFolder
from mailctl.sync.local.paths import NAME_FILE, FolderPath

_OURS = (KEYWORDS_FILE, NAME_FILE)


def remove_file(maildir: MaildirFolder, file: LocalFile) -> bool:
    """Remove a message; False if it is called otherwise by now: somebody changed its flags, or moved it."""
    try:
        maildir.files.call("unlink", os.unlink, file.filename, dir_fd=maildir.descriptors[file.subdirectory])
    except FileNotFoundError:
        return maildir.find(file.name.stem) is None
    return True


def remove_folder(files: Files, root: int, path: FolderPath) -> bool:
    """Remove an empty Maildir, and its directory unless others are in it; False if something came to lie in it."""
    try:
        maildir = MaildirFolder(files, root, path, create=False)
    except FileNotFoundError:
        return True
    with maildir:
        if any(os.listdir(maildir.descriptors[name]) for name in ("new", "cur", "tmp")):
            return False
        try:
            for name in ("tmp", "new", "cur"):  # `cur` last: until then it is a Maildir
                files.call("rmdir", os.rmdir, name, dir_fd=maildir.directory)
        except (StorageError, FileNotFoundError):  # something came to lie in it, or somebody else removes it too
            return False
        for name in _OURS:
            files.unlink(maildir.directory, name)
    return _remove_directory(files, root, path)


def _remove_directory(files: Files, root: int, path: FolderPath) -> bool:
    opened = [os.dup(root)]
    try:
        for part in path.parts[:-1]:
            opened.append(files.open_directory(opened[-1], part))
        with suppress(StorageError, FileNotFoundError):  # folders, or other programs' files, are in it
            files.call("rmdir", os.rmdir, path.parts[-1], dir_fd=opened[-1])
        files.fsync_directory(opened[-1])
    finally:
        for fd in opened:
            os.close(fd)
    return True
