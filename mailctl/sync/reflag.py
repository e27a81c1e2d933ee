"""Gives files the flags that a plan wants for them, by renaming."""

from collections.abc import Mapping

from mailctl.sync.local.flags import strange_letters, to_letters
from mailctl.sync.local.maildir import LocalFile, MaildirFolder


def reflag(
    maildir: MaildirFolder, wanted: Mapping[int, frozenset[str]], files: Mapping[int, LocalFile]
) -> tuple[dict[int, LocalFile], frozenset[str]]:
    """(what the files are called now that were renamed, by UID; keywords for which the folder has no letter left).

    wanted: canonical flags by UID. Letters that stand for no flag stay. `sync_directories` makes it last.
    """
    keywords = maildir.keywords
    letters: dict[int, str] = {}
    homeless: set[str] = set()
    for uid, flags in wanted.items():
        known, without = to_letters(flags, keywords)
        letters[uid] = "".join(sorted(known + strange_letters(files[uid].name.letters, keywords)))
        homeless.update(without)
    maildir.save_keywords()
    renamed = {}
    for uid, new in letters.items():
        if new != "".join(sorted(files[uid].name.letters)):
            file = maildir.set_letters(files[uid], new)
            if file is not None:
                renamed[uid] = file
    return renamed, frozenset(homeless)
