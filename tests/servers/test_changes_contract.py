"""What sync relies on in an `ImapChanges`: the double in memory and the real adapter on three servers do the same."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Protocol as Interface

import pytest

from mailctl.domain.changes import FlagChange, ImapChanges, Placed, PlacingError, Upload
from mailctl.domain.mailbox import Folder, ImapMailbox, MessageMeta
from mailctl.domain.secret import Secret
from mailctl.domain.server import CertificatePolicy, Endpoint, Security
from mailctl.errors import RefusedError, StorageError
from mailctl.protocols.imap.session import open_imap
from tests.doubles.imap import MemoryFolder, MemoryServer
from tests.servers.support.certificates import Certificates
from tests.servers.support.contract import Sink

RECEIVED = 981_173_106.0
NUMBERS = count(1)


class Box(ImapMailbox, ImapChanges, Interface):
    """All that sync reads and changes by."""


@dataclass
class Place:
    """A server, an account on it that is new, and where in it folders may be made."""

    connect: Callable[[], Box]
    inside: str = ""
    delimiter: str = "/"


@pytest.fixture(params=["memory", "dovecot", "cyrus", "courier"])
def place(request: pytest.FixtureRequest) -> Place:
    if request.param == "memory":
        server = MemoryServer({"INBOX": MemoryFolder()}, MemoryServer().capabilities | {"MOVE", "MULTIAPPEND"})
        return Place(server.open_imap)
    certificates: Certificates = request.getfixturevalue("certificates")
    policy = CertificatePolicy(ca_file=str(certificates.ca))
    if request.param == "dovecot":
        mailbox = request.getfixturevalue("mailbox")
        user, password, port = mailbox.user, mailbox.password, mailbox.server.imaps
    else:
        made = request.getfixturevalue(request.param)
        user, password, port = f"c{next(NUMBERS)}", "pw", made.imaps
        accounts = made if request.param == "cyrus" else request.getfixturevalue("courier_users")
        accounts.add_user(user, password)
    endpoint = Endpoint("localhost", port, Security.TLS, policy)
    inside, delimiter = ("INBOX.", ".") if request.param == "courier" else ("", "/")
    return Place(lambda: open_imap(endpoint, user, Secret(password)), inside, delimiter)


@pytest.fixture
def box(place: Place) -> Iterator[Box]:
    made = place.connect()
    yield made
    made.close()


def folder(box: Box, name: str = "INBOX") -> Folder:
    return next(each for each in box.folders().folders if each.name == name)


def body(number: int, octets: int = 100) -> bytes:
    head = b"Message-ID: <%d@x>\r\nSubject: message %d\r\n\r\n" % (number, number)
    return head + (b"x" * 70 + b"\r\n") * (octets // 72) + b"end\r\n"


def upload(data: bytes, *flags: str, date: float | None = RECEIVED, step: int = 1000) -> Upload:
    return Upload(len(data), lambda: (data[at : at + step] for at in range(0, len(data), step)), frozenset(flags), date)


def held(box: Box, where: Folder) -> dict[int, tuple[bytes, MessageMeta]]:
    """What a folder has: bodies and metas by UID; it is open afterwards."""
    box.select(where, read_only=False)
    sink = Sink()
    metas = {meta.uid: meta for meta in box.fetch(box.uids(), sink)}
    return {uid: (sink.bodies[uid], meta) for uid, meta in metas.items()}


def flags(meta: MessageMeta) -> set[str]:
    return set(meta.flags - {"\\Recent"})


def forget(box: Box, *words: str) -> None:
    """Go on as if the server didn't offer these."""
    channel = getattr(box, "_channel", None)
    box.capabilities -= set(words)
    if channel is not None:
        channel.capabilities -= set(words)


@pytest.mark.parametrize("without", [(), ("MULTIAPPEND",), ("LITERAL+", "LITERAL-"), ("LITERAL+", "MULTIAPPEND")])
def test_messages_are_placed_as_they_are(box: Box, without: Sequence[str]) -> None:
    forget(box, *without)
    inbox = folder(box)
    bodies = [body(n, 10_000 if n == 2 else 200_000 if n == 3 else 60) for n in range(5)]
    uploads = [upload(each, "\\Seen", "\\Recent") if n % 2 else upload(each) for n, each in enumerate(bodies)]
    placed = box.append(inbox, uploads)
    status = box.select(inbox, read_only=True)
    assert placed.uidvalidity == status.uidvalidity
    assert sorted(placed.uids) == [0, 1, 2, 3, 4]
    there = held(box, inbox)
    assert [there[placed.uids[n]][0] for n in range(5)] == bodies
    assert [flags(there[placed.uids[n]][1]) for n in range(5)] == [{"\\Seen"} if n % 2 else set() for n in range(5)]
    assert {meta.internaldate for _, meta in there.values()} == {RECEIVED}


