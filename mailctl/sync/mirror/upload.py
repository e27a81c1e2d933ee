"""Files on their way to the server, some at a time: what can't go is told, what has two kinds of line ends gets one."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import field, replace

from mailctl.domain.changes import Upload
from mailctl.domain.record import dataclass
from mailctl.domain.when import show_size
from mailctl.errors import RefusedError, StorageError
from mailctl.sync.local.maildir import MaildirFolder
from mailctl.sync.local.names import part_name
from mailctl.sync.mirror.connection import Connection
from mailctl.sync.mirror.octets import Measured, measure, open_message, regular, wire
from mailctl.sync.mirror.work import Found, Work

MOST_MESSAGES = 50
MOST_OCTETS = 8 << 20


@dataclass
class Batch:
    """Files that are sent together. refused: numbers of those that the server did not take. stopped: it takes none."""

    work: Work
    found: list[Found] = field(default_factory=list)
    octets: int = 0
    refused: set[int] = field(default_factory=set)
    stopped: RefusedError | None = None

    def open(self, maildir: MaildirFolder, stack: ExitStack) -> list[Upload]:
        """Open the files; `stack` closes them. What has gone meanwhile, or changed, is taken out."""
        uploads, kept = [], []
        for found in self.found:
            fd = open_message(maildir.files, maildir.descriptors[found.file.subdirectory], found.file.filename)
            if fd is None:
                continue
            stack.callback(os.close, fd)
            if os.fstat(fd).st_mtime != found.measured.date:
                self.work.tally.skip("changing", f"{found.file.filename} stays here for now: it is being written")
                continue
            kept.append(found)
            uploads.append(_upload(maildir, fd, found, self.work))
        self.found = kept
        return uploads

    def changed(self, maildir: MaildirFolder) -> set[str]:
        """The names, up to the flags, of the files that aren't any more what they were when they were measured."""
        now = [(found, remeasured(maildir, found)) for found in self.found]
        return {found.base for found, measured in now if measured != found.measured}


def _upload(maildir: MaildirFolder, fd: int, found: Found, work: Work) -> Upload:
    measured = found.measured
    date = measured.date if measured.date >= 0 else None
    flags = work.rules.storable(found.flags)
    return Upload(measured.octets, lambda: wire(maildir.files, fd, verbatim=measured.verbatim), flags, date)


def batches(connection: Connection, work: Work, maildir: MaildirFolder, strays: Sequence[Found]) -> Iterator[Batch]:
    """`strays` in pieces of one command each, without those that can't be sent."""
    most = connection.most_octets
    batch = Batch(work)
    for one in strays:
        found = regularised(maildir, one, work) if one.measured.mixed else one
        name, octets = found.file.filename, found.measured.octets
        if most is not None and octets > most:
            reason = f"{name} stays here only: {show_size(octets)}, more than the server takes ({show_size(most)})"
            work.tally.skip("too_large", reason)
        elif found.measured.nul:
            work.tally.skip("has_nul", f"{name} stays here only: it has NUL octets, which IMAP does not carry")
        elif found.base in work.tally.changing:
            work.tally.skip("changing", f"{name} stays here for now: it is being written")
        elif not octets:
            work.tally.skip("empty", f"{name} stays here only: it is empty")
        else:
            if batch.found and (len(batch.found) >= MOST_MESSAGES or batch.octets + octets > MOST_OCTETS):
                yield batch
                batch = Batch(work)
            batch.found.append(found)
            batch.octets += octets
    if batch.found:
        yield batch


def regularised(maildir: MaildirFolder, found: Found, work: Work) -> Found:
    """The same message with LF line ends throughout, in the place of the file, durably.

    A server takes CRLF only. So that both sides hold the same, and a run that dies can be repeated, the file is made
    what it will be before anything is sent.
    """
    files, file = maildir.files, found.file
    directory, tmp = maildir.descriptors[file.subdirectory], maildir.descriptors["tmp"]
    old = open_message(files, directory, file.filename)
    if old is None:
        return found
    part = part_name(work.hash, found.stray.key)
    try:
        files.unlink(tmp, part)
        fd = files.create(tmp, part)
        try:
            for block in regular(files.read_blocks(old)):
                files.write(fd, block)
            files.set_time(fd, found.measured.date)
            files.fsync(fd)
            measured = measure(files, fd, file)
        finally:
            os.close(fd)
        if open_now(maildir, found):
            files.rename(tmp, part, directory, file.filename)
            files.fsync_directory(directory)
            return replace(found, measured=measured)
        files.unlink(tmp, part)
    except StorageError:
        files.unlink(tmp, part)
        raise
    finally:
        os.close(old)
    return found


def remeasured(maildir: MaildirFolder, found: Found) -> Measured | None:
    """What a file is now; None if it is gone."""
    fd = open_message(maildir.files, maildir.descriptors[found.file.subdirectory], found.file.filename)
    if fd is None:
        return None
    try:
        return measure(maildir.files, fd, found.file)
    finally:
        os.close(fd)


def open_now(maildir: MaildirFolder, found: Found) -> bool:
    """Whether the file is still called so."""
    fd = open_message(maildir.files, maildir.descriptors[found.file.subdirectory], found.file.filename)
    if fd is not None:
        os.close(fd)
    return fd is not None
