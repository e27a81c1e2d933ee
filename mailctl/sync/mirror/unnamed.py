"""The files that don't bear a name of the folder that they lie in, read once: their length, what they are known by."""

import os
from collections.abc import Collection, Iterator

from mailctl.sync.local.flags import from_letters
from mailctl.sync.local.maildir import LocalFile, MaildirFolder
from mailctl.sync.local.root import Root
from mailctl.sync.mirror.octets import Digest, Measured, measure, open_message, wire
from mailctl.sync.mirror.strays import Likeness, Stray
from mailctl.sync.mirror.work import Found, Work


def find_strays(root: Root, works: Collection[Work]) -> list[Found]:
    """Every file of the folders that is under another folder's name, an older UIDVALIDITY's, or none of mailctl's."""
    return list(_found(root, works, {work.name: _strays(work) for work in works}, 0))


def find_again(root: Root, works: Collection[Work], before: Collection[Found]) -> list[Found]:
    """All strays once the server was looked at: those of `before` that still are, and files to be uploaded anew."""
    kept, more = [], {}
    for work in works:
        anew = [work.files[uid] for uid in work.plan.again if uid in work.files]
        wanted = {file.filename: file for file in [*_strays(work), *anew]}
        mine = [one for one in before if one.work is work and one.file.filename in wanted]
        kept += mine
        for one in mine:
            del wanted[one.file.filename]
        more[work.name] = list(wanted.values())
    first = max((one.stray.key for one in before), default=0) + 1
    return [*kept, *_found(root, works, more, first)]


def _strays(work: Work) -> list[LocalFile]:
    own = (work.hash, work.validity)
    others = [file for file in work.local.named if (file.name.folder, file.name.uidvalidity) != own or file.name.uidl]
    return others + work.local.others


def _found(root: Root, works: Collection[Work], files: dict[str, list[LocalFile]], first: int) -> Iterator[Found]:
    tables = {work.hash: work.local.keywords for work in works}
    key = first
    for work in works:
        wanted = sorted(files[work.name], key=lambda file: file.filename)
        if not wanted or root.descriptor is None:
            continue
        with MaildirFolder(root.files, root.descriptor, work.path, create=False) as maildir:
            for file in wanted:
                measured, identity = _read(maildir, file)
                if measured is None:
                    continue
                flags = from_letters(file.name.letters, tables.get(file.name.folder, work.local.keywords))
                stray = Stray(key, work.name, Likeness(identity, measured.octets))
                key += 1
                yield Found(stray, work, file, measured, flags)


def _read(maildir: MaildirFolder, file: LocalFile) -> tuple[Measured | None, str]:
    """(what it is, what it is known by); (None, "") if it has gone."""
    fd = open_message(maildir.descriptors[file.subdirectory], file.filename)
    if fd is None:
        return None, ""
    try:
        measured = measure(maildir.files, fd, file)
        if measured.message_id:
            return measured, measured.message_id
        return measured, Digest(wire(maildir.files, fd, verbatim=measured.verbatim)).identity
    finally:
        os.close(fd)
