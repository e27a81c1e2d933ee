"""One gateway in mirror mode: looks at both sides of all folders, plans, brakes if much would be deleted, carries out.

The order in which things are done: folders are made; files get their names (what is there already is recognised, what
moved is moved, what is new is uploaded); messages and flags go down and up; only then is anything deleted.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import cast

from mailctl.domain.event import Level
from mailctl.domain.mailbox import Folder, FolderListing, ImapMailbox
from mailctl.errors import MailctlError, NetworkError, ProtocolError, StorageError
from mailctl.sync.choose import choose, none_like
from mailctl.sync.local.files import Files
from mailctl.sync.local.names import canonical_folder, folder_hash
from mailctl.sync.local.paths import FolderPath
from mailctl.sync.local.root import Root, vanished_folder
from mailctl.sync.mirror.brake import brake
from mailctl.sync.mirror.carry import Carry
from mailctl.sync.mirror.connection import Connection, MirrorMailbox, folder_of
from mailctl.sync.mirror.doubt import Doubts
from mailctl.sync.mirror.folders import FolderFate, brought_back, kept, plan_folders
from mailctl.sync.mirror.follow import Follower
from mailctl.sync.mirror.freight import Freight
from mailctl.sync.mirror.here import LocalFolder, Parts, obstacle
from mailctl.sync.mirror.intents import Attempts, Intents
from mailctl.sync.mirror.look import Looker
from mailctl.sync.mirror.naming import Naming
from mailctl.sync.mirror.plan import plan_only_there
from mailctl.sync.mirror.renamed import Renamer
from mailctl.sync.mirror.show import show
from mailctl.sync.mirror.standing import Standing
from mailctl.sync.mirror.strays import Fate, Origin, Surroundings, Way, settle
from mailctl.sync.mirror.subscriptions import Subscriptions
from mailctl.sync.mirror.turns import Turns
from mailctl.sync.mirror.unnamed import Reader, find_again, find_strays
from mailctl.sync.mirror.work import Found, Work
from mailctl.sync.run import Run
from mailctl.sync.state import State

MOST_CONNECTIONS = 3
"""Connections that one run may make: the first, and more after one was lost. All is looked at again on each."""
MOST_AT_ODDS = 6
"""The same where the server breaks the protocol and it isn't certain yet at which messages: it takes two for each."""


