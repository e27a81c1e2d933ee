"""One connection's part of the work, in the parent as in a worker: shares of UIDs in, durable files in `tmp` out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from time import monotonic

from mailctl.domain.mailbox import BodySink, ImapMailbox, MessageMeta
from mailctl.domain.record import dataclass
from mailctl.errors import NetworkError, ProtocolError, RefusedError, StoppedError, StorageError
from mailctl.sync.bulk.load import Load
from mailctl.sync.bulk.pace import PROBE, Pace
from mailctl.sync.local.maildir import MaildirFolder
from mailctl.sync.local.names import MessageName
from mailctl.sync.local.writer import Part, Writer

AT_LEAST_EVERY = 5.0
"""Seconds after which what came is made durable, even if it is little."""


@dataclass(slots=True)
class Came:
    """What one step brought. parts: durable in `tmp`. too_large: (UID, octets) of those left there for their size."""

    parts: list[Part] = field(default_factory=list)
    too_large: list[tuple[int, int]] = field(default_factory=list)


class Fetcher:
    """Fetches from the selected folder of `mailbox` into `tmp` of `maildir`.

    pace: of the connection. heartbeat: called with the octets that came, often; what it raises ends the fetch cleanly.
    first: see `Writer`.
    """

    def __init__(
        self,
        mailbox: ImapMailbox,
        maildir: MaildirFolder,
        load: Load,
        pace: Pace,
        heartbeat: Callable[[int], None],
        *,
        first: int = 1,
    ) -> None:
        self._mailbox, self._load, self._pace, self._heartbeat = mailbox, load, pace, heartbeat
        self._writer = Writer(maildir, load.hash, self._name, self._beat, first=first)
        self._wanted: dict[int, None] = {}
        """In the order in which they were asked for."""
        self._too_large: list[tuple[int, int]] = []
        self.suspects: list[int] = []
        """The messages at one of which the server broke the protocol: what was asked for and had not come."""

    def fetch(self, uids: Sequence[int], more: Callable[[], Sequence[int]] = tuple) -> Iterator[Came]:
        """Yield what came, whenever enough is durable and at the end; before an error is raised, what came whole.

        more: asked for further shares while there is still something on its way, so that the line is never idle.
        """
        left, probe = uids, PROBE
        while left:
            deciding = self._pace.open
            piece, left = (left[:probe], left[probe:]) if deciding else (left, ())
            yield from self._fetch(piece, tuple if deciding else more)
            self._pace.decide()
            probe *= 2

    def _fetch(self, uids: Sequence[int], more: Callable[[], Sequence[int]]) -> Iterator[Came]:
        self._wanted = dict.fromkeys(uids)

        def further() -> Sequence[int]:
            following = more()
            self._wanted.update(dict.fromkeys(following))
            return following

        last = monotonic()
        try:
            try:
                self._pace.go()
                for _ in self._mailbox.fetch(uids, self._sink, further):
                    if self._writer.full or monotonic() - last > AT_LEAST_EVERY:
                        yield self._settled()
                        last = monotonic()
                        self._pace.go()
            except StorageError:
                if not self._writer.durability.failed:  # no room for one more: those before it are whole
                    yield self._settled()
                raise
            except (NetworkError, ProtocolError, RefusedError, StoppedError) as error:
                if isinstance(error, ProtocolError):
                    self.suspects = list(self._wanted)
                yield self._settled()
                raise
            yield self._settled()
        finally:
            self._writer.discard()

    def _settled(self) -> Came:
        self._pace.halt()
        too_large, self._too_large = self._too_large, []
        return Came(self._writer.settle(), too_large)

    def _beat(self, octets: int) -> None:
        self._pace.count(octets)
        self._heartbeat(octets)

    def _name(self, meta: MessageMeta) -> MessageName | None:
        if meta.uid not in self._wanted:
            return None
        del self._wanted[meta.uid]
        return MessageName(self._load.hash, self._load.uidvalidity, meta.uid)

    def _sink(self, octets: int) -> BodySink:
        """Where a body goes; one that is larger than it was said to be may go nowhere."""
        if self._load.max_size is None or octets <= self._load.max_size:
            return self._writer.sink(octets)
        return Unwanted(self._beat, lambda uid: self._pass_over(uid, octets))

    def _pass_over(self, uid: int, octets: int) -> None:
        if uid in self._wanted:
            del self._wanted[uid]
            self._too_large.append((uid, octets))


@dataclass(frozen=True)
class Unwanted:
    """A sink that keeps nothing. heartbeat: told the octets; passed_over: told the UID."""

    heartbeat: Callable[[int], None]
    passed_over: Callable[[int], None]

    def write(self, chunk: bytes | memoryview) -> None:
        """Let octets go by."""
        self.heartbeat(len(chunk))

    def finish(self, meta: MessageMeta) -> None:
        """The message is not taken."""
        self.passed_over(meta.uid)

    def abandon(self) -> None:
        """Nothing was kept."""
