"""A POP3 server in memory: `MemoryDrop`."""

from collections.abc import Callable
from dataclasses import dataclass, field

from mailctl.domain.mailbox import ImapMailbox, MessageMeta, PopMailbox, SinkFactory
from mailctl.errors import NetworkError
from mailctl.sync.job import SyncJob

CHUNK = 1000


@dataclass
class MemoryDrop:
    """The maildrop: (unique-id, body) in order. `before` is called with each command's name, and may raise."""

    messages: list[tuple[str, bytes]] = field(default_factory=list)
    before: Callable[[str], None] = lambda command: None
    commands: list[str] = field(default_factory=list)

    def open_pop3(self, job: SyncJob | None = None) -> PopMailbox:
        """A connection."""
        return MemoryPop(self)

    def open_imap(self, job: SyncJob) -> ImapMailbox:
        """No IMAP here."""
        raise NotImplementedError


class MemoryPop:
    """See `PopMailbox`."""

    capabilities: frozenset[str] = frozenset({"UIDL", "TOP"})

    def __init__(self, drop: MemoryDrop) -> None:
        self._drop = drop
        self._held = list(drop.messages)
        self._deleted: set[int] = set()
        self._dead = False

    def uidl(self) -> list[tuple[int, str, int]]:
        self._command("UIDL")
        return [(number, uidl, len(body)) for number, (uidl, body) in enumerate(self._held, 1)]

    def retrieve(self, number: int, octets: int, sink: SinkFactory) -> None:
        self._command("RETR")
        body = self._held[number - 1][1]
        taking = sink(octets)
        try:
            for start in range(0, len(body), CHUNK):
                taking.write(memoryview(body)[start : start + CHUNK])
                self._drop.before("octets")
            taking.finish(MessageMeta(0))
        except BaseException as error:
            self._dead = True
            if isinstance(error, Exception):
                taking.abandon()
            raise

    def delete(self, number: int) -> None:
        self._command("DELE")
        self._deleted.add(number)

    def quit(self) -> None:
        self._command("QUIT")
        gone = [self._held[number - 1] for number in self._deleted]
        self._drop.messages = [message for message in self._drop.messages if message not in gone]

    def close(self) -> None:
        self._dead = True

    def _command(self, name: str) -> None:
        if self._dead:
            raise NetworkError("the connection is closed", cause="connection_lost")
        self._drop.commands.append(name)
        self._drop.before(name)
