"""Surveys and visits on each of the IMAP servers: what they bring is what another client put there."""

import contextlib
import imaplib
import itertools
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf

import pytest

from mailctl.demo.server import EmbeddedMail
from mailctl.demo.server import Mailbox as Account
from mailctl.domain.mailbox import Folder
from mailctl.domain.secret import Secret
from mailctl.domain.server import CertificatePolicy, Endpoint, Security
from mailctl.domain.visits import Arrived, Closed, Opened, Visit
from mailctl.errors import RefusedError
from mailctl.protocols.imap import mailbox
from mailctl.protocols.imap.mailbox import Mailbox
from mailctl.protocols.imap.names import encode_name
from mailctl.protocols.imap.session import open_imap
from tests.servers.support.certificates import Certificates
from tests.servers.support.contract import Sink

SERVERS = ("dovecot", "cyrus", "courier", "pymap")
NAMES = ("Plain", "with space", "Käse & Brot", 'quo"te', "Empty")
_NUMBERS = itertools.count()


@dataclass
class Place:
    """A server, and two clients of one user there: the tests' own, and mailctl's."""

    kind: str
    other: imaplib.IMAP4
    connect: Callable[[], Mailbox]

    def add(self, wire: bytes, body: bytes) -> None:
        """Put a message into a folder."""
        quoted = wire.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        kind, said = self.other.append(f'"{quoted.decode()}"', "(\\Seen)", None, body)
        assert kind == "OK", said


