"""A Maildir on a disk that isn't one of Unix: nothing is mixed up, and what can't be kept there is said."""

from pathlib import Path

from tests.servers.support.certificates import Certificates
from tests.servers.support.exfat import exfat_disk
from tests.servers.support.mail import Mail
from tests.servers.support.mailbox import Mailbox
from tests.servers.syncing import SyncHome

ALIKE = ("A", "a", "A/B", "a/b", "Straße", "STRASSE", "Ü", "ü", "new", "NEW", "Cur", "aux", "Q?")


def test_D3_names_that_only_differ_in_case_stay_distinct_on_a_disk_that_does_not_tell_them_apart(
    tmp_path: Path, mailbox: Mailbox, certificates: Certificates
) -> None:
    for name in ALIKE:
        mailbox.create_folder(name)
        mailbox.deliver_many(name, [Mail(f"Message-ID: <1@x>\r\n\r\nin {name}\r\n".encode())])
    home = SyncHome(tmp_path, mailbox, certificates)
    with exfat_disk(tmp_path / "disk", home.mail):
        assert home.sync()["fetched"] == len(ALIKE)
        home.assert_equals_server()
        for name in ALIKE:
            mailbox.deliver_many(name, [Mail(f"Message-ID: <2@x>\r\n\r\nlater in {name}\r\n".encode())])
        assert home.sync()["fetched"] == len(ALIKE)
        assert home.sync()["fetched"] == 0
        home.assert_equals_server()


def test_a_disk_that_takes_no_colons_is_told_by_its_name(
    tmp_path: Path, mailbox: Mailbox, certificates: Certificates
) -> None:
    mailbox.deliver_many("INBOX", [Mail(b"Message-ID: <1@x>\r\n\r\nread\r\n", ("\\Seen",))])
    home = SyncHome(tmp_path, mailbox, certificates)
    with exfat_disk(tmp_path / "disk", home.mail):
        for _ in range(2):
            failed = home.cli.json("sync", "box", code=10)["result"]["gateways"][0]
            assert failed["error"]["code"] == "no_colons"
            assert "exFAT" in failed["error"]["hint"]
            assert not list(home.mail.rglob("*[.]part*"))
