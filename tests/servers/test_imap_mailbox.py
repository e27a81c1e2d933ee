"""mailctl's IMAP mailbox on a real Dovecot: what it brings is what the server holds."""

import datetime as dt
import itertools
import tracemalloc
from collections.abc import Iterator

import pytest

from mailctl.domain.mailbox import Folder, ImapMailbox
from mailctl.errors import NetworkError, RefusedError, UsageError
from tests.servers.support.certificates import Certificates
from tests.servers.support.dovecot_config import DovecotSettings
from tests.servers.support.fixtures import MakeDovecot
from tests.servers.support.imap_client import Collector, folder, sign_in
from tests.servers.support.mail import Mail
from tests.servers.support.mailbox import Mailbox

INBOX = folder("INBOX")
RECEIVED = dt.datetime(2001, 2, 3, 4, 5, 6, tzinfo=dt.UTC)


def as_held(data: bytes) -> bytes:
    """Bytes off the wire as the fixtures tell what the server holds."""
    return data.replace(b"\r\n", b"\n")


@pytest.fixture
def client(mailbox: Mailbox, certificates: Certificates) -> Iterator[ImapMailbox]:
    opened = sign_in(mailbox, certificates)
    yield opened
    opened.close()


def test_bytes_flags_and_dates_are_the_servers(mailbox: Mailbox, client: ImapMailbox) -> None:
    bodies = [
        b"Subject: one\r\n\r\nbody\r\n",
        b"Subject: \xff\r\n\r\nlong " + b"x" * 100_000 + b"\r\n.\r\n..\r\n)\r\n* 1 FETCH (UID 9 BODY[] {3}\r\nabc)\r\n",
        b"Subject: bare CR \r and LF\n\r\nno end",
        b"\r\n",
        b"no header at all",
    ]
    flags = ((), ("\\Seen", "$Label1"), ("\\Answered", "\\Flagged", "NonJunk"), ("\\Draft",), ("\\Deleted", "$a-b"))
    mails = [Mail(body, each, RECEIVED) for body, each in zip(bodies, flags, strict=True)]
    uids = mailbox.deliver_many("INBOX", mails)
    status = client.select(INBOX, read_only=True)
    assert (status.messages, status.uidnext, status.uidvalidity) == (5, uids[-1] + 1, mailbox.uidvalidity("INBOX"))
    assert status.read_only
    assert client.uids() == uids
    sink = Collector()
    metas = list(client.fetch(uids, sink))
    assert [meta.uid for meta in metas] == uids
    held = mailbox.messages()
    assert [as_held(sink.kept[uid]) for uid in uids] == [each.data for each in held]
    assert [meta.flags for meta in metas] == [each.flags for each in held] == [frozenset(each) for each in flags]
    assert {meta.internaldate for meta in metas} == {RECEIVED.timestamp()}
    rows = list(client.scan())
    assert [(row.uid, row.flags, row.internaldate) for row in rows] == [
        (meta.uid, meta.flags, meta.internaldate) for meta in metas
    ]
    assert [row.size for row in rows] == [len(sink.kept[uid]) for uid in uids] == [meta.size for meta in metas]
    assert all(row.modseq for row in rows)
    assert mailbox.messages() == held, "reading changes nothing"


def test_H4_a_message_expunged_meanwhile_is_left_out(mailbox: Mailbox, client: ImapMailbox) -> None:
    uids = mailbox.deliver_many("INBOX", [b"Subject: %d\r\n\r\n" % n for n in range(5)])
    client.select(INBOX, read_only=True)
    mailbox.expunge("INBOX", uids[2])
    sink = Collector()
    assert {meta.uid for meta in client.fetch([*uids, uids[-1] + 1000], sink)} >= set(uids) - {uids[2]}
    client.noop()
    assert [meta.uid for meta in client.fetch(uids, Collector())] == [uid for uid in uids if uid != uids[2]]


def test_folders_have_their_names(mailbox: Mailbox, client: ImapMailbox) -> None:
    names = ["Été/Müller", "[Gmail]/All Mail", "a&b", 'q"uo\\te', "..", "日本語", "NIL", "123", "%", "*"]
    for name in names:
        mailbox.create_folder(name)
        mailbox.deliver(name, b"Subject: in %s\r\n\r\n" % name.encode())
    listing = client.folders()
    assert listing.set_aside == ()
    found = {each.name: each for each in listing.folders}
    assert {*names, "INBOX", "Sent", "Junk", "Trash"} <= set(found)
    assert "\\sent" in found["Sent"].attributes
    assert found["Été/Müller"].delimiter == "/"
    for name in names:
        assert client.select(found[name], read_only=True).messages == 1
        sink = Collector()
        list(client.fetch(client.uids(), sink))
        assert list(sink.kept.values()) == [b"Subject: in %s\r\n\r\n" % name.encode()]


def test_a_folder_that_is_not_there_is_refused(client: ImapMailbox) -> None:
    with pytest.raises(RefusedError) as caught:
        client.select(folder("nowhere"), read_only=True)
    assert caught.value.server_text.startswith("NO ")
    assert "nowhere" in caught.value.server_text
    with pytest.raises(RefusedError, match="no folder"):
        client.uids()
    with pytest.raises(RefusedError, match="no folder"):
        list(client.fetch([1], Collector()))
    client.noop()


def test_flags_are_added_and_messages_removed_by_uid(mailbox: Mailbox, client: ImapMailbox) -> None:
    uids = mailbox.deliver_many("INBOX", [Mail(b"Subject: %d\r\n\r\n" % n) for n in range(4)])
    mailbox.set_flags("INBOX", uids[3], ["\\Deleted"])
    client.select(INBOX, read_only=False)
    client.add_flags(uids[:2], ["\\Seen", "$Done"])
    client.expunge([uids[1]])
    held = {each.uid: each.flags for each in mailbox.messages()}
    assert held == {uids[0]: {"\\Seen", "$Done"}, uids[2]: frozenset(), uids[3]: {"\\Deleted"}}


