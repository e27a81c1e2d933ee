"""The look at both sides of every folder, and the plan that comes of it. Changes nothing but names of files.

Only files whose folder got another UIDVALIDITY are renamed here, to what the same messages are called now.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from mailctl.domain.event import Level
from mailctl.domain.mailbox import Folder, FolderStatus, ImapMailbox
from mailctl.domain.when import counted
from mailctl.errors import RefusedError
from mailctl.sync.adopt import Stranger, adopt, open_strangers
from mailctl.sync.archive.plan import remember
from mailctl.sync.archive.still import same_there
from mailctl.sync.local.names import MessageName
from mailctl.sync.local.root import Root
from mailctl.sync.mirror.connection import MirrorMailbox
from mailctl.sync.mirror.flight import View, look_at_once
from mailctl.sync.mirror.folders import FolderFate
from mailctl.sync.mirror.here import LocalFolder, Parts
from mailctl.sync.mirror.intents import Intent
from mailctl.sync.mirror.plan import MirrorPlan, Rules, Sides, plan_messages, revived
from mailctl.sync.mirror.strays import Likeness, Origin
from mailctl.sync.mirror.there import backwards, likenesses, look_there
from mailctl.sync.mirror.work import Found, Index, Work, fingerprint, index
from mailctl.sync.run import Run
from mailctl.sync.state import Agreed, State


class Looker:
    """Looks at the folders one after another; `arrivals` and `lost` are then what `strays.Surroundings` needs.

    found: the strays. intents: of runs that were cut short.
    """

    def __init__(
        self,
        run: Run,
        mailbox: MirrorMailbox,
        state: State,
        root: Root,
        here: Mapping[Parts, LocalFolder],
        found: Sequence[Found],
        intents: Sequence[Intent],
    ) -> None:
        self._run, self._mailbox, self._state, self._root, self._here = run, mailbox, state, root, here
        self._index: Index = index(here)
        self._open = ""
        self._sizes = {one.measured.octets for one in found}
        self._strays: dict[str, set[int | None]] = {}
        for one in found:
            self._strays.setdefault(one.work.name, set()).add(one.measured.octets)
        self._nameless = {one.measured.octets for one in found if not one.measured.message_id}
        self._attempts: dict[str, int] = {}
        for intent in intents:
            self._attempts[intent.folder] = min(intent.uidnext, self._attempts.get(intent.folder, intent.uidnext))
        self.arrivals: dict[str, dict[int, Likeness]] = {}
        self.lost: dict[Origin, Likeness] = {}

    def look(
        self, works: Iterable[Work], statuses: Mapping[str, FolderStatus], mirrored: Collection[str], *, at_once: bool
    ) -> None:
        """The folders. statuses: what is known of them without opening them. at_once: many of them in flight."""
        moving = [work for work in works if not self._unopened(work, statuses.get(work.name), work.name in mirrored)]
        views = look_at_once(self._run, self._mailbox, moving, statuses) if at_once else {}
        for work in moving:
            self._run.check_stop()
            try:
                view = views.get(work.name) or self._by_itself(work)
                self._opened(work, view, work.name in mirrored)
            except RefusedError as error:
                work.left, work.tally.error, work.plan = True, error, MirrorPlan()

    def _unopened(self, work: Work, status: FolderStatus | None, mirrored: bool) -> bool:
        """Whether all that is to be known of a folder could be told without opening it."""
        if work.folder is not None:
            return self._quiet(work, status, mirrored)
        work.take_in(self._index)
        if work.fate is FolderFate.GONE_THERE and self._hidden(work.name):
            work.left = True
            self._run.warn(f"{work.name}: the server no longer lists it, though it is there: it is left alone")
        elif work.fate is FolderFate.GONE_THERE:
            sides = Sides({}, work.flags(), work.agreed, work.away, 1 << 32)
            work.plan = plan_messages(sides, Rules(readable=work.readable()))
        return True

    def _by_itself(self, work: Work) -> View:
        """What one folder has on the server."""
        status = self._select(work)
        same = work.seen is None or work.seen.uidvalidity == (status.uidvalidity or 0)
        return View(status, look_there(self._mailbox, status, work.seen, work.agreed if same else {}))

    def _select(self, work: Work) -> FolderStatus:
        self._open = ""
        assert work.folder is not None  # noqa: S101 - the server has it
        status = self._mailbox.select(work.folder, read_only=self._run.job.dry_run)
        self._open = work.name
        return status

    def _at(self, work: Work) -> ImapMailbox:
        """The connection, with this folder open. RefusedError if its UIDs aren't those that were seen."""
        if self._open != work.name and self._select(work).uidvalidity != (work.status and work.status.uidvalidity):
            raise RefusedError(f"{work.name} was made anew on the server meanwhile", code="uidvalidity_changed")
        return self._mailbox

    def _hidden(self, name: str) -> bool:
        """Whether a folder that isn't listed is there, or may be, as far as a name in ASCII can tell (RFC 5530)."""
        if not (name.isascii() and name.isprintable()) or "&" in name:
            return False
        try:
            self._mailbox.select(Folder(name, name.encode()), read_only=True)
        except RefusedError as error:
            return error.cause not in ("", "no_such_mailbox")
        return True

    def _quiet(self, work: Work, status: FolderStatus | None, mirrored: bool) -> bool:
        """Whether nothing is to be done, as far as can be told without opening the folder."""
        seen, wanted = work.seen, fingerprint(self._run.job)
        if work.local.stands is not None:
            work.status, work.still, work.tally.messages = status, True, work.local.messages
            return True
        if not mirrored or seen is None or seen.settled != wanted or not same_there(seen, status):
            return False
        if work.name in self._strays or work.name in self._attempts or work.fate is not FolderFate.BOTH:
            return False
        work.take_in(self._index)
        letters = work.flags()
        if work.away or letters.keys() != work.agreed.keys() or len(letters) != seen.messages:
            return False
        readable = work.readable()
        for uid, flags in letters.items():
            there = work.agreed[uid].flags
            if flags != there and (flags - there or any(f.startswith("\\") or f in readable for f in there - flags)):
                return False
        work.status, work.still = status, True
        work.tally.messages = len(letters)
        return True

    def _opened(self, work: Work, view: View, mirrored: bool) -> None:
        name, seen, status = work.name, work.seen, view.status
        work.status, work.server = status, view.server
        work.tally.messages = status.messages
        if seen is not None and seen.uidvalidity != work.validity:
            work.agreed = {}
        work.take_in(self._index)
        before = self._state.agreed(name) if seen and seen.uidvalidity != work.validity else {}
        self._match_again(work, before)
        writable = bool(status.uidvalidity) and not (status.read_only and not self._run.job.dry_run)
        if not writable:
            self._run.warn(f"{name} is read-only on the server: what changes here stays here")
        back = backwards(status, seen)
        if back:
            self._run.warn(
                f"{name}: the server's numbers went back (was it restored?); nothing is deleted, there or here"
            )
        elif len(work.server) < status.messages:
            back = True
            self._run.warn(
                f"{name}: the server has {counted(status.messages, 'message')} and showed {len(work.server)}; nothing "
                "is deleted, there or here"
            )
        inbound = self._run.job.inbound
        work.rules = Rules(
            writable,
            mirrored and bool(status.uidvalidity) and (seen is None or seen.uidvalidity == work.validity),
            back,
            status.permanent_flags or None,
            work.readable(),
            inbound.max_size,
            self._run.budget,
        )
        since = self._run.job.since
        recent = set(self._at(work).uids(since=since)) if since else None
        sides = Sides(work.server, work.flags(), work.agreed, work.away, status.uidnext, recent)
        if work.rules.known and not (seen is None or seen.at_work) and revived(sides):
            work.rules = replace(work.rules, older=True)
            text = f"{name}: files that were deleted are back (was a backup restored?)"
            self._run.warn(f"{text}: they go to the server again, and nothing of the folder is deleted there")
        work.plan = plan_messages(sides, work.rules)
        work.plan.fetch = work.tally.around(work.plan.fetch)
        if self._run.budget is not None:
            self._run.budget -= len(work.plan.fetch)
        self._recognise(work, {message.size for message in before.values()})

    def _recognise(self, work: Work, before: set[int | None]) -> None:
        """Ask what the messages are that a stray could be. before: sizes of messages that had other UIDs."""
        mine = self._strays.get(work.name, set()) | before
        mine |= {work.agreed[uid].size for uid in work.plan.again if uid in work.agreed}
        since = self._attempts.get(work.name)
        arrivals, lost = [], []
        for uid, meta in work.server.items():
            if uid in work.files or uid in work.away or uid in work.plan.changed:
                continue
            if uid in work.agreed:
                lost += [uid] if meta.size in self._sizes else []
            elif meta.size in mine or (since is not None and uid >= since):
                arrivals.append(uid)
        nameless: set[int | None] = {*self._nameless, *(() if since is None else (None,))}
        known = likenesses(self._at(work), work.server, arrivals, nameless=nameless) if arrivals else {}
        self.arrivals[work.name] = {uid: known[uid] for uid in arrivals if uid in known}
        if lost:
            for uid, like in likenesses(self._at(work), work.server, lost, nameless=()).items():
                self.lost[Origin(work.name, uid)] = like

    def _match_again(self, work: Work, before: Mapping[int, Agreed]) -> None:
        """Take in files under another UIDVALIDITY whose messages are still there, and what was agreed on them."""
        wanted = [uid for uid in sorted(work.server) if uid not in work.files and uid not in work.away]
        with ExitStack() as stack:
            strangers = self._strangers(work, stack)
            if not wanted or not strangers:
                return
            name, dry_run = MessageName(work.hash, work.validity), self._run.job.dry_run
            for uid, file in adopt(self._at(work), wanted, work.server, strangers, name, dry_run=dry_run).items():
                if file.maildir.path.parts == work.path.parts:
                    work.files[uid] = file.new
                else:
                    work.away.add(uid)
                lying = self._here[file.maildir.path.parts].named
                lying.remove(file.old)
                lying.append(file.new)
                old = file.old.name
                if work.seen and work.seen.uidvalidity == old.uidvalidity and old.uid in before:
                    work.agreed[uid] = replace(remember(work.server[uid]), flags=before[old.uid].flags)
        text = f"{work.name}: the server gave new UIDs; messages were found again here"
        self._run.record("sync.folder.rematched", text, level=Level.INFO, folder=work.name)

    def _strangers(self, work: Work, stack: ExitStack) -> list[Stranger]:
        others = [
            (parts, file)
            for parts, folder in self._here.items()
            for file in folder.named
            if file.name.folder == work.hash and file.name.uidvalidity != work.validity
        ]
        return open_strangers(self._root, others, stack)
