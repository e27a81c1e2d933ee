"""A Maildir made by mailctl in the hands of mutt, notmuch and Dovecot: what they change is synced back."""

import os
import pty
import select
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.servers.support.certificates import Certificates
from tests.servers.support.dovecot_config import DovecotSettings
from tests.servers.support.dovecot_programs import DovecotPrograms
from tests.servers.support.fixtures import MakeDovecot
from tests.servers.support.mail import Mail
from tests.servers.support.mailbox import Mailbox
from tests.servers.support.process import service_user
from tests.servers.support.requirement import unavailable
from tests.servers.syncing import SyncHome

SUBJECTS = ("one", "two", "three", "four", "five")


def program(name: str) -> str:
    return shutil.which(name) or unavailable(name, "not installed")


def mail(subject: str) -> bytes:
    return (
        f"From: Ann <ann@example.org>\r\nTo: me@example.org\r\nSubject: {subject}\r\n"
        f"Date: Mon, 02 Mar 2026 10:00:00 +0000\r\nMessage-ID: <{subject}@example.org>\r\n\r\nThis is {subject}.\r\n"
    ).encode()


@pytest.fixture
def home(tmp_path: Path, mailbox: Mailbox, certificates: Certificates) -> SyncHome:
    """Five messages in INBOX, mirrored; and a folder Archive."""
    mailbox.create_folder("Archive")
    mailbox.deliver_many("INBOX", [mail(subject) for subject in SUBJECTS[:3]])
    mailbox.deliver_many("INBOX", [Mail(mail(subject), ("\\Seen",)) for subject in SUBJECTS[3:]])
    home = SyncHome(tmp_path, mailbox, certificates, 'mode = "mirror"')
    home.sync()
    return home


def there(mailbox: Mailbox, folder: str) -> dict[str, frozenset[str]]:
    """Subject → flags, as the server has them."""
    found = {}
    for held in mailbox.messages(folder):
        subject = held.data.partition(b"Subject: ")[2].partition(b"\n")[0].decode()
        assert subject not in found, f"{subject} is in {folder} twice"
        found[subject] = held.flags
    return found


def on_terminal(argv: Sequence[str], env: dict[str, str], seconds: float = 30) -> str:
    """What a program shows on a terminal of its own until it ends."""
    terminal, inside = pty.openpty()
    process = subprocess.Popen(argv, env=env, stdin=inside, stdout=inside, stderr=inside, start_new_session=True)
    os.close(inside)
    shown, deadline = b"", time.monotonic() + seconds
    try:
        while select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0]:
            try:
                shown += os.read(terminal, 65536)
            except OSError:  # it ended
                return shown.decode(errors="replace")
        raise AssertionError(f"{argv[0]} did not end: {shown[-2000:]!r}")
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def test_what_mutt_does_is_synced(home: SyncHome, mailbox: Mailbox, tmp_path: Path) -> None:
    settings = tmp_path / "muttrc"
    keys = (
        "<limit>~s one<enter><set-flag>!",
        "<limit>~s two<enter><clear-flag>N",
        "<limit>~s three<enter><delete-message>",
        "<limit>~s four<enter><save-message><kill-line>=Archive<enter>",
        "<limit>all<enter><quit>",
    )
    settings.write_text(
        f'set mbox_type=Maildir folder="{home.mail}" delete=yes quit=yes move=no mark_old=no sort=mailbox-order\n'
        "set confirmappend=no confirmcreate=no wait_key=no maildir_trash=no header_cache='' from=me@example.org\n"
        f'push "{"".join(keys)}"\n'
    )
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "TERM": "xterm", "LANG": "C.UTF-8"}
    shown = on_terminal([program("mutt"), "-n", "-F", str(settings), "-f", str(home.mail / "INBOX")], env)
    assert "one" in shown
    report = home.sync()
    assert report["ok"]
    assert there(mailbox, "INBOX") == {
        "one": frozenset({"\\Flagged"}),
        "two": frozenset({"\\Seen"}),
        "five": frozenset({"\\Seen"}),
    }
    assert there(mailbox, "Archive") == {"four": frozenset({"\\Seen"})}
    home.assert_equals_server()
    assert home.sync()["fetched"] == 0


