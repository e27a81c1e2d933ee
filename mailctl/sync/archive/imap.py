"""One gateway over IMAP: its folders, one after another, over one connection that is made anew once if it breaks."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from mailctl.domain.event import Level
from mailctl.domain.mailbox import FolderListing
from mailctl.errors import (
    MailctlError,
    NetworkError,
    ProtocolError,
    RefusedError,
    SafetyError,
    StorageError,
)
from mailctl.sync.archive.folder_task import FolderTask, messages
from mailctl.sync.archive.here import Here
from mailctl.sync.archive.look import Difference, Times, stands
from mailctl.sync.archive.still import fingerprint, nothing_asked, read_left_out, takes_all
from mailctl.sync.bulk.load import WORTH_UNSIZED
from mailctl.sync.choose import choose, none_like, unmatched
from mailctl.sync.due import Due
from mailctl.sync.job import FolderTally
from mailctl.sync.local.names import folder_hash
from mailctl.sync.local.paths import assign
from mailctl.sync.local.root import Root
from mailctl.sync.run import Run
from mailctl.sync.state import State

if TYPE_CHECKING:
    from typing import Protocol as Interface

    from mailctl.domain.mailbox import ImapMailbox
    from mailctl.domain.visits import ImapPipeline
    from mailctl.sync.archive.fast import FastLane

    class ReadingMailbox(ImapMailbox, ImapPipeline, Interface):
        """A signed-in IMAP connection that reads one folder, or many at once."""


MOST_CONNECTIONS = 8
"""Connections that one run may make in all: the first, and more after one broke in a folder."""
MOST_AVOIDED = 2
"""Messages of one folder that a run goes round, since the server breaks the protocol at them."""


class ImapSync:
    """The sync of one gateway; `sync` raises what ends it as a whole, folders' own errors are in their tallies."""

    def __init__(self, run: Run, state: State, root: Root) -> None:
        self._run, self._state, self._root = run, state, root
        self._here = Here(root, state, run.tools.clock(), quiet=run.job.dry_run)
        self._mailbox: ReadingMailbox | None = None
        self._connections = 0
        self._chosen: list[FolderTask] = []

    def sync(self) -> None:
        """All chosen folders."""
        run = self._run
        if run.job.inbound.propagate_deletes:
            from mailctl.sync.deletions import check_vanished

            check_vanished(run, self._state, self._root, self._here)
        try:
            listing = self._connected().survey()
            tasks = self._chosen = self._tasks(listing)
            self._renamed(listing, tasks)
            with self._state.together():
                moving = [task for task in tasks if not task.done and not self._stands(task)]
            if moving:
                self._bring(moving)
            self._here.end()
        finally:
            self._drop()
            order = {task.name: number for number, task in enumerate(self._chosen)}
            run.tallies.sort(key=lambda tally: order[tally.name])

    def _bring(self, tasks: Sequence[FolderTask]) -> None:
        """Bring folders up to date."""
        from mailctl.sync.archive.fast import FastLane

        run = self._run
        lane = FastLane(run, self._state, self._root, self._here)
        fast = [task for task in tasks if lane.fits(task, quick=self._connected().quick)]
        first = self._look_ahead([task for task in tasks if task not in fast and self._is_bulk(task)])
        if first is not None:  # workers are at it while this connection is in the fast lane
            self._folder(first, meanwhile=lambda: self._fast(lane, fast))
            first.done = True
        self._fast(lane, fast)
        run.tools.meanwhile()
        for task in tasks:
            if not task.done:
                run.check_stop()
                self._folder(task)

    def _is_bulk(self, task: FolderTask) -> bool:
        """Whether a folder is new and large, and all of it is wanted."""
        if task.seen is not None or messages(task) <= WORTH_UNSIZED or not takes_all(self._run.job):
            return False
        return self._here.untouched(task.path, task.hash)

    def _look_ahead(self, tasks: Sequence[FolderTask]) -> FolderTask | None:
        """Have workers sign in, and know the UIDs by the time that they are ready → the folder to begin with."""
        if not tasks:
            return None
        from mailctl.sync.archive.ahead import look_ahead
        from mailctl.sync.bulk.bring import muster
        from mailctl.sync.bulk.load import Load

        task = max(tasks, key=messages)
        load = Load(task.folder, task.path, task.hash, 0, range(1, messages(task) + 1))
        try:
            if muster(self._run, self._connected(), load, self._root.descriptor) is None:
                return None
            self._run.tools.meanwhile()  # the workers need a while to sign in
            look_ahead(self._connected(), tasks)
        except RefusedError:  # asked again for the folder, whose fault it is then
            return None
        except (NetworkError, ProtocolError) as error:
            self._drop()
            self._lost(task, error)
        return task if task.ahead else None

    def _tasks(self, listing: FolderListing) -> list[FolderTask]:
        """The chosen folders."""
        run = self._run
        for raw in listing.set_aside:
            run.warn(f"a folder was set aside, since its name can't be read: {raw!r}")
        choice = choose(listing.folders, run.job.globs, self._connected().capabilities)
        if choice.note:
            run.notes.append(choice.note)
        if not choice.chosen and run.job.folders:
            raise none_like(run.job.name, run.job.folders, listing.folders)
        for glob in unmatched(listing.folders, run.job.globs):
            run.warn(f"no folder is like {glob}")
        paths, known, account = assign(listing.folders, self._root.listing), self._state.folders(), self._root.account
        return [
            FolderTask(f, paths[f.name], folder_hash(account, f.name), listing.statuses.get(f.name), known.get(f.name))
            for f in choice.chosen
        ]

    def _renamed(self, listing: FolderListing, tasks: Sequence[FolderTask]) -> None:
        """Folders that the server calls otherwise now are called so here."""
        listed = {folder.name for folder in listing.folders}
        unseen = any(task.seen is None or not task.seen.uidvalidity for task in tasks)
        if unseen and not self._state.folders().keys() <= listed:
            from mailctl.sync.archive.renamed import follow_renames

            while True:
                try:
                    follow_renames(self._run, self._connected(), self._state, self._root, listed, tasks)
                except ProtocolError:  # at one folder, which is left out from now on
                    self._drop()
                    if self._connections >= MOST_CONNECTIONS:
                        raise
                else:
                    return

    def _stands(self, task: FolderTask) -> bool:
        """Whether nothing is to be done in a folder, since nothing changed on either side."""
        seen, status, path = task.seen, task.status, str(task.path)
        if seen is None or status is None or Due(self._run, self._state, task.name, seen.uidvalidity).uids():
            return False
        if not nothing_asked(seen, status, path, fingerprint(self._run.job)):
            return False
        if self._run.job.inbound.propagate_deletes and self._state.any_missing(task.name):
            return (
                False  # it may have been deleted where it was moved to, of which this folder's directories tell nothing
            )
        if not stands(Times(seen.cur, seen.new), self._here.times(task.path)):
            found = self._here.found(task.name, seen, task.path)
            if found is None or found.difference != Difference():
                return False
            times = found.times
            self._state.save_folder(task.name, replace(seen, cur=times.cur, new=times.new, files=found.files))
        tally = self._run.folder(task.name, path)
        tally.messages = status.messages
        tally.skipped += read_left_out(task.name, seen.left_out)
        self._run.finish_folder(tally)
        task.done = True
        return True

    def _connected(self) -> "ReadingMailbox":
        if self._mailbox is None:
            self._run.check_stop()
            self._connections += 1
            self._mailbox = cast("ReadingMailbox", self._run.tools.connector.open_imap(self._run.job))
        return self._mailbox

    def _drop(self) -> None:
        mailbox, self._mailbox = self._mailbox, None
        if mailbox is not None:
            mailbox.close()

    def _fast(self, lane: "FastLane", tasks: Sequence[FolderTask]) -> None:
        """Many folders at once. Where the connection breaks, the folder in hand gets a full look; the rest goes on."""
        while waiting := [task for task in tasks if not task.done and task not in lane.careful]:
            mailbox = self._connected()
            try:
                lane.sync(mailbox, waiting)
            except (NetworkError, ProtocolError) as error:
                self._drop()
                task = next(task for task in waiting if not task.done and task not in lane.careful)
                self._lost(task, error)
                if self._connections >= MOST_CONNECTIONS:
                    self._run.folder(task.name, str(task.path)).error = error
                    raise
                self._folder(task, again=isinstance(error, NetworkError))
                task.done = True
            except MailctlError as error:
                for task in [task for task in waiting if not task.done and task not in lane.careful][:1]:
                    tally = self._run.folder(task.name, str(task.path))
                    tally.error = error
                    self._run.finish_folder(tally)
                raise

    def _lost(self, task: FolderTask, error: MailctlError) -> None:
        if isinstance(error, NetworkError):
            text = f"{task.name}: {error.message}"
            self._run.record("sync.connection.lost", text, level=Level.WARNING, folder=task.name, code=error.code)

    def _known(self, task: FolderTask, tally: FolderTally, meanwhile: Callable[[], None]) -> bool:
        """A folder whose UIDs are known; False if it needs a full look."""
        from mailctl.sync.archive.ahead import bring_ahead

        ahead, task.ahead = task.ahead, None
        if ahead is None:
            return False

        def enter() -> None:
            meanwhile()
            run.folder(task.name, tally.path)  # the one in hand, from here on
            self._connected().enter(task.folder, ahead[0].uidvalidity or 0)

        run = self._run
        try:
            return bring_ahead(run, self._connected(), self._state, self._root, task, tally, ahead, enter)
        except (RefusedError, SafetyError):
            self._drop()  # who can't enter has no connection any more
            raise

    def _folder(self, task: FolderTask, *, again: bool = False, meanwhile: Callable[[], None] = lambda: None) -> None:
        """One folder as a whole. A lost connection is made again once; what concerns this folder ends this folder.

        again: whether that was done. meanwhile: done while workers are at work, if they are.
        """
        from mailctl.sync.archive.folder import FolderSync

        run = self._run
        tally = run.folder(task.name, str(task.path))
        try:
            while True:
                mailbox = self._connected()
                tally.skipped.clear()
                avoided = len(tally.avoid)
                try:
                    if not self._known(task, tally, meanwhile):
                        FolderSync(run, mailbox, self._state, self._root, self._here, task, tally).sync()
                except NetworkError as error:
                    self._drop()
                    self._lost(task, error)
                    if again or self._connections >= MOST_CONNECTIONS:
                        raise
                    again = True
                except ProtocolError as error:  # the connection is dead, other messages and folders may be well
                    self._drop()
                    tally.error = error
                    if self._connections >= MOST_CONNECTIONS:
                        raise
                    if avoided == MOST_AVOIDED or not (tally.suspects or avoided < len(tally.avoid)):
                        return
                except (RefusedError, SafetyError, StorageError) as error:
                    tally.error = error
                    if isinstance(error, StorageError) and error.code != "not_a_folder":
                        raise  # the disk is every folder's
                    return
                else:
                    if not tally.avoid:  # what went wrong before was made good
                        tally.error = None
                    return
        except MailctlError as error:
            tally.error = error
            raise
        finally:
            run.finish_folder(tally)
