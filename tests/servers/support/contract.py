"""What the contract tests of `ImapMailbox` and `ImapPipeline` share: each runs on the double and on Dovecot."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol as Interface

import pytest

from mailctl.domain.mailbox import Folder, ImapMailbox, MessageMeta
from mailctl.domain.secret import Secret
from mailctl.domain.server import CertificatePolicy, Endpoint, Security
from mailctl.domain.visits import ImapPipeline
from mailctl.errors import StorageError
from mailctl.protocols.imap.session import open_imap
from tests.doubles.imap import MemoryFolder, MemoryServer
from tests.servers.support.certificates import Certificates
from tests.servers.support.mailbox import Mailbox

BODY = b"Message-ID: <1@x>\r\nSubject: one\r\n\r\n" + b"line\r\n" * 20_000
SMALL = b"message-id: <2@x>\r\n\r\nsmall\r\n"
BARE = b"Subject: no id\r\n\r\nx\r\n"


@dataclass
class Site:
    """A server with an INBOX: how to put mail there, and how to connect."""

    add: Callable[[bytes, Iterable[str]], int]
    flag: Callable[[int, Iterable[str]], None]
    expunge: Callable[[int], None]
    make: Callable[[str], None]
    connect: Callable[[], "Box"]


class Box(ImapMailbox, ImapPipeline, Interface):
    """All that sync reads by."""


@pytest.fixture(params=["memory", "dovecot"])
def site(request: pytest.FixtureRequest) -> Site:
    if request.param == "memory":
        more = {"QRESYNC", "LIST-EXTENDED", "LIST-STATUS"}
        server = MemoryServer({"INBOX": MemoryFolder()}, MemoryServer().capabilities | more)
        inbox = server.folders["INBOX"]
        return Site(
            lambda body, flags: inbox.add(body, flags=flags)[0],
            inbox.flag,
            inbox.messages.__delitem__,
            lambda name: server.folders.update({name: MemoryFolder(uidvalidity=len(server.folders))}),
            server.open_imap,
        )
    mailbox: Mailbox = request.getfixturevalue("mailbox")
    certificates: Certificates = request.getfixturevalue("certificates")
    endpoint = Endpoint(
        "localhost", mailbox.server.imaps, Security.TLS, CertificatePolicy(ca_file=str(certificates.ca))
    )
    return Site(
        lambda body, flags: mailbox.deliver("INBOX", body, flags),
        lambda uid, flags: mailbox.set_flags("INBOX", uid, flags),
        lambda uid: mailbox.expunge("INBOX", uid),
        mailbox.create_folder,
        lambda: open_imap(endpoint, mailbox.user, Secret(mailbox.password)),
    )


@pytest.fixture
def box(site: Site) -> Iterator[Box]:
    made = site.connect()
    yield made
    made.close()


class Sink:
    """Keeps what it is given."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.bodies: dict[int, bytes] = {}
        self.abandoned = 0
        self._now = b""
        self._fail_at = fail_at

    def __call__(self, octets: int) -> "Sink":
        self._now = b""
        return self

    def write(self, chunk: bytes | memoryview) -> None:
        self._now += bytes(chunk)
        if self._fail_at is not None and len(self._now) > self._fail_at:
            raise StorageError("the disk is full")

    def finish(self, meta: MessageMeta) -> None:
        self.bodies[meta.uid] = self._now

    def abandon(self) -> None:
        self.abandoned += 1


def inbox(box: ImapMailbox) -> Folder:
    return next(folder for folder in box.folders().folders if folder.name == "INBOX")
