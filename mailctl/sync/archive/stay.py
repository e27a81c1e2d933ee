"""One folder in the fast lane: what is asked of the server, what is done with the answer, what is remembered of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from mailctl.domain.mailbox import MessageMeta
from mailctl.domain.visits import Opened
from mailctl.sync.archive.folder_task import FolderTask
from mailctl.sync.archive.here import Found
from mailctl.sync.archive.look import SECOND, UNKNOWN, Difference, Times, local_file, place_of, times_in
from mailctl.sync.archive.plan import FolderPlan, Policy, View, as_meta, plan_folder, remember
from mailctl.sync.archive.still import folder_state
from mailctl.sync.job import FolderTally
from mailctl.sync.local.durable import Durability
from mailctl.sync.local.flags import from_letters
from mailctl.sync.local.maildir import LocalFile, MaildirFolder
from mailctl.sync.local.names import MessageName
from mailctl.sync.local.writer import Writer, Written, lost_keywords
from mailctl.sync.reflag import reflag
from mailctl.sync.run import Run
from mailctl.sync.state import AT_WORK, FolderState, State

LAST_UID = 0xFFFFFFFF


class Stay:
    """From Opened to Closed. writer: takes the bodies. renamed: whether files were. closed: all was answered.

    left: the folder needs a full look. timed: times of its directories are remembered. looked: the times when what
    lies there was looked at, None if nobody asked. known: messages of it that the state knows: counting those of a
    large folder takes milliseconds, which the server needs as well before it answers.
    """

    def __init__(
        self,
        run: Run,
        state: State,
        maildir: MaildirFolder,
        tally: FolderTally,
        task: FolderTask,
        opened: Opened,
        durability: Durability,
        looked: Times | None,
        known: int,
    ) -> None:
        self._run, self._state, self.maildir, self.tally, self.task = run, state, maildir, tally, task
        self._opened, self._status = opened, opened.status
        self._from = opened.visit.bodies_from or LAST_UID + 1
        self._plan = FolderPlan()
        self._files: dict[int, str | None] = {}
        self._arrived: set[int] = set()
        self._known, self._came = known, 0
        self.renamed = self.closed = self.left = self.timed = False
        self._times = looked or times_in(maildir.directory)
        name = task.name
        self.writer = Writer(
            maildir, task.hash, self._name, lambda octets: run.beat(octets, name), durability=durability
        )

    def begin(self, found: Found | None) -> None:
        """Do what the plan of what changed asks for. found: None if the folder is new."""
        self.maildir.keywords.reserve_later(lambda: self._state.letters(self.task.name))
        if found is None:
            return
        files, view = self._view(found.difference)
        plan = plan_folder(view, Policy())
        if plan.changed or plan.shrunken or any(uid < self._from for uid in plan.fetch):
            self.left = True
            return
        if found.by_times and not all(self.maildir.has(file) for file in files.values()):
            self.left = True
            return
        with self.changing():
            renamed, homeless = reflag(self.maildir, plan.set_flags, files)
        self._plan = plan  # not before: flags that a full disk kept from their files must not be remembered as agreed
        self._files |= {uid: place_of(file) for uid, file in renamed.items()}
        self.tally.flagged += len(renamed)
        self.renamed = bool(renamed)
        self._run.homeless(self.task.name, homeless)

    def _view(self, difference: Difference) -> tuple[dict[int, LocalFile], View]:
        """The files, and the view, of the messages that changed on either side."""
        name, seen, state = self.task.name, self.task.seen, self._state
        changed = {meta.uid: meta for meta in self._opened.changed}
        vanished = set(state.within(name, self._opened.vanished))
        self._arrived.update(state.within(name, [(self._from, LAST_UID)]))
        self._files |= difference.places
        touched = sorted({*changed, *vanished, *difference.places})
        agreed = state.agreed(name, touched)
        places = {uid: self._files.get(uid, place) for uid, place in state.files(name, touched).items()}
        files = {uid: file for uid, place in places.items() if place and (file := local_file(place))}
        server = {uid: as_meta(uid, agreed[uid]) for uid in agreed if uid not in vanished}
        for uid, meta in changed.items():
            if uid not in vanished:
                known = server.get(uid, meta)
                date = known.internaldate if meta.internaldate is None else meta.internaldate
                server[uid] = replace(meta, size=known.size if meta.size is None else meta.size, internaldate=date)
        flags = {uid: from_letters(file.name.letters, self.maildir.keywords) for uid, file in files.items()}
        rest, before = self._known - len(agreed), seen.messages if seen else 0
        return files, View(server, flags, agreed.keys() - files.keys(), agreed, None, before, rest)

    def _name(self, meta: MessageMeta) -> MessageName | None:
        uidnext = self._status.uidnext or LAST_UID + 1  # what came after that is the next run's
        if not self._from <= meta.uid < uidnext or meta.uid in self._arrived:
            return None
        self._arrived.add(meta.uid)
        return MessageName(self.task.hash, self._status.uidvalidity or 0, meta.uid)

    def save(self, written: Sequence[Written], found: Found | None, policy: str) -> None:
        """Remember what is in its place, durably; and, at the end, the folder, if all that it holds is known."""
        name, state = self.task.name, self._state
        if self.task.seen is None and written:
            state.save_folder(name, FolderState(self._status.uidvalidity or 0, cur=AT_WORK, new=AT_WORK))
        came = {w.meta.uid: replace(remember(w.meta), size=w.octets) for w in written}
        places: dict[int, str | None] = {w.meta.uid: f"{w.subdirectory}/{w.filename}" for w in written}
        state.save_messages(name, {**self._plan.agree, **came}, {**self._files, **places})
        state.forget_messages(name, self._plan.forget)
        self._plan, self._files = FolderPlan(fetch=self._plan.fetch), {}
        self._came += len(written)
        if not self.closed or self.left:
            return
        self.left = not self._whole()
        if not self.left:
            there = self.task.status.mailbox_id if self.task.status else ""
            now = folder_state(replace(self._status, mailbox_id=there), str(self.task.path), policy)
            still = found is not None and not self.renamed and not self._came
            times = found.times if found is not None and still else self._left_behind()
            files = (found.files if found is not None else 0) + self._came
            state.save_folder(name, replace(now, cur=times.cur, new=times.new, files=files))
            self.timed = times != UNKNOWN

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Within it, we change names. Whoever else did since the last time isn't passed over by the next run."""
        if self._times != times_in(self.maildir.directory):
            self._times = None
        try:
            yield
        finally:
            self._times = self._times and times_in(self.maildir.directory)

    def _left_behind(self) -> Times:
        """The times that our changes left on the directories, marked as such; not where they tell whole seconds."""
        times = self._times
        if times is None or not (times.cur % SECOND and times.new % SECOND):
            return UNKNOWN
        return Times(-times.cur, -times.new)

    def tell(self, written: Sequence[Written]) -> None:
        """Count what is remembered."""
        self.tally.fetched += len(written)
        self.tally.bytes += sum(w.octets for w in written)
        self._run.homeless(self.task.name, lost_keywords(written))
        self._run.arrived(len(written), self.task.name)

    def _whole(self) -> bool:
        """Whether all that the server showed is known; messages may have gone meanwhile, or have no body."""
        known = self._state.known(self.task.name, below=self._status.uidnext)
        return known == self._status.messages and all(uid in self._arrived for uid in self._plan.fetch)
