"""POP3 on Dovecot, Courier and Cyrus: the engine's promises, with several commands in flight or one at a time."""

import imaplib
import random
import ssl
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mailctl.domain.deadline import Deadline
from mailctl.domain.mailbox import ImapMailbox, PopMailbox
from mailctl.domain.secret import Secret
from mailctl.domain.server import CertificatePolicy, Endpoint, Protocol, Security
from mailctl.errors import RefusedError
from mailctl.protocols.pop3_mailbox import open_pop3
from mailctl.sync.job import SyncJob, Task
from mailctl.sync.verify.differences import Kind
from tests.doubles.syncs import Place
from tests.servers.support.certificates import Certificates
from tests.servers.support.courier import Courier
from tests.servers.support.courier_users import CourierUsers
from tests.servers.support.cyrus import Cyrus
from tests.servers.support.dovecot import Dovecot
from tests.servers.support.dovecot_config import DovecotSettings
from tests.servers.support.fixtures import MakeDovecot

DAY = 86400


@dataclass
class Drop:
    """A maildrop on a real server; how to connect to it, and how to put mail there by IMAP."""

    endpoint: Endpoint
    imap: Callable[[], imaplib.IMAP4]
    user: str
    pipelining: bool = True

    def open_pop3(self, job: SyncJob | None = None) -> PopMailbox:
        """Sign in."""
        mailbox = open_pop3(self.endpoint, self.user, Secret(f"{self.user}-pw"), Deadline(20))
        if not self.pipelining:
            mailbox.capabilities -= {"PIPELINING"}
        return mailbox

    def open_imap(self, job: SyncJob) -> ImapMailbox:
        """Not asked for."""
        raise NotImplementedError

    def deliver(self, *messages: bytes) -> None:
        """Put messages into the INBOX."""
        with self.imap() as client:
            for message in messages:
                assert client.append("INBOX", "", "", message)[0] == "OK"

    def count(self) -> int:
        """Messages there."""
        with self.imap() as client:
            return int((client.select("INBOX", readonly=True)[1][0] or b"0").decode())


def mail(number: int, body: str = "hello\r\n", date: str = "Thu, 29 Feb 2024 12:00:00 +0000") -> bytes:
    head = f"From: a@b.test\r\nDate: {date}\r\nSubject: {number}\r\nMessage-ID: <{number}@b.test>\r\n"
    return f"{head}\r\n{body}".encode()


@pytest.fixture(params=["dovecot", "courier", "cyrus"])
def drop(request: pytest.FixtureRequest, certificates: Certificates) -> Drop:
    server: Dovecot | Courier | Cyrus = request.getfixturevalue(request.param)
    if isinstance(server, Dovecot):
        user = server.new_user()
    else:
        user = f"pop{uuid.uuid4().hex[:8]}"
        users: Cyrus | CourierUsers = server if isinstance(server, Cyrus) else request.getfixturevalue("courier_users")
        users.add_user(user, f"{user}-pw")
    trust = ssl.create_default_context(cafile=certificates.ca)

    def imap() -> imaplib.IMAP4:
        client = imaplib.IMAP4_SSL("localhost", server.imaps, ssl_context=trust, timeout=20)
        client.login(user, f"{user}-pw")
        return client

    imap().logout()  # Cyrus makes the mailbox with the first sign-in by IMAP
    endpoint = Endpoint("localhost", server.pop3s, Security.TLS, CertificatePolicy(str(certificates.ca)))
    return Drop(endpoint, imap, user)


@pytest.fixture
def place(tmp_path: Path, drop: Drop) -> Place:
    return Place(tmp_path, drop, Protocol.POP3)


@pytest.mark.parametrize("pipelining", [True, False])
def test_all_comes_once_and_leaves_when_asked(place: Place, drop: Drop, pipelining: bool) -> None:
    drop.pipelining = pipelining
    made = random.Random(3)
    messages = [mail(n, ".\r\n..\r\n.x\r\n" + "y" * made.randrange(9000) + "\r\n") for n in range(30)]
    drop.deliver(*messages)
    report = place.sync()
    assert (report.ok, report.fetched, report.skipped) == (True, 30, ())
    assert sorted(place.bodies()) == sorted(messages)
    assert place.sync().fetched == 0
    place.state.unlink()
    again = place.sync()
    assert (again.ok, again.fetched) == (True, 0), "the files' names are enough"
    found = place.sync(replace(place.job(), task=Task.VERIFY, dry_run=True, content=True))
    assert found.ok
    assert found.verified is not None
    assert found.verified.differences == ()
    assert place.sync(keep_on_server=False).removed == 30
    assert drop.count() == 0
    assert len(place.bodies()) == 30


def test_what_is_too_large_or_too_old_stays_and_is_named(place: Place, drop: Drop) -> None:
    drop.deliver(mail(1), mail(2, "z" * 70 + "\r\n" * 5000), mail(3, date="Mon, 1 Jan 2001 00:00:00 +0000"))
    report = place.sync(replace(place.job(max_size=5000), since="2020-01-01"))
    assert (report.ok, report.fetched) == (True, 1)
    told = [(skipped.code, skipped.subject, skipped.date) for skipped in report.skipped]
    assert told == [("too_large", "2", "2024-02-29T12:00:00Z"), ("too_old", "", "")]


def test_messages_leave_some_days_after_they_came(place: Place, drop: Drop) -> None:
    now = 1_800_000_000.0
    place.clock = lambda: now
    drop.deliver(mail(1))
    place.sync(delete_after=7 * DAY)
    now += 3 * DAY
    drop.deliver(mail(2))
    place.sync(delete_after=7 * DAY)
    now += 4 * DAY
    assert place.sync(delete_after=7 * DAY).removed == 1
    assert drop.count() == 1


def test_damage_is_found_and_mended_by_fetching_anew(place: Place, drop: Drop) -> None:
    drop.deliver(*(mail(n) for n in range(5)))
    place.sync()
    (broken,) = [path for path in place.mail.glob("INBOX/*/*") if b"Subject: 3" in path.read_bytes()]
    broken.write_bytes(broken.read_bytes()[:-4])
    job = replace(place.job(), task=Task.VERIFY, dry_run=True)
    found = place.sync(job)
    assert found.error is not None
    assert (found.error.code, int(found.error.exit_code)) == ("differences", 11)
    assert found.verified is not None
    assert [each.kind for each in found.verified.differences] == [Kind.CONTENT]
    broken.unlink()
    assert place.sync(replace(place.job(), task=Task.REPAIR)).ok
    assert place.sync().fetched == 1
    assert place.sync(job).ok


def test_a_maildrop_in_use_is_told_so(make_dovecot: MakeDovecot, certificates: Certificates) -> None:
    server = make_dovecot(DovecotSettings(extra="protocol pop3 {\n  pop3_lock_session = yes\n}\n"))
    user = server.new_user()
    endpoint = Endpoint("localhost", server.pop3s, Security.TLS, CertificatePolicy(str(certificates.ca)))
    first = open_pop3(endpoint, user, Secret(f"{user}-pw"), Deadline(20))
    try:
        with pytest.raises(RefusedError, match="in use") as caught:
            open_pop3(endpoint, user, Secret(f"{user}-pw"), Deadline(20))
    finally:
        first.close()
    assert caught.value.code == "mailbox_in_use"
    assert "[IN-USE]" in caught.value.server_text
    assert "minute" in caught.value.hint
