"""Mirror mode on Dovecot, Cyrus and Courier: what another client does meanwhile, folders that are renamed or made."""

import imaplib
import itertools
import shutil
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailctl.protocols.imap.channel import Channel
from tests.servers.support.certificates import Certificates
from tests.servers.support.mailbox import Mailbox
from tests.servers.syncing import GatewayHome, Kept, Ports

_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Person:
    """Whom to sign in as."""

    server: Ports
    user: str
    password: str
    courier: bool = False

    @property
    def address(self) -> str:
        return f"{self.user}@mail.test"

    def named(self, name: str) -> str:
        """The name of a folder on the server, of one with `/`."""
        return f"INBOX.{name.replace('/', '.')}" if self.courier else name

    def path(self, name: str) -> Path:
        """Where it lies in the Maildir."""
        return Path("INBOX", name) if self.courier else Path(name)


@pytest.fixture(params=["dovecot", "cyrus", "courier"])
def person(request: pytest.FixtureRequest) -> Person:
    if request.param == "dovecot":
        mailbox: Mailbox = request.getfixturevalue("mailbox")
        return Person(mailbox.server, mailbox.user, mailbox.password)
    user = f"meanwhile-{next(_NUMBERS)}"
    server = request.getfixturevalue(request.param)
    users = server if request.param == "cyrus" else request.getfixturevalue("courier_users")
    users.add_user(user, "its-password")
    return Person(server, user, "its-password", courier=request.param == "courier")


@pytest.fixture
def other(person: Person, certificates: Certificates) -> Iterator[imaplib.IMAP4_SSL]:
    """Another client, in INBOX, which has five messages."""
    trust = ssl.create_default_context(cafile=certificates.ca)
    with imaplib.IMAP4_SSL("localhost", person.server.imaps, ssl_context=trust) as made:
        made.login(person.user, person.password)
        for number in range(1, 6):
            text = f"Message-ID: <{number}@x>\r\nSubject: {number}\r\n\r\nbody {number}\r\n"
            assert made.append("INBOX", None, None, text.encode())[0] == "OK"
        made.select("INBOX")
        yield made


@pytest.fixture
def home(tmp_path: Path, person: Person, other: imaplib.IMAP4_SSL, certificates: Certificates) -> GatewayHome:
    """Both sides alike."""
    made = GatewayHome(tmp_path, person, certificates, 'mode = "mirror"')
    assert made.sync()["fetched"] == 5
    return made


def strike(monkeypatch: pytest.MonkeyPatch, before: bytes, act: Callable[[], object]) -> None:
    """Have another client act right before mailctl sends the first command that begins so."""
    real = Channel._submit
    struck: list[bytes] = []

    def submit(self: Channel, commands: list[bytes], *, secret: bool = False) -> list[bytes]:
        if not struck and any(command.startswith(before) for command in commands):
            struck.append(before)
            act()
        return real(self, commands, secret=secret)

    monkeypatch.setattr(Channel, "_submit", submit)


def file(home: GatewayHome, subject: int) -> Path:
    """The file of a message."""
    (found,) = [p for p in home.mail.glob("INBOX/[cn][ue][rw]/*") if f"Subject: {subject}\n".encode() in p.read_bytes()]
    return found


def subjects(kept: list[Kept]) -> dict[str, frozenset[str]]:
    """Subject → flags."""
    return {each.data.decode().split("Subject: ")[1].split("\r\n")[0]: each.flags for each in kept}


def on_server(other: imaplib.IMAP4_SSL) -> int:
    """How many messages INBOX has there."""
    return int((other.select("INBOX")[1][0] or b"").decode())


def tells_changes(other: imaplib.IMAP4_SSL) -> bool:
    """Whether the server has CONDSTORE (RFC 7162)."""
    return b"CONDSTORE" in other.capability()[1][0]


