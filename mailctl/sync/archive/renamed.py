"""Folders that were renamed on the server: their files are renamed here too, and nothing is fetched again.

Which those are is told in `same`. What stays in doubt is a new folder; the old one's files then stay as they are.
Where the server gave the folder a new UIDVALIDITY with its new name, its files are renamed under the old one, and then
matched again to its messages, as in any folder that gets new UIDs.

Files are moved one by one, each into its new name, and the state follows when all are: a run that dies in between is
simply repeated.
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

from mailctl.domain.mailbox import ImapMailbox
from mailctl.domain.when import counted
from mailctl.errors import ProtocolError, RefusedError
from mailctl.sync.archive.folder_task import FolderTask
from mailctl.sync.archive.look import place_of
from mailctl.sync.archive.same import Renaming, candidates, is_same
from mailctl.sync.local.flags import Keywords, from_letters, strange_letters, to_letters
from mailctl.sync.local.maildir import MaildirFolder
from mailctl.sync.local.names import folder_hash, parse_name, with_letters
from mailctl.sync.local.paths import FolderPath
from mailctl.sync.local.removal import remove_folder
from mailctl.sync.local.root import Root
from mailctl.sync.run import Run
from mailctl.sync.state import State


def follow_renames(
    run: Run, mailbox: ImapMailbox, state: State, root: Root, listed: Iterable[str], tasks: Sequence[FolderTask]
) -> None:
    """Find the folders that were renamed, and rename their files; in a dry run, show it. Tasks then know their past.

    A folder that can't be looked into is done for this run: as a new one it would be fetched a second time. Where the
    server breaks the protocol at it, ProtocolError is raised before anything is renamed; the next call leaves it out.
    """
    maybe = candidates(state.folders(), listed, [task for task in tasks if not task.done])
    found = [each for each in maybe if not each.task.done and _is_same(run, mailbox, root, state, each)]
    for each in found:
        same = [other for other in found if other.old == each.old or other.task is each.task]
        if len(same) > 1 or each.task.done or root.descriptor is None:
            continue
        tally = run.folder(each.task.name, str(each.task.path))
        text = f"renamed on the server: was {each.old}"
        if run.job.dry_run:
            tally.step("rename_folder", sorted(state.agreed(each.old)), text)
            each.task.done = True
            continue
        state.begin([each.old, each.task.name])
        moved = _Mover(state, root, each).move()
        each.task.seen = state.folders()[each.task.name]
        root.look_again()
        run.notes.append(f"{each.task.name}: {text}; {counted(moved, 'message')} moved here")
        run.record("sync.folder.renamed", f"{each.task.name}: {text}", folder=each.task.name, was=each.old, moved=moved)


def _is_same(run: Run, mailbox: ImapMailbox, root: Root, state: State, renaming: Renaming) -> bool:
    """Whether the folder has the messages that are remembered of another. Its failures are its own."""
    run.check_stop()
    task = renaming.task
    try:
        return is_same(mailbox, root, state.agreed(renaming.old), renaming)
    except (RefusedError, ProtocolError) as error:
        tally = run.folder(task.name, str(task.path))
        tally.error, task.done = error, True
        run.finish_folder(tally)
        if isinstance(error, ProtocolError):  # the connection is dead
            raise
        return False


class _Mover:
    """Moves the files of one folder, and what is remembered of it."""

    def __init__(self, state: State, root: Root, renaming: Renaming) -> None:
        self._state, self._root, self._renaming = state, root, renaming
        self._files = root.files
        self._old_hash = folder_hash(root.account, renaming.old)
        self._new_hash = renaming.task.hash

    def move(self) -> int:
        """All of it; returns how many messages the folder holds."""
        task, seen, root = self._renaming.task, self._renaming.seen, self._root.descriptor
        assert root is not None  # noqa: S101 - only a dry run may have none
        path = FolderPath(tuple(seen.path.split("/")))
        with MaildirFolder(self._files, root, task.path, create=True) as new:
            self._elsewhere(root, {path.parts, task.path.parts})
            old = self._open(root, path)
            if old is not None:
                with old:
                    self._all_files(old, new)
            here = list(new.scan())
        files = {file.name.uid: place_of(file) for file in here if file.name.folder == self._new_hash}
        agreed = self._state.agreed(self._renaming.old)
        with self._state.together():
            self._state.save_folder(task.name, replace(seen, path=str(task.path), cur=0, new=0, files=len(here)))
            self._state.save_messages(task.name, agreed, {uid: files.get(uid) for uid in agreed})
            self._state.forget_folder(self._renaming.old)
        if path.parts != task.path.parts:
            remove_folder(self._files, root, path)
        return len(files)

    def _open(self, root: int, path: FolderPath) -> MaildirFolder | None:
        try:
            return MaildirFolder(self._files, root, path, create=False)
        except FileNotFoundError:  # a run that died had come so far
            return None

    def _all_files(self, old: MaildirFolder, new: MaildirFolder) -> None:
        """Every file of `cur` and `new`, whoever wrote it, comes with the folder."""
        there = {f.name.stem for f in new.scan()}
        new.keywords.names.extend(old.keywords.names[len(new.keywords.names) :])
        new.keywords.changed = True
        new.save_keywords()
        for subdirectory in ("new", "cur"):
            source, target = old.descriptors[subdirectory], new.descriptors[subdirectory]
            taken = set(os.listdir(target))
            for name in os.listdir(source):
                wanted = self._name(name, old.keywords, new.keywords)
                parsed = parse_name(wanted)
                if wanted not in taken and (parsed is None or parsed.stem not in there):
                    with suppress(FileNotFoundError):  # another program was faster
                        self._files.rename(source, name, target, wanted)
        new.save_keywords()
        new.sync_directories()
        old.sync_directories()

    def _name(self, name: str, old: Keywords, new: Keywords) -> str:
        """What a file is called in the renamed folder; another's keeps its name."""
        parsed = parse_name(name)
        if parsed is None:
            return name
        flags = from_letters(parsed.letters, old)
        letters = "".join(sorted(to_letters(flags, new)[0] + strange_letters(parsed.letters, old)))
        if letters != "".join(sorted(parsed.letters)):
            name = with_letters(name, letters)
        return name.replace(f"_{self._old_hash}.mailctl", f"_{self._new_hash}.mailctl", 1)

    def _elsewhere(self, root: int, but: set[tuple[str, ...]]) -> None:
        """Files of the folder that a mail client moved to others get its new name there."""
        for parts, file in self._root.whole.by_folder.get(self._old_hash, ()):
            if parts not in but:
                with MaildirFolder(self._files, root, FolderPath(parts), create=False) as maildir:
                    maildir.rename(file, replace(file.name, folder=self._new_hash))
                    maildir.sync_directories()
