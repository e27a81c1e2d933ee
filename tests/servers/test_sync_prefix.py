"""Servers on which all folders lie below INBOX (RFC 2342: a personal namespace with a prefix), by a real Courier."""

import imaplib
import itertools
import ssl
from pathlib import Path

import pytest

from mailctl.errors import ExitCode
from tests.servers.support.certificates import Certificates
from tests.servers.support.courier import Courier
from tests.servers.support.courier_users import CourierUsers
from tests.servers.syncing import GatewayHome
from tests.servers.test_sync_still import Person

_NUMBERS = itertools.count()


def mail(number: int) -> bytes:
    return f"Message-ID: <{number}@x>\r\nSubject: {number}\r\n\r\nbody {number}\r\n".encode()


@pytest.fixture
def person(courier: Courier, courier_users: CourierUsers) -> Person:
    user = f"prefix-{next(_NUMBERS)}"
    courier_users.add_user(user, "its-password")
    return Person(courier, user, "its-password")


def other_client(person: Person, certificates: Certificates) -> imaplib.IMAP4_SSL:
    trust = ssl.create_default_context(cafile=certificates.ca)
    client = imaplib.IMAP4_SSL("localhost", person.server.imaps, ssl_context=trust)
    client.login(person.user, person.password)
    return client


def test_folders_keep_the_names_that_the_server_gives_them(
    tmp_path: Path, person: Person, certificates: Certificates
) -> None:
    with other_client(person, certificates) as other:
        assert other.create("INBOX.Sent.2026")[0] == "OK"
        assert other.append("INBOX", None, None, mail(1))[0] == "OK"
        assert other.append("INBOX.Sent.2026", None, None, mail(2))[0] == "OK"
        home = GatewayHome(tmp_path, person, certificates)
        assert home.sync()["fetched"] == 2
    assert [kept.data for kept in home.folder("INBOX")] == [mail(1)]
    assert [kept.data for kept in home.folder("INBOX", "Sent", "2026")] == [mail(2)]
    assert home.sync("--folder", "INBOX.Sent*")["fetched"] == 0


def test_a_mirror_makes_folders_below_inbox_and_says_so(
    tmp_path: Path, person: Person, certificates: Certificates
) -> None:
    home = GatewayHome(tmp_path, person, certificates, 'mode = "mirror"')
    with other_client(person, certificates) as other:
        assert other.append("INBOX", None, None, mail(1))[0] == "OK"
        home.sync()
        for number, path in enumerate(("INBOX/Projects", "Outside")):
            for part in ("cur", "new", "tmp"):
                (home.mail / path / part).mkdir(parents=True)
            (home.mail / path / "cur/1.host:2,S").write_bytes(mail(3 + number).replace(b"\r\n", b"\n"))
        report = home.sync(code=ExitCode.REFUSED)
        assert report["uploaded"] == 1
        assert [each["name"] for each in report["folders"] if not each["ok"]] == ["Outside"]
        assert "INBOX/Outside" in report["error"]["hint"]
        (home.mail / "Outside").rename(home.mail / "INBOX/Outside")
        assert home.sync()["uploaded"] == 1
        for name in ("INBOX.Projects", "INBOX.Outside"):
            assert other.select(name)[1] == [b"1"]
