"""`sync --verify` and `sync --repair` as commands, on a real Dovecot."""

import imaplib
import os
import shutil
import ssl
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mailctl.domain.mailbox import ImapMailbox, PopMailbox
from mailctl.domain.secret import Secret
from mailctl.domain.server import CertificatePolicy, Endpoint, Security
from mailctl.protocols.imap.session import open_imap
from mailctl.sync.job import SyncJob, Task
from tests.doubles.syncs import Place
from tests.servers.support.certificates import Certificates
from tests.servers.support.courier import Courier
from tests.servers.support.courier_users import CourierUsers
from tests.servers.support.cyrus import Cyrus
from tests.servers.support.mail import Mail
from tests.servers.support.mailbox import Mailbox
from tests.servers.syncing import SyncHome


def mail(number: int) -> bytes:
    return f"From: a@b.test\r\nSubject: {number}\r\nMessage-ID: <{number}@b.test>\r\n\r\nhello\r\n".encode()


def test_verify_finds_what_repair_and_sync_mend(tmp_path: Path, mailbox: Mailbox, certificates: Certificates) -> None:
    mailbox.create_folder("Été/Müller")
    mailbox.deliver_many("INBOX", [Mail(mail(n), ("\\Seen", "Work") if n % 2 else ()) for n in range(10)])
    mailbox.deliver_many("Été/Müller", [mail(n) for n in range(20, 25)])
    home = SyncHome(tmp_path, mailbox, certificates)
    home.sync()
    sound = home.snapshot()
    verified = home.sync("--verify", "--content")["verified"]
    assert (verified["differences"], verified["content"]) == ([], True)
    assert [(f["name"], f["same"]) for f in verified["folders"] if f["there"]] == [("INBOX", 10), ("Été/Müller", 5)]
    assert home.snapshot() == sound

    first, second = sorted((home.mail / "INBOX/cur").iterdir())[:2]
    shutil.copy2(first, home.mail / "INBOX/new" / first.name.partition(":")[0])
    second.write_bytes(second.read_bytes()[:-3])
    os.utime(second, (1_600_000_000, 1_600_000_000))  # it may have been delivered within this very second
    damaged = home.snapshot()
    report = home.sync("--verify", code=11)
    assert report["error"]["code"] == "differences"
    assert sorted({each["kind"] for each in report["verified"]["differences"]}) == ["date", "doubled", "size"]
    assert home.snapshot() == damaged, "verifying changes nothing"
    shown = home.cli.run("sync", "box", "--verify")
    assert shown.code == 11
    assert {row[2:4] for row in map(tuple, shown.rows)} == {("date", "stays"), ("doubled", "stays"), ("size", "stays")}

    assert home.snapshot() == damaged
    planned = home.sync("--repair", "--dry-run")["repaired"]
    assert home.snapshot() == damaged
    done = home.sync("--repair")["repaired"]
    assert planned["mended"] == done["mended"]
    assert (done["adopted"], done["left"], done["old_state"]) == (15, 0, f"{home.state}.old")
    second.unlink()
    home.sync("--repair")
    assert home.sync()["fetched"] == 1
    assert home.sync("--verify", "--content")["verified"]["differences"] == []
    home.assert_equals_server()


def test_requests_that_make_no_sense(tmp_path: Path, mailbox: Mailbox, certificates: Certificates) -> None:
    home = SyncHome(tmp_path, mailbox, certificates)
    for options in (("--verify", "--repair"), ("--content",), ("--repair", "--start-afresh")):
        assert home.cli.run("sync", "box", *options).code == 2


@pytest.mark.parametrize("which", ["courier", "cyrus"])
def test_verify_agrees_with_other_servers(
    tmp_path: Path, which: str, request: pytest.FixtureRequest, certificates: Certificates
) -> None:
    server: Courier | Cyrus = request.getfixturevalue(which)
    user = f"ver{uuid.uuid4().hex[:8]}"
    users: Cyrus | CourierUsers = server if isinstance(server, Cyrus) else request.getfixturevalue("courier_users")
    users.add_user(user, f"{user}-pw")
    trust = ssl.create_default_context(cafile=certificates.ca)
    with imaplib.IMAP4_SSL("localhost", server.imaps, ssl_context=trust, timeout=20) as client:
        client.login(user, f"{user}-pw")
        for number in range(8):
            client.append("INBOX", "(\\Seen Work)" if number % 2 else "", "", mail(number))
    place = Place(tmp_path, Imap(server.imaps, user, str(certificates.ca)))
    job = replace(place.job(), task=Task.VERIFY, dry_run=True, content=True)
    assert place.sync().fetched == 8
    report = place.sync(job)
    assert report.ok, report.error
    assert report.verified is not None
    assert report.verified.differences == ()
    assert place.sync(replace(place.job(), task=Task.REPAIR)).ok
    assert place.sync().fetched == 0
    place.file(3).write_bytes(b"damaged")
    report = place.sync(job)
    assert report.error is not None
    assert report.error.code == "differences"


@dataclass
class Imap:
    """Connects to one user's mailbox."""

    port: int
    user: str
    authority: str

    def open_imap(self, job: SyncJob) -> ImapMailbox:
        """Sign in."""
        endpoint = Endpoint("localhost", self.port, Security.TLS, CertificatePolicy(self.authority))
        return open_imap(endpoint, self.user, Secret(f"{self.user}-pw"))

    def open_pop3(self, job: SyncJob) -> PopMailbox:
        """Not asked for."""
        raise NotImplementedError
