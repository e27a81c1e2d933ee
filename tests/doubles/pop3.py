"""A POP3 server in memory: `MemoryDrop`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from mailctl.domain.mailbox import BodySink, ImapMailbox, MessageMeta, PopMailbox
from mailctl.errors import NetworkError, RefusedError
from mailctl.sync.job import SyncJob

CHUNK = 1000


@dataclass
class MemoryDrop:
    """The maildrop: (unique-id, body) in order. `before` is called with each command's name, and may raise; so may
    `connecting`. refused: unique-ids for which RETR and DELE are refused. miscounts: octets that LIST tells too many.
    """

    messages: list[tuple[str, bytes]] = field(default_factory=list)
    capabilities: frozenset[str] = frozenset({"UIDL", "TOP"})
    connecting: Callable[[], None] = lambda: None
    refused: set[str] = field(default_factory=set)
    miscounts: int = 0
    before: Callable[[str], None] = lambda command: None
    commands: list[str] = field(default_factory=list)

    def open_pop3(self, job: SyncJob | None = None) -> PopMailbox:
        """A connection."""
        self.connecting()
        return MemoryPop(self)

    def open_imap(self, job: SyncJob) -> ImapMailbox:
        """No IMAP here."""
        raise NotImplementedError


class MemoryPop:
    """See `PopMailbox`."""

    def __init__(self, drop: MemoryDrop) -> None:
        self._drop, self.capabilities = drop, drop.capabilities
        self._held = list(drop.messages)
        self._deleted: set[int] = set()
        self._dead = False

    def uidl(self) -> list[tuple[int, str, int]]:
        self._command("UIDL")
        sizes = [len(body) + self._drop.miscounts for _, body in self._held]
        return [(number, uidl, size) for number, ((uidl, _), size) in enumerate(zip(self._held, sizes, strict=True), 1)]

    def retrieve_all(
        self, messages: Sequence[tuple[int, int]], sinks: Callable[[int, int], BodySink]
    ) -> Iterator[tuple[int, RefusedError | None]]:
        for number, octets in messages:
            self._command("RETR")
            uidl, body = self._held[number - 1]
            if uidl in self._drop.refused:
                yield number, RefusedError(f"does not give out message {number}")
                continue
            taking = sinks(number, octets)
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
            yield number, None

    def headers(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        for number in numbers:
            self._command("TOP")
            if "TOP" in self.capabilities:
                yield number, self._held[number - 1][1].partition(b"\r\n\r\n")[0].replace(b"\r\n", b"\n") + b"\n"

    def delete_all(self, numbers: Sequence[int]) -> list[int]:
        refused = []
        for number in numbers:
            self._command("DELE")
            if self._held[number - 1][0] in self._drop.refused:
                refused.append(number)
            else:
                self._deleted.add(number)
        return refused

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