def test_H6_nothing_is_stored_in_a_folder_open_for_reading(mailbox: Mailbox, client: ImapMailbox) -> None:
    uid = mailbox.deliver("INBOX", b"Subject: x\r\n\r\n")
    client.select(INBOX, read_only=True)
    with pytest.raises(RefusedError) as caught:
        client.add_flags([uid], ["\\Seen"])
    assert caught.value.cause == "read_only"
    with pytest.raises(RefusedError) as caught:
        client.expunge([uid])
    assert caught.value.cause == "read_only"
    assert mailbox.messages()[0].flags == frozenset()


def test_H8_without_uidplus_nothing_is_expunged(make_dovecot: MakeDovecot, certificates: Certificates) -> None:
    server = make_dovecot(DovecotSettings(without=("UIDPLUS", "CONDSTORE", "QRESYNC", "ESEARCH", "SASL-IR", "ID")))
    mailbox = Mailbox(server, "alice")
    uids = mailbox.deliver_many("INBOX", [b"Subject: x\r\n\r\n"] * 3)
    client = sign_in(mailbox, certificates)
    client.select(INBOX, read_only=False)
    assert client.uids() == uids
    assert [row.uid for row in client.scan()] == uids
    with pytest.raises(RefusedError) as caught:
        client.expunge(uids[:1])
    assert caught.value.code == "no_uidplus"
    assert [each.flags for each in mailbox.messages()] == [frozenset()] * 3
    client.close()


def test_only_what_changed_since(mailbox: Mailbox, client: ImapMailbox) -> None:
    uids = mailbox.deliver_many("INBOX", [b"Subject: x\r\n\r\n"] * 10)
    before = client.select(INBOX, read_only=True).highestmodseq
    assert before
    mailbox.set_flags("INBOX", uids[4], ["\\Flagged"])
    client.noop()
    changed = list(client.scan(changed_since=before))
    assert [(row.uid, row.flags) for row in changed] == [(uids[4], frozenset({"\\Flagged"}))]


def test_since_a_day(mailbox: Mailbox, client: ImapMailbox) -> None:
    old = mailbox.deliver("INBOX", b"Subject: old\r\n\r\n", received=RECEIVED)
    new = mailbox.deliver("INBOX", b"Subject: new\r\n\r\n", received=RECEIVED + dt.timedelta(days=30))
    client.select(INBOX, read_only=True)
    assert client.uids(since="2001-02-20") == [new]
    assert client.uids(since="2001-02-01") == [old, new]
    with pytest.raises(UsageError):
        client.uids(since='1-Jan-2001\r\nA1 LOGOUT"')


def test_headers_of_many(mailbox: Mailbox, client: ImapMailbox) -> None:
    mails = [b"Subject: x\r\nMessage-ID: <%d@x>\r\n\r\nbody" % n for n in range(20)] + [b"Subject: none\r\n\r\n"]
    uids = mailbox.deliver_many("INBOX", mails)
    client.select(INBOX, read_only=True)
    found = dict(client.headers(uids, ["Message-ID"]))
    assert [found[uid].strip() for uid in uids] == [*(b"Message-ID: <%d@x>" % n for n in range(20)), b""]


def test_a_thousand_messages_in_one_go(mailbox: Mailbox, client: ImapMailbox) -> None:
    uids = mailbox.deliver_many("INBOX", (Mail(b"Subject: %d\r\n\r\n%s\r\n" % (n, b"y" * n * 9)) for n in range(1000)))
    assert client.select(INBOX, read_only=True).messages == 1000
    sink = Collector()
    assert [meta.uid for meta in client.fetch(uids[::2], sink)] == uids[::2]
    assert all(
        sink.kept[uid] == b"Subject: %d\r\n\r\n%s\r\n" % (n, b"y" * n * 9) for n, uid in list(enumerate(uids))[::2]
    )
    assert len(list(client.scan())) == 1000
    assert [row.uid for row in client.scan(uids[10:20])] == uids[10:20]


def test_a_message_of_20_MB_goes_through_in_bounded_memory(mailbox: Mailbox, client: ImapMailbox) -> None:
    line = b"z" * 76 + b"\r\n"
    uid = mailbox.deliver("INBOX", b"Subject: big\r\n\r\n" + line * (20_000_000 // len(line)))
    client.select(INBOX, read_only=True)
    sink = Collector(keep=False)
    tracemalloc.start()
    try:
        assert [meta.uid for meta in client.fetch([uid], sink)] == [uid]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sink.octets > 19_999_000
    assert 1 << 14 < sink.largest <= 1 << 17
    assert peak < 1_500_000


def test_a_reader_that_stops_early_or_fails_ends_the_connection(mailbox: Mailbox, client: ImapMailbox) -> None:
    uids = mailbox.deliver_many("INBOX", [b"Subject: x\r\n\r\n"] * 3)
    client.select(INBOX, read_only=True)
    assert len(list(itertools.islice(client.fetch(uids, Collector()), 1))) == 1
    with pytest.raises(NetworkError):
        client.noop()


def test_an_empty_folder_is_empty(client: ImapMailbox) -> None:
    assert client.select(Folder("INBOX", b"INBOX"), read_only=True).messages == 0
    assert client.uids() == []
    assert list(client.scan()) == []
    assert list(client.fetch([], Collector())) == []
    client.close()
    client.close()
