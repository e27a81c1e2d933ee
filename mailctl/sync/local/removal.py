"""Takes files and folders away here, each only while it is what it was when that was decided."""

import errno
import os

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
    with MaildirFolder(files, root, path, create=True) as maildir:  # it may lack what a Maildir should have
        if any(os.listdir(maildir.descriptors[name]) for name in ("new", "cur", "tmp")):
            return False
        for name in ("tmp", "new", "cur"):  # `cur` last: until then it is a Maildir
            if not _rmdir(files, maildir.directory, name):
                return False
        for name in _OURS:
            files.unlink(maildir.directory, name)
    above = files.descend(root, path.parts[:-1])
    try:
        _rmdir(files, above, path.parts[-1])  # it stays if folders, or other programs' files, are in it
        files.fsync_directory(above)
    finally:
        os.close(above)
    return True


def _rmdir(files: Files, directory: int, name: str) -> bool:
    """Remove an empty directory; False if something lies in it."""
    try:
        files.call("rmdir", os.rmdir, name, dir_fd=directory)
    except FileNotFoundError:
        return True
    except StorageError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True
