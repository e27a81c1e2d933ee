"""Repair under a disk that fails: struck at every file call, then simply repeated: nothing is lost, nothing twice."""

import errno
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mailctl.sync.job import Task
from mailctl.sync.local.files import Files
from mailctl.sync.report import SyncReport
from tests.crash.test_sync_faults import REGULAR, Killed, StrikingFiles, server
from tests.doubles.imap import MemoryServer
from tests.doubles.syncs import Place


def broken(folder: Path, made: MemoryServer) -> Place:
    """A Maildir with copies, litter, a missing directory, a wrong mode and a wrong date; flags changed there."""
    place = Place(folder, made)
    assert place.sync().ok
    first, second = place.file(1), place.file(2)
    shutil.copy2(first, place.mail / "INBOX/cur" / f"{first.name.partition(':')[0]}:2,F")
    shutil.copy2(second, place.mail / "INBOX/cur" / f"{second.name.partition(':')[0]}:2,a")
    (place.mail / "INBOX/tmp" / f"part.1_{'0' * 12}.mailctl").write_bytes(b"half")
    (place.mail / "Sent/Été/new").rmdir()
    (place.mail / "INBOX/new").chmod(0o777)
    place.file(5).touch()
    made.folders["INBOX"].flag(3, ["\\Answered"])
    return place


def repair(place: Place) -> SyncReport:
    return place.sync(replace(place.job(), task=Task.REPAIR))


def assert_sound(place: Place, made: MemoryServer) -> None:
    place.files = Files()
    report = repair(place)
    assert report.ok, report.error
    again = repair(place)
    assert again.repaired is not None
    assert again.repaired.mended == ()
    found = place.sync(replace(place.job(), task=Task.VERIFY, dry_run=True, content=True))
    assert found.ok, found.error
    everywhere = sorted([*place.bodies("INBOX"), *place.bodies("Sent", "Été")])
    assert everywhere == sorted(m.body for folder in made.folders.values() for m in folder.messages.values())
    assert place.file(1).name.endswith(":2,F")
    assert place.file(2).name.endswith(":2,a")
    assert place.file(3).name.endswith(":2,R")
    assert place.litter() == []
    assert place.sync().fetched == 0


@pytest.mark.parametrize("how", ["before", "after", "torn", errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_G2_G5_repair_struck_at_every_file_call(how: str | int, tmp_path: Path) -> None:
    made = server()
    counting = StrikingFiles(0, "")
    place = broken(tmp_path / "0", made)
    place.files = counting
    assert repair(place).ok
    assert counting.count > 10
    assert REGULAR % (0, 0) in place.bodies("INBOX")
    for at in range(1, counting.count + 1):
        made = server()
        place = broken(tmp_path / str(at), made)
        place.files = StrikingFiles(at, how)
        if isinstance(how, int):
            report = repair(place)
            assert not report.ok, f"a disk that fails at call {at} ({place.files.struck}) is told"
        else:
            with pytest.raises(Killed):
                repair(place)
        assert_sound(place, made)
