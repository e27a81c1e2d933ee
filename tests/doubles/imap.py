"""An IMAP server in memory: `MemoryServer`, and `MemoryMailbox`, which passes the contract tests of `ImapMailbox`."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from mailctl.domain.mailbox import Folder, FolderListing, FolderStatus, MessageMeta, PopMailbox, SinkFactory
from mailctl.errors import NetworkError, ProtocolError, RefusedError
from mailctl.sync.job import SyncJob

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
        """The highest mod-sequence."""
        return max((message.modseq for message in self.messages.values()), default=1)


@dataclass
class MemoryServer:
    """What the server has. `cut` is called with the octets sent of each body, and may raise; as may `before` with each
    command's name."""

    folders: dict[str, MemoryFolder] = field(default_factory=dict)
    capabilities: frozenset[str] = frozenset({"IMAP4REV1", "UIDPLUS", "CONDSTORE", "ENABLE"})
    delimiter: str = "/"
    cut: Callable[[int], None] = lambda octets: None
    before: Callable[[str], None] = lambda command: None
    commands: list[tuple[str, object]] = field(default_factory=list)
    connections: int = 0

    def open_imap(self, job: SyncJob | None = None) -> "MemoryMailbox":
        """A connection."""
        self.connections += 1
        return MemoryMailbox(self)

    def open_pop3(self, job: SyncJob) -> PopMailbox:
        """No POP3 here."""
        raise NotImplementedError


class MemoryMailbox:
    """See `ImapMailbox`."""

    def __init__(self, server: MemoryServer) -> None:
        self.capabilities = server.capabilities
        self._server = server
        self._name = ""
        self._read_only = True
        self._dead = False

    def folders(self) -> FolderListing:
        self._command("folders")
        return FolderListing(
            tuple(
                Folder(name, name.encode("utf-8", "surrogatepass"), self._server.delimiter, folder.attributes)
                for name, folder in self._server.folders.items()
                if not folder.gone
            )
        )

    def select(self, folder: Folder, *, read_only: bool) -> FolderStatus:
        self._command("select", folder.name)
        self._name = ""
        found = self._server.folders.get(folder.name)
        if found is None or found.gone:
            raise RefusedError(f"SELECT {folder.name}: no such mailbox", cause="no_such_mailbox")
        self._name, self._read_only = folder.name, read_only or found.read_only
        modseq = found.modseq() if "CONDSTORE" in self.capabilities else None
        return FolderStatus(len(found.messages), found.uidvalidity, found.uidnext, modseq, self._read_only)

    def uids(self, *, since: str | None = None) -> list[int]:
        self._command("uids", since)
        after = dt.datetime.fromisoformat(since).replace(tzinfo=dt.UTC).timestamp() if since else 0
        return sorted(uid for uid, message in self._folder().messages.items() if message.date >= after)

    def scan(self, uids: Sequence[int] | None = None, *, changed_since: int | None = None) -> Iterator[MessageMeta]:
        self._command("scan", uids)
        for uid, message in sorted(self._folder().messages.items()):
            if (uids is None or uid in uids) and message.modseq > (changed_since or 0):
                size = len(message.body) if message.lies_size is None else message.lies_size
                modseq = message.modseq if "CONDSTORE" in self.capabilities else None
                yield MessageMeta(uid, message.flags, size, message.date, modseq)

    def fetch(self, uids: Sequence[int], sink: SinkFactory) -> Iterator[MessageMeta]:
        self._command("fetch", list(uids))
        for uid in uids:
            message = self._folder().messages.get(uid)
            if message is None or message.no_body:
                continue
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
            yield meta

    def headers(self, uids: Sequence[int], names: Sequence[str]) -> Iterator[tuple[int, bytes]]:
        self._command("headers", list(uids))
        wanted = tuple(name.lower().encode() + b":" for name in names)
        for uid in uids:
            message = self._folder().messages.get(uid)
            if message is not None:
                head = message.body.partition(b"\r\n\r\n")[0]
                lines = [line for line in head.split(b"\r\n") if line.lower().startswith(wanted)]
                yield uid, b"".join(line + b"\r\n" for line in lines) + b"\r\n"

    def add_flags(self, uids: Sequence[int], flags: Iterable[str]) -> None:
        flags = frozenset(flags)
        self._command("add_flags", (list(uids), flags))
        if self._read_only:
            raise RefusedError("the folder is open for reading only", code="read_only", cause="read_only")
        folder = self._folder()
        for uid in uids:
            if uid in folder.messages:
                folder.flag(uid, folder.messages[uid].flags | flags)

    def expunge(self, uids: Sequence[int]) -> None:
        self._command("expunge", list(uids))
        if "UIDPLUS" not in self.capabilities:
            raise RefusedError("the server lacks UIDPLUS", code="no_uidplus")
        if self._read_only:
            raise RefusedError("the folder is open for reading only", code="read_only", cause="read_only")
        for uid in uids:
            self._folder().messages.pop(uid, None)

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
