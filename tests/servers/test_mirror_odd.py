"""Mirror mode with real servers, and a Maildir in which links, pipes and files stand where others should."""

import os
from pathlib import Path

import pytest

from mailctl.errors import ExitCode
from tests.servers.support.certificates import Certificates
from tests.servers.support.mailbox import Mailbox
from tests.servers.syncing import SyncHome


@pytest.fixture
def home(tmp_path: Path, mailbox: Mailbox, certificates: Certificates) -> SyncHome:
    """INBOX and Work have three messages each; both sides alike."""
    mailbox.create_folder("Work")
    for number in range(6):
        text = f"Message-ID: <{number}@x>\r\nSubject: number {number}\r\n\r\nhello\r\n"
        mailbox.deliver("Work" if number > 2 else "INBOX", text.encode())
    made = SyncHome(tmp_path, mailbox, certificates, 'mode = "mirror"')
    assert made.sync()["fetched"] == 6
    return made


@pytest.mark.parametrize("part", [".", "cur", "new"])
def test_D5_a_folder_moved_to_another_disk_by_a_link_is_not_deleted_there(
    home: SyncHome, mailbox: Mailbox, part: str, tmp_path: Path
) -> None:
    path = home.mail / "Work" / part
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    mailbox.deliver("INBOX", b"Message-ID: <9@x>\r\nSubject: number 9\r\n\r\nhello\r\n")
    report = home.sync(code=ExitCode.STORAGE)
    assert (report["fetched"], report["removed"], report["error"]["code"]) == (1, 0, "not_a_folder")
    assert len(mailbox.messages("Work")) == 3
    path.unlink()
    (tmp_path / "elsewhere").rename(path)
    assert home.sync()["fetched"] == 0
    home.assert_equals_server()


def test_D5_nothing_that_a_link_points_to_goes_up(home: SyncHome, mailbox: Mailbox, tmp_path: Path) -> None:
    secret = tmp_path / "id_ed25519"
    secret.write_text("Message-ID: <secret@x>\n\nsecret\n")
    (home.mail / "INBOX" / "cur" / "1.host:2,S").symlink_to(secret)
    (home.mail / "Linked").symlink_to(tmp_path)
    (tmp_path / "cur").mkdir()
    (tmp_path / "cur" / "2.host:2,S").write_text("Message-ID: <other@x>\n\nsecret\n")
    os.mkfifo(home.mail / "INBOX" / "new" / "3.host")
    report = home.sync()
    assert (report["uploaded"], [each["code"] for each in report["skipped"]]) == (0, ["symbolic_link"])
    assert "Linked" not in mailbox.folders()
    assert len(mailbox.messages("INBOX")) == 3
