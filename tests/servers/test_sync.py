"""`mailctl sync` on a real Dovecot: what the Maildir holds equals what the server holds."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers.support.certificates import Certificates
from tests.servers.support.mail import Mail
from tests.servers.support.mailbox import Mailbox
from tests.servers.syncing import SyncHome

MakeHome = Callable[..., SyncHome]
HOSTILE = (
    "Été/Müller",
    "a.b",
    "..",
    "x/../../y",
    "cur",
    "new/tmp",
    "con.txt:2,S",
    "[Gmail]/All Mail",
    "A",
    "a",
    "E\u0301",
    "É",
)


def message(number: int, *, body: str = "hello\r\n", more: str = "") -> bytes:
    text = f"From: a@b.test\r\nSubject: {number}\r\nMessage-ID: <{number}@b.test>\r\n{more}\r\n{body}"
    return text.encode()


@pytest.fixture
def make_home(tmp_path: Path, mailbox: Mailbox, certificates: Certificates) -> MakeHome:
    """A function: lines of [inbound] in, a home for `mailbox` out."""
    return lambda inbound="": SyncHome(tmp_path, mailbox, certificates, inbound)


def test_the_maildir_equals_the_server(make_home: MakeHome, mailbox: Mailbox) -> None:
    when = dt.datetime(2024, 2, 29, 12, 30, 1, tzinfo=dt.UTC)
    mailbox.deliver_many(
        "INBOX",
        [
            message(1),
            Mail(message(2), ("\\Seen", "\\Flagged", "Work", "$Forwarded"), when),
            Mail(message(3, body="no line end at the end"), ("\\Answered", "\\Draft", "\\Deleted"), when),
            Mail(message(4, body="x" * 200_000 + "\r\n" * 3), ("Home",), when),
            b"\r\n",
            b"no header at all",
        ],
    )
    for name in HOSTILE:
        mailbox.create_folder(name)
        mailbox.deliver(name, message(10, body=f"in {name!r}\r\n"))
    home = make_home()
    report = home.sync()
    assert report["ok"]
    assert report["fetched"] == 6 + len(HOSTILE)
    assert report["skipped"] == []
    home.assert_equals_server()
    assert (home.mail / "INBOX/cur").is_dir()
    assert (home.mail / "Été/Müller/cur").is_dir()
    assert (home.mail / "[Gmail]/All Mail/cur").is_dir()
    assert (home.mail / "a.b/cur").is_dir()


def test_G8_a_second_run_changes_nothing(make_home: MakeHome, mailbox: Mailbox) -> None:
    mailbox.deliver_many("INBOX", [Mail(message(n), ("\\Seen",) if n % 2 else ()) for n in range(20)])
    home = make_home()
    home.sync()
    before = home.snapshot()
    again = home.sync()
    assert (again["fetched"], again["flagged"], again["removed"], again["skipped"]) == (0, 0, 0, [])
    assert home.snapshot() == before


def test_new_messages_and_flags_come_down_and_nothing_goes(make_home: MakeHome, mailbox: Mailbox) -> None:
    uids = mailbox.deliver_many("INBOX", [message(n) for n in range(5)])
    home = make_home()
    home.sync()
    mailbox.set_flags("INBOX", uids[0], ["\\Seen", "Work"])
    mailbox.expunge("INBOX", uids[4])
    mailbox.deliver("INBOX", message(9))
    report = home.sync()
    assert (report["fetched"], report["flagged"]) == (1, 1)
    kept = home.folder("INBOX")
    assert len(kept) == 6, "what went from the server stays here"
    assert kept[0].flags == {"\\Seen", "Work"}
    assert home.sync()["flagged"] == 0


def test_local_changes_of_flags_stay_here(make_home: MakeHome, mailbox: Mailbox) -> None:
    uid = mailbox.deliver("INBOX", message(1), ["\\Flagged"])
    home = make_home()
    home.sync()
    (file,) = (home.mail / "INBOX/cur").iterdir()
    file.rename(file.with_name(file.name.replace(":2,F", ":2,PRS")))
    assert home.sync()["flagged"] == 0
    mailbox.set_flags("INBOX", uid, ["\\Flagged", "\\Answered", "Work"])
    home.sync()
    (file,) = (home.mail / "INBOX/cur").iterdir()
    assert file.name.endswith(":2,PRSa"), "\\Flagged was taken away here, P means nothing in IMAP"
    assert mailbox.messages()[0].flags == {"\\Flagged", "\\Answered", "Work"}, "nothing goes up"


def test_G11_without_its_state_a_sync_adopts_what_is_here(make_home: MakeHome, mailbox: Mailbox) -> None:
    mailbox.deliver_many("INBOX", [Mail(message(n), ("\\Seen",)) for n in range(5)])
    home = make_home()
    home.sync()
    (first, *_) = sorted((home.mail / "INBOX/cur").iterdir())
    first.rename(first.with_name(first.name.replace(":2,S", ":2,F")))
    for damage in ("gone", "empty", "rubbish", "truncated"):
        data = home.state.read_bytes()
        match damage:
            case "gone":
                home.state.unlink()
            case "empty":
                home.state.write_bytes(b"")
            case "rubbish":
                home.state.write_bytes(b"x" * 5000)
            case "truncated":
                home.state.write_bytes(data[: len(data) // 2])
        report = home.sync()
        assert report["fetched"] == 0, damage
        kept = home.folder("INBOX")
        assert len(kept) == 5
        assert kept[0].flags == {"\\Seen", "\\Flagged"}, "united, none dropped"


def test_a_dry_run_shows_the_plan_and_changes_nothing(make_home: MakeHome, mailbox: Mailbox) -> None:
    mailbox.deliver_many("INBOX", [message(n) for n in range(3)])
    home = make_home("keep_on_server = false\nmark_seen = true")
    report = home.sync("--dry-run")
    steps = [(step["folder"], step["action"], step["uids"]) for step in report["steps"]]
    uids = [held.uid for held in mailbox.messages()]
    assert steps == [("INBOX", action, uids) for action in ("fetch", "mark_seen", "remove_from_server")]
    assert report["fetched"] == 0
    assert not home.mail.exists()
    assert not home.state.exists()
    assert len(mailbox.messages()) == 3
    assert mailbox.messages()[0].flags == frozenset()


def test_mark_seen_marks_there_and_not_here(make_home: MakeHome, mailbox: Mailbox) -> None:
    mailbox.deliver_many("INBOX", [message(1), message(2)])
    home = make_home("mark_seen = true")
    home.sync()
    assert all(held.flags == {"\\Seen"} for held in mailbox.messages())
    assert all(kept.flags == frozenset() for kept in home.folder("INBOX"))
    before = home.snapshot()
    home.sync()
    assert home.snapshot() == before
    mailbox.set_flags("INBOX", mailbox.messages()[0].uid, [])
    home.sync()
    assert mailbox.messages()[0].flags == frozenset(), "what the user marks as unread stays so"


def test_messages_leave_the_server_once_they_are_here(make_home: MakeHome, mailbox: Mailbox) -> None:
    mailbox.deliver_many("INBOX", [message(n) for n in range(30)])
    home = make_home("keep_on_server = false")
    report = home.sync()
    assert (report["fetched"], report["removed"]) == (30, 30)
    assert mailbox.messages() == []
    assert len(home.folder("INBOX")) == 30
    assert home.sync()["removed"] == 0


def test_deletions_are_propagated_and_braked(make_home: MakeHome, mailbox: Mailbox) -> None:
    mailbox.deliver_many("INBOX", [message(n) for n in range(60)])
    home = make_home("propagate_deletes = true")
    home.sync()
    files = sorted((home.mail / "INBOX/new").iterdir())
    files[0].unlink()
    moved = home.mail / "Sent/cur" / f"{files[1].name}:2,S"
    files[1].rename(moved)
    report = home.sync()
    assert report["removed"] == 1, "one was deleted, the other only moved"
    assert len(mailbox.messages()) == 59
    for file in files[2:40]:
        file.unlink()
    report = home.sync(code=11)
    assert report["error"]["code"] == "many_deletions"
    assert "--confirm-deletes" in report["error"]["hint"]
    assert len(mailbox.messages()) == 59
    assert home.sync("--confirm-deletes")["removed"] == 38
    assert len(mailbox.messages()) == 21


def test_a_vanished_maildir_stops_the_sync(make_home: MakeHome, mailbox: Mailbox) -> None:
    mailbox.deliver_many("INBOX", [message(n) for n in range(3)])
    home = make_home("propagate_deletes = true")
    home.sync()
    home.mail.rename(home.mail.with_name("away"))
    report = home.sync(code=11)
    assert report["error"]["code"] == "maildir_vanished"
    home.mail.mkdir()  # an empty mount point
    assert home.sync(code=11)["error"]["code"] == "maildir_vanished"
    assert home.sync("--start-afresh")["fetched"] == 3
    assert len(mailbox.messages()) == 3


def test_limits_say_what_they_leave_out(make_home: MakeHome, mailbox: Mailbox) -> None:
    old = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    mailbox.deliver_many("INBOX", [Mail(message(1), (), old), *(message(n) for n in range(2, 7))])
    big = mailbox.deliver("INBOX", message(7, body="x" * 50_000))
    home = make_home('since = "2024-01-01"\nmax_size = 10000\nmax_per_run = 2')
    report = home.sync()
    assert report["fetched"] == 2
    assert b"Subject: 6" in home.folder("INBOX")[1].data, "the newest come first"
    found = {(s["code"], s["uid"], s["count"]) for s in report["skipped"]}
    assert found == {("too_old", 0, 1), ("too_large", big, 1), ("over_limit", 0, 3)}
    home.sync()
    home.sync()
    report = home.sync()
    assert report["fetched"] == 0
    assert {s["code"] for s in report["skipped"]} == {"too_old", "too_large"}
    home.set_inbound("")
    assert home.sync()["fetched"] == 2
    home.assert_equals_server()


def test_H1_a_new_uidvalidity_refetches_nothing(make_home: MakeHome, mailbox: Mailbox) -> None:
    mailbox.deliver_many("INBOX", [Mail(message(n), ("\\Seen",)) for n in range(8)])
    mailbox.deliver("INBOX", b"Subject: no id\r\n\r\nx\r\n")
    home = make_home()
    home.sync()
    contents = sorted(kept.data for kept in home.folder("INBOX"))
    mailbox.set_uidvalidity("INBOX", mailbox.uidvalidity("INBOX") + 7)
    report = home.sync()
    assert report["fetched"] == 0
    assert sorted(kept.data for kept in home.folder("INBOX")) == contents
    home.assert_equals_server()
    assert home.sync()["flagged"] == 0


def test_pop3_keeps_the_same_promises(make_home: MakeHome, mailbox: Mailbox) -> None:
    mailbox.deliver_many("INBOX", [message(n, body=".\r\n..\r\nend") for n in range(4)])
    home = make_home('protocol = "pop3"')
    report = home.sync()
    assert report["fetched"] == 4
    expected = sorted(held.data for held in mailbox.messages())
    assert sorted(kept.data.replace(b"\r\n", b"\n").rstrip(b"\n") for kept in home.folder("INBOX")) == [
        data.replace(b"\r\n", b"\n").rstrip(b"\n") for data in expected
    ]
    before = home.snapshot()
    assert home.sync()["fetched"] == 0
    home.state.unlink()
    assert home.sync()["fetched"] == 0
    assert home.snapshot() == before
    home.set_inbound('protocol = "pop3"\nkeep_on_server = false')
    assert home.sync()["removed"] == 4
    assert mailbox.messages() == []
    assert len(home.folder("INBOX")) == 4


@pytest.mark.parametrize("glob", ["INBOX", "inbox", "Se*", "[Gmail]/*"])
def test_folders_are_chosen_by_globs(make_home: MakeHome, mailbox: Mailbox, glob: str) -> None:
    mailbox.create_folder("[Gmail]/All Mail")
    home = make_home()
    names = {folder["name"] for folder in home.sync("--folder", glob)["folders"]}
    assert names == {"INBOX": {"INBOX"}, "inbox": {"INBOX"}, "Se*": {"Sent"}, "[Gmail]/*": {"[Gmail]/All Mail"}}[glob]
