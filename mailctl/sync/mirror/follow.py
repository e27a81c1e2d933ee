"""Messages that were moved on the server: their files follow, with what changed here; nothing is fetched again.

A message that is gone from one folder and has arrived in another is the same if Message-ID, size and date agree, or,
in doubt or without a Message-ID, all octets (see `doubt`), or if its whole folder was renamed: same UIDVALIDITY, UID,
size and date (RFC 9051 section 2.3.1.1).
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from mailctl.domain.mailbox import ImapMailbox
from mailctl.domain.record import dataclass
from mailctl.errors import RefusedError
from mailctl.sync.local.maildir import LocalFile
from mailctl.sync.mirror.doubt import Doubts
from mailctl.sync.mirror.folders import FolderFate
from mailctl.sync.mirror.strays import Fate, Likeness, Origin, Stray, Way, pair
from mailctl.sync.mirror.there import likenesses
from mailctl.sync.mirror.unnamed import Reader
from mailctl.sync.mirror.work import Found, Work


@dataclass(frozen=True, eq=False)
class _Gone:
    """A message that the server lost, and where its file lies now."""

    home: Work
    uid: int
    lying: Work
    file: LocalFile


def _likeness(each: _Gone, one: Found) -> Likeness:
    """What a message was known by, as the server showed it last."""
    agreed = each.home.agreed[each.uid]
    return Likeness(one.stray.likeness.identity, agreed.size, agreed.internaldate)


class Follower:
    """Finds where messages went. arrivals: what is known of messages that are new on the server, by folder; grows."""

    def __init__(
        self,
        mailbox: ImapMailbox,
        reader: Reader,
        works: Mapping[str, Work],
        arrivals: dict[str, dict[int, Likeness]],
        doubts: Doubts,
    ) -> None:
        self._mailbox, self._reader, self._works, self._arrivals = mailbox, reader, works, arrivals
        self._doubts = doubts

    def follow(self, strays: Collection[Found]) -> tuple[list[Fate], list[Found]]:
        """(fates, their files) of all that can be followed; the plans of the folders are made to fit.

        strays: files under names of other folders, whose messages may have moved too.
        """
        remade = self._remade()
        self._come(remade.values())
        fates = [Fate(one.stray, Way.FOLLOW, origin) for one, origin in remade.items()]
        gone = self._gone(strays)
        if not gone:
            return fates, [*remade]
        found = self._reader.read((each.lying, each.file) for each in gone)
        by_file = {(one.work.name, one.file.filename): one for one in found}
        read = {each: one for each in gone if (one := by_file.get((each.lying.name, each.file.filename))) is not None}
        placed = self._renamed(read)
        taken, rest = set(placed.values()), {each: one for each, one in read.items() if each not in placed}
        sizes = {each.home.agreed[each.uid].size for each in rest}
        nameless = {each.home.agreed[each.uid].size for each, one in rest.items() if not one.measured.message_id}
        for work in self._works.values():
            self._ask(work, sizes, nameless, {origin.uid for origin in taken if origin.folder == work.name})
        files, come = self._doubts.clear(
            {each: _likeness(each, one) for each, one in rest.items()},
            {
                origin: like
                for folder, messages in self._arrivals.items()
                for uid, like in messages.items()
                if (origin := Origin(folder, uid)) not in taken
            },
            read.__getitem__,
        )
        placed |= pair(
            {each: (like.identity, like.size) for each, like in files.items()},
            {origin: (like.identity, like.size) for origin, like in come.items() if like.identity},
            prefer=lambda each, origin: origin.folder == each.lying.name,
        )
        away = {each: origin for each, origin in placed.items() if origin.folder != each.lying.name}
        self._fit(away)  # the others are recognised where they lie
        for each, origin in away.items():
            if each.lying is not each.home:
                text = f"moved from {each.home.name} here to {each.lying.name}, on the server to {origin.folder}: it is"
                self._works[origin.folder].plan.conflicts.append((origin.uid, f"{text} where the server has it"))
        fates += [Fate(self._stray(each, read[each]), Way.FOLLOW, origin) for each, origin in away.items()]
        fates.sort(key=lambda f: (f.stray.folder, f.source.folder if f.source else "", f.stray.key))
        return fates, [*remade, *(read[each] for each in away)]

    @staticmethod
    def _stray(each: _Gone, one: Found) -> Stray:
        return Stray(one.stray.key, one.stray.folder, one.stray.likeness, Origin(each.home.name, each.uid))

    def _gone(self, strays: Collection[Found]) -> list[_Gone]:
        gone = []
        for work in self._works.values():
            if work.left or work.still or work.plan.changed:
                continue
            leaving = sorted({*work.plan.delete_here, *work.plan.again} & work.agreed.keys())
            gone += [_Gone(work, uid, work, work.files[uid]) for uid in leaving if work.agreed[uid].size is not None]
        gone += self._renamed_here(strays)
        by_name = {(work.hash, work.validity): work for work in self._works.values() if not work.left}
        for one in strays:
            name = one.file.name
            home = by_name.get((name.folder, name.uidvalidity))
            if home is None or home is one.work or home.still or name.uid in home.server or name.uid in home.files:
                continue
            if name.uid in home.agreed and home.agreed[name.uid].size is not None:
                gone.append(_Gone(home, name.uid, one.work, one.file))
        return gone

    def _renamed_here(self, strays: Collection[Found]) -> Iterator[_Gone]:
        """Files with names of their own that may be messages that both sides moved: each for one that is nowhere."""
        nowhere: dict[int, list[tuple[Work, int]]] = {}
        for work in self._works.values():
            for uid in work.plan.forget if not work.left and work.status is not None else ():
                size = work.agreed[uid].size
                if size is not None:
                    nowhere.setdefault(size, []).append((work, uid))
        for one in strays:
            if not one.origin_hash and nowhere.get(one.measured.octets):
                home, uid = nowhere[one.measured.octets].pop(0)
                yield _Gone(home, uid, one.work, one.file)

    def _ask(
        self, work: Work, sizes: Collection[int | None], nameless: Collection[int | None], taken: Collection[int]
    ) -> None:
        """Learn what the folder's new messages of these sizes are, but for those that are taken."""
        known = self._arrivals.setdefault(work.name, {})
        uids = []
        for uid, meta in work.server.items():
            if meta.size not in sizes or uid in taken or uid in work.agreed or uid in work.files or uid in work.away:
                continue
            if uid not in known or (not known[uid].identity and meta.size in nameless):
                uids.append(uid)
        if not uids or work.folder is None or work.left:
            return
        try:
            self._mailbox.select(work.folder, read_only=True)
        except RefusedError:  # it was there a moment ago; the next run sees what became of it
            return
        known |= likenesses(self._mailbox, work.server, uids, nameless=nameless)

    def _renamed(self, read: Mapping[_Gone, Found]) -> dict[_Gone, Origin]:
        """Messages of folders that were renamed as a whole."""
        new = [work for work in self._works.values() if work.fate is FolderFate.NEW_THERE and not work.left]
        found = {}
        for each in read:
            if each.home.fate is not FolderFate.GONE_THERE:
                continue
            agreed = each.home.agreed[each.uid]
            for work in new:
                meta = work.server.get(each.uid)
                origin = Origin(work.name, each.uid)
                if meta is None or work.validity != each.home.validity:
                    continue
                if agreed.size == meta.size and agreed.internaldate == int(meta.internaldate or -1):
                    found[each] = origin
        times = Counter(found.values())
        return {each: origin for each, origin in found.items() if times[origin] == 1}

    def _remade(self) -> dict[Found, Origin]:
        """Files of folders that were renamed on the server, where others have their names by now."""
        new = [work for work in self._works.values() if work.fate is FolderFate.NEW_THERE and not work.left]
        old = [
            (work, work.seen.uidvalidity)
            for work in self._works.values()
            if work.seen is not None and not work.left and work.seen.uidvalidity not in (0, work.validity)
        ]
        if not new or not old:
            return {}
        own = [(w, f) for w, v in old for f in w.local.named if (f.name.folder, f.name.uidvalidity) == (w.hash, v)]
        found = {}
        for one in self._reader.read(own):
            uid, like = one.file.name.uid, (one.measured.octets, int(one.measured.date))
            there = [work for work in new if work.validity == one.file.name.uidvalidity and uid in work.server]
            alike = [w for w in there if like == (w.server[uid].size, int(w.server[uid].internaldate or -1))]
            if len(alike) == 1:
                found[one] = Origin(alike[0].name, uid)
        return found

    def _fit(self, away: Mapping[_Gone, Origin]) -> None:
        """Take what follows out of the plans of both its folders."""
        left: dict[str, set[int]] = {}
        for each in away:
            left.setdefault(each.home.name, set()).add(each.uid)
        for name, uids in left.items():
            plan = self._works[name].plan
            plan.drop(uids)
            plan.forget = sorted({*plan.forget, *uids})
        self._come(away.values())

    def _come(self, origins: Collection[Origin]) -> None:
        """Take what files follow to out of the plans of its folders."""
        come: dict[str, set[int]] = {}
        for origin in origins:
            come.setdefault(origin.folder, set()).add(origin.uid)
        for name, uids in come.items():
            self._works[name].plan.drop(uids)
            for uid in uids:
                self._arrivals.get(name, {}).pop(uid, None)
