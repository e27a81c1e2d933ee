"""Whether a file is a message where Message-ID and size agree: in doubt, the octets tell.

Two messages can have one Message-ID and one size: a draft that was edited, a copy with another footer, whatever a
sender makes up. So a pair is believed only if nothing else could be meant, on either side, and the dates agree, too. In
a folder that was never mirrored the dates need not agree: few programs that fill a Maildir keep them.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from mailctl.errors import RefusedError
from mailctl.sync.mirror.connection import MirrorMailbox
from mailctl.sync.mirror.octets import is_digest
from mailctl.sync.mirror.strays import Likeness, Origin, Stray
from mailctl.sync.mirror.there import digests
from mailctl.sync.mirror.unnamed import Reader
from mailctl.sync.mirror.work import Found, Work

F = TypeVar("F", bound=Hashable)
Arrivals = Mapping[str, Mapping[int, Likeness]]


def doubtful(
    files: Mapping[F, Likeness],
    messages: Mapping[Origin, Likeness],
    *,
    attempts: Collection[F] = (),
    fresh: Collection[str] = (),
) -> tuple[list[F], list[Origin]]:
    """(files, messages) of which it can't be told without their octets which is which. Pure.

    attempts: files that may be a message of another size, since they were on their way up. fresh: folders that were
    never mirrored.
    """
    here, there = _by_identity(files), _by_identity(messages)
    doubted: tuple[list[F], list[Origin]] = [], []
    for identity in here.keys() & there.keys():
        some, others = here[identity], there[identity]
        if len(some) == len(others) == 1:
            one, other = files[some[0]], messages[others[0]]
            if (one.date is not None and one.date == other.date) or others[0].folder in fresh:
                continue
        sizes = {files[file].size for file in some} & {messages[message].size for message in others}
        tried = any(file in attempts for file in some)
        doubted[0].extend(file for file in some if file in attempts or files[file].size in sizes)
        doubted[1].extend(message for message in others if tried or messages[message].size in sizes)
    return doubted


def _by_identity(known: Mapping[F, Likeness]) -> dict[str, list[F]]:
    grouped: dict[str, list[F]] = defaultdict(list)
    for each, like in known.items():
        if like.identity and not is_digest(like.identity):
            grouped[like.identity].append(each)
    return grouped


class Doubts:
    """Has what is doubtful known by its octets; what was read once is not read again.

    select: opens a folder, for reading at least.
    """

    def __init__(
        self,
        mailbox: MirrorMailbox,
        reader: Reader,
        works: Mapping[str, Work],
        fresh: Collection[str],
        select: Callable[[Work], object],
    ) -> None:
        self._mailbox, self._reader, self._works, self._fresh = mailbox, reader, works, fresh
        self._select = select
        self._read: dict[Origin, str] = {}

    def clear(
        self,
        files: Mapping[F, Likeness],
        messages: Mapping[Origin, Likeness],
        found: Callable[[F], Found],
        *,
        attempts: Collection[F] = (),
        fresh: Collection[str] = (),
    ) -> tuple[dict[F, Likeness], dict[Origin, Likeness]]:
        """Both, the doubtful ones with their octets' digests for identities ("": can't be read any more)."""
        doubted = doubtful(files, messages, attempts=attempts, fresh=fresh)
        here = {file: replace(files[file], identity=self._reader.digest(found(file))) for file in doubted[0]}
        self._learn(doubted[1])
        there = {each: replace(messages[each], identity=self._read.get(each, "")) for each in doubted[1]}
        return {**files, **here}, {**messages, **there}

    def clear_strays(
        self, strays: Iterable[Stray], arrivals: Arrivals, lost: Mapping[Origin, Likeness], found: Mapping[int, Found]
    ) -> tuple[list[Stray], dict[str, dict[int, Likeness]], dict[Origin, Likeness]]:
        """The same for strays and the messages that they may be. found: by the strays' keys."""
        files = {stray: stray.likeness for stray in strays}
        come = {Origin(name, uid): like for name, new in arrivals.items() for uid, like in new.items()}
        tried = {stray for stray in files if stray.attempt is not None}
        everything = {**lost, **come}
        likes, messages = self.clear(files, everything, lambda s: found[s.key], attempts=tried, fresh=self._fresh)
        cleared: dict[str, dict[int, Likeness]] = {name: {} for name in arrivals}
        for origin in come:
            cleared[origin.folder][origin.uid] = messages[origin]
        left = {origin: messages[origin] for origin in lost}
        return [replace(stray, likeness=like) for stray, like in likes.items()], cleared, left

    def _learn(self, messages: Iterable[Origin]) -> None:
        wanted: dict[str, list[int]] = defaultdict(list)
        for origin in messages:
            if origin not in self._read:
                wanted[origin.folder].append(origin.uid)
        for name, uids in wanted.items():
            try:
                self._select(self._works[name])
            except RefusedError:  # it was there a moment ago; the next run sees what became of it
                continue
            self._read |= {Origin(name, uid): text for uid, text in digests(self._mailbox, sorted(uids))}
