"""The fast lane: folders brought up to date by what changed alone, many of them in flight over one connection.

For gateways that simply take each message (`still.takes_all`), and folders that are new and have nothing here, or that
are known and whose server tells what changed since (QRESYNC, RFC 7162). Whatever turns out to be otherwise on the way
is left for the full look, which finds everything in good order: what came is in its place and remembered.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from mailctl.domain.mailbox import BodySink
from mailctl.domain.visits import Arrived, Closed, ImapPipeline, Opened, Shown, Visit
from mailctl.errors import MailctlError, NetworkError, ProtocolError, RefusedError, StoppedError, StorageError
from mailctl.sync.archive.folder_task import FolderTask
from mailctl.sync.archive.here import Found, Here
from mailctl.sync.archive.still import fingerprint, folder_state, grew, same_there, takes_all
from mailctl.sync.bulk.load import WORTH_UNSIZED
from mailctl.sync.local.maildir import MaildirFolder
from mailctl.sync.local.root import Root
from mailctl.sync.run import Run
from mailctl.sync.state import State

if TYPE_CHECKING:  # all that writes is loaded while the server makes its answer ready
    from mailctl.sync.archive.stay import Stay

Answers = Iterator[Opened | Shown | Arrived | Closed]


class FastLane:
    """Takes tasks; those that turn out to need a full look are in `careful` afterwards.

    The server is asked first. While it makes its answer ready, what lies here is looked at: the two don't depend on
    each other, and an answer for a folder that has to be looked at as a whole is dropped.
    """

    def __init__(self, run: Run, state: State, root: Root, here: Here) -> None:
        self._run, self._state, self._root, self._here = run, state, root, here
        self._takes_all, self._policy = takes_all(run.job), fingerprint(run.job)
        self._visited: set[str] = set()
        self._known: dict[str, int] = {}
        self._stays: list[Stay] = []
        self._stay: Stay | None = None
        self.careful: list[FolderTask] = []

    def fits(self, task: FolderTask, *, quick: bool) -> bool:
        """Whether a folder can go this way. quick: whether the connection tells what changed (QRESYNC)."""
        status, seen = task.status, task.seen
        if not self._takes_all or status is None or not status.uidvalidity:
            return False
        if seen is None:  # a large one is worth several connections
            return status.messages <= WORTH_UNSIZED and self._here.untouched(task.path, task.hash)
        if seen.at_work or seen.settled != self._policy or seen.path != str(task.path) or not grew(seen, status):
            return False
        return quick or same_there(seen, status)

    def _clear(self, task: FolderTask) -> bool:
        """Whether what lies in a folder is what the state lets expect; files of unknown messages need a full look."""
        found = self._found(task)
        return task.seen is None or (found is not None and not found.difference.strange)

    def _found(self, task: FolderTask) -> Found | None:
        if task.seen is None:
            return None
        return self._here.found(task.name, task.seen, task.path, by_times=task.name in self._visited)

    def sync(self, mailbox: ImapPipeline, tasks: Sequence[FolderTask]) -> None:
        """Bring folders up to date: those that are, are done. NetworkError, ProtocolError, StoppedError end it."""
        visits = {task.name: (task, visit) for task in tasks if (visit := task.visit()) is not None}
        self._visited |= visits.keys()
        answers = mailbox.visit([visit for _, visit in visits.values()], self._sink) if visits else iter(())
        self._prepare(tasks, visits)
        import mailctl.sync.archive.stay  # noqa: F401 - while the server makes its answer ready, it costs no time

        self._run.tools.meanwhile()

        try:
            self._fly(answers, visits)
        except (NetworkError, ProtocolError, RefusedError, StoppedError):
            self._settle()  # what came whole is kept
            raise
        except StorageError:
            if self._stays and not self._stays[0].writer.durability.failed:  # no room for more: what came is whole
                self._settle()
            raise
        finally:
            with ExitStack() as stack:
                for stay in self._stays:
                    stack.callback(stay.maildir.close)
                    stack.callback(stay.writer.discard)
                self._stays, self._stay = [], None

    def _prepare(self, tasks: Sequence[FolderTask], visits: Mapping[str, tuple[FolderTask, Visit]]) -> None:
        """Look at what is here, and have it ready for what comes."""
        clear = {task.name for task in tasks if self._clear(task)}
        self._state.begin([task.name for task in tasks if task.seen is None or task.name in visits])
        self._root.make_folders([task.path for task in tasks if task.seen is None])
        with self._state.together():
            for task in tasks:
                if task.name in visits:
                    self._known[task.name] = self._state.known(task.name) if task.seen else 0
                    self._run.expect(task.expected, 0, task.name)
                elif task.name in clear:
                    self._without_visit(task)
                else:
                    self.careful.append(task)

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

    def _sink(self, visit: Visit, octets: int) -> BodySink:
        stay = self._stay
        if stay is None or stay.left:
            from mailctl.sync.bulk.fetcher import Unwanted

            return Unwanted(lambda octets: self._run.beat(octets, visit.folder.name), lambda uid: None)
        return stay.writer.sink(octets)

    def _fly(self, answers: Answers, visits: Mapping[str, tuple[FolderTask, Visit]]) -> None:
        for event in answers:
            task = visits[event.visit.folder.name][0]
            match event:
                case Opened():
                    self._stay = self._begin(task, event)
                case Arrived():
                    self._run.came(task.name)
                    if self._stay is not None and self._stay.writer.full:
                        self._settle()
                case Closed(error=error):
                    self._end(task, self._stay, error)
                    self._stay = None
                    self._run.check_stop()
        self._settle()

    def _begin(self, task: FolderTask, opened: Opened) -> "Stay | None":
        """Do what changed; None if the folder can't be entered here."""
        from mailctl.sync.archive.stay import Stay
        from mailctl.sync.local.durable import Durability

        run, seen, root = self._run, task.seen, self._root.descriptor
        assert root is not None  # noqa: S101 - only a dry run has none
        tally = run.folder(task.name, str(task.path))
        tally.messages = opened.status.messages
        if not opened.status.uidvalidity or (seen is not None and not grew(seen, opened.status)):
            return None
        if not self._clear(task):
            return None
        try:
            maildir = MaildirFolder(self._root.files, root, task.path, create=False)
        except (FileNotFoundError, StorageError):  # the full look says what is wrong with it
            return None
        if os.fstat(maildir.directory).st_dev != os.fstat(root).st_dev:  # what is durable together is on one disk
            maildir.close()
            return None
        durability = self._stays[0].writer.durability if self._stays else Durability(self._root.files, root)
        looked = self._here.times(task.path) if seen is not None else None
        stay = Stay(run, self._state, maildir, tally, task, opened, durability, looked, self._known[task.name])
        self._stays.append(stay)
        maildir.clean(run.tools.clock())
        stay.begin(self._found(task))
        return stay

    def _end(self, task: FolderTask, stay: "Stay | None", error: MailctlError | None) -> None:
        from mailctl.sync.local.writer import MOST_OPEN, full

        if stay is None:
            self.careful.append(task)
        else:
            stay.closed, stay.left = True, stay.left or error is not None
        if len(self._stays) >= MOST_OPEN or full(stay.writer for stay in self._stays):
            self._settle()

    def _settle(self) -> None:
        """Make durable what came, then remember it; folders that were read to their end are done."""
        from mailctl.sync.local.writer import commit

        with ExitStack() as changing:
            for stay in self._stays:
                changing.enter_context(stay.changing())
            stays = list(zip(self._stays, commit([stay.writer for stay in self._stays]), strict=True))
        for stay, came in stays:
            if stay.renamed and not came:
                stay.maildir.sync_directories()
        with self._state.together():
            for stay, came in stays:
                stay.save(came, self._found(stay.task), self._policy)
                self._here.proved = self._here.proved or stay.timed
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
