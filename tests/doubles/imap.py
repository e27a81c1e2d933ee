"""An IMAP server in memory: `MemoryServer`, and `MemoryMailbox`, which passes the contract tests of `ImapMailbox`."""

import datetime as dt
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from mailctl.domain.mailbox import Folder, FolderListing, FolderStatus, MessageMeta, PopMailbox, SinkFactory
from mailctl.domain.visits import Arrived, Closed, Opened, Shown, Sinks, Visit
from mailctl.errors import NetworkError, ProtocolError, RefusedError, SafetyError
from mailctl.sync.job import SyncJob
from tests.doubles.imap_changes import MemoryChanges

CHUNK = 1000


@dataclass(frozen=True)
class Message:
    """A message on the server. lies_size: what RFC822.SIZE says, if not the truth. no_body: BODY[] is NIL.
    poison: a FETCH of it breaks the protocol."""

    body: bytes
    flags: frozenset[str] = frozenset()
    date: float = 1_700_000_000.0
    modseq: int = 1
    lies_size: int | None = None
    no_body: bool = False
    poison: bool = False


@dataclass
class MemoryFolder:
    """A folder on the server; `uidnext` and `uidvalidity` may be what no honest server has."""

    uidvalidity: int | None = 1000
    messages: dict[int, Message] = field(default_factory=dict)
    uidnext: int | None = 1
    read_only: bool = False
    attributes: frozenset[str] = frozenset()
    gone: bool = False
    subscribed: bool = True
    mailbox_id: str = ""
    _highest: int = field(default=1, repr=False)
    _known: frozenset[int] = field(default=frozenset(), repr=False)

    def add(self, *bodies: bytes, flags: Iterable[str] = (), date: float = 1_700_000_000.0) -> list[int]:
        """Deliver messages; returns their UIDs."""
        uids = []
        for body in bodies:
            uid = max([0, *self.messages, (self.uidnext or 1) - 1]) + 1
            self.messages[uid] = Message(body, frozenset(flags), date, self.modseq() + 1)
            if self.uidnext is not None:
                self.uidnext = uid + 1
            uids.append(uid)
        return uids

    def flag(self, uid: int, flags: Iterable[str]) -> None:
        """Replace a message's flags."""
        self.messages[uid] = replace(self.messages[uid], flags=frozenset(flags), modseq=self.modseq() + 1)

    def modseq(self) -> int:
        """The highest mod-sequence; it grows when messages go, too."""
        gone = self._known - self.messages.keys()
        self._known = frozenset(self.messages)
        self._highest = max([self._highest + bool(gone), *(message.modseq for message in self.messages.values())])
        return self._highest

    def vanished(self) -> tuple[tuple[int, int], ...]:
        """The UIDs that no message has, as VANISHED (EARLIER) of a server that remembers no deletions."""
        edges = [0, *sorted(self.messages), max([0, *self.messages, (self.uidnext or 1) - 1]) + 1]
        return tuple((low + 1, high - 1) for low, high in pairwise(edges) if high - low > 1)


@dataclass
class MemoryServer:
    """What the server has. `cut` is called with the octets sent of each body, and may raise; as may `before` with each
    command's name, and `after` with that of one that took effect. unfounded: subscribed names that no folder has."""

    folders: dict[str, MemoryFolder] = field(default_factory=dict)
    capabilities: frozenset[str] = frozenset({"IMAP4REV1", "UIDPLUS", "CONDSTORE", "ENABLE"})
    delimiter: str = "/"
    cut: Callable[[int], None] = lambda octets: None
    before: Callable[[str], None] = lambda command: None
    after: Callable[[str], None] = lambda command: None
    commands: list[tuple[str, object]] = field(default_factory=list)
    unfounded: set[str] = field(default_factory=set)
    connections: int = 0

    def open_imap(self, job: SyncJob | None = None) -> "MemoryMailbox":
        """A connection."""
        self.connections += 1
        return MemoryMailbox(self)

    def open_pop3(self, job: SyncJob) -> PopMailbox:
        """No POP3 here."""
        raise NotImplementedError


