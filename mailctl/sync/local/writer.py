"""Writes messages into a Maildir folder: streamed into `tmp`, made durable, renamed in batches. Bounded memory.

The order that survives a power cut: contents durable, then renamed into `cur` or `new`, then both directories durable,
and only then may anybody (the state, the server) be told. A message without any flag goes into `new`, any other into
`cur`, as other tools do.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack

from mailctl.domain.mailbox import MessageMeta
from mailctl.domain.record import dataclass
from mailctl.sync.local.durable import Durability
from mailctl.sync.local.files import Files
from mailctl.sync.local.flags import canonical, to_letters
from mailctl.sync.local.lineends import Converter, expand
from mailctl.sync.local.maildir import MaildirFolder
from mailctl.sync.local.names import MessageName, part_name

MOST_MESSAGES = 1000
MOST_OCTETS = 64 << 20
MOST_OPEN = 32
"""Folders whose directories stay open until what came for them is made durable together."""
_YEAR_9999 = 253_402_300_799.0


@dataclass(frozen=True, slots=True)
class Part:
    """A message that lies in `tmp`: the file's name there, what it will be called, what the server said of it.

    octets: as on the wire.
    """

    file: str
    name: MessageName
    meta: MessageMeta
    octets: int


@dataclass(frozen=True, slots=True)
class Written:
    """A message that is durable and in its place.

    meta: what the server said of it, flags in canonical spelling. octets: as on the wire. homeless: keywords that found
    no letter. subdirectory: `cur` or `new`. filename: in it.
    """

    meta: MessageMeta
    octets: int
    homeless: tuple[str, ...] = ()
    subdirectory: str = "cur"
    filename: str = ""


class Writer:
    """Takes the messages of one folder. A sink of it is made for each body; `commit` makes durable what came whole.

    name: what a message is to be called, from its MessageMeta; None refuses it.
    heartbeat: called with the octets taken in, often; what it raises (a stop) ends the message cleanly.
    durability: shared by writers that are committed together. first: number of the first file in `tmp`; two writers of
    the same folder at the same time must never come to the same number.
    """

    def __init__(
        self,
        folder: MaildirFolder,
        folder_hash: str,
        name: Callable[[MessageMeta], MessageName | None],
        heartbeat: Callable[[int], None] = lambda octets: None,
        *,
        durability: Durability | None = None,
        first: int = 1,
    ) -> None:
        self.folder, self.hash, self.name, self.heartbeat = folder, folder_hash, name, heartbeat
        self.durability = durability or Durability(folder.files, folder.descriptors["tmp"])
        self.pending_octets = 0
        self._pending: list[Part] = []
        self._open: set[Sink] = set()
        self._next = first

    def sink(self, octets: int) -> "Sink":
        """A sink for the next body (a `SinkFactory`)."""
        sink = Sink(self)
        self._open.add(sink)
        return sink

    def next_part(self) -> str:
        """A name in `tmp` that this run has not used."""
        number, self._next = self._next, self._next + 1
        return part_name(self.hash, number)

    @property
    def pending(self) -> int:
        """How many messages came whole and are not committed."""
        return len(self._pending)

    @property
    def full(self) -> bool:
        """Whether what came whole should be committed before more is taken."""
        return full([self])

    def settle(self) -> list[Part]:
        """Make durable what came whole, and give it away: whoever gets it places or removes it."""
        if self._pending:
            self.durability.settle()
        pending, self._pending, self.pending_octets = self._pending, [], 0
        return pending

    def commit(self) -> list[Written]:
        """Make durable what came whole, and put it into its place, durably."""
        return commit([self])[0]

    def place(self) -> list[Written]:
        """Rename what came whole, and is durable, into place; the directories are not durable yet."""
        written = place(self.folder, self._pending)
        self._pending, self.pending_octets = [], 0
        return written

    def discard(self) -> None:
        """Remove from `tmp` whatever was not committed; for the way out after an error."""
        pending, self._pending = self._pending, []
        with ExitStack() as stack:  # each is tried, whatever becomes of the others
            for part in pending:
                stack.callback(self.folder.files.unlink, self.folder.descriptors["tmp"], part.file)
            for sink in list(self._open):
                stack.callback(sink.abandon)
            stack.callback(self.durability.discard)

    def taken(self, sink: "Sink", part: Part) -> None:
        """A body came whole (called by its sink)."""
        self._open.discard(sink)
        self._pending.append(part)
        self.pending_octets += part.octets

    def dropped(self, sink: "Sink") -> None:
        """A body is not kept (called by its sink)."""
        self._open.discard(sink)


def full(writers: Iterable[Writer]) -> bool:
    """Whether what came whole of writers that are committed together should be, before more is taken."""
    messages, octets = 0, 0
    for writer in writers:
        messages, octets = messages + writer.pending, octets + writer.pending_octets
    return messages >= MOST_MESSAGES or octets >= MOST_OCTETS


def commit(writers: Sequence[Writer]) -> list[list[Written]]:
    """What came whole of writers that share one Durability, made durable and put into place; a list for each."""
    waiting = [writer for writer in writers if writer.pending]
    if not waiting:
        return [[] for _ in writers]
    durability = waiting[0].durability
    with durability.failing():
        durability.settle()
        written = {id(writer): writer.place() for writer in waiting}
        directories = [writer.folder.descriptors[each] for writer in waiting for each in ("cur", "new")]
        durability.settle_directories(directories)
    return [written.get(id(writer), []) for writer in writers]


def place(folder: MaildirFolder, parts: Sequence[Part]) -> list[Written]:
    """Rename durable parts into `cur` and `new`; the caller makes the directories durable."""
    placed = []
    for part in parts:
        letters, homeless = to_letters(part.meta.flags, folder.keywords)
        base = part.name.base()
        target, file = ("cur", f"{base}:2,{letters}") if letters else ("new", base)
        placed.append((part.file, Written(part.meta, part.octets, homeless, target, file)))
    folder.save_keywords()
    tmp, rename = folder.descriptors["tmp"], folder.files.rename
    for source, written in placed:
        rename(tmp, source, folder.descriptors[written.subdirectory], written.filename)
    return [written for _, written in placed]


class Sink:
    """One body on its way into `tmp` (a `BodySink`)."""

    def __init__(self, writer: Writer) -> None:
        self._writer, self._part = writer, writer.next_part()
        self._files: Files = writer.folder.files
        self._tmp = writer.folder.descriptors["tmp"]
        self._converter: Converter | None = Converter()
        self._octets = 0
        self._over = False
        self._fd = self._files.create(self._tmp, self._part)

    def write(self, chunk: bytes | memoryview) -> None:
        """Take octets as on the wire."""
        self._writer.heartbeat(len(chunk))
        self._octets += len(chunk)
        data = bytes(chunk)
        if self._converter is not None:
            stored = self._converter.feed(data)
            data = self._go_verbatim() if stored is None else stored
        self._write(data)

    def finish(self, meta: MessageMeta) -> None:
        """The body came whole; the message waits for the writer's `commit`."""
        if self._converter is not None and self._converter.end() is None:
            self._write(self._go_verbatim())
        verbatim = self._converter is None
        meta = MessageMeta(meta.uid, canonical(meta.flags), meta.size, meta.internaldate, meta.modseq)
        name = self._writer.name(meta)
        if name is None:
            self.abandon()
            return
        if meta.internaldate is not None and 0 <= meta.internaldate <= _YEAR_9999:
            self._files.set_time(self._fd, meta.internaldate)
        fd, self._fd = self._fd, -1
        self._writer.durability.take(fd, self._octets)
        if verbatim:
            name = MessageName(name.folder, name.uidvalidity, name.uid, name.uidl, verbatim=True)
        self._over = True
        self._writer.taken(self, Part(self._part, name, meta, self._octets))

    def abandon(self) -> None:
        """Leave nothing behind; nothing happens if the message was kept."""
        if self._over:
            return
        self._over = True
        self._writer.dropped(self)
        try:
            if self._fd >= 0:
                fd, self._fd = self._fd, -1
                self._files.close(fd)
        finally:
            self._files.unlink(self._tmp, self._part)

    def _write(self, data: bytes) -> None:
        if data:
            self._files.write(self._fd, data)

    def _go_verbatim(self) -> bytes:
        """Rewrite what is stored as it was on the wire, into a second file; returns the octets that come next."""
        assert self._converter is not None  # noqa: S101 - only a regular message turns irregular
        held, self._converter = self._converter.held, None
        old, old_part, part = self._fd, self._part, self._writer.next_part()
        self._fd, self._part = self._files.create(self._tmp, part), part
        try:
            for block in self._files.read_blocks(old):
                self._write(expand(block))
        finally:
            try:
                self._files.close(old)
            finally:
                self._files.unlink(self._tmp, old_part)
        return held


def lost_keywords(written: Iterable[Written]) -> frozenset[str]:
    """The keywords for which the folder has no letter left."""
    return frozenset(keyword for message in written for keyword in message.homeless)
