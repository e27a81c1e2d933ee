"""mailctl's IMAP mailbox on a Dovecot of the tests, and sinks that keep what they were given."""

from dataclasses import dataclass, field, replace

from mailctl.domain.mailbox import BodySink, Folder, MessageMeta
from mailctl.domain.secret import Secret
from mailctl.domain.server import CertificatePolicy, Endpoint, Security
from mailctl.protocols.imap.mailbox import Mailbox as ImapMailbox
from mailctl.protocols.imap.names import encode_name
from mailctl.protocols.imap.session import open_imap
from tests.servers.support.certificates import Certificates
from tests.servers.support.dovecot import Dovecot
from tests.servers.support.mailbox import Mailbox


def endpoint(server: Dovecot, certificates: Certificates, security: Security = Security.TLS) -> Endpoint:
    """The IMAP endpoint of `server`, as a client sees it that trusts the tests' authority."""
    port = server.imaps if security is Security.TLS else server.imap
    return Endpoint(server.host, port, security, CertificatePolicy(ca_file=str(certificates.ca)))


def sign_in(mailbox: Mailbox, certificates: Certificates, *, largest: int = 1 << 31) -> ImapMailbox:
    """mailctl's mailbox for the user of `mailbox`, over TLS. largest: octets that a body may have."""
    server = endpoint(mailbox.server, certificates)
    return open_imap(server, mailbox.user, Secret(mailbox.password), largest=largest)


def folder(name: str) -> Folder:
    """The folder of that name."""
    return Folder(name, encode_name(name), "/")


@dataclass
class Collector:
    """A factory of sinks. kept: finished bodies by UID. begun, abandoned: how many; largest: of all chunks."""

    kept: dict[int, bytes] = field(default_factory=dict)
    metas: dict[int, MessageMeta] = field(default_factory=dict)
    octets: int = 0
    begun: int = 0
    abandoned: int = 0
    largest: int = 0
    keep: bool = True

    def __call__(self, octets: int) -> BodySink:
        self.begun += 1
        return _Sink(self, octets)


@dataclass
class _Sink:
    owner: Collector
    announced: int
    got: bytearray = field(default_factory=bytearray)
    count: int = 0

    def write(self, chunk: bytes | memoryview) -> None:
        self.count += len(chunk)
        self.owner.largest = max(self.owner.largest, len(chunk))
        if self.owner.keep:
            self.got += chunk

    def finish(self, meta: MessageMeta) -> None:
        assert self.count == self.announced
        assert meta.uid not in self.owner.kept
        self.owner.octets += self.count
        self.owner.kept[meta.uid] = bytes(self.got)
        self.owner.metas[meta.uid] = replace(meta)

    def abandon(self) -> None:
        self.owner.abandoned += 1
