"""Writes messages into a Maildir folder: streamed into `tmp`, made durable, renamed in batches. Bounded memory.

The order that survives a power cut: contents fsynced, then renamed into `cur` or `new`, then both directories fsynced,
and only then may anybody (the state, the server) be told. A message without any flag goes into `new`, any other into
`cur`, as other tools do.
"""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass

from mailctl.domain.mailbox import MessageMeta
from mailctl.sync.local.files import Files
from mailctl.sync.local.flags import canonical, to_letters
from mailctl.sync.local.lineends import Converter, expand
from mailctl.sync.local.maildir import MaildirFolder
from mailctl.sync.local.names import MessageName, part_name

MOST_MESSAGES = 500
MOST_OCTETS = 32 << 20
_YEAR_9999 = 253_402_300_799.0


@dataclass(frozen=True, slots=True)
class Written:
    """A message that is durable: what the server said of it, the octets on the wire, keywords that found no letter."""

    meta: MessageMeta
    octets: int
    homeless: tuple[str, ...] = ()


class Writer:
    """Takes the messages of one folder. A sink of it is made for each body; `commit` makes durable what came whole.

    name: what a message is to be called, from its MessageMeta; None refuses it.
    heartbeat: called with the octets taken in, often; what it raises (a stop) ends the message cleanly.
    """

    def __init__(
        self,
        folder: MaildirFolder,
        folder_hash: str,
        name: Callable[[MessageMeta], MessageName | None],
        heartbeat: Callable[[int], None] = lambda octets: None,
    ) -> None:
        self.folder, self.hash, self.name, self.heartbeat = folder, folder_hash, name, heartbeat
        self.pending_octets = 0
        self._pending: list[tuple[str, MessageName, Written]] = []
        self._open: set[Sink] = set()
        self._count = 0

    def sink(self, octets: int) -> "Sink":
        """A sink for the next body (a `SinkFactory`)."""
        sink = Sink(self)
        self._open.add(sink)
        return sink

    def next_part(self) -> str:
        """A name in `tmp` that this run has not used."""
        self._count += 1
        return part_name(self.hash, self._count)

    @property
    def full(self) -> bool:
        """Whether what came whole should be committed before more is taken."""
        return len(self._pending) >= MOST_MESSAGES or self.pending_octets >= MOST_OCTETS

    def commit(self) -> list[Written]:
        """Rename what came whole into place and make that durable; the contents already are."""
        if not self._pending:
            return []
        folder = self.folder
        placed = []
        for part, name, written in self._pending:
            letters, homeless = to_letters(written.meta.flags, folder.keywords)
            placed.append((part, name, letters, Written(written.meta, written.octets, homeless)))
        folder.save_keywords()
        for part, name, letters, _ in placed:
            target, file = ("cur", f"{name.base()}:2,{letters}") if letters else ("new", name.base())
            folder.files.rename(folder.descriptors["tmp"], part, folder.descriptors[target], file)
        folder.sync_directories()
        self._pending, self.pending_octets = [], 0
        return [written for _, _, _, written in placed]

    def discard(self) -> None:
        """Remove from `tmp` whatever was not committed; for the way out after an error."""
        pending, self._pending = self._pending, []
        with ExitStack() as stack:  # each is tried, whatever becomes of the others
            for part, _, _ in pending:
                stack.callback(self.folder.files.unlink, self.folder.descriptors["tmp"], part)
            for sink in list(self._open):
                stack.callback(sink.abandon)

    def taken(self, sink: "Sink", part: str, name: MessageName, written: Written) -> None:
        """A body came whole and its contents are durable (called by its sink)."""
        self._open.discard(sink)
        self._pending.append((part, name, written))
        self.pending_octets += written.octets

    def dropped(self, sink: "Sink") -> None:
        """A body is not kept (called by its sink)."""
        self._open.discard(sink)


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
        """Make the contents durable; the message waits for the writer's `commit`."""
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
        self._files.fsync(self._fd)
        fd, self._fd = self._fd, -1
        self._files.close(fd)
        name = MessageName(name.folder, name.uidvalidity, name.uid, name.uidl, verbatim)
        self._over = True
        self._writer.taken(self, self._part, name, Written(meta, self._octets))

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
