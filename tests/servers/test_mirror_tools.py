"""Mirror mode with Dovecot at the other end, and what mutt, notmuch and other programs do to the Maildir."""

import datetime as dt
import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers.support.certificates import Certificates
from tests.servers.support.mailbox import Mailbox
from tests.servers.syncing import SyncHome


@pytest.fixture
def home(tmp_path: Path, mailbox: Mailbox, certificates: Certificates) -> SyncHome:
    """INBOX has three messages, Work none; both sides alike."""
    mailbox.create_folder("Work")
    for number in (1, 2, 3):
        text = f"Message-ID: <{number}@x>\r\nFrom: a@x.test\r\nSubject: number {number}\r\n\r\nhello\r\n"
        mailbox.deliver("INBOX", text.encode())
    made = SyncHome(tmp_path, mailbox, certificates, 'mode = "mirror"')
    assert made.sync()["fetched"] == 3
    made.assert_equals_server()
    return made


def settled(home: SyncHome) -> dict[str, object]:
    """A sync after which both sides are alike, and another, which does nothing."""
    report = home.sync()
    assert report["ok"]
    home.assert_equals_server()
    before = home.snapshot()
    again = home.sync()
    assert [again[done] for done in ("fetched", "flagged", "removed", "uploaded", "moved")] == [0] * 5
    assert home.snapshot() == before
    return report


def file(home: SyncHome, uid: int, folder: str = "INBOX") -> Path:
    """The file of a message."""
    (found,) = [path for path in (home.mail / folder).glob("*/*") if f".{uid:010d}_" in path.name]
    return found


def bodies(mailbox: Mailbox, folder: str) -> list[bytes]:
    """The subjects of a folder's messages."""
    return sorted(held.data.split(b"number ")[1][:1] for held in mailbox.messages(folder))


def test_mail_flags_and_moves_go_both_ways(home: SyncHome, mailbox: Mailbox) -> None:
    mailbox.set_flags("INBOX", 1, ["\\Flagged", "Work"])
    flagged = file(home, 2)
    flagged.rename(home.mail / "INBOX" / "cur" / f"{flagged.name}:2,RS")
    moved = file(home, 3)
    moved.rename(home.mail / "Work" / "cur" / f"{moved.name}:2,S")
    new = home.mail / "INBOX" / "new" / "1.host"
    new.write_bytes(b"Message-ID: <4@x>\nSubject: number 4\n\nhello\n")
    os.utime(new, (1_700_000_000, 1_700_000_000))
    mailbox.deliver("Work", b"Message-ID: <5@x>\r\nSubject: number 5\r\n\r\n", ["\\Seen"])
    report = settled(home)
    done = ("fetched", "flagged", "removed", "uploaded", "moved")
    assert [report[each] for each in done] == [1, 3, 0, 1, 1]
    assert bodies(mailbox, "INBOX") == [b"1", b"2", b"4"]
    assert bodies(mailbox, "Work") == [b"3", b"5"]


def test_deletions_and_folders_go_both_ways(home: SyncHome, mailbox: Mailbox) -> None:
    mailbox.expunge("INBOX", 1)
    file(home, 2).unlink()
    for name in ("cur", "new", "tmp"):
        (home.mail / "Lists" / "Été" / name).mkdir(parents=True)
    (home.mail / "Lists" / "Été" / "cur" / "1.host:2,S").write_bytes(b"Message-ID: <6@x>\nSubject: number 6\n\n")
    mailbox.create_folder("Made/There")
    mailbox.delete_folder("Work")
    assert settled(home)["removed"] == 2
    assert bodies(mailbox, "INBOX") == [b"3"]
    assert {"Lists/Été", "Made/There"} < set(mailbox.folders())
    assert not (home.mail / "Work").exists()
    shutil.rmtree(home.mail / "Lists" / "Été")
    settled(home)
    assert "Lists/Été" not in mailbox.folders()