@pytest.fixture(params=SERVERS)
def place(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[Place]:
    kind = str(request.param)
    trust = ssl.create_default_context(cafile=certificates.ca)
    with contextlib.ExitStack() as stack:
        if kind == "dovecot":
            mailbox = request.getfixturevalue("mailbox")
            port, user, password = mailbox.server.imaps, mailbox.user, mailbox.password
        elif kind == "pymap":
            good = certificates.good
            both = request.getfixturevalue("tmp_path") / "both.pem"
            both.write_bytes(good.key.read_bytes() + good.certificate.read_bytes())
            user, password = "alice", "alice-pw"
            port = stack.enter_context(EmbeddedMail(Account(user, Secret(password)), both)).imap_port
        else:
            user = f"pipe-{next(_NUMBERS)}"
            password = "its-password"
            server = request.getfixturevalue(kind)
            users = server if kind == "cyrus" else request.getfixturevalue("courier_users")
            users.add_user(user, password)
            port = server.imaps
        other = stack.enter_context(imaplib.IMAP4_SSL("localhost", port, ssl_context=trust))
        other.login(user, password)
        endpoint = Endpoint("localhost", port, Security.TLS, CertificatePolicy(ca_file=str(certificates.ca)))
        yield Place(kind, other, lambda: open_imap(endpoint, user, Secret(password)))


def test_survey_and_visit(place: Place) -> None:
    prefix = "INBOX." if place.kind == "courier" else ""
    wires = {name: encode_name(prefix + name) for name in NAMES}
    if place.kind == "cyrus":
        del wires['quo"te']  # which it doesn't allow
    for wire in wires.values():
        quoted = wire.replace(b'"', b'\\"').decode()
        assert place.other.create(f'"{quoted}"')[0] == "OK"
    bodies = {name: [b"Subject: %d\r\n\r\n%s\r\n" % (n, b"x" * 3000 * n) for n in range(3)] for name in wires}
    bodies["Empty"] = []
    for name, each in bodies.items():
        for body in each:
            place.add(wires[name], body)
    box = place.connect()
    listing = box.survey()
    assert not listing.set_aside
    folders = {folder.name.removeprefix(prefix): folder for folder in listing.folders}
    assert wires.keys() <= folders.keys()
    for name, each in bodies.items():
        status = listing.statuses[folders[name].name]
        assert (status.messages, status.uidnext) == (
            len(each),
            len(each) + 1 if place.kind != "pymap" else status.uidnext,
        )
        assert status.uidvalidity
        assert (status.highestmodseq is None) is (place.kind in ("courier", "pymap"))
    assert box.quick is (place.kind in ("dovecot", "cyrus"))

    gone = Folder("gone", b"gone", "/")
    visits = []
    for name in wires:
        visits += [Visit(gone, bodies_from=1), Visit(folders[name], bodies_from=1), Visit(folders[name])]
    sinks: list[tuple[str, Sink]] = []

    def make(visit: Visit, octets: int) -> Sink:
        sinks.append((visit.folder.name.removeprefix(prefix), Sink()))
        return sinks[-1][1](octets)

    events = list(box.visit(visits, make))
    got = {name: [body for owner, sink in sinks if owner == name for body in sink.bodies.values()] for name in wires}
    assert got == bodies
    for event in events:
        if isinstance(event, Closed):
            assert isinstance(event.error, RefusedError) is (event.visit.folder is gone)
    opened = [event for event in events if isinstance(event, Opened)]
    assert len(opened) == 2 * len(wires)
    arrived = [event.meta for event in events if isinstance(event, Arrived)]
    assert all("\\Seen" in meta.flags and meta.internaldate for meta in arrived)
    box.close()
    again = place.connect()
    state = again.survey().statuses
    assert {name: state[folders[name].name] for name in wires} == {
        name: listing.statuses[folders[name].name] for name in wires
    }, "reading changes nothing"
    again.close()


def test_what_changed_is_told_by_those_that_can(place: Place) -> None:
    for number in range(5):
        place.add(b"INBOX", b"Subject: %d\r\n\r\nx\r\n" % number)
    box = place.connect()
    listing = box.survey()
    before = listing.statuses["INBOX"]
    inbox = next(folder for folder in listing.folders if folder.name == "INBOX")
    others = [folder for folder in listing.folders if folder.selectable and folder.name != "INBOX"]
    assert before.uidvalidity
    since = (before.uidvalidity, before.highestmodseq or 1)
    if not box.quick:
        events = list(box.visit([Visit(inbox, since), Visit(inbox)], lambda visit, octets: Sink()))
        refused = events[0]
        assert isinstance(refused, Closed)
        assert isinstance(refused.error, RefusedError)
        assert refused.error.code == "no_qresync"
        box.close()
        return
    place.other.select("INBOX")
    uids = [int(uid) for uid in place.other.uid("SEARCH", "ALL")[1][0].split()]
    place.other.uid("STORE", str(uids[0]), "+FLAGS", "(\\Flagged)")
    place.other.uid("STORE", f"{uids[1]},{uids[3]}", "+FLAGS", "(\\Deleted)")
    place.other.expunge()
    place.add(b"INBOX", b"Subject: new\r\n\r\nx\r\n")
    sink = Sink()
    visits = [Visit(others[0]), Visit(inbox, since, uids[-1] + 1), Visit(others[0], bodies_from=1), Visit(inbox, since)]
    events = list(box.visit(visits, lambda visit, octets: sink(octets)))
    assert [event.error for event in events if isinstance(event, Closed)] == [None] * 4
    for opened in [event for event in events if isinstance(event, Opened)][1::2]:
        changed = {meta.uid: meta.flags - {"\\Recent"} for meta in opened.changed}
        assert changed.pop(uids[0]) == {"\\Seen", "\\Flagged"}
        assert changed.keys() == {uids[-1] + 1}
        for uid in uids:
            assert any(low <= uid <= high for low, high in opened.vanished) is (uid in (uids[1], uids[3]))
        assert opened.status.highestmodseq
        assert opened.status.highestmodseq > since[1]
    assert sink.bodies == {uids[-1] + 1: b"Subject: new\r\n\r\nx\r\n"}
    box.close()


def test_a_deflated_connection_brings_the_same(place: Place) -> None:
    bodies = [
        b"Subject: %d\r\n\r\n%s\r\n" % (number, bytes(range(1, 256)).replace(b"\r", b"").replace(b"\n", b"") * number)
        for number in range(60)
    ]
    for body in bodies:
        place.add(b"INBOX", body)
    box = place.connect()
    assert box.compress() is (place.kind == "cyrus")
    assert not box._channel.wire.pending()
    listing = box.survey()
    inbox = next(folder for folder in listing.folders if folder.name == "INBOX")
    sink = Sink()
    list(box.visit([Visit(inbox, bodies_from=1)], lambda visit, octets: sink(octets)))
    assert list(sink.bodies.values()) == bodies
    box.select(inbox, read_only=True)
    again = Sink()
    list(box.fetch(sorted(sink.bodies), again))
    assert again.bodies == sink.bodies
    box.close()


def test_an_inbox_that_the_survey_opened_is_read_as_it_is(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "NEAR", inf)
    for number in range(6):
        place.add(b"INBOX", b"Subject: %d\r\n\r\nx\r\n" % number)
    first = place.connect()
    listing = first.survey()
    before = listing.statuses["INBOX"]
    inbox = next(folder for folder in listing.folders if folder.name == "INBOX")
    first.close()
    assert place.other.select("INBOX")[0] == "OK"
    place.other.store("1", "+FLAGS", "(\\Flagged)")
    place.other.store("2,6", "+FLAGS", "(\\Deleted)")
    place.other.expunge()
    place.add(b"INBOX", b"Subject: new\r\n\r\nx\r\n")
    since, new = (before.uidvalidity or 0, before.highestmodseq or 1), before.uidnext or 1
    found = []
    for ahead in (True, False):
        box = place.connect()
        if ahead:
            box.survey_ahead(inbox=True)
        told = box.survey()
        sink = Sink()
        quick = box.quick
        visits = [Visit(inbox, since, new)] if quick else [Visit(inbox, None, new)]
        assert box._channel.folder_open is (ahead and quick)
        events = list(box.visit(visits, lambda visit, octets, sink=sink: sink(octets)))
        (opened,) = [event for event in events if isinstance(event, Opened)]
        (closed,) = [event for event in events if isinstance(event, Closed)]
        assert closed.error is None
        changed = {meta.uid: meta.flags - {"\\Recent"} for meta in opened.changed}
        arrived = [event.meta.uid for event in events if isinstance(event, Arrived)]
        gone = [uid for uid in range(1, new) if any(low <= uid <= high for low, high in opened.vanished)]
        found.append((told.statuses, changed, arrived, gone, opened.status, sink.bodies))
        assert box.select(inbox, read_only=True).messages == 5
        box.close()
    assert found[0] == found[1]
    assert list(found[0][5].values()) == [b"Subject: new\r\n\r\nx\r\n"]
