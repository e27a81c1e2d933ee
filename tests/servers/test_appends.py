"""What real servers refuse of what is put on them, and how that is told."""

from collections.abc import Callable

import pytest

from mailctl.domain.changes import Placed, PlacingError
from mailctl.domain.secret import Secret
from mailctl.domain.server import CertificatePolicy, Endpoint, Security
from mailctl.protocols.imap.mailbox import Mailbox
from mailctl.protocols.imap.session import open_imap
from tests.servers.support.certificates import Certificates
from tests.servers.support.cyrus import CyrusSettings
from tests.servers.support.dovecot_config import DovecotSettings
from tests.servers.support.fixtures import MakeCyrus, MakeDovecot
from tests.servers.test_changes_contract import body, folder, forget, held, upload


def connect(port: int, certificates: Certificates) -> Mailbox:
    policy = CertificatePolicy(ca_file=str(certificates.ca))
    return open_imap(Endpoint("localhost", port, Security.TLS, policy), "alice", Secret("alice-pw"))


def dovecot(request: pytest.FixtureRequest) -> int:
    make: MakeDovecot = request.getfixturevalue("make_dovecot")
    return make(DovecotSettings(quota="100k")).imaps


def cyrus(request: pytest.FixtureRequest) -> int:
    make: MakeCyrus = request.getfixturevalue("make_cyrus")
    return make(CyrusSettings(quota=100)).imaps


@pytest.mark.parametrize("start", [dovecot, cyrus])
def test_a_full_mailbox_refuses_and_tells_what_was_placed(
    request: pytest.FixtureRequest, certificates: Certificates, start: Callable[[pytest.FixtureRequest], int]
) -> None:
    port = start(request)
    for without in (("MULTIAPPEND",), ("MULTIAPPEND", "LITERAL+"), ()):
        box = connect(port, certificates)
        forget(box, *without)
        inbox = folder(box)
        box.select(inbox, read_only=False)
        box.expunge(box.uids())
        with pytest.raises(PlacingError) as caught:
            box.append(inbox, [upload(body(n, 40_000)) for n in range(6)])
        assert caught.value.cause == "quota_full", caught.value.server_text
        assert caught.value.server_text
        placed, unplaced = caught.value.placed, caught.value.unplaced
        there = held(box, inbox)
        assert len(there) == len(placed.uids) == 6 - len(unplaced)
        assert all(there[uid][0] == body(n, 40_000) for n, uid in placed.uids.items())
        assert (placed == Placed()) is (without == ())
        box.close()