def test_many_messages_in_several_commands(box: Box) -> None:
    inbox = folder(box)
    uploads = [upload(body(n)) for n in range(120)]
    placed = box.append(inbox, uploads)
    there = held(box, inbox)
    assert len(there) == 120
    assert all(there[uid][0] == body(n) for n, uid in placed.uids.items())
    assert box.append(inbox, []) == Placed()


def test_a_message_larger_than_what_is_held(box: Box) -> None:
    inbox = folder(box)
    large = body(1, 5_000_000)
    placed = box.append(inbox, [upload(large, step=100_000), upload(body(2))])
    there = held(box, inbox)
    assert [there[placed.uids[n]][0] == each for n, each in enumerate((large, body(2)))] == [True, True]


def test_keywords_are_placed(place: Place, box: Box) -> None:
    inbox = folder(box)
    box.append(inbox, [upload(body(1), "$Label1", "\\Flagged")])
    assert [flags(meta) for _, meta in held(box, inbox).values()] == [{"$Label1", "\\Flagged"}]


@pytest.mark.parametrize("without", [(), ("LITERAL+", "LITERAL-")])
def test_a_folder_that_is_not_there_refuses_and_the_connection_lives(
    place: Place, box: Box, without: Sequence[str]
) -> None:
    forget(box, *without)
    name = f"{place.inside}nowhere"
    with pytest.raises(PlacingError) as caught:
        box.append(Folder(name, name.encode(), place.delimiter), [upload(body(n)) for n in range(3)])
    assert caught.value.cause == "no_such_mailbox"
    assert (caught.value.placed, caught.value.unplaced) == (Placed(), (0, 1, 2))
    assert len(box.append(folder(box), [upload(body(1))]).uids) == 1


def test_a_message_that_changed_meanwhile_is_not_placed(box: Box) -> None:
    inbox = folder(box)
    for octets in (-1, 1):
        data = body(1)
        with pytest.raises(StorageError) as caught:
            box.append(inbox, [Upload(len(data) + octets, lambda data=data: iter([data]))])  # type: ignore[misc]  # bound
        assert caught.value.code == "message_changed"
    assert box.select(inbox, read_only=True).messages == 0


def test_what_cannot_be_sent_is_refused_before(box: Box) -> None:
    inbox = folder(box)
    forget(box, "BINARY")
    for data, code in ((b"", "empty_message"), (b"Subject: x\r\n\r\na\0b\r\n", "nul_in_message")):
        with pytest.raises(PlacingError) as caught:
            box.append(inbox, [upload(body(1)), upload(data)])
        assert caught.value.code == code
        assert 1 in caught.value.unplaced
    assert all(data == body(1) for data, _ in held(box, inbox).values())


def test_copy_tells_where_the_copies_are(place: Place, box: Box) -> None:
    inbox, other = folder(box), box.make(f"{place.inside}Other", place.delimiter)
    uids = box.append(inbox, [upload(body(n), "\\Flagged") for n in range(4)]).uids
    box.select(inbox, read_only=True)
    placed = box.copy([uids[3], uids[1], uids[1], 4_000_000], other)
    assert placed.uidvalidity == box.select(other, read_only=True).uidvalidity
    there = held(box, other)
    assert {old: there[new][0] for old, new in placed.uids.items()} == {uids[1]: body(1), uids[3]: body(3)}
    assert all(flags(meta) == {"\\Flagged"} and meta.internaldate == RECEIVED for _, meta in there.values())
    assert len(held(box, inbox)) == 4
    nowhere = f"{place.inside}nowhere"
    with pytest.raises(PlacingError) as caught:
        box.copy([uids[0]], Folder(nowhere, nowhere.encode(), place.delimiter))
    assert (caught.value.cause, caught.value.unplaced) == ("no_such_mailbox", (uids[0],))