@pytest.mark.parametrize("change", ["+FLAGS (\\Flagged)", "+FLAGS ($Keep)", "-FLAGS (\\Deleted)"])
def test_what_another_client_flags_while_it_is_being_deleted_is_kept(
    home: GatewayHome, other: imaplib.IMAP4_SSL, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    if change.startswith("-"):
        other.uid("STORE", "2", "+FLAGS", "(\\Deleted)")
        assert home.sync()["ok"]
    for subject in (1, 2, 3):
        file(home, subject).unlink()
    strike(monkeypatch, b"UID STORE", lambda: other.uid("STORE", "2", *change.split(" ", 1)))
    report = home.sync()
    if not tells_changes(other):
        assert (report["removed"], on_server(other)) == (3, 2)
        return
    assert (report["ok"], report["removed"], on_server(other)) == (True, 2, 3)
    assert [(each["code"], each["uid"]) for each in report["skipped"]] == [("changed_meanwhile", 2)]
    report = home.sync()
    assert (report["ok"], report["fetched"], report["removed"]) == (True, 1, 0)
    kept = subjects(home.folder("INBOX"))
    assert (sorted(kept), kept["2"]) == (["2", "4", "5"], frozenset(change[8:-1].split() if change[0] == "+" else ()))
    assert home.sync()["fetched"] == 0


def test_what_nobody_touched_meanwhile_is_deleted(
    home: GatewayHome, other: imaplib.IMAP4_SSL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others being flagged, and flags that changed long before, keep nothing."""
    other.uid("STORE", "1:3", "+FLAGS", "(\\Answered)")
    assert home.sync()["flagged"] == 3
    for subject in (1, 2, 3):
        file(home, subject).unlink()
    strike(monkeypatch, b"UID STORE", lambda: other.uid("STORE", "4", "+FLAGS", "(\\Flagged)"))
    assert (home.sync()["removed"], on_server(other)) == (3, 2)
    assert home.sync()["flagged"] == 1
    assert subjects(home.folder("INBOX")) == {"4": {"\\Flagged"}, "5": set()}


def test_flags_go_both_ways_at_once(
    home: GatewayHome, other: imaplib.IMAP4_SSL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command adds or takes away single flags, so what another client did to others meanwhile stays."""
    path = file(home, 2)
    path.rename(home.mail / "INBOX" / "cur" / f"{path.name.partition(':2,')[0]}:2,S")
    strike(monkeypatch, b"UID STORE", lambda: other.uid("STORE", "2", "+FLAGS", "(\\Flagged)"))
    assert home.sync()["flagged"] == 1
    assert home.sync()["flagged"] == 1
    assert subjects(home.folder("INBOX"))["2"] == {"\\Seen", "\\Flagged"}
    on_server(other)
    assert other.uid("SEARCH", "SEEN", "FLAGGED")[1] == [b"2"]


def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What mailctl sends from now on, its first words."""
    sent: list[str] = []
    real = Channel._submit

    def submit(self: Channel, commands: list[bytes], *, secret: bool = False) -> list[bytes]:
        sent.extend(" ".join(command.decode().split()[:2]).removesuffix(" 1") for command in commands)
        return real(self, commands, secret=secret)

    monkeypatch.setattr(Channel, "_submit", submit)
    return sent


@pytest.fixture
def tree(home: GatewayHome, other: imaplib.IMAP4_SSL, person: Person) -> GatewayHome:
    """Folders in folders, with mail, all of them subscribed; both sides alike."""
    for name in map(person.named, ("Work", "Work/Old", "Work/Empty")):
        assert other.create(name)[0] == "OK"
        other.subscribe(name)
    for name, numbers in (("Work", range(10, 20)), ("Work/Old", range(20, 22))):
        for number in numbers:
            text = f"Message-ID: <{number}@x>\r\nSubject: {number}\r\n\r\nbody {number}\r\n"
            other.append(person.named(name), None, None, text.encode())
    assert home.sync()["fetched"] == 12
    return home


def names(other: imaplib.IMAP4_SSL, *, subscribed: bool) -> set[str]:
    """The folders there, with `/`."""
    rows = (other.lsub() if subscribed else other.list())[1]
    found = {row.decode().split()[-1].strip('"').replace(".", "/") for row in rows if isinstance(row, bytes)}
    return {name.removeprefix("INBOX/") for name in found}


def test_a_folder_renamed_here_is_renamed_there(
    tree: GatewayHome, other: imaplib.IMAP4_SSL, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree.mail / person.path("Work")).rename(tree.mail / person.path("Labour"))
    before = {status[0] for path, status in tree.snapshot().items() if "Labour/" in path and "/cur/" in path}
    sent = commands(monkeypatch)
    assert [step["action"] for step in tree.sync("--dry-run")["steps"]] == ["rename_folder"] * 2
    report = tree.sync()
    done = [report[each] for each in ("fetched", "uploaded", "moved", "removed", "flagged")]
    assert (report["ok"], done, report["warnings"]) == (True, [0] * 5, [])
    assert not {"UID MOVE", "UID COPY", "APPEND"} & {each.split('"')[0].strip() for each in sent}
    assert {"Labour", "Labour/Old", "Labour/Empty"} <= names(other, subscribed=False)
    assert not [name for name in names(other, subscribed=False) if name.startswith("Work")]
    assert {"Labour", "Labour/Old", "Labour/Empty"} <= names(other, subscribed=True)
    assert not [name for name in names(other, subscribed=True) if name.startswith("Work")]
    assert before == {status[0] for path, status in tree.snapshot().items() if "Labour/" in path and "/cur/" in path}
    again, snapshot = tree.sync(), tree.snapshot()
    assert [again[each] for each in ("fetched", "uploaded", "moved", "removed", "flagged")] == [0] * 5
    other.select(person.named("Labour"))
    other.uid("STORE", "1", "+FLAGS", "(\\Flagged)")
    other.close()
    assert tree.sync()["flagged"] == 1
    assert snapshot.keys() != tree.snapshot().keys()


def test_a_folder_made_here_is_subscribed_there(tree: GatewayHome, other: imaplib.IMAP4_SSL, person: Person) -> None:
    for row in other.list()[1]:  # those that came with the server, too
        assert isinstance(row, bytes)
        other.subscribe(row.decode().split()[-1])
    made = tree.mail / person.path("Made")
    for part in ("cur", "new", "tmp"):
        (made / part).mkdir(parents=True)
    (made / "cur" / "1.host:2,S").write_text("Message-ID: <new@x>\n\nnew\n")
    assert tree.sync()["uploaded"] == 1
    assert "Made" in names(other, subscribed=True)
    assert "Made" in (tree.mail / "subscriptions").read_text()
    shutil.rmtree(made)
    assert tree.sync()["removed"] == 1
    assert "Made" not in names(other, subscribed=False)
    assert "Made" not in names(other, subscribed=True)
    assert "Made" not in (tree.mail / "subscriptions").read_text()


@pytest.mark.parametrize("word", [b"RENAME", b"SUBSCRIBE", b"UID FETCH"])
def test_a_run_that_dies_while_it_renames_is_repeated(
    tree: GatewayHome, other: imaplib.IMAP4_SSL, person: Person, monkeypatch: pytest.MonkeyPatch, word: bytes
) -> None:
    (tree.mail / person.path("Work")).rename(tree.mail / person.path("Labour"))

    class Died(BaseException):
        pass

    def die() -> None:
        raise Died

    with monkeypatch.context() as struck:
        strike(struck, word, die)
        with pytest.raises(Died):
            tree.sync()
    assert ("Labour" in names(other, subscribed=False)) == (word != b"RENAME")
    report = tree.sync()
    assert [report[each] for each in ("fetched", "uploaded", "removed")] == [0] * 3
    assert {"Labour", "Labour/Old", "Labour/Empty"} <= names(other, subscribed=True)
    assert not [name for name in names(other, subscribed=False) if name.startswith("Work")]
    assert len(tree.folder(*person.path("Labour").parts)) == 10
    assert [tree.sync()[each] for each in ("fetched", "uploaded", "moved", "removed")] == [0] * 4
