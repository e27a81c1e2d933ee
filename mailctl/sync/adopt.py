"""Gives files that carry another UIDVALIDITY the names that their messages have now."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack

from mailctl.domain.mailbox import ImapMailbox, MessageMeta
from mailctl.domain.record import dataclass
from mailctl.sync.local.maildir import LocalFile, MaildirFolder
from mailctl.sync.local.names import MessageName
from mailctl.sync.local.paths import FolderPath
from mailctl.sync.local.root import Root
from mailctl.sync.rematch import Likeness, message_id, rematch


@dataclass(frozen=True, slots=True)
class Stranger:
    """A file of the folder under another UIDVALIDITY, and the Maildir folder where it lies now."""

    maildir: MaildirFolder
    file: LocalFile


@dataclass(frozen=True, slots=True)
class Adopted:
    """old: the file as it was called. new: as it is called now (in a dry run: as it would be)."""

    maildir: MaildirFolder
    old: LocalFile
    new: LocalFile


def open_strangers(
    root: Root, files: Iterable[tuple[tuple[str, ...], LocalFile]], stack: ExitStack, own: MaildirFolder | None = None
) -> list[Stranger]:
    """`files`, each with the path of its folder, as strangers; `stack` closes the folders opened for them.

    own: the folder that is open already.
    """
    opened = {own.path.parts: own} if own is not None else {}
    found = []
    for path, file in files:
        if path not in opened:
            assert root.descriptor is not None  # noqa: S101 - a file was found below it
            folder = MaildirFolder(root.files, root.descriptor, FolderPath(path), create=False)
            opened[path] = stack.enter_context(folder)
        found.append(Stranger(opened[path], file))
    return found


def adopt(
    mailbox: ImapMailbox,
    wanted: Sequence[int],
    server: Mapping[int, MessageMeta],
    strangers: Sequence[Stranger],
    name: MessageName,
    *,
    dry_run: bool,
) -> dict[int, Adopted]:
    """Match `strangers` to the messages `wanted` (UIDs of the selected folder) and rename them, durably.

    name: folder and UIDVALIDITY for the new names. A run that dies in between is simply repeated.
    """
    ids = {uid: message_id(header) for uid, header in mailbox.headers(wanted, ("Message-ID",))}
    there = [(uid, Likeness(ids.get(uid, ""), server[uid].size, _whole(server[uid].internaldate))) for uid in wanted]
    here, by_stem = [], {}
    for stranger in strangers:
        file = stranger.file
        start, measured = stranger.maildir.read_start(file), stranger.maildir.measure(file)
        if start is not None and measured is not None:
            by_stem[file.name.stem] = stranger
            here.append((file.name.stem, Likeness(message_id(start), measured[0], int(measured[1]))))
    adopted = {}
    for uid, stem in rematch(there, here).items():
        maildir, old = by_stem[stem].maildir, by_stem[stem].file
        new = MessageName(name.folder, name.uidvalidity, uid, "", old.name.verbatim, old.name.letters)
        _, colon, letters = old.filename.partition(":2,")
        adopted[uid] = Adopted(maildir, old, LocalFile(new, old.subdirectory, f"{new.base()}{colon}{letters}"))
        if not dry_run:
            maildir.rename(old, new)
    if not dry_run:
        for maildir in {id(found.maildir): found.maildir for found in adopted.values()}.values():
            maildir.sync_directories()
    return adopted


def _whole(date: float | None) -> int | None:
    return None if date is None else int(date)
