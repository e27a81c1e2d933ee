"""How many round trips a piece of work takes on Dovecot, counted on the wire."""

from collections.abc import Iterator

import pytest

from mailctl.domain.mailbox import Folder
from mailctl.domain.secret import Secret
from mailctl.domain.server import CertificatePolicy, Endpoint, Security
from mailctl.domain.visits import Visit
from mailctl.protocols.imap import open_imap
from tests.servers.support.certificates import Certificates
from tests.servers.support.contract import Sink
from tests.servers.support.mailbox import Mailbox
from tests.servers.support.turns import Turns

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
