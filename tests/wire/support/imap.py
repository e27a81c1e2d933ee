"""The parts that IMAP scripts have in common, and the client's side of them."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mailctl.domain.deadline import Deadline
from mailctl.domain.mailbox import Folder, ImapMailbox, MessageMeta
from mailctl.domain.secret import Secret
from mailctl.domain.server import Endpoint, Protocol, Security
from mailctl.protocols.imap.session import imap_session, open_imap
from tests.wire.support.jobs import Climbed, job
from tests.wire.support.scripted import Peer, ScriptedServer

VERDICT = 5.0
"""Seconds within which each fault is told."""
USER, PASSWORD = "alice", "c4nary-s3cret"
INBOX = Folder("INBOX", b"INBOX", "/")
CAPABILITIES = "IMAP4rev1"


def answer(peer: Peer, name: str, *untagged: str | bytes, end: str = "OK done") -> str:
    """Take the command `name`, answer it → its tag."""
    tag = peer.command(name)
    peer.line(*untagged, f"{tag} {end}")
    return tag


def sign_in(peer: Peer, capabilities: str = CAPABILITIES) -> None:
    """Greet, and let the client in by LOGIN."""
    peer.line("* OK hello")
    answer(peer, "CAPABILITY", f"* CAPABILITY {capabilities}")
    answer(peer, "LOGIN", end=f"OK [CAPABILITY {capabilities}] in")


def examine(peer: Peer, messages: int = 3, *more: str) -> None:
    """Open a folder of so many messages."""
    answer(peer, "EXAMINE", f"* {messages} EXISTS", "* OK [UIDVALIDITY 7] x", *more, end="OK [READ-ONLY] open")


@contextmanager
def signed_in(
    then: Callable[[Peer], object],
    *,
    capabilities: str = CAPABILITIES,
    messages: int | None = 3,
    largest: int = 1 << 20,
) -> Iterator[ImapMailbox]:
    """A mailbox on a server that goes on with `then`; INBOX is open if it has `messages`."""

    def script(peer: Peer) -> None:
        sign_in(peer, capabilities)
        if messages is not None:
            examine(peer, messages)
        then(peer)
        peer.wait_for_end()

    with ScriptedServer(script) as server:
        endpoint = Endpoint("127.0.0.1", server.port, Security.NONE)
        mailbox = open_imap(endpoint, USER, Secret(PASSWORD), largest=largest)
        try:
            if messages is not None:
                mailbox.select(INBOX, read_only=True)
            yield mailbox
        finally:
            mailbox.close()


def climb(
    server: ScriptedServer, security: Security, ca: Path, *, user: str = USER, password: str = PASSWORD
) -> Climbed:
    """The climb of a check on `server`; fails the test if it took too long or showed the password in clear."""
    check = job(Protocol.IMAP, server.port, security, ca, user=user)
    climbed = Climbed(imap_session(check, Secret(password), Deadline(20)))
    assert climbed.seconds < VERDICT
    if security is not Security.NONE:
        for form in (password.encode(), b64encode(password.encode()), password.encode().hex().encode()):
            assert form not in server.clear
    return climbed


@dataclass
class Sinks:
    """A factory of sinks. kept: finished bodies by UID. begun, abandoned: how many."""

    kept: dict[int, bytes] = field(default_factory=dict)
    begun: int = 0
    abandoned: int = 0

    def __call__(self, octets: int) -> "Sink":
        self.begun += 1
        return Sink(self)


@dataclass
class Sink:
    """Keeps one body in memory."""

    owner: Sinks
    got: bytearray = field(default_factory=bytearray)

    def write(self, chunk: bytes | memoryview) -> None:
        """Take octets."""
        self.got += chunk

    def finish(self, meta: MessageMeta) -> None:
        """Keep the body."""
        assert meta.uid not in self.owner.kept
        self.owner.kept[meta.uid] = bytes(self.got)

    def abandon(self) -> None:
        """Forget the body."""
        self.owner.abandoned += 1
