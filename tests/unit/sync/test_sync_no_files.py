"""Pipes, links, sockets and folders where messages should be: they are neither opened nor touched, and told."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from mailctl import sync
from mailctl.domain.gateway import Mode
from mailctl.sync.local.files import Files, NoFileError
from mailctl.sync.local.maildir import LocalFile, MaildirFolder
from mailctl.sync.mirror.octets import open_message
from tests.doubles.imap import MemoryFolder
from tests.doubles.syncs import Place
from tests.unit.sync.mails import mail


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
@pytest.mark.parametrize("mark_seen", [False, True], ids=["fast", "full"])
def test_what_is_no_file_is_told_once(
    place: Place, inbox: MemoryFolder, make: Callable[[Path], None], *, mark_seen: bool
) -> None:
    place.sync(mark_seen=mark_seen)
    name = f"{place.file(1).name.partition(':2,')[0]}:2,FT"
    make(place.mail / "INBOX" / "cur" / name)
    inbox.add(mail(9))
    report = place.sync(mark_seen=mark_seen)
    assert (report.ok, report.fetched) == (True, 1)
    assert [warning for warning in report.warnings if name in warning] == [
        f"INBOX/cur/{name} is no file, and no message: it is left alone"
    ]


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_D5_nothing_is_waited_for_that_comes_into_a_message_s_place(
    place: Place, inbox: MemoryFolder, mode: Mode, make: Callable[[Path], None]
) -> None:
    """It comes there after the folder was listed, before the file gets its flags."""
    place.sync(mode=mode)
    base = place.file(1).name.partition(":2,")[0]
    inbox.flag(1, ["\\Flagged"])

    def late(maildir: MaildirFolder, file: LocalFile, wanted: str) -> bool:
        if not os.path.lexists(place.mail / "INBOX" / "cur" / wanted):
            make(place.mail / "INBOX" / "cur" / wanted)
        return taken(maildir, file, wanted)

    taken = MaildirFolder._taken
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MaildirFolder, "_taken", late)
        place.sync(mode=mode)
    made = place.mail / "INBOX" / "cur" / f"{base}:2,F"
    assert not stat.S_ISREG(made.lstat().st_mode)
    assert len([path for path in (place.mail / "INBOX").glob(f"*/{base}*") if path != made]) == 1


@pytest.mark.parametrize("name", ["dovecot-keywords", "message"])
@pytest.mark.parametrize("kind", ["fifo", "link", "folder", "socket"])
def test_only_regular_files_are_opened(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "link":
            path.symlink_to("/etc/passwd")
        case "folder":
            path.mkdir()
        case "socket":
            os.mknod(path, stat.S_IFSOCK | 0o600)
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(NoFileError):
            Files().read_small(directory, name)
        assert open_message(Files(), directory, name) is None
        assert open_message(Files(), directory, "none") is None
    finally:
        os.close(directory)


def test_no_other_room_opens_what_lies_in_a_maildir() -> None:
    own = {"local/files.py", "local/lock.py", "database.py"}  # the latter two open what is mailctl's own
    root = Path(sync.__file__).parent
    assert {str(path.relative_to(root)) for path in root.rglob("*.py") if "os.open(" in path.read_text()} <= own
