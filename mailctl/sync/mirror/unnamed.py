"""The files that don't bear a name of the folder that they lie in, read once: their length, what they are known by."""

import itertools
import os
from collections.abc import Collection, Iterable, Iterator, Sequence

from mailctl.sync.local.files import storage_error
from mailctl.sync.local.flags import from_letters
from mailctl.sync.local.maildir import LocalFile, MaildirFolder
from mailctl.sync.local.root import Root
from mailctl.sync.mirror.octets import Digest, Measured, is_digest, measure, open_message, wire
from mailctl.sync.mirror.strays import Likeness, Stray
from mailctl.sync.mirror.work import Found, Work


def find_strays(reader: "Reader", works: Collection[Work]) -> list[Found]:
    """Every file of the folders that is under another folder's name, an older UIDVALIDITY's, or none of mailctl's."""
    return reader.read((work, file) for work in works for file in _strays(work))


def find_again(
    reader: "Reader", works: Collection[Work], before: Collection[Found], but: Collection[Found]
) -> list[Found]:
    """All strays once the server was looked at: those of `before` that still are, and files to be uploaded anew.

    but: files of which it is known what becomes of them.
    """
    settled = {(one.work.name, one.file.filename) for one in but}
    kept: list[Found] = []
    more: list[tuple[Work, LocalFile]] = []
    for work in works:
        anew = [work.files[uid] for uid in work.plan.again if uid in work.files]
        wanted = {file.filename: file for file in [*_strays(work), *anew]}
        mine = [one for one in before if one.work is work and one.file.filename in wanted]
        kept += mine
        known = {one.file.filename for one in mine}
        more += [(work, f) for name, f in wanted.items() if name not in known and (work.name, name) not in settled]
    return [*kept, *reader.read(more)]


def _strays(work: Work) -> list[LocalFile]:
    own = (work.hash, work.validity)
    others = [file for file in work.local.named if (file.name.folder, file.name.uidvalidity) != own or file.name.uidl]
    return others + work.local.others


class Reader:
    """Reads files of folders; each is given a key of its own. make: what is missing of a Maildir's directories."""

    def __init__(self, root: Root, works: Collection[Work], *, make: bool) -> None:
        self._root, self._make = root, make
        self._tables = {work.hash: work.local.keywords for work in works if work.local.keywords.names}
        self._keys = itertools.count(1)

    def read(self, files: Iterable[tuple[Work, LocalFile]]) -> list[Found]:
        """What they are; those that have gone are left out, and those that can't be read: their folders' refusals."""
        wanted = sorted(files, key=lambda each: (each[0].name, each[1].filename))
        found: list[Found] = []
        for _, group in itertools.groupby(wanted, key=lambda each: each[0].name):
            found += self._folder(list(group))
        return found

    def _folder(self, files: Sequence[tuple[Work, LocalFile]]) -> Iterator[Found]:
        work = files[0][0]
        if self._root.descriptor is None:
            return
        with MaildirFolder(self._root.files, self._root.descriptor, work.path, create=self._make) as maildir:
            for _, file in files:
                try:
                    measured, identity = _read(maildir, file)
                except OSError as error:
                    refusal = storage_error(f"read {work.path}/{file.subdirectory}/{file.filename}", error)
                    if not isinstance(error, PermissionError):
                        raise refusal from error
                    work.refusal = refusal
                    continue
                if measured is not None:
                    stray = Stray(next(self._keys), work.name, Likeness(identity, measured.octets, int(measured.date)))
                    table = self._tables.get(file.name.folder, work.local.keywords)
                    yield Found(stray, work, file, measured, from_letters(file.name.letters, table))

    def digest(self, found: Found) -> str:
        """What stands for a file's octets (`octets.Digest`); "" if it is gone."""
        if is_digest(found.stray.likeness.identity) or self._root.descriptor is None:
            return found.stray.likeness.identity
        path, file = found.work.path, found.file
        with MaildirFolder(self._root.files, self._root.descriptor, path, create=self._make) as maildir:
            fd = open_message(maildir.files, maildir.descriptors[file.subdirectory], file.filename)
            if fd is None:
                return ""
            try:
                return Digest(wire(maildir.files, fd, verbatim=found.measured.verbatim)).identity
            finally:
                os.close(fd)


def _read(maildir: MaildirFolder, file: LocalFile) -> tuple[Measured | None, str]:
    """(what it is, what it is known by); (None, "") if it has gone."""
    fd = open_message(maildir.files, maildir.descriptors[file.subdirectory], file.filename)
    if fd is None:
        return None, ""
    try:
        measured = measure(maildir.files, fd, file)
        if measured.message_id:
            return measured, measured.message_id
        return measured, Digest(wire(maildir.files, fd, verbatim=measured.verbatim)).identity
    finally:
        os.close(fd)
