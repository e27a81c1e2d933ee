"""Connections to a real Dovecot cut at random octets: no partial file, nothing lost, nothing twice, and it is told.

MAILCTL_CRASH_CUTS says how many in all; the default is a sample.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailctl.sync.archive import fast
from mailctl.sync.bulk import load
from tests.servers.support.certificates import Certificates
from tests.servers.support.cutter import Cut, Cutter, How
from tests.servers.support.dovecot import Dovecot
from tests.servers.support.mail import Mail
from tests.servers.support.mailbox import Mailbox
from tests.servers.syncing import SyncHome

CUTS = int(os.environ.get("MAILCTL_CRASH_CUTS", "15")) // 3
TOLD = (0, 5, 6)  # exit codes: mended within the run, network, TLS


@dataclass(frozen=True)
class Behind(Mailbox):
    """A mailbox that clients reach by another port."""

    port: int

    def home(self, folder: Path, certificates: Certificates, inbound: str = "") -> SyncHome:
        """A home whose gateway goes through that port."""
        home = SyncHome(folder, self, certificates, inbound)
        file = home.cli.config / "servers/dovecot.toml"
        file.write_text(file.read_text().replace(f"port = {self.server.imaps}", f"port = {self.port}"))
        return home


@pytest.fixture
def cutter(dovecot: Dovecot) -> Iterator[Cutter]:
    """In front of the server."""
    with Cutter(dovecot.imaps) as made:
        yield made


@pytest.fixture
def chance() -> random.Random:
    """Another one each time; a failure shows where it began."""
    seed = int(os.environ.get("MAILCTL_CRASH_SEED", "0")) or time.time_ns()
    print(f"MAILCTL_CRASH_SEED={seed}")
    return random.Random(seed)


def mail(number: int) -> Mail:
    flags = ((), ("\\Seen",), ("\\Flagged", "Work"), ("\\Seen", "\\Answered"))[number % 4]
    return Mail(
        f"Message-ID: <{number}@x>\r\nSubject: {number}\r\n\r\n{'x' * (number * 37 % 4000)}\r\n".encode(), flags
    )


def cut_off(home: SyncHome, cutter: Cutter, cut: Cut) -> int:
    """A sync that is cut off like that; whatever was there, no half of a message is here."""
    cutter.set(cut)
    done = home.cli.run("sync", "box", "--json")
    cutter.set(Cut())
    assert done.code in TOLD, f"{cut}: {done.err}"
    litter = [file for file in home.mail.glob("**/tmp/*") if file.is_file()]
    assert not litter, f"{cut}: {litter}"
    return done.code


def test_G6_folders_in_flight(
    tmp_path: Path, mailbox: Mailbox, certificates: Certificates, cutter: Cutter, chance: random.Random
) -> None:
    """The first sync and later ones of many folders at once; when all is here, the next begins with nothing."""
    names = ["INBOX", *(f"Lists/list {n}" for n in range(12))]
    for name in names[1:]:
        mailbox.create_folder(name)
    for at, name in enumerate(names):
        mailbox.deliver_many(name, [mail(10 * at + n) for n in range(8)])
    behind = Behind(mailbox.server, mailbox.user, cutter.port)
    codes = Counter[int]()
    home = behind.home(tmp_path / "0", certificates)
    for number in range(1, CUTS + 1):
        cut = Cut(chance.choice(list(How)), int(300_000 ** chance.random()), chance.choice((1, 1, 9)))
        if cut.how is not How.DOWN:
            cut = Cut(cut.how, cut.octets % 5000, cut.connections)
        if number == 1:  # whatever chance has in store, one comes to nothing
            cut = Cut(How.DOWN, 3000, 9)
        codes[cut_off(home, cutter, cut)] += 1
        name = chance.choice(names)
        mailbox.deliver(name, mail(1000 + number).data)
        mailbox.set_flags(name, chance.choice(mailbox.messages(name)).uid, ["\\Draft", "Home"])
        if number % 6 == 0:
            assert home.sync()["ok"]
            home.assert_equals_server()
            home = behind.home(tmp_path / str(number), certificates)
    assert home.sync()["ok"]
    home.assert_equals_server()
    assert codes[5] + codes[6], "a lost connection is told"


def test_G6_mirror_while_it_uploads(
    tmp_path: Path, dovecot: Dovecot, certificates: Certificates, cutter: Cutter, chance: random.Random
) -> None:
    """Cut before a command arrived, in the middle of one, and after it was carried out but before its answer."""
    for number in range(CUTS):
        if number % 12 == 0:
            behind = Behind(dovecot, dovecot.new_user(), cutter.port)
            home = behind.home(tmp_path / str(number), certificates, 'mode = "mirror"')
            home.sync()
            expected: set[bytes] = set()
        for each in range(3):
            data = mail(10 * number + each).data
            expected.add(data)
            folder = home.mail / ("INBOX", "Sent", "Junk")[(number + each) % 3]
            (folder / "cur" / f"17{number:05}.M{each}.client:2,{'FS'[:each]}").write_bytes(data.replace(b"\r\n", b"\n"))
        files = sorted((home.mail / "INBOX/cur").glob("*.mailctl:2,*"))
        if len(files) > 1:  # moved, as mutt does and as others do; and deleted
            files[0].rename(home.mail / "Trash/cur" / chance.choice((files[0].name, f"19{number:05}.client:2,S")))
            gone = files[1].read_bytes().replace(b"\n", b"\r\n")
            expected.remove(gone)
            files[1].unlink()
        cut = Cut(chance.choice((How.UP, How.UNHEARD, How.UNHEARD, How.DOWN)), chance.randrange(400, 9000), 9)
        cut_off(home, cutter, Cut(cut.how, cut.octets, chance.choice((1, 9))))
        assert home.sync()["ok"]
        home.assert_equals_server()
        held = [kept.data for path in home.folders().values() for kept in home.files(path).values()]
        assert Counter(held) == Counter(expected), cut
        before = home.snapshot()
        home.sync()
        assert home.snapshot() == before


def test_G6_workers(
    tmp_path: Path,
    mailbox: Mailbox,
    certificates: Certificates,
    cutter: Cutter,
    chance: random.Random,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Some of the connections of one sync, its workers' among them; a few messages are a bulk here."""
    monkeypatch.setattr(fast, "WORTH_UNSIZED", 1)
    monkeypatch.setattr(load, "WORTH_OCTETS", 1)
    monkeypatch.setattr(load, "LEAST", 10)
    mailbox.deliver_many("INBOX", [mail(n) for n in range(300)])
    behind = Behind(mailbox.server, mailbox.user, cutter.port)
    for number in range(max(3, CUTS // 4)):
        home = behind.home(tmp_path / str(number), certificates)
        for _ in range(4):
            how = chance.choice((How.DOWN, How.DOWN, How.UP))
            octets = chance.randrange(300_000) if how is How.DOWN else chance.randrange(3000)
            if cut_off(home, cutter, Cut(how, octets, chance.choice((1, 2, 3, 9)))) == 0:
                break
        assert home.sync()["ok"]
        home.assert_equals_server()
