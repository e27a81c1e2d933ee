"""Gives files that carry another UIDVALIDITY the names that their messages have now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mailctl.domain.mailbox import ImapMailbox, MessageMeta
from mailctl.sync.maildir import LocalFile, MaildirFolder
from mailctl.sync.names import MessageName
from mailctl.sync.rematch import Likeness, message_id, rematch


@dataclass(frozen=True, slots=True)
class Adopted:
    """old: the file as it was called. new: as it is called now (in a dry run: as it would be)."""

    old: LocalFile
    new: LocalFile


def adopt(
    mailbox: ImapMailbox,
    maildir: MaildirFolder,
    wanted: Sequence[int],
    server: Mapping[int, MessageMeta],
    strangers: Sequence[LocalFile],
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
    for file in strangers:
        start, measured = maildir.read_start(file), maildir.measure(file)
        if start is not None and measured is not None:
            by_stem[file.name.stem] = file
            here.append((file.name.stem, Likeness(message_id(start), measured[0], int(measured[1]))))
    adopted = {}
    for uid, stem in rematch(there, here).items():
        old = by_stem[stem]
        new = MessageName(name.folder, name.uidvalidity, uid, "", old.name.verbatim, old.name.letters)
        _, colon, letters = old.filename.partition(":2,")
        adopted[uid] = Adopted(old, LocalFile(new, old.subdirectory, f"{new.base()}{colon}{letters}"))
        if not dry_run:
            maildir.rename(old, new)
    if adopted and not dry_run:
        maildir.sync_directories()
    return adopted


def _whole(date: float | None) -> int | None:
    return None if date is None else int(date)
