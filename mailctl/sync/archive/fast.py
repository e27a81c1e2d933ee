"""The fast lane: folders brought up to date by what changed alone, many of them in flight over one connection.

For gateways that simply take each message (`still.takes_all`), and folders that are new and have nothing here, or that
are known and whose server tells what changed since (QRESYNC, RFC 7162). Whatever turns out to be otherwise on the way
is left for the full look, which finds everything in good order: what came is in its place and remembered.
"""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from mailctl.domain.mailbox import BodySink
from mailctl.domain.visits import Arrived, Closed, ImapPipeline, Opened, Visit
from mailctl.errors import MailctlError, NetworkError, ProtocolError, RefusedError, StoppedError, StorageError
from mailctl.sync.archive.folder_task import FolderTask
from mailctl.sync.archive.here import Found, Here
from mailctl.sync.archive.stay import Stay, folder_state
from mailctl.sync.archive.still import fingerprint, grew, same_there, takes_all
from mailctl.sync.bulk.fetcher import Unwanted
from mailctl.sync.bulk.load import WORTH_UNSIZED
from mailctl.sync.local.durable import FEW, Durability, reliable_syncfs
from mailctl.sync.local.maildir import MaildirFolder
from mailctl.sync.local.root import Root
from mailctl.sync.local.writer import MOST_MESSAGES, MOST_OCTETS, commit
from mailctl.sync.run import Run
from mailctl.sync.state import State

MOST_OPEN = 32
"""Folders whose directories stay open until what came for them is made durable together."""


