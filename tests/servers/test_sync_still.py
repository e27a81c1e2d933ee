"""What a sync asks of a server in which little or nothing changed: on Dovecot, Cyrus and Courier."""

import imaplib
import itertools
import os
import ssl
import time
from dataclasses import dataclass
from math import inf
from pathlib import Path

import pytest

from mailctl.protocols.imap.channel import Channel
from tests.servers.support.certificates import Certificates
from tests.servers.support.dovecot_config import DovecotSettings
from tests.servers.support.fixtures import MakeDovecot
from tests.servers.support.mailbox import Mailbox
from tests.servers.syncing import GatewayHome, Ports, SyncHome

FOLDERS = 200
_NUMBERS = itertools.count()


def mail(number: int) -> bytes:
    return f"Message-ID: <{number}@x>\r\nSubject: {number}\r\n\r\nbody {number}\r\n".encode()


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The first words of the commands that were sent, SELECT and EXAMINE and FETCH among them."""
    sent: list[str] = []
    real = Channel._submit

    def submit(self: Channel, commands: list[bytes], *, secret: bool = False) -> list[bytes]:
        sent.extend(command.split()[0].decode() for command in commands)
        return real(self, commands, secret=secret)

    monkeypatch.setattr(Channel, "_submit", submit)
    return sent


def let_time_pass(mail: Path) -> None:
    """The directories changed a while ago."""
    for path in mail.rglob("*"):
        if path.name in ("cur", "new"):
            changed = path.stat().st_mtime_ns
            os.utime(path, ns=(changed, changed - 5_000_000_000))


def test_200_folders_in_which_nothing_changed_are_not_opened(
    tmp_path: Path, mailbox: Mailbox, certificates: Certificates, commands: list[str]
) -> None:
    mailbox.create_folders(f"Été {number % 10}/{number}" for number in range(FOLDERS))
    for number in range(0, FOLDERS, 40):
        mailbox.deliver_many(f"Été {number % 10}/{number}", [mail(n) for n in range(3)])
    mailbox.deliver_many("INBOX", [mail(n) for n in range(5)])
    home = SyncHome(tmp_path, mailbox, certificates)
    assert home.sync()["fetched"] == 5 + 3 * FOLDERS // 40
    assert commands.count("EXAMINE") == 1 + FOLDERS // 40, "nothing is asked about an empty folder"
    let_time_pass(home.mail)
    for _ in range(2):
        commands.clear()
        assert home.sync()["fetched"] == 0
        assert sorted(commands) == ["AUTHENTICATE", "ENABLE", "LIST", "LOGOUT"]
    mailbox.deliver("Été 0/40", mail(9))
    commands.clear()
    report = home.sync()
    assert (report["fetched"], commands.count("EXAMINE"), commands.count("UID")) == (1, 1, 1)
    assert "SELECT" not in commands
    home.assert_equals_server()


def test_only_what_changed_is_asked_for(
    tmp_path: Path, mailbox: Mailbox, certificates: Certificates, commands: list[str]
) -> None:
    uids = mailbox.deliver_many("INBOX", [mail(n) for n in range(30)])
    home = SyncHome(tmp_path, mailbox, certificates)
    home.sync()
    let_time_pass(home.mail)
    mailbox.set_flags("INBOX", uids[0], ["\\Seen", "Work"])
    mailbox.expunge("INBOX", uids[1])
    mailbox.deliver("INBOX", mail(99))
    (first, *_) = sorted((home.mail / "INBOX/new").glob(f"*.{uids[5]:010d}_*"))
    first.rename(home.mail / "INBOX/cur" / f"{first.name}:2,FS")
    commands.clear()
    report = home.sync()
    assert (report["fetched"], report["flagged"]) == (1, 1)
    assert sorted(commands) == ["AUTHENTICATE", "ENABLE", "EXAMINE", "LIST", "LOGOUT", "UID"]
    kept = home.folder("INBOX")
    assert len(kept) == 31, "what went from the server stays here"
    assert [kept[0].flags, kept[5].flags] == [{"\\Seen", "Work"}, {"\\Flagged", "\\Seen"}]
    before = home.snapshot()
    assert home.sync()["fetched"] == 0
    assert home.snapshot() == before
    mailbox.set_flags("INBOX", uids[5], ["\\Answered"])
    home.sync()
    assert home.folder("INBOX")[5].flags == {"\\Flagged", "\\Seen", "\\Answered"}


def test_inbox_is_opened_ahead_only_after_a_run_that_changed_it(
    tmp_path: Path,
    mailbox: Mailbox,
    certificates: Certificates,
    commands: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mailctl.protocols.imap.mailbox.NEAR", inf)
    monkeypatch.setattr("mailctl.cli.ahead.LATELY", 0.7)
    uids = mailbox.deliver_many("INBOX", [mail(n) for n in range(5)])
    home = SyncHome(tmp_path, mailbox, certificates)
    home.sync()
    let_time_pass(home.mail)

    def asked() -> tuple[int, list[str]]:
        commands.clear()
        report = home.sync()
        words = [word for word in commands if word in ("LIST", "EXAMINE", "SELECT")]
        return report["fetched"] + report["flagged"] + report["removed"], words

    assert asked() == (0, ["LIST"])
    mailbox.deliver("INBOX", mail(9))
    assert asked() == (1, ["LIST", "EXAMINE"])
    mailbox.set_flags("INBOX", uids[0], ["\\Answered"])
    mailbox.expunge("INBOX", uids[1])
    mailbox.deliver("INBOX", mail(10))
    assert asked() == (2, ["EXAMINE", "LIST"]), "and not once more"
    mailbox.expunge("INBOX", uids[4] + 2)
    assert asked() == (0, ["EXAMINE", "LIST"]), "the last one's end is told, too: no full look is needed"
    time.sleep(0.8)
    assert asked() == (0, ["EXAMINE", "LIST"])
    assert asked() == (0, ["LIST"])
    kept = home.folder("INBOX")
    assert len(kept) == 7
    assert kept[0].flags == {"\\Answered"}


@pytest.mark.parametrize(
    "inbound", ["mark_seen = true", "propagate_deletes = true", "max_size = 60", "max_per_run = 9"]
)
def test_a_policy_is_asked_for_once(
    tmp_path: Path, mailbox: Mailbox, certificates: Certificates, commands: list[str], inbound: str
) -> None:
    mailbox.deliver_many("INBOX", [mail(n) for n in range(5)])
    mailbox.deliver("INBOX", mail(7) + b"x" * 100)
    home = SyncHome(tmp_path, mailbox, certificates, inbound)
    report = home.sync()
    let_time_pass(home.mail)
    home.sync()  # what was changed there in the first run shows in the second
    commands.clear()
    again = home.sync()
    assert sorted(commands) == ["AUTHENTICATE", "ENABLE", "LIST", "LOGOUT"]
    assert again["skipped"] == report["skipped"], "what is left out is told every time"
    if "delete" in inbound:
        next((home.mail / "INBOX/new").iterdir()).unlink()
        assert home.sync()["removed"] == 1
        assert len(mailbox.messages()) == 5


def test_a_folder_renamed_on_the_server(tmp_path: Path, mailbox: Mailbox, certificates: Certificates) -> None:
    for name in ("Work", "Other"):
        mailbox.create_folder(name)
        mailbox.deliver_many(name, [mail(n) for n in range(7)])
    home = SyncHome(tmp_path, mailbox, certificates)
    home.sync()
    inodes = {status[0] for path, status in home.snapshot().items() if path.startswith("Work/cur")}
    with mailbox.session() as session:
        session.command("RENAME Work Archive/&AMk-t&AOk-")
    report = home.sync()
    assert (report["fetched"], report["ok"]) == (0, True)
    assert not (home.mail / "Work").exists()
    assert inodes <= {status[0] for status in home.snapshot().values()}
    assert home.sync()["fetched"] == 0


@dataclass(frozen=True)
class Person:
    """Whom to sign in as on another server than Dovecot."""

    server: Ports
    user: str
    password: str

    @property
    def address(self) -> str:
        return f"{self.user}@mail.test"


@pytest.fixture(params=["cyrus", "courier"])
def person(request: pytest.FixtureRequest) -> Person:
    user = f"still-{next(_NUMBERS)}"
    server = request.getfixturevalue(request.param)
    users = server if request.param == "cyrus" else request.getfixturevalue("courier_users")
    users.add_user(user, "its-password")
    return Person(server, user, "its-password")


def test_other_servers(
    tmp_path: Path, person: Person, certificates: Certificates, commands: list[str], request: pytest.FixtureRequest
) -> None:
    """Cyrus tells what changed; Courier doesn't, and is looked at as a whole: once a folder."""
    trust = ssl.create_default_context(cafile=certificates.ca)
    with imaplib.IMAP4_SSL("localhost", person.server.imaps, ssl_context=trust) as other:
        other.login(person.user, person.password)
        for number in range(4):
            assert other.append("INBOX", None, None, mail(number))[0] == "OK"
        home = GatewayHome(tmp_path, person, certificates)
        assert home.sync()["fetched"] == 4
        let_time_pass(home.mail)
        home.sync()
        commands.clear()
        assert home.sync()["fetched"] == 0
        if "ENABLE" in commands:
            assert not {"SELECT", "EXAMINE", "UID"} & set(commands)
        else:
            assert commands.count("EXAMINE") == len(home.folders())
        other.select("INBOX")
        other.uid("STORE", "1", "+FLAGS", "(\\Flagged)")
        other.uid("STORE", "2", "+FLAGS", "(\\Deleted)")
        other.expunge()
        assert other.append("INBOX", "(\\Seen)", None, mail(9))[0] == "OK"
        report = home.sync()
        assert (report["fetched"], report["flagged"]) == (1, 1)
        assert [kept.flags for kept in home.folder("INBOX")] == [{"\\Flagged"}, set(), set(), set(), {"\\Seen"}]
        other.close()
        assert home.sync()["fetched"] == 0


