"""`sync --verify` and `sync --repair` as commands, on a real Dovecot."""

import shutil
from pathlib import Path

from tests.servers.support.certificates import Certificates
from tests.servers.support.mail import Mail
from tests.servers.support.mailbox import Mailbox
from tests.servers.syncing import SyncHome


def mail(number: int) -> bytes:
    return f"From: a@b.test\r\nSubject: {number}\r\nMessage-ID: <{number}@b.test>\r\n\r\nhello\r\n".encode()


def test_verify_finds_what_repair_and_sync_mend(tmp_path: Path, mailbox: Mailbox, certificates: Certificates) -> None:
    mailbox.create_folder("Été/Müller")
    mailbox.deliver_many("INBOX", [Mail(mail(n), ("\\Seen", "Work") if n % 2 else ()) for n in range(10)])
    mailbox.deliver_many("Été/Müller", [mail(n) for n in range(20, 25)])
    home = SyncHome(tmp_path, mailbox, certificates)
    home.sync()
    sound = home.snapshot()
    verified = home.sync("--verify", "--content")["verified"]
    assert (verified["differences"], verified["content"]) == ([], True)
    assert [(f["name"], f["same"]) for f in verified["folders"] if f["there"]] == [("INBOX", 10), ("Été/Müller", 5)]
    assert home.snapshot() == sound

    first, second = sorted((home.mail / "INBOX/cur").iterdir())[:2]
    shutil.copy2(first, home.mail / "INBOX/new" / first.name.partition(":")[0])
    second.write_bytes(second.read_bytes()[:-3])
    damaged = home.snapshot()
    report = home.sync("--verify", code=11)
    assert report["error"]["code"] == "differences"
    assert sorted({each["kind"] for each in report["verified"]["differences"]}) == ["date", "doubled", "size"]
    assert home.snapshot() == damaged, "verifying changes nothing"
    shown = home.cli.run("sync", "box", "--verify")
    assert shown.code == 11
    assert {row[2:4] for row in map(tuple, shown.rows)} == {("date", "stays"), ("doubled", "stays"), ("size", "stays")}

    assert home.snapshot() == damaged
    planned = home.sync("--repair", "--dry-run")["repaired"]
    assert home.snapshot() == damaged
    done = home.sync("--repair")["repaired"]
    assert planned["mended"] == done["mended"]
    assert (done["adopted"], done["left"], done["old_state"]) == (15, 0, f"{home.state}.old")
    second.unlink()
    home.sync("--repair")
    assert home.sync()["fetched"] == 1
    assert home.sync("--verify", "--content")["verified"]["differences"] == []
    home.assert_equals_server()


def test_requests_that_make_no_sense(tmp_path: Path, mailbox: Mailbox, certificates: Certificates) -> None:
    home = SyncHome(tmp_path, mailbox, certificates)
    for options in (("--verify", "--repair"), ("--content",), ("--repair", "--start-afresh")):
        assert home.cli.run("sync", "box", *options).code == 2