class MemoryMailbox(MemoryChanges):
    """See `ImapMailbox`, `ImapPipeline`, and `ImapChanges` of its base."""

    def __init__(self, server: MemoryServer) -> None:
        self.capabilities = server.capabilities
        self._server = server
        self._name = ""
        self._read_only = True
        self._dead = False
        self._enabled = False
        self._entering: tuple[Folder, int] | None = None

    def survey(self) -> FolderListing:
        self._command("survey")
        self._enabled = {"ENABLE", "QRESYNC"} <= self.capabilities
        listed = self._listing()
        statuses = {
            folder.name: self._status(self._server.folders[folder.name], read_only=False)
            for folder in listed
            if folder.selectable
        }
        told = self.capabilities & {"LIST-EXTENDED"}
        folders = (
            replace(folder, attributes=folder.attributes | {"\\subscribed"})
            if told and self._server.folders[folder.name].subscribed
            else folder
            for folder in listed
        )
        return FolderListing(tuple(folders), statuses=statuses)

    def look_ahead(self, folders: Sequence[Folder]) -> "list[tuple[FolderStatus, array[int]] | None]":
        self._command("look_ahead", [folder.name for folder in folders])
        self._name = ""
        found: list[tuple[FolderStatus, array[int]] | None] = []
        for folder in folders:
            try:
                held = self._find(folder)
            except RefusedError:
                found.append(None)
            else:
                found.append((self._status(held, read_only=True), array("L", sorted(held.messages))))
        return found

    @property
    def turn(self) -> float:
        return 0.0

    @property
    def quick(self) -> bool:
        return self._enabled

    def compress(self) -> bool:
        self._command("compress")
        return "COMPRESS=DEFLATE" in self.capabilities

    def visit(self, visits: Sequence[Visit], sinks: Sinks) -> Iterator[Opened | Shown | Arrived | Closed]:
        self._name = ""
        for visit in visits:
            self._command("visit", visit)
            assert visit.rows_from is None or visit.bodies_from is None
            try:
                yield self._open(visit)
            except RefusedError as error:
                yield Closed(visit, error)
                continue
            messages = self._server.folders[visit.folder.name].messages
            for uid in sorted(messages):
                if visit.rows_from is not None and uid >= visit.rows_from:
                    yield Shown(visit, self._row(uid, messages[uid]))
            for uid in sorted(messages):
                if visit.bodies_from is not None and uid >= visit.bodies_from:
                    meta = self._body(visit.folder.name, uid, lambda octets, visit=visit: sinks(visit, octets))
                    if meta is not None:
                        yield Arrived(visit, meta)
            yield Closed(visit)

    def _open(self, visit: Visit) -> Opened:
        found = self._find(visit.folder)
        status = self._status(found, read_only=visit.read_only or found.read_only)
        if visit.since is None:
            return Opened(visit, status)
        if not self._enabled:
            raise RefusedError("QRESYNC isn't enabled", code="no_qresync")
        uidvalidity, modseq = visit.since
        if uidvalidity != found.uidvalidity:
            return Opened(visit, status)
        changed = (
            MessageMeta(uid, message.flags, modseq=message.modseq)
            for uid, message in sorted(found.messages.items())
            if message.modseq > modseq
        )
        return Opened(visit, status, tuple(changed), found.vanished() if status.highestmodseq != modseq else ())

    def folders(self) -> FolderListing:
        self._command("folders")
        return FolderListing(self._listing())

    def _listing(self) -> tuple[Folder, ...]:
        return tuple(
            Folder(name, name.encode("utf-8", "surrogatepass"), self._server.delimiter, folder.attributes)
            for name, folder in self._server.folders.items()
            if not folder.gone
        )

    def select(self, folder: Folder, *, read_only: bool) -> FolderStatus:
        self._command("select", folder.name)
        self._name = ""
        found = self._find(folder)
        self._name, self._read_only = folder.name, read_only or found.read_only
        return self._status(found, read_only=self._read_only)

    def enter(self, folder: Folder, uidvalidity: int) -> None:
        self._command("enter", folder.name)
        self._name, self._entering = "", (folder, uidvalidity)

    def _entered(self) -> None:
        if self._entering is None:
            return
        (folder, uidvalidity), self._entering = self._entering, None
        self._dead = True
        if self._find(folder).uidvalidity != (uidvalidity or None):
            raise SafetyError(f"{folder.name} is another", code="uidvalidity_changed")
        self._dead, self._name, self._read_only = False, folder.name, True

    def _find(self, folder: Folder) -> MemoryFolder:
        found = self._server.folders.get(folder.name)
        if found is None or found.gone or not folder.selectable:
            raise RefusedError(f"SELECT {folder.name}: no such mailbox", cause="no_such_mailbox")
        return found

    def _status(self, found: MemoryFolder, *, read_only: bool) -> FolderStatus:
        modseq = found.modseq() if self.capabilities & {"CONDSTORE", "QRESYNC"} else None
        return FolderStatus(
            len(found.messages), found.uidvalidity, found.uidnext, modseq, read_only, mailbox_id=found.mailbox_id
        )

    def uids(self, *, since: str | None = None) -> list[int]:
        self._command("uids", since)
        after = dt.datetime.fromisoformat(since).replace(tzinfo=dt.UTC).timestamp() if since else 0
        return sorted(uid for uid, message in self._folder().messages.items() if message.date >= after)

    def scan(self, uids: Sequence[int] | None = None, *, changed_since: int | None = None) -> Iterator[MessageMeta]:
        self._command("scan", uids)
        for uid, message in sorted(self._folder().messages.items()):
            if (uids is None or uid in uids) and message.modseq > (changed_since or 0):
                yield self._row(uid, message)

    def _row(self, uid: int, message: Message) -> MessageMeta:
        size = len(message.body) if message.lies_size is None else message.lies_size
        modseq = message.modseq if "CONDSTORE" in self.capabilities else None
        return MessageMeta(uid, message.flags, size, message.date, modseq)

    def fetch(
        self, uids: Sequence[int], sink: SinkFactory, more: Callable[[], Sequence[int]] | None = None
    ) -> Iterator[MessageMeta]:
        if uids:
            self._entered()
        while uids:
            self._command("fetch", list(uids))
            for uid in uids:
                if not self._name:
                    self._folder()
                meta = self._body(self._name, uid, sink)
                if meta is not None:
                    yield meta
            uids = more() if more is not None else ()

    def _body(self, name: str, uid: int, sink: SinkFactory) -> MessageMeta | None:
        """Give one body to its sink."""
        message = self._server.folders[name].messages.get(uid)
        if message is None or message.no_body:
            return None
        if message.poison:
            self._dead = True
            raise ProtocolError("the server sent something that isn't a FETCH response")
        taking = sink(len(message.body))
        try:
            for start in range(0, len(message.body), CHUNK):
                self._server.cut(start)
                taking.write(memoryview(message.body)[start : start + CHUNK])
            self._server.cut(len(message.body))
            meta = MessageMeta(uid, message.flags, len(message.body), message.date)
            taking.finish(meta)
        except BaseException as error:
            self._dead = True
            if isinstance(error, Exception):
                taking.abandon()
            raise
        return meta

    def headers(self, uids: Sequence[int], names: Sequence[str]) -> Iterator[tuple[int, bytes]]:
        self._command("headers", list(uids))
        wanted = tuple(name.lower().encode() + b":" for name in names)
        for uid in uids:
            message = self._folder().messages.get(uid)
            if message is not None:
                head = message.body.partition(b"\r\n\r\n")[0]
                lines = [line for line in head.split(b"\r\n") if line.lower().startswith(wanted)]
                yield uid, b"".join(line + b"\r\n" for line in lines) + b"\r\n"

    def search_header(self, name: str, value: str) -> list[int]:
        self._command("search_header", (name, value))
        field, wanted = name.lower().encode() + b":", value.lower().encode()
        return [
            uid
            for uid, message in sorted(self._folder().messages.items())
            for line in message.body.partition(b"\r\n\r\n")[0].split(b"\r\n")
            if line.lower().startswith(field) and wanted in line.lower()
        ]

    def noop(self) -> None:
        self._command("noop")

    def close(self) -> None:
        self._dead = True

    def _command(self, name: str, argument: object = None) -> None:
        if self._dead:
            raise NetworkError("the connection is closed", cause="connection_lost")
        self._server.commands.append((name, argument))
        self._server.before(name)

    def _folder(self) -> MemoryFolder:
        if not self._name:
            raise RefusedError("no folder is open", code="not_selected")
        return self._server.folders[self._name]