def test_a_server_with_condstore_alone(
    tmp_path: Path, make_dovecot: MakeDovecot, certificates: Certificates, commands: list[str]
) -> None:
    """As Gmail: what changed is known by the numbers, and asked for folder by folder."""
    server = make_dovecot(DovecotSettings(without=("QRESYNC",)))
    mailbox = Mailbox(server, server.new_user())
    uids = mailbox.deliver_many("INBOX", [mail(n) for n in range(10)])
    home = SyncHome(tmp_path, mailbox, certificates)
    assert home.sync()["fetched"] == 10
    let_time_pass(home.mail)
    home.sync()
    commands.clear()
    home.sync()
    assert not {"SELECT", "EXAMINE", "UID"} & set(commands)
    mailbox.set_flags("INBOX", uids[0], ["\\Flagged"])
    report = home.sync()
    assert (report["fetched"], report["flagged"]) == (0, 1)


def test_a_folder_renamed_on_other_servers(tmp_path: Path, person: Person, certificates: Certificates) -> None:
    """Courier gives the folder a new UIDVALIDITY, and knows no MAILBOXID."""
    trust = ssl.create_default_context(cafile=certificates.ca)
    with imaplib.IMAP4_SSL("localhost", person.server.imaps, ssl_context=trust) as other:
        other.login(person.user, person.password)
        inside = "" if other.create("Work")[0] == "OK" else "INBOX."
        if inside:
            other.create(f"{inside}Work")
        for number in range(4):
            assert other.append(f"{inside}Work", None, None, mail(number))[0] == "OK"
        home = GatewayHome(tmp_path, person, certificates)
        assert home.sync()["fetched"] == 4
        assert other.rename(f"{inside}Work", f"{inside}Labour")[0] == "OK"
    report = home.sync()
    assert (report["fetched"], report["ok"]) == (0, True)
    assert not list(home.mail.rglob("Work"))
    assert home.sync()["fetched"] == 0
