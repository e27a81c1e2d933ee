"""What a run takes the times of directories for, that the run before it left behind: on Dovecot."""

import os
import shutil
from pathlib import Path

import pytest

from mailctl.sync.archive import here, look
from mailctl.sync.archive.fast import FastLane
from mailctl.sync.local.maildir import MaildirFolder
from tests.servers.support.certificates import Certificates
from tests.servers.support.mailbox import Mailbox
from tests.servers.syncing import SyncHome
from tests.servers.test_sync_still import let_time_pass, mail


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders of which all names were read."""
    found: list[str] = []
    real = look.read_names

    def read_names(maildir: MaildirFolder) -> tuple[set[str], bool]:
        found.append(str(maildir.path))
        return real(maildir)

    monkeypatch.setattr(here, "read_names", read_names)
    return found


def some_change(mailbox: Mailbox, uid: int, number: int) -> None:
    mailbox.set_flags("INBOX", uid, ["\\Seen"])
    mailbox.deliver("INBOX", mail(number))


def set_back(folder: Path, times: dict[str, int]) -> None:
    """Make it look as if nothing had happened since."""
    for name, changed in times.items():
        os.utime(folder / name, ns=(changed, changed))


def times(folder: Path) -> dict[str, int]:
    return {name: (folder / name).stat().st_mtime_ns for name in ("cur", "new")}


def test_names_are_not_read_where_only_the_last_run_changed_some(
    tmp_path: Path, mailbox: Mailbox, certificates: Certificates, listed: list[str]
) -> None:
    uids = mailbox.deliver_many("INBOX", [mail(n) for n in range(9)])
    home = SyncHome(tmp_path, mailbox, certificates)
    home.sync()
    let_time_pass(home.mail)
    home.sync()
    for number in range(3):
        listed.clear()
        some_change(mailbox, uids[number], 20 + number)
        report = home.sync()
        assert (report["fetched"], report["flagged"], listed) == (1, 1, [])
    home.assert_equals_server()
    assert home.sync()["fetched"] == 0
    assert "INBOX" in listed, "where nothing is asked of the server, what somebody changed here is looked for"
    let_time_pass(home.mail)
    home.sync()
    listed.clear()
    home.sync()
    assert listed == []


def test_names_are_read_where_somebody_changed_one_since(
    tmp_path: Path, mailbox: Mailbox, certificates: Certificates, listed: list[str]
) -> None:
    uids = mailbox.deliver_many("INBOX", [mail(n) for n in range(9)])
    home = SyncHome(tmp_path, mailbox, certificates)
    home.sync()
    let_time_pass(home.mail)  # the folders with nothing in them were made a moment ago
    home.sync()
    some_change(mailbox, uids[0], 20)
    home.sync()
    (file, *_) = (home.mail / "INBOX/new").glob(f"*.{uids[5]:010d}_*")
    file.rename(home.mail / "INBOX/cur" / f"{file.name}:2,F")
    listed.clear()
    some_change(mailbox, uids[5], 21)
    home.sync()
    assert listed == ["INBOX"]
    assert home.folder("INBOX")[5].flags == {"\\Flagged", "\\Seen"}


def test_a_name_that_was_changed_in_the_moments_of_a_run(
    tmp_path: Path, mailbox: Mailbox, certificates: Certificates
) -> None:
    """Its directory has the time that the run left; the flag that was set here stays."""
    uids = mailbox.deliver_many("INBOX", [mail(n) for n in range(9)])
    home = SyncHome(tmp_path, mailbox, certificates)
    home.sync()
    some_change(mailbox, uids[0], 20)
    home.sync()
    inbox = home.mail / "INBOX"
    left = times(inbox)
    (one, *_) = (inbox / "new").glob(f"*.{uids[5]:010d}_*")
    one.rename(inbox / "cur" / f"{one.name}:2,F")
    (other, *_) = (inbox / "new").glob(f"*.{uids[6]:010d}_*")
    other.unlink()
    set_back(inbox, left)
    mailbox.set_flags("INBOX", uids[6], ["\\Seen"])
    some_change(mailbox, uids[5], 21)
    report = home.sync()
    assert (report["fetched"], report["ok"]) == (1, True)
    kept = home.folder("INBOX")
    assert kept[5].flags == {"\\Flagged", "\\Seen"}
    assert len(kept) == 9 + 2 - 1, "what was deleted here isn't fetched again"
    assert home.sync()["fetched"] == 0


def test_a_state_that_is_older_than_the_maildir(
    tmp_path: Path, mailbox: Mailbox, certificates: Certificates, listed: list[str]
) -> None:
    """Brought back from a backup: what came since is found here, not fetched again."""
    uids = mailbox.deliver_many("INBOX", [mail(n) for n in range(9)])
    home = SyncHome(tmp_path, mailbox, certificates)
    home.sync()
    some_change(mailbox, uids[0], 20)
    home.sync()
    (state,) = tmp_path.rglob("sync/*.db")
    backup = tmp_path / "backup"
    shutil.copytree(state.parent, backup)
    some_change(mailbox, uids[1], 21)
    assert home.sync()["fetched"] == 1
    shutil.rmtree(state.parent)
    shutil.copytree(backup, state.parent)
    listed.clear()
    some_change(mailbox, uids[2], 22)
    assert home.sync()["fetched"] == 1
    home.assert_equals_server()


def test_what_somebody_changed_while_messages_came_is_looked_for_by_the_next_run(
    tmp_path: Path, mailbox: Mailbox, certificates: Certificates, listed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    uids = mailbox.deliver_many("INBOX", [mail(n) for n in range(9)])
    home = SyncHome(tmp_path, mailbox, certificates)
    home.sync()
    some_change(mailbox, uids[0], 20)
    home.sync()
    real = FastLane._settle

    def settle(self: FastLane) -> None:
        for file in (home.mail / "INBOX/new").glob(f"*.{uids[5]:010d}_*"):
            file.rename(home.mail / "INBOX/cur" / f"{file.name}:2,F")
        real(self)

    monkeypatch.setattr(FastLane, "_settle", settle)
    some_change(mailbox, uids[1], 21)
    home.sync()
    listed.clear()
    some_change(mailbox, uids[5], 22)
    home.sync()
    assert listed == ["INBOX"]
    assert home.folder("INBOX")[5].flags == {"\\Flagged", "\\Seen"}


def test_whole_seconds_tell_too_little(
    tmp_path: Path, mailbox: Mailbox, certificates: Certificates, listed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a file system keeps no more, somebody else's change may leave the time that ours left."""
    uids = mailbox.deliver_many("INBOX", [mail(n) for n in range(9)])
    home = SyncHome(tmp_path, mailbox, certificates)
    home.sync()
    real = look.times_in

    def whole(directory: int) -> look.Times | None:
        found = real(directory)
        return found and look.Times(*(each - each % look.SECOND for each in (found.cur, found.new)))

    monkeypatch.setattr("mailctl.sync.archive.look.times_in", whole)
    monkeypatch.setattr("mailctl.sync.archive.stay.times_in", whole)
    for number in range(2):
        listed.clear()
        some_change(mailbox, uids[number], 20 + number)
        home.sync()
    assert "INBOX" in listed
