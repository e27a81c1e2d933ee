"""A Maildir, or a state, that was brought back from a backup: what is missing in it was not deleted."""

import shutil
from pathlib import Path

import pytest

from tests.doubles.imap import MemoryFolder, MemoryServer
from tests.doubles.syncs import Place
from tests.unit.sync.mirror.test_mirror_moved import CAPABILITIES, go, held, mail, quiet


@pytest.fixture(params=CAPABILITIES, ids=["quick", "plain", "blind"])
def server(request: pytest.FixtureRequest) -> MemoryServer:
    made = MemoryServer({"INBOX": MemoryFolder(), "Lists": MemoryFolder(uidvalidity=2)}, frozenset(request.param))
    made.folders["INBOX"].add(mail(1), mail(2))
    return made


def bodies(place: Place, folder: str) -> list[bytes]:
    """What lies here."""
    files = (path for path in (place.mail / folder).rglob("*.mailctl*") if path.parent.name in ("cur", "new"))
    return sorted(path.read_bytes().replace(b"\n", b"\r\n") for path in files)


def there(server: MemoryServer, folder: str) -> list[bytes]:
    return sorted(body for body, _ in held(server)[folder])


def copy(source: Path, target: Path) -> None:
    """With all times, as a backup keeps them."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


def test_an_older_maildir_loses_nothing_there_and_keeps_what_it_has(tmp_path: Path, server: MemoryServer) -> None:
    place = Place(tmp_path / "place", server)
    go(place)
    assert quiet(place)
    copy(place.mail, tmp_path / "backup")
    server.folders["INBOX"].add(mail(4))
    server.folders["Lists"].add(mail(5))
    go(place)
    del server.folders["INBOX"].messages[1]
    go(place)
    assert bodies(place, "INBOX") == [mail(2), mail(4)]
    copy(tmp_path / "backup", place.mail)
    report = go(place)
    assert any("backup" in warning for warning in report.warnings)
    assert report.removed == 0
    assert there(server, "INBOX") == bodies(place, "INBOX") == [mail(1), mail(2), mail(4)]
    assert there(server, "Lists") == bodies(place, "Lists") == [mail(5)]
    assert quiet(place)
    assert not go(place).warnings


def test_an_older_state_deletes_nothing(tmp_path: Path, server: MemoryServer) -> None:
    place = Place(tmp_path / "place", server)
    go(place)
    copy(place.state.parent, tmp_path / "backup")
    for number in (4, 5):
        server.folders["INBOX"].add(mail(number))
        go(place)
    copy(tmp_path / "backup", place.state.parent)
    report = go(place)
    assert (report.removed, report.fetched, report.uploaded) == (0, 0, 0)
    assert there(server, "INBOX") == bodies(place, "INBOX") == [mail(1), mail(2), mail(4), mail(5)]
    assert quiet(place)


def test_a_maildir_whose_marker_says_nonsense_is_united(tmp_path: Path, server: MemoryServer) -> None:
    place = Place(tmp_path / "place", server)
    go(place)
    marker = place.mail / ".mailctl"
    account = marker.read_text().split("\n")[0]
    for said in ("-1", "99999999999999999999", "x", ""):
        marker.write_text(f"{account}\n{said}\n")
        server.folders["INBOX"].add(mail(10 + len(said)))
        assert go(place).removed == 0
        assert quiet(place)