class FastLane:
    """Takes tasks; those that turn out to need a full look are in `careful` afterwards."""

    def __init__(self, run: Run, state: State, root: Root, here: Here) -> None:
        self._run, self._state, self._root, self._here = run, state, root, here
        self._takes_all, self._policy = takes_all(run.job), fingerprint(run.job)
        self._stays: list[Stay] = []
        self.careful: list[FolderTask] = []

    def fits(self, task: FolderTask, *, quick: bool) -> bool:
        """Whether a folder can go this way. quick: whether the connection tells what changed (QRESYNC)."""
        status, seen = task.status, task.seen
        if not self._takes_all or status is None or not status.uidvalidity:
            return False
        if seen is None:  # a large one is worth several connections
            known = self._state.complete or not self._root.whole.by_folder.get(task.hash)
            return known and status.messages <= WORTH_UNSIZED and self._here.empty(task.path)
        if seen.at_work or seen.settled != self._policy or seen.path != str(task.path) or not grew(seen, status):
            return False
        found = self._found(task)
        return (quick or same_there(seen, status)) and found is not None and not found.difference.strange

    def _found(self, task: FolderTask) -> Found | None:
        return self._here.found(task.name, task.seen, task.path) if task.seen else None

    def sync(self, mailbox: ImapPipeline, tasks: Sequence[FolderTask]) -> None:
        """Bring folders up to date: those that are, are done. NetworkError, ProtocolError, StoppedError end it."""
        self._make_folders([task for task in tasks if task.seen is None])
        visits: dict[str, tuple[FolderTask, Visit]] = {}
        with self._state.together():
            for task in tasks:
                visit = task.visit()
                if visit is None:
                    self._without_visit(task)
                else:
                    visits[task.name] = task, visit
                    self._run.expect(task.expected, 0, task.name)
        try:
            if visits:
                self._fly(mailbox, visits)
        except (NetworkError, ProtocolError, RefusedError, StoppedError):
            self._settle()  # what came whole is kept
            raise
        finally:
            with ExitStack() as stack:
                for stay in self._stays:
                    stack.callback(stay.maildir.close)
                    stack.callback(stay.writer.discard)
                self._stays = []

    def _make_folders(self, tasks: Sequence[FolderTask]) -> None:
        """All new folders on the disk, durable together."""
        root, files = self._root.descriptor, self._root.files
        if not tasks or root is None:
            return
        together = len(tasks) > FEW and reliable_syncfs(root)
        for task in tasks:
            try:
                MaildirFolder(files, root, task.path, create=True, durable=not together).close()
            except StorageError as error:
                if error.code != "not_a_folder":  # the full look says which
                    raise
        if together:
            files.sync_file_system(root)

    def _without_visit(self, task: FolderTask) -> None:
        """What needs no word with the server: an empty folder, or only files that are called otherwise."""
        seen, status, found = task.seen, task.status, self._found(task)
        tally = self._run.folder(task.name, str(task.path))
        tally.messages = status.messages if status else 0
        if seen is None:
            assert status is not None  # noqa: S101 - it fits
            self._state.save_folder(task.name, folder_state(status, str(task.path), self._policy))
        elif found is not None:
            self._state.save_files(task.name, found.difference.places)
            times = found.times
            self._state.save_folder(task.name, replace(seen, cur=times.cur, new=times.new, files=found.files))
        task.done = True

    def _fly(self, mailbox: ImapPipeline, visits: dict[str, tuple[FolderTask, Visit]]) -> None:
        current: Stay | None = None

        def sink(visit: Visit, octets: int) -> BodySink:
            if current is None or current.left:
                return Unwanted(lambda octets: self._run.beat(octets, visit.folder.name), lambda uid: None)
            return current.writer.sink(octets)

        for event in mailbox.visit([visit for _, visit in visits.values()], sink):
            task = visits[event.visit.folder.name][0]
            match event:
                case Opened():
                    current = self._begin(task, event)
                case Arrived():
                    self._run.came(task.name)
                    if current is not None and current.writer.full:
                        self._settle()
                case Closed(error=error):
                    self._end(task, current, error)
                    current = None
                    self._run.check_stop()
        self._settle()

    def _begin(self, task: FolderTask, opened: Opened) -> Stay | None:
        """Do what changed; None if the folder can't be entered here."""
        run, seen, root = self._run, task.seen, self._root.descriptor
        assert root is not None  # noqa: S101 - only a dry run has none
        tally = run.folder(task.name, str(task.path))
        tally.messages = opened.status.messages
        if not opened.status.uidvalidity or (seen is not None and not grew(seen, opened.status)):
            return None
        try:
            maildir = MaildirFolder(self._root.files, root, task.path, create=False)
        except (FileNotFoundError, StorageError):  # the full look says what is wrong with it
            return None
        if os.fstat(maildir.directory).st_dev != os.fstat(root).st_dev:  # what is durable together is on one disk
            maildir.close()
            return None
        durability = self._stays[0].writer.durability if self._stays else Durability(self._root.files, root)
        stay = Stay(run, self._state, maildir, tally, task, opened, durability)
        self._stays.append(stay)
        maildir.clean(run.tools.clock())
        stay.begin(self._found(task))
        return stay

    def _end(self, task: FolderTask, stay: Stay | None, error: MailctlError | None) -> None:
        if stay is None:
            self.careful.append(task)
        else:
            stay.closed, stay.left = True, stay.left or error is not None
        if len(self._stays) >= MOST_OPEN or self._full():
            self._settle()

    def _full(self) -> bool:
        writers = [stay.writer for stay in self._stays]
        messages, octets = sum(w.pending for w in writers), sum(w.pending_octets for w in writers)
        return messages >= MOST_MESSAGES or octets >= MOST_OCTETS

    def _settle(self) -> None:
        """Make durable what came, then remember it; folders that were read to their end are done."""
        stays = list(zip(self._stays, commit([stay.writer for stay in self._stays]), strict=True))
        for stay, came in stays:
            if stay.renamed and not came:
                stay.maildir.sync_directories()
        with self._state.together():
            for stay, came in stays:
                stay.save(came, self._found(stay.task), self._policy)
        for stay, came in stays:
            stay.tell(came)
        self._stays = [stay for stay in self._stays if not stay.closed]
        for stay, _ in stays:
            if stay.closed:
                stay.maildir.close()
                if stay.left:
                    self.careful.append(stay.task)
                else:
                    stay.task.done = True
                    self._run.finish_folder(stay.tally)