def test_move_takes_away_what_it_places(place: Place, box: Box) -> None:
    inbox, other = folder(box), box.make(f"{place.inside}Other", place.delimiter)
    uids = box.append(inbox, [upload(body(n), "\\Seen") for n in range(4)]).uids
    box.select(inbox, read_only=True)
    with pytest.raises(RefusedError):
        box.move([uids[0]], other)
    box.select(inbox, read_only=False)
    if "MOVE" not in box.capabilities:
        with pytest.raises(RefusedError) as caught:
            box.move([uids[0]], other)
        assert caught.value.code == "no_move"
        return
    placed = box.move([uids[2], uids[0]], other)
    there = held(box, other)
    assert {old: there[new][0] for old, new in placed.uids.items()} == {uids[0]: body(0), uids[2]: body(2)}
    assert all(flags(meta) == {"\\Seen"} for _, meta in there.values())
    assert sorted(held(box, inbox)) == [uids[1], uids[3]]
    assert box.move([4_000_000], other) == Placed()


def test_flags_come_and_go(box: Box) -> None:
    inbox = folder(box)
    uids = box.append(inbox, [upload(body(n), "\\Seen") for n in range(3)]).uids
    box.select(inbox, read_only=False)
    box.change_flags(
        [
            FlagChange((uids[0], uids[1]), frozenset({"\\Flagged", "$Work"})),
            FlagChange((uids[1], 4_000_000), frozenset({"\\Seen", "$Never"}), add=False),
            FlagChange((uids[2],), frozenset({"\\Recent"})),
            FlagChange((uids[2],), frozenset({"\\Answered"})),
            FlagChange((uids[2],), frozenset({"\\Answered"}), add=False),
            FlagChange((), frozenset({"\\Answered"})),
        ]
    )
    found = {uid: flags(meta) for uid, (_, meta) in held(box, inbox).items()}
    assert found == {uids[0]: {"\\Seen", "\\Flagged", "$Work"}, uids[1]: {"\\Flagged", "$Work"}, uids[2]: {"\\Seen"}}
    box.select(inbox, read_only=True)
    with pytest.raises(RefusedError):
        box.change_flags([FlagChange((uids[0],), frozenset({"\\Seen"}))])


@pytest.mark.parametrize("name", ["Größe & Maß", "日本 a~b 'c"])
def test_folders_are_made_renamed_and_removed(place: Place, box: Box, name: str) -> None:
    full = place.inside + name
    made = box.make(full, place.delimiter)
    assert folder(box, full).wire == made.wire
    below = box.make(f"{full}{place.delimiter}below", place.delimiter)
    with pytest.raises(RefusedError) as caught:
        box.make(full, place.delimiter)
    assert caught.value.code == "already_exists"
    uid = box.append(below, [upload(body(1))]).uids[0]
    renamed = box.rename(made, f"{place.inside}Neu ü")
    names = {each.name for each in box.folders().folders}
    assert {renamed.name, f"{renamed.name}{place.delimiter}below"} <= names
    assert not {full, below.name} & names
    moved = folder(box, f"{renamed.name}{place.delimiter}below")
    assert held(box, moved)[uid][0] == body(1)
    box.select(folder(box), read_only=True)
    box.remove(moved)
    box.remove(renamed)
    assert not {renamed.name, moved.name} & {each.name for each in box.folders().folders if each.selectable}
    with pytest.raises(RefusedError):
        box.remove(renamed)


def test_a_rename_onto_another_folder_is_refused(place: Place, box: Box) -> None:
    one, two = (box.make(place.inside + name, place.delimiter) for name in ("One", "Two"))
    with pytest.raises(RefusedError) as caught:
        box.rename(one, two.name)
    assert caught.value.code == "already_exists"


def test_inbox_is_neither_made_renamed_nor_removed(box: Box) -> None:
    inbox = folder(box)
    tries: tuple[Callable[[], object], ...] = (
        lambda: box.make("INBOX", inbox.delimiter),
        lambda: box.rename(inbox, "Other"),
        lambda: box.remove(inbox),
    )
    for each in tries:
        with pytest.raises(RefusedError):
            each()


def test_subscriptions(place: Place, box: Box) -> None:
    made = box.make(f"{place.inside}Maß", place.delimiter)
    box.subscribe(made, on=True)
    assert made.name in box.subscribed()
    box.subscribe(made, on=False)
    assert made.name not in box.subscribed()