def test_what_notmuch_does_is_synced(home: SyncHome, mailbox: Mailbox, tmp_path: Path) -> None:
    settings = tmp_path / "notmuch"
    settings.write_text(f"[database]\npath={home.mail}\n[maildir]\nsynchronize_flags=true\n[new]\ntags=unread\n")
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "NOTMUCH_CONFIG": str(settings)}

    def notmuch(*words: str) -> str:
        done = subprocess.run([program("notmuch"), *words], env=env, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    notmuch("new", "--quiet")
    assert notmuch("count", "*") == "5"
    assert notmuch("count", "tag:unread") == "3"
    notmuch("tag", "+flagged", "-unread", "--", "subject:one")
    notmuch("tag", "+replied", "--", "subject:four")
    assert home.sync()["ok"]
    assert there(mailbox, "INBOX")["one"] == {"\\Seen", "\\Flagged"}
    assert there(mailbox, "INBOX")["four"] == {"\\Seen", "\\Answered"}
    mailbox.set_flags("INBOX", mailbox.messages()[1].uid, ["\\Seen"])
    mailbox.deliver("INBOX", mail("six"))
    home.sync()
    home.assert_equals_server()
    notmuch("new", "--quiet")
    assert notmuch("count", "*") == "6"
    assert sorted(notmuch("search", "--output=messages", "tag:unread").splitlines()) == [
        "id:six@example.org",
        "id:three@example.org",
    ]
    assert home.sync()["fetched"] == 0


def test_what_dovecot_does_is_synced(
    tmp_path: Path,
    mailbox: Mailbox,
    certificates: Certificates,
    make_dovecot: MakeDovecot,
    dovecot_programs: DovecotPrograms,
) -> None:
    """A second Dovecot has mailctl's Maildir as a mailbox of its own."""
    newer = dovecot_programs.version >= (2, 4)
    layout, extra = ("fs", "mail_inbox_path = ~/mail/INBOX") if newer else ("fs:INBOX=~/mail/INBOX", "")
    local = make_dovecot(DovecotSettings(storage="maildir", layout=layout, extra=extra))
    reader = Mailbox(local, local.new_user())
    maildir = local.home(reader.user) / "mail"
    mailbox.create_folder("Archive")
    mailbox.deliver_many("INBOX", [Mail(mail(subject), ("\\Seen", "Work")) for subject in SUBJECTS])
    home = SyncHome(tmp_path, mailbox, certificates, f'mode = "mirror"\nmaildir = "{maildir}"')
    home.mail = maildir

    def sync() -> None:
        assert home.sync()["ok"]
        if os.getuid() == 0:  # Dovecot runs as another
            account = service_user()
            for path in (maildir, *maildir.rglob("*")):
                os.chown(path, account.uid, account.gid)

    sync()
    assert there(reader, "INBOX") == dict.fromkeys(SUBJECTS, frozenset({"\\Seen", "Work"}))
    one, two, three, four, _ = (held.uid for held in reader.messages())
    with reader.session() as session:
        session.command("SELECT INBOX")
        session.command(f"UID STORE {one} FLAGS (\\Flagged Work Home)")
        session.command(f"UID STORE {two} -FLAGS (\\Seen Work)")
        session.command(f"UID MOVE {three} Archive")
        session.command(f"UID STORE {four} +FLAGS (\\Deleted)")
        session.command(f"UID EXPUNGE {four}")
        session.append("Archive", [Mail(mail("six"), ("\\Draft",))])
    sync()
    assert there(mailbox, "INBOX") == {
        "one": frozenset({"\\Flagged", "Work", "Home"}),
        "two": frozenset(),
        "five": frozenset({"\\Seen", "Work"}),
    }
    assert there(mailbox, "Archive") == {"three": frozenset({"\\Seen", "Work"}), "six": frozenset({"\\Draft"})}
    mailbox.set_flags("INBOX", mailbox.messages()[-1].uid, ["\\Answered", "Later"])
    sync()
    for folder in ("INBOX", "Archive"):
        assert there(reader, folder) == there(mailbox, folder)
    home.assert_equals_server()
