"""How many round trips a piece of work takes on Dovecot, counted on the wire."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailctl.domain.mailbox import Folder
from mailctl.domain.secret import Secret
from mailctl.domain.server import CertificatePolicy, Endpoint, Security
from mailctl.domain.visits import Visit
from mailctl.protocols.imap.session import open_imap
from tests.servers.support.certificates import Certificates
from tests.servers.support.contract import Sink
from tests.servers.support.mailbox import Mailbox
from tests.servers.support.turns import Turns
from tests.servers.syncing import GatewayHome

SIGN_IN = 3
"""Two of the TLS handshake, the second of which is answered by the greeting, and AUTHENTICATE."""


@pytest.fixture
def turns(mailbox: Mailbox) -> Iterator[Turns]:
    with Turns(mailbox.server.imaps) as relay:
        yield relay


def test_sign_in_survey_and_logout_take_a_turn_each(turns: Turns, mailbox: Mailbox, certificates: Certificates) -> None:
    for number in range(20):
        mailbox.create_folder(f"folder {number}")
    endpoint = Endpoint("localhost", turns.port, Security.TLS, CertificatePolicy(ca_file=str(certificates.ca)))
    box = open_imap(endpoint, mailbox.user, Secret(mailbox.password))
    assert turns.count == SIGN_IN
    listing = box.survey()
    assert len(listing.statuses) >= 20
    assert turns.count == SIGN_IN + 1
    box.close()


def test_a_visit_of_several_folders_takes_one_turn(turns: Turns, mailbox: Mailbox, certificates: Certificates) -> None:
    names = [f"folder {number}" for number in range(6)]
    for name in names:
        mailbox.create_folder(name)
        mailbox.deliver(name, b"Subject: x\r\n\r\nx\r\n")
    endpoint = Endpoint("localhost", turns.port, Security.TLS, CertificatePolicy(ca_file=str(certificates.ca)))
    box = open_imap(endpoint, mailbox.user, Secret(mailbox.password))
    sink = Sink()
    visits = [Visit(Folder(name, name.encode(), "/"), bodies_from=1) for name in names]
    assert len(list(box.visit(visits, lambda visit, octets: sink(octets)))) == 18
    assert turns.count == SIGN_IN + 1
    box.close()


@dataclass(frozen=True)
class Relayed:
    """The account of `mailbox`, reached through a relay."""

    mailbox: Mailbox
    server: "RelayedPorts"

    @property
    def user(self) -> str:
        """The mailbox's."""
        return self.mailbox.user

    @property
    def password(self) -> str:
        """The mailbox's."""
        return self.mailbox.password

    @property
    def address(self) -> str:
        """The mailbox's."""
        return self.mailbox.address


@dataclass(frozen=True)
class RelayedPorts:
    """Where the relay listens; there is no POP3 behind it."""

    imaps: int
    pop3s: int = 1


def test_a_sync_takes_a_turn_for_what_there_is_and_one_for_what_changed(
    turns: Turns, mailbox: Mailbox, certificates: Certificates, tmp_path: Path
) -> None:
    for number in range(10):
        mailbox.create_folder(f"folder {number}")
        mailbox.deliver(f"folder {number}", b"Subject: x\r\n\r\nx\r\n")
    home = GatewayHome(tmp_path, Relayed(mailbox, RelayedPorts(turns.port)), certificates)

    def taken() -> int:
        before = turns.count
        home.cli.ok("sync", "box")
        return turns.count - before

    farewell = 1
    assert taken() <= SIGN_IN + 2 + farewell, "all that there is"
    assert taken() <= SIGN_IN + 1 + farewell, "nothing new"
    mailbox.deliver("folder 3", b"Subject: y\r\n\r\ny\r\n")
    assert taken() <= SIGN_IN + 2 + farewell, "one message"