class MirrorSync:
    """The sync of one gateway; `sync` raises what ends it as a whole, folders' own errors are in their tallies."""

    def __init__(self, run: Run, state: State, root: Root) -> None:
        self._run, self._state, self._root = run, state, root
        self._files: Files = root.files

    def sync(self) -> int:
        """All chosen folders; returns how many messages the Maildir holds afterwards."""
        try:
            return self._tried()
        finally:
            for tally in self._run.tallies:
                self._run.finish_folder(tally)

    def _tried(self) -> int:
        """The run, on one connection, or on a new one after it was lost."""
        budget, at_once = self._run.budget, True
        broken: MailctlError | None = None
        for attempt in range(1, MOST_AT_ODDS + 1):
            self._run.check_stop()
            known = [(len(tally.avoid), tally.suspects) for tally in self._run.tallies]
            mailbox = cast("MirrorMailbox", self._run.tools.connector.open_imap(self._run.job))
            try:
                messages = self._once(mailbox, at_once=at_once)
            except (NetworkError, ProtocolError, StorageError) as error:
                if isinstance(error, StorageError) and error.code != "message_changed":
                    raise
                text = f"all is looked at again: {error.message}"
                self._run.record("sync.connection.lost", text, level=Level.WARNING, code=error.code)
                learned = known != [(len(tally.avoid), tally.suspects) for tally in self._run.tallies]
                if attempt >= (MOST_AT_ODDS if learned else MOST_CONNECTIONS):
                    raise
                self._run.budget = budget
                at_once, broken = at_once and not isinstance(error, ProtocolError), error
            else:
                for tally in self._run.tallies:
                    if tally.avoid:  # the rest came; these did not
                        tally.error = tally.error or broken
                return messages
            finally:
                mailbox.close()
        raise AssertionError("the last attempt returns or raises")

    def _once(self, mailbox: MirrorMailbox, *, at_once: bool, renamed: bool = False) -> int:
        """at_once: whether many folders are read in flight; a server that breaks the protocol is asked for each.

        renamed: folders that were renamed here have been looked for, and some were found.
        """
        run = self._run
        for tally in run.tallies:
            tally.skipped.clear()
            tally.error = None
        listing = mailbox.survey()
        known = self._state.folders()
        if known.keys() - {folder.name for folder in listing.folders}:
            listing = mailbox.survey()  # what is missing is believed if it is missing twice
        turns = Turns(self._root, self._state)
        mirrored = self._mirrored(turns)
        intents = Intents(self._state)
        standing = Standing(run, self._state, self._root, mirrored)
        naming = Naming(run, self._state, self._root, listing.folders)
        here = standing.look(naming.known())
        mirrored -= self._restored(standing.restored & mirrored)
        paths = naming.all(here)
        works = self._works(mailbox, listing, here, paths, mirrored)
        standing.wake(works, here, listing.statuses, intents.old)
        for work in works.values():
            work.tally.error = self._blocked(work)
            work.blocked = work.tally.error is not None
            work.left = work.left or work.blocked
        if not renamed and Renamer(run, mailbox, self._state, self._root, works, listing, here).rename():
            return self._once(mailbox, at_once=at_once, renamed=True)
        if "X-GM-EXT-1" in mailbox.capabilities:
            run.notes.append("Gmail: what is deleted here loses the folder's label there, and stays in All Mail")
        reader = Reader(self._root, works.values(), make=not run.job.dry_run)
        found = find_strays(reader, [work for work in works.values() if not work.left])
        looker = Looker(run, mailbox, self._state, self._root, here, found, intents.old)
        looking = [work for work in works.values() if not work.left]
        looker.look(looking, listing.statuses, mirrored, at_once=at_once)
        fresh = works.keys() - mirrored
        doubts = Doubts(mailbox, reader, works, fresh, lambda work: mailbox.select(folder_of(work), read_only=True))
        follows, following = Follower(mailbox, reader, works, looker.arrivals, doubts).follow(found)
        moved = {(one.work.name, one.file.filename) for one in following}
        found = [one for one in found if (one.work.name, one.file.filename) not in moved]
        self._removed_there(works, found)
        found = find_again(reader, [work for work in works.values() if not work.blocked], found, following)
        fates = [*follows, *self._settle(works, found, looker, intents, doubts)]
        found += following
        self._spare(works.values())
        self._removed_here(works, {fate.source.folder for fate in follows if fate.source})
        if not run.job.confirm_deletes:
            brake(run, list(works.values()))
        strays = {one.stray.key: one for one in found}
        if run.job.dry_run:
            show(run, list(works.values()), fates, strays)
            return sum(folder.messages for folder in here.values())
        moving = [work for work in works.values() if not work.still and not work.left]
        acting = fates or any(work.fate is not FolderFate.BOTH or work.plan.acts for work in moving)
        if acting or not turns.same:
            turns.begin()
        self._state.begin(work.name for work in moving)
        inbox = next((f for f in listing.folders if canonical_folder(f.name) == "INBOX"), Folder("INBOX", b"INBOX"))
        connection = Connection(mailbox, inbox)
        subscriptions = Subscriptions(run, self._root, self._state, mailbox, listing)
        freight = Freight(run, mailbox, self._state, self._root) if at_once else None
        carry = Carry(run, connection, self._state, self._root, works, strays, intents, listing, subscriptions)
        carry.carry_out(fates, freight)
        subscriptions.sync()
        done = {name for name, work in works.items() if not work.left and work.tally.error is None}
        lying = {one.base: one.work.name for one in found}
        if done - mirrored:
            self._state.set_mirrored(mirrored | done)
        intents.settle(lying, paths.keys() - done, works.keys() <= done)
        standing.remember(works.values())
        turns.end()
        self._state.end()
        return self._state.count()

    def _mirrored(self, turns: Turns) -> set[str]:
        """The folders that both sides have had: what is missing of them on one side was deleted there."""
        mirrored = self._state.mirrored
        if turns.same or not mirrored:
            return mirrored
        text = "the Maildir is not as the last sync left it (was a backup restored?): both sides are united"
        self._run.warn(f"{text}, and nothing is deleted")
        return set()

    def _restored(self, folders: set[str]) -> set[str]:
        """Folders that were brought back from a backup, which are forgotten to have been on both sides."""
        for name in sorted(folders):
            text = f"{name}: not as the last sync left it (was a backup restored?): both sides are united"
            self._run.warn(f"{text}, and nothing of it is deleted")
        if folders and not self._run.job.dry_run:  # before anything changes the times that told it
            self._state.set_mirrored(self._state.mirrored - folders, durable=True)
        return folders

    def _works(
        self,
        mailbox: ImapMailbox,
        listing: FolderListing,
        here: Mapping[Parts, LocalFolder],
        paths: Mapping[str, FolderPath],
        mirrored: Collection[str],
    ) -> dict[str, Work]:
        """All chosen folders of both sides and of the state, by name. mirrored: those that both sides have had."""
        run, known = self._run, self._state.folders()
        for raw in listing.set_aside:
            run.warn(f"a folder was set aside, since its name can't be read: {raw!r}")
        there = {folder.name: folder for folder in listing.folders}
        delimiter = next((folder.delimiter for folder in listing.folders if folder.delimiter), None)
        held = {name: folder for name, folder in there.items() if folder.selectable}
        candidates = [held.get(name) or Folder(name, b"", delimiter) for name in paths]
        choice = choose(candidates, run.job.globs, mailbox.capabilities)
        if choice.note and choice.note not in run.notes:
            run.notes.append(choice.note)
        if not choice.chosen and run.job.folders:
            raise none_like(run.job.name, run.job.folders, candidates)
        chosen = {folder.name for folder in choice.chosen}
        holding = chosen & held.keys()
        lying = {name for name in chosen if paths[name].parts in here}
        fates = plan_folders(holding, lying, chosen & known.keys(), mirrored)
        works = {}
        for name in sorted(fates, key=lambda name: (canonical_folder(name) != "INBOX", name)):
            path = paths[name]
            tally = next((t for t in run.tallies if t.name == name), None) or run.folder(name, str(path))
            work = Work(name, path, folder_hash(self._root.account, name), fates[name], tally)
            work.folder = held.get(name)
            work.seen = known.get(name)
            work.local = here.get(path.parts, LocalFolder())
            work.agreed = self._state.agreed(name) if work.seen and work.local.stands is None else {}
            if work.fate is FolderFate.GONE_HERE and canonical_folder(name) == "INBOX":
                raise vanished_folder(path, len(work.agreed), run.job.name)
            if listing.set_aside and work.fate is FolderFate.GONE_THERE:
                work.left = True  # it may be the one whose name can't be read
                run.warn(f"{name}: not listed by a name that can be read: it is left alone")
            works[name] = work
        return works

    def _blocked(self, work: Work) -> StorageError | None:
        """Why it can't be told what lies in a folder here, if it can't: then nothing there was deleted."""
        local, root = work.local, self._root.descriptor
        if local.broken is None and local.missing and work.agreed and work.fate is not FolderFate.GONE_HERE:
            return StorageError(
                f"the Maildir folder {work.path} has no {' and no '.join(local.missing)}, though "
                f"{len(work.agreed)} messages were synced into it",
                hint="Bring it back; to delete the messages, delete them, or the folder as a whole.",
                code="maildir_vanished",
            )
        lying = work.fate in (FolderFate.GONE_HERE, FolderFate.NEW_THERE)
        return obstacle(self._files, root, work.path.parts) if lying and root is not None else local.broken

    def _spare(self, works: Collection[Work]) -> None:
        """What seems to be deleted here may lie where this run can't look: it stays on the server."""
        if not any(work.blocked or work.refusal for work in works):
            return
        for work in works:
            if work.plan.delete_there:
                work.plan.delete_there = []
                self._run.warn(f"{work.name}: nothing is deleted on the server while something here can't be looked at")

    def _settle(
        self, works: Mapping[str, Work], found: Sequence[Found], looker: Looker, intents: Intents, doubts: Doubts
    ) -> list[Fate]:
        """What becomes of the strays; the plans of the folders are made to fit."""
        if not found:
            return []
        there = {name: set(work.agreed if work.still else work.server) for name, work in works.items() if not work.left}
        here = {Origin(name, uid) for name, work in works.items() for uid in work.files}
        fixed = frozenset(name for name, work in works.items() if not work.rules.writable)
        lost = {
            origin: like for origin, like in looker.lost.items() if origin.uid not in works[origin.folder].plan.changed
        }
        validities = {name: work.validity for name, work in works.items()}
        attempts = Attempts(intents.old, validities, found, looker.arrivals)
        strays = []
        for one in found:
            work = one.work
            attempt = attempts.of(one)
            if work.left and attempt is not None:
                alike = looker.arrivals.get(attempt.folder, {}).items()
                put = [u for u, like in alike if u >= attempt.uid and like.identity == one.stray.likeness.identity]
                works[attempt.folder].plan.drop(put)  # a second file of it would take its place
            if work.left or (one.origin_hash and self._unlooked(works, one.origin_hash)):
                continue  # nothing is decided without having seen where it comes from
            if attempt is not None and works[attempt.folder].left:
                continue  # or where it may have been put
            if work.folder is not None and not work.rules.writable:
                work.tally.skip("read_only", f"{one.file.filename} stays here: the folder is read-only on the server")
                continue
            origin = next(
                (
                    Origin(w.name, one.file.name.uid)
                    for w in works.values()
                    if w.hash == one.origin_hash and w.validity == one.file.name.uidvalidity and w is not work
                ),
                None,
            )
            strays.append(replace(one.stray, origin=origin, attempt=attempt))
        strays, come, lost = doubts.clear_strays(strays, looker.arrivals, lost, {one.stray.key: one for one in found})
        fates = settle(strays, Surroundings(come, there, here, lost, fixed))
        found_there: dict[str, set[int]] = {}
        for fate in fates:
            if fate.source is not None and fate.way in (Way.IS, Way.MOVE):
                found_there.setdefault(fate.source.folder, set()).add(fate.source.uid)
        for name, uids in found_there.items():
            works[name].plan.drop(uids)
        kept = here | {fate.source for fate in fates if fate.source is not None and fate.way is not Way.IS}
        for left in {fate.stray.origin for fate in fates if fate.way is Way.IS} - kept:
            if left is not None and left.uid in works[left.folder].server:
                self._left_behind(works[left.folder], left.uid)
        return fates

    def _left_behind(self, work: Work, uid: int) -> None:
        """A message whose file was moved away, where its new place on the server is known already."""
        plan = work.plan
        if not plan.changed:
            plan_only_there(plan, work.rules, work.server[uid], work.agreed.get(uid))
            plan.delete_there.sort()
            plan.fetch.sort()

    def _unlooked(self, works: Mapping[str, Work], origin: str) -> bool:
        return any(work.left for work in works.values() if work.hash == origin)

    def _removed_there(self, works: Mapping[str, Work], found: Sequence[Found]) -> None:
        """Folders that the server lost are made there again, if here is in them what was never there."""
        for work in works.values():
            if work.fate is FolderFate.GONE_THERE and kept(work.plan, sum(one.work is work for one in found)):
                work.fate = FolderFate.NEW_HERE
                self._run.warn(f"{work.name}: removed on the server, but changed here: it is made there again")

    def _removed_here(self, works: Mapping[str, Work], followed: Collection[str]) -> None:
        """Folders that were removed here come back, if the server has in them what was never here, or not in them."""
        for work in works.values():
            plan = work.plan
            if work.fate is FolderFate.GONE_HERE and not work.left and (brought_back(plan) or work.name in followed):
                work.fate = FolderFate.NEW_THERE
                self._run.warn(f"{work.name}: removed here, but the server has new messages in it: it comes back")