def test_drafts_that_were_edited_are_other_messages(home: SyncHome, mailbox: Mailbox) -> None:
    """Though they have the Message-ID and the size that they had: one here, one there, which was moved besides."""
    file(home, 1).unlink()
    text = "Message-ID: <1@x>\nFrom: a@x.test\nSubject: number 7\n\nhello\n"
    draft = home.mail / "INBOX" / "cur" / "1.host:2,DS"
    draft.write_text(text)
    os.utime(draft, (1_600_000_000, 1_600_000_000))
    mailbox.expunge("INBOX", 2)
    before = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    mailbox.deliver("Work", text.replace("<1@x>", "<2@x>").replace("7", "8").replace("\n", "\r\n").encode(), (), before)
    report = settled(home)
    assert [report[done] for done in ("uploaded", "fetched", "moved", "removed")] == [1, 1, 0, 2]
    assert bodies(mailbox, "INBOX") == [b"3", b"7"]
    assert bodies(mailbox, "Work") == [b"8"]


def test_what_mutt_does_is_synced_back(home: SyncHome, mailbox: Mailbox, tmp_path: Path) -> None:
    """It reads the first, flags the second, and saves the third, with a field of its own, into another folder."""
    if shutil.which("mutt") is None:
        pytest.skip("mutt is not installed")
    settings = tmp_path / "muttrc"
    settings.write_text(
        f'set folder="{home.mail}"\nset mbox_type=Maildir\nset sort=subject\nset confirmappend=no\nset move=no\n'
        "set delete=yes\nset quit=yes\nset wait_key=no\nset mark_old=no\nset sleep_time=0\nset header_cache=\n"
    )
    keys = "<first-entry><display-message><exit><next-entry><flag-message><next-entry>"
    keys += f"<save-message><kill-line>{home.mail}/Work<enter><sync-mailbox><quit>"
    run_in_terminal(["mutt", "-n", "-F", str(settings), "-f", f"{home.mail}/INBOX", "-e", f'push "{keys}"'], tmp_path)
    report = settled(home)
    assert (report["uploaded"], report["removed"], report["fetched"]) == (1, 1, 0)
    assert bodies(mailbox, "INBOX") == [b"1", b"2"]
    assert bodies(mailbox, "Work") == [b"3"]
    flags = [held.flags for held in mailbox.messages("INBOX")]
    assert "\\Seen" in flags[0]
    assert "\\Flagged" in flags[1]


def test_what_notmuch_does_is_synced_back(home: SyncHome, mailbox: Mailbox, tmp_path: Path) -> None:
    """Its tags are flags."""
    if shutil.which("notmuch") is None:
        pytest.skip("notmuch is not installed")
    settings = tmp_path / "notmuch"
    settings.write_text(
        f"[database]\npath={home.mail}\n[user]\nname=a\nprimary_email=a@x.test\n[maildir]\nsynchronize_flags=true\n"
        "[new]\ntags=unread;inbox\nignore=.mailctl;subscriptions;dovecot-keywords\n"
    )
    environment = {**os.environ, "NOTMUCH_CONFIG": str(settings), "HOME": str(tmp_path)}
    for command in (["new"], ["tag", "-unread", "+flagged", "--", "subject:1"], ["tag", "+replied", "--", "subject:2"]):
        subprocess.run(["notmuch", *command], env=environment, check=True, capture_output=True, timeout=60)
    shutil.rmtree(home.mail / ".notmuch")
    report = settled(home)
    assert (report["moved"], report["fetched"], report["flagged"]) == (0, 0, 2)
    flags = [held.flags for held in mailbox.messages("INBOX")]
    assert flags[0] >= {"\\Seen", "\\Flagged"}
    assert "\\Answered" in flags[1]


def run_in_terminal(command: list[str], home: Path) -> None:
    """Run a program that wants a terminal, to its end."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "HOME": str(home), "LC_ALL": "C.UTF-8"}
    process = subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, env=environment, start_new_session=True
    )
    os.close(follower)
    try:
        while True:
            try:
                if not os.read(leader, 65536):
                    break
            except OSError:  # the program has closed its end
                break
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(leader)
