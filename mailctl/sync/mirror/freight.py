"""Brings down what is new in many folders at once, several in flight; what comes of one batch is durable together.

Only what is the end of a folder, and not so much that more connections would win, comes this way; the rest, and
whatever didn't come, is fetched folder by folder.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from mailctl.domain.mailbox import BodySink, MessageMeta
from mailctl.domain.record import dataclass
from mailctl.domain.visits import Arrived, Closed, ImapPipeline, Opened, Visit
from mailctl.errors import NetworkError, ProtocolError, RefusedError, StoppedError, StorageError
from mailctl.sync.archive.plan import remember
from mailctl.sync.bulk.fetcher import Unwanted
from mailctl.sync.bulk.load import Load, connections
from mailctl.sync.local.durable import Durability
from mailctl.sync.local.maildir import MaildirFolder
from mailctl.sync.local.names import MessageName
from mailctl.sync.local.root import Root
from mailctl.sync.local.writer import MOST_OPEN, Writer, Written, commit, full, lost_keywords
from mailctl.sync.mirror.folders import FolderFate
from mailctl.sync.mirror.work import Work
from mailctl.sync.run import Run
from mailctl.sync.state import State


@dataclass
class _Stay:
    """A folder that is being read. wanted: UIDs that have not come."""

    work: Work
    maildir: MaildirFolder
    wanted: set[int]
    closed: bool = False

    def name(self, meta: MessageMeta) -> MessageName | None:
        """What a message is to be called; None if it isn't wanted."""
        if meta.uid not in self.wanted:
            return None
        self.wanted.remove(meta.uid)
        return MessageName(self.work.hash, self.work.validity, meta.uid)

    def letters(self) -> str:
        """All letters that names of files here end in."""
        local = self.work.local
        return "".join({letter for file in (*local.named, *local.others) for letter in file.name.letters})


class Freight:
    """One run's. What came is taken out of the folders' plans."""

    def __init__(self, run: Run, mailbox: ImapPipeline, state: State, root: Root) -> None:
        self._run, self._mailbox, self._state, self._root = run, mailbox, state, root
        self._stays: list[_Stay] = []
        self._writers: dict[str, Writer] = {}

    def bring(self, works: Iterable[Work]) -> None:
        """Fetch for those that can be fetched for so. Raises what ends a run; what came whole is kept."""
        wanted = {work.name: work for work in works if self._fits(work)}
        if self._root.descriptor is None or not wanted:
            return
        new = [work for work in wanted.values() if work.fate is FolderFate.NEW_THERE]
        self._root.make_folders([work.path for work in new])
        for work in wanted.values():
            self._run.expect(
                len(work.plan.fetch), sum(work.server[uid].size or 0 for uid in work.plan.fetch), work.name
            )
        try:
            self._fly(wanted)
        except (NetworkError, ProtocolError, RefusedError, StoppedError):
            self._settle()
            raise
        except StorageError:
            if self._stays and not self._writers[self._stays[0].work.name].durability.failed:  # no room for more
                self._settle()
            raise
        finally:
            with ExitStack() as stack:
                for stay in self._stays:
                    stack.callback(stay.maildir.close)
                    stack.callback(self._writers[stay.work.name].discard)
                self._stays = []

    def _fits(self, work: Work) -> bool:
        uids = work.plan.fetch
        if not uids or work.folder is None or work.status is None or not work.validity or work.tally.avoid:
            return False
        if (
            work.fate is FolderFate.GONE_HERE
            or work.tally.error is not None
            or self._run.job.inbound.max_size is not None
        ):
            return False
        sizes = {uid: size for uid in uids if (size := work.server[uid].size) is not None}
        load = Load(work.folder, work.path, work.hash, work.validity, uids, sizes)
        return connections(load, 1.0, 2, None) == 1 and sum(uid >= uids[0] for uid in work.server) == len(uids)

    def _fly(self, wanted: Mapping[str, Work]) -> None:
        current: _Stay | None = None

        def sink(visit: Visit, octets: int) -> BodySink:
            name = visit.folder.name
            if current is None:
                return Unwanted(lambda octets: self._run.beat(octets, name), lambda uid: None)
            return self._writers[name].sink(octets)

        visits = [Visit(work.folder, bodies_from=work.plan.fetch[0]) for work in wanted.values() if work.folder]
        for event in self._mailbox.visit(visits, sink):
            match event:
                case Opened(visit=visit, status=status):
                    work = wanted[visit.folder.name]
                    current = self._begin(work) if status.uidvalidity == work.validity else None
                case Arrived(visit=visit):
                    if current is not None:
                        self._run.came(visit.folder.name)
                        if full(self._writers[stay.work.name] for stay in self._stays):
                            self._settle()
                case Closed():
                    if current is not None:
                        current.closed, current = True, None
                    if len(self._stays) >= MOST_OPEN:
                        self._settle()
                    self._run.check_stop()
        self._settle()

    def _begin(self, work: Work) -> _Stay | None:
        """Open the folder's Maildir; None if it is on another disk: what is durable together is on one."""
        root, name = self._root.descriptor, work.name
        assert root is not None  # noqa: S101 - `bring` saw to it
        maildir = MaildirFolder(self._root.files, root, work.path, create=True)
        if os.fstat(maildir.directory).st_dev != os.fstat(root).st_dev:
            maildir.close()
            return None
        stay = _Stay(work, maildir, set(work.plan.fetch))
        maildir.keywords.reserve_later(stay.letters)
        first = self._writers[self._stays[0].work.name] if self._stays else None
        self._writers[name] = Writer(
            maildir,
            work.hash,
            stay.name,
            lambda octets: self._run.beat(octets, name),
            durability=first.durability if first else Durability(self._root.files, root),
        )
        self._stays.append(stay)
        return stay

    def _settle(self) -> None:
        """Make durable what came, then remember it."""
        batches = commit([self._writers[stay.work.name] for stay in self._stays])
        settled = list(zip(self._stays, batches, strict=True))
        with self._state.together():
            for stay, written in settled:
                server = stay.work.server
                new = {w.meta.uid: replace(remember(server[w.meta.uid]), flags=w.meta.flags) for w in written}
                self._state.save_messages(stay.work.name, new)
        for stay, written in settled:
            self._tell(stay, written)
        self._stays = [stay for stay, _ in settled if not stay.closed]
        for stay, _ in settled:
            if stay.closed:
                stay.maildir.close()

    def _tell(self, stay: _Stay, written: Sequence[Written]) -> None:
        work, came = stay.work, {w.meta.uid for w in written}
        work.plan.fetch = [uid for uid in work.plan.fetch if uid not in came]
        work.tally.fetched += len(written)
        work.tally.bytes += sum(w.octets for w in written)
        self._run.homeless(work.name, lost_keywords(written))
        self._run.arrived(len(written), work.name)
