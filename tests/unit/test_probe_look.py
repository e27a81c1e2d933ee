"""Looking for a probe and removing it: nothing else is ever touched, whatever the server says."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import pytest

from mailctl.diagnosis.probes.bounce import bounce_text
from mailctl.diagnosis.probes.look import Bounce, Found, ImapLooker, PopLooker
from mailctl.domain.mailbox import Folder, FolderListing, FolderStatus, MessageMeta, SinkFactory
from mailctl.errors import AuthError, RefusedError

ID = "<mailctl-probe-1@mail.test>"
OURS = f"Message-ID: {ID}\r\nReceived: by mail.test; now\r\n".encode()
OTHER = b"Message-ID: <mine@mail.test>\r\nSubject: <mailctl-probe-1@mail.test>\r\n"
MARKS = {"Sent": "\\sent", "Trash": "\\trash", "Junk": "\\junk", "All": "\\all", "Drafts": "\\drafts"}


class FakeImap:
    """A mailbox in memory that finds every message in each search, as a lying server may."""

    capabilities = frozenset({"IMAP4REV1", "UIDPLUS", "MOVE"})

    def __init__(self, **folders: dict[int, bytes]) -> None:
        self.held: dict[str, dict[int, bytes]] = {"INBOX": {}} | folders
        self.expunged: list[tuple[str, int]] = []
        self.flagged: list[tuple[str, int]] = []
        self.selected = ""
        self.searches = 0
        self.tells_uidnext = True
        self.uidplus = True
        self.broken: set[str] = set()

    def folders(self) -> FolderListing:
        marks = {name: frozenset({MARKS[name]}) if name in MARKS else frozenset() for name in self.held}
        return FolderListing(tuple(Folder(name, name.encode(), "/", marks[name]) for name in self.held))

    def select(self, folder: Folder, *, read_only: bool) -> FolderStatus:
        if folder.name in self.broken:
            raise RefusedError("no")
        self.selected = folder.name
        held = self.held[folder.name]
        return FolderStatus(len(held), 1, max(held, default=0) + 1 if self.tells_uidnext else None)

    def compress(self) -> bool:
        return False

    def search_header(self, name: str, value: str) -> list[int]:
        self.searches += 1
        return sorted(self.held[self.selected])

    def headers(self, uids: Sequence[int], names: Sequence[str]) -> Iterator[tuple[int, bytes]]:
        held = self.held[self.selected]
        return iter([(uid, held[uid]) for uid in uids if uid in held])

    def scan(self, uids: Sequence[int] | None = None, *, changed_since: int | None = None) -> Iterator[MessageMeta]:
        return iter([MessageMeta(uid, size=len(self.held[self.selected][uid])) for uid in uids or ()])

    def fetch(
        self, uids: Sequence[int], sink: SinkFactory, more: Callable[[], Sequence[int]] | None = None
    ) -> Iterator[MessageMeta]:
        for uid in uids:
            body = sink(1)
            body.write(self.held[self.selected][uid])
            body.finish(MessageMeta(uid))
            yield MessageMeta(uid)

    def move(self, uids: Sequence[int], folder: Folder) -> None:
        there = self.held[folder.name]
        for uid in uids:
            there[max(there, default=0) + 1] = self.held[self.selected].pop(uid)

    def expunge(self, uids: Sequence[int], *, unchanged_since: int | None = None) -> list[int]:
        if not self.uidplus:
            raise RefusedError("no UIDPLUS", code="no_uidplus")
        for uid in uids:
            del self.held[self.selected][uid]
            self.expunged.append((self.selected, uid))
        return []

    def add_flags(self, uids: Sequence[int], flags: Iterable[str]) -> None:
        assert list(flags) == ["\\Deleted"]
        self.flagged += [(self.selected, uid) for uid in uids]

    def uids(self, *, since: str | None = None) -> list[int]:
        return sorted(self.held[self.selected])

    def quota(self) -> tuple[int, int] | None:
        return (990, 1000)

    def noop(self) -> None:
        """Nothing to do."""

    def enter(self, folder: Folder, uidvalidity: int) -> None:
        """Nothing to do."""

    @property
    def turn(self) -> float:
        return 0.0

    def close(self) -> None:
        """Nothing to do."""


def looking(mailbox: FakeImap) -> ImapLooker:
    looker = ImapLooker(mailbox, ID)
    looker.begin()
    return looker


def test_what_is_new_is_read_and_not_searched_for() -> None:
    mailbox = FakeImap(INBOX={3: OTHER})
    looker = looking(mailbox)
    assert looker.look(thorough=False) is None
    mailbox.held["INBOX"] |= {4: OTHER, 5: OURS}
    assert looker.look(thorough=False) == Found(5, OURS, "INBOX")
    assert mailbox.searches == 0
    assert looker.remove(Found(5, OURS, "INBOX")) == ""
    assert mailbox.expunged == [("INBOX", 5)]


def test_a_server_without_uidnext_is_searched_and_not_believed() -> None:
    mailbox = FakeImap(INBOX={1: OTHER, 2: OURS, 3: OTHER})
    mailbox.tells_uidnext = False
    looker = looking(mailbox)
    found = looker.look(thorough=False)
    assert isinstance(found, Found)
    assert looker.remove(found) == ""
    assert mailbox.expunged == [("INBOX", 2)]
    assert set(mailbox.held["INBOX"]) == {1, 3}


def test_a_message_that_takes_the_place_of_the_probe_is_not_removed() -> None:
    mailbox = FakeImap()
    looker = looking(mailbox)
    mailbox.held["INBOX"] = {1: OURS}
    found = looker.look(thorough=False)
    assert isinstance(found, Found)
    mailbox.held["INBOX"] = {1: OTHER}
    assert looker.remove(found) == ""
    assert mailbox.expunged == []


def test_a_thorough_look_goes_everywhere_but_to_sent_mail_and_to_all_mail_last() -> None:
    mailbox = FakeImap(All={1: OURS}, Sent={1: OURS}, Closed={}, Work={1: OTHER, 2: OURS})
    looker = looking(mailbox)
    mailbox.broken = {"Closed"}
    assert looker.look(thorough=False) is None
    assert looker.look(thorough=True) == Found(2, OURS, "Work")
    del mailbox.held["Work"][2]
    assert looker.look(thorough=True) is None  # what was only sent is in there too
    assert looker.look(thorough=True, last=True) == Found(1, OURS, "All", all_mail=True)
    del mailbox.held["All"][1]
    assert looker.look(thorough=True, last=True) is None


def test_a_rule_may_have_thrown_it_away() -> None:
    mailbox = FakeImap(Trash={}, Drafts={1: OURS})
    looker = looking(mailbox)
    mailbox.held["Trash"][1] = OURS
    assert looker.look(thorough=True) == Found(1, OURS, "Trash")
    assert looker.remove(Found(1, OURS, "Trash")) == ""
    assert mailbox.held["Trash"] == {}


@pytest.mark.parametrize("name", ["Sent Items", "sent"])
def test_sent_mail_is_known_by_its_name_too(name: str) -> None:
    mailbox = FakeImap(**{name: {}})
    looker = looking(mailbox)
    mailbox.held[name][1] = OURS
    assert looker.look(thorough=True, last=True) is None


def test_it_is_counted_how_often_it_arrived_and_nothing_of_it_stays() -> None:
    mailbox = FakeImap(Junk={}, Sent={})
    looker = looking(mailbox)
    mailbox.held["INBOX"] = {1: OURS, 2: OTHER, 3: OURS}
    mailbox.held["Junk"][1] = mailbox.held["Sent"][1] = OURS
    found = looker.look(thorough=False)
    assert isinstance(found, Found)
    assert looker.remove(found) == ""
    assert looker.times == 3
    assert mailbox.held == {"INBOX": {2: OTHER}, "Junk": {}, "Sent": {}}


def test_a_spam_folder_that_goes_away_meanwhile_ends_nothing() -> None:
    mailbox = FakeImap(Junk={}, Spam={})
    looker = looking(mailbox)
    mailbox.broken = {"Junk"}
    mailbox.held["Spam"][1] = OURS
    assert looker.look(thorough=False) == Found(1, OURS, "Spam", junk=True)


def test_copies_of_sent_and_of_all_mail_go_too() -> None:
    mailbox = FakeImap(Sent={1: OTHER}, All={1: OTHER}, Trash={1: OTHER})
    mailbox.search_header = lambda name, value: []  # type: ignore[method-assign]  # an index that lags behind
    looker = looking(mailbox)
    mailbox.held["INBOX"][1] = mailbox.held["Sent"][2] = mailbox.held["All"][2] = OURS
    found = looker.look(thorough=False)
    assert isinstance(found, Found)
    assert looker.remove(found) == ""
    assert mailbox.expunged == [("INBOX", 1), ("Sent", 2), ("Trash", 2)]
    assert [len(mailbox.held[name]) for name in ("INBOX", "Sent", "All", "Trash")] == [0, 1, 1, 1]


@pytest.mark.parametrize("folder", ["Junk", "SPAM"])
def test_spam_is_known_by_its_mark_or_its_name(folder: str) -> None:
    mailbox = FakeImap(**{folder: {}})
    looker = looking(mailbox)
    mailbox.held[folder][1] = OURS
    assert looker.look(thorough=False) == Found(1, OURS, folder, junk=True)


def test_without_uidplus_it_is_marked_and_that_is_told() -> None:
    mailbox = FakeImap()
    mailbox.uidplus = False
    looker = looking(mailbox)
    mailbox.held["INBOX"][1] = OURS
    found = looker.look(thorough=False)
    assert isinstance(found, Found)
    assert "INBOX: it is only marked as deleted" in looker.remove(found)
    assert mailbox.flagged == [("INBOX", 1)]
    assert mailbox.expunged == []


REPORT = (
    b"From: MAILER-DAEMON@mail.test\r\nContent-Type: multipart/report; boundary=x\r\nMessage-ID: <b@mail.test>\r\n\r\n"
    b"--x\r\nContent-Type: message/delivery-status\r\n\r\nStatus: 5.2.2\r\nDiagnostic-Code: smtp; 552 5.2.2 full\r\n"
    b"--x\r\n\r\nMessage-ID: <mailctl-probe-1@mail.test>\r\n"
)


def test_a_report_on_the_probe_is_told_and_one_on_another_message_is_not() -> None:
    mailbox = FakeImap()
    looker = looking(mailbox)
    mailbox.held["INBOX"][1] = REPORT.replace(b"probe-1", b"probe-2")
    assert looker.look(thorough=False) is None
    mailbox.held["INBOX"][2] = REPORT
    assert looker.look(thorough=False) == Bounce("552 5.2.2 full")
    assert looker.full(100)
    assert not looker.full(5)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"Diagnostic-Code: 550 no\r\n\r\n" + ID.encode(), "550 no"),
        (b"Status: 5.1.1\r\n\r\n" + ID.encode(), "5.1.1"),
        (ID.encode(), "the message came back"),
        (b"Diagnostic-Code: smtp; 550 no\r\n", ""),
        (b"Action: failed\r\nStatus: 5.1.1\r\n\r\n" + ID.encode(), "5.1.1"),
        (b"Action: Delayed (4 h)\r\nStatus: 4.2.2\r\n\r\n" + ID.encode(), ""),
        (b"Action: delivered\r\nStatus: 2.0.0\r\n\r\n" + ID.encode(), ""),
    ],
)
def test_what_a_report_says(message: bytes, text: str) -> None:
    assert bounce_text(message, ID) == text


class FakePop:
    """A POP3 session on messages in memory."""

    capabilities: frozenset[str] = frozenset()
    login_delay = 0

    def __init__(self, held: dict[str, bytes], *, top: bool = True) -> None:
        self.held, self.has_top = held, top
        self.names = list(held)
        self.deleted: list[str] = []
        self.over = False

    def uidl(self) -> list[tuple[int, str, int]]:
        return [(number, name, len(self.held[name])) for number, name in enumerate(self.names, 1)]

    def top(self, number: int) -> bytes | None:
        return self.held[self.names[number - 1]] if self.has_top else None

    def retrieve(self, number: int, octets: int, sink: SinkFactory) -> None:
        body = sink(octets)
        body.write(self.held[self.names[number - 1]])
        body.finish(MessageMeta(0))

    def delete(self, number: int) -> None:
        self.deleted.append(self.names[number - 1])

    def quit(self) -> None:
        for name in self.deleted:
            del self.held[name]
        self.over = True

    def close(self) -> None:
        """Nothing to do."""


@pytest.mark.parametrize("top", [True, False])
def test_pop3_reads_only_what_is_new_and_removes_only_the_probe(top: bool) -> None:
    held = {"a": OURS}
    first = FakePop(held)
    looker = PopLooker(first, lambda: FakePop(held, top=top), ID)
    looker.begin()
    assert first.over
    assert looker.look(thorough=False) is None
    held |= {"b": OTHER, "c": OURS, "d": OTHER}
    found = looker.look(thorough=False)
    assert isinstance(found, Found)
    assert (found.number, found.folder, found.junk) == (3, "", False)
    assert looker.remove(found) == ""
    assert set(held) == {"a", "b", "d"}
    assert not looker.full(10**9)


def test_what_is_left_is_told_with_the_servers_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(uids: Sequence[int]) -> None:
        raise RefusedError("the server refused UID EXPUNGE", server_text="NO [NOPERM] not you\nmore")

    mailbox = FakeImap()
    looker = looking(mailbox)
    mailbox.held["INBOX"][1] = OURS
    monkeypatch.setattr(mailbox, "expunge", refuse)
    assert looker.remove(Found(1, OURS, "INBOX")) == 'INBOX: the server refused UID EXPUNGE ("NO [NOPERM] not you")'


def test_pop3_removes_every_copy() -> None:
    held: dict[str, bytes] = {}
    looker = PopLooker(FakePop(held), lambda: FakePop(held), ID)
    looker.begin()
    held |= {"a": OURS, "b": OTHER, "c": OURS}
    found = looker.look(thorough=False)
    assert isinstance(found, Found)
    assert (looker.remove(found), looker.times) == ("", 2)
    assert held == {"b": OTHER}


def test_pop3_brings_reports_too() -> None:
    held: dict[str, bytes] = {}
    looker = PopLooker(FakePop(held), lambda: FakePop(held), ID)
    looker.begin()
    held["a"] = REPORT
    assert looker.look(thorough=False) == Bounce("552 5.2.2 full")


@pytest.mark.parametrize(
    ("error", "waits"),
    [
        (AuthError("no", server_text="-ERR [LOGIN-DELAY] wait"), True),
        (RefusedError("no", server_text="-ERR [in-use] locked"), True),
        (AuthError("no", server_text="-ERR [AUTH] wrong"), False),
    ],
)
def test_a_pop3_server_that_says_not_now_is_asked_again(error: AuthError, waits: bool) -> None:
    def refuse() -> FakePop:
        raise error

    looker = PopLooker(FakePop({}), refuse, ID)
    looker.begin()
    if waits:
        assert looker.look(thorough=False) is None
    else:
        with pytest.raises(type(error)):
            looker.look(thorough=False)


def test_a_login_delay_is_kept_within_reason() -> None:
    patient = FakePop({})
    patient.login_delay = 10
    looker = PopLooker(patient, lambda: patient, ID)
    assert [looker.pause(looks) for looks in (0, 3, 5)] == [10, 10, 15]
    patient.login_delay = 10**6
    assert looker.pause(0) == 30
