"""IMAP servers that answer pipelined commands wrongly: no message is taken for another folder's, all is bounded."""

import tracemalloc
from collections.abc import Callable, Sequence

import pytest

from mailctl.domain.mailbox import Folder, MessageMeta
from mailctl.domain.visits import Arrived, Closed, Opened, Shown, Visit
from mailctl.errors import MailctlError, NetworkError, ProtocolError, RefusedError, UsageError
from mailctl.protocols.imap.mailbox import Mailbox
from tests.wire.support.imap import Sink, Sinks, answer, signed_in
from tests.wire.support.scripted import Peer

A, B, C = (Folder(name, name.encode(), "/") for name in "ABC")
QUICK = "IMAP4rev1 ENABLE CONDSTORE QRESYNC"
OPEN = ("* 3 EXISTS", "* OK [UIDVALIDITY 7] x", "* OK [UIDNEXT 10] x", "* OK [HIGHESTMODSEQ 50] x")
EXAMINED = "OK [READ-ONLY] open"


def row(uid: int, body: bytes = b"x", sequence: int = 1) -> bytes:
    """A FETCH response as most servers send it."""
    head = b'* %d FETCH (UID %d FLAGS (\\Seen) INTERNALDATE "17-Jul-1996 02:44:25 -0700" BODY[] {%d}\r\n'
    return head % (sequence, uid, len(body)) + body + b")"


def odd_row(uid: int, body: bytes = b"x") -> bytes:
    """A FETCH response that tells who it is after the body."""
    return b"* 1 FETCH (BODY[] {%d}\r\n%s UID %d FLAGS ())" % (len(body), body, uid)


def run(
    then: Callable[[Peer], object], visits: Sequence[Visit], *, capabilities: str = "IMAP4rev1"
) -> tuple[
    list[tuple[str, str, int]], dict[tuple[str, int], bytes], list[Opened | Shown | Arrived | Closed], Exception | None
]:
    """What visits bring: (kind, folder, UID or 0 or 1 if refused), bodies by folder and UID, the events, the error."""
    owners: list[tuple[str, Sinks]] = []

    def sinks(visit: Visit, octets: int) -> Sink:
        owners.append((visit.folder.name, Sinks()))
        return owners[-1][1](octets)

    events: list[Opened | Shown | Arrived | Closed] = []
    error: Exception | None = None
    quick = "QRESYNC" in capabilities

    def script(peer: Peer) -> None:
        if quick:
            tag = peer.command("ENABLE QRESYNC")
            peer.line("* ENABLED QRESYNC", f"{tag} OK")
            answer(peer, "LIST")
        then(peer)

    with signed_in(script, capabilities=capabilities, messages=None) as mailbox:
        assert isinstance(mailbox, Mailbox)
        if quick:
            mailbox.survey()
        try:
            events.extend(mailbox.visit(visits, sinks))
        except MailctlError as caught:
            error = caught
            with pytest.raises(NetworkError):
                mailbox.noop()
    bodies = {(name, uid): body for name, each in owners for uid, body in each.kept.items()}
    assert all(each.begun == each.abandoned + len(each.kept) for _, each in owners)
    told = [
        (
            type(event).__name__,
            event.visit.folder.name,
            event.meta.uid if isinstance(event, Arrived) else int(isinstance(event, Closed) and bool(event.error)),
        )
        for event in events
    ]
    return told, bodies, events, error


def take(peer: Peer, *names: str) -> list[str]:
    """Take commands without answering them → their tags."""
    return [peer.command(name) for name in names]


@pytest.mark.parametrize("refusal", ["NO [NONEXISTENT] gone", "BAD what"])
@pytest.mark.parametrize("make", [row, odd_row])
def test_B15_messages_of_the_folder_before_are_never_a_refused_folders(
    refusal: str, make: Callable[[int, bytes], bytes]
) -> None:
    def script(peer: Peer) -> None:
        tags = take(peer, "EXAMINE", "UID FETCH", "EXAMINE", "UID FETCH", "EXAMINE", "UID FETCH")
        peer.line(*OPEN, f"{tags[0]} {EXAMINED}", make(1, b"a"), f"{tags[1]} OK")
        peer.line(f"{tags[2]} {refusal}", make(1, b"a"), make(2, b"a"), f"{tags[3]} OK")
        peer.line(*OPEN, f"{tags[4]} {EXAMINED}", make(1, b"c"), f"{tags[5]} OK")

    told, bodies, events, error = run(script, [Visit(folder, bodies_from=1) for folder in (A, B, C)])
    assert error is None
    assert bodies == {("A", 1): b"a", ("C", 1): b"c"}
    whole = [("Opened", "A", 0), ("Arrived", "A", 1), ("Closed", "A", 0), ("Closed", "B", 1)]
    assert told == [*whole, ("Opened", "C", 0), ("Arrived", "C", 1), ("Closed", "C", 0)]
    refused = events[3]
    assert isinstance(refused, Closed)
    assert refused.error
    assert refused.error.server_text == refusal


def test_a_refused_folders_fetch_is_refused_as_well() -> None:
    def script(peer: Peer) -> None:
        tags = take(peer, "EXAMINE", "UID FETCH", "EXAMINE", "UID FETCH")
        peer.line(f"{tags[0]} NO gone", f"{tags[1]} BAD no folder is open")
        peer.line(*OPEN, f"{tags[2]} {EXAMINED}", row(1), f"{tags[3]} OK")

    told, bodies, _, error = run(script, [Visit(A, bodies_from=1), Visit(B, bodies_from=1)])
    assert (error, bodies) == (None, {("B", 1): b"x"})
    assert told == [("Closed", "A", 1), ("Opened", "B", 0), ("Arrived", "B", 1), ("Closed", "B", 0)]


def test_a_refused_folder_that_goes_on_for_ever_ends_the_connection() -> None:
    def script(peer: Peer) -> None:
        tags = take(peer, "EXAMINE", "UID FETCH")
        peer.line(f"{tags[0]} NO gone")
        for uid in range(1, 100_000):
            peer.line(row(uid))

    told, bodies, _, error = run(script, [Visit(A, bodies_from=1)])
    assert isinstance(error, ProtocolError)
    assert (told, bodies) == ([], {})


def test_answers_in_another_order_end_the_connection() -> None:
    def script(peer: Peer) -> None:
        tags = take(peer, "EXAMINE", "UID FETCH")
        peer.line(row(1), f"{tags[1]} OK", *OPEN, f"{tags[0]} {EXAMINED}")

    def swapped(peer: Peer) -> None:
        tags = take(peer, "EXAMINE", "EXAMINE")
        peer.line(*OPEN, f"{tags[1]} {EXAMINED}", *OPEN, f"{tags[0]} {EXAMINED}")

    for then, visits in ((script, [Visit(A, bodies_from=1)]), (swapped, [Visit(A), Visit(B)])):
        told, bodies, _, error = run(then, visits)
        assert isinstance(error, ProtocolError)
        assert (told, bodies) == ([], {})


@pytest.mark.parametrize("make", [row, odd_row])
def test_the_last_message_below_the_first_asked_is_passed_over(make: Callable[[int, bytes], bytes]) -> None:
    def script(peer: Peer) -> None:
        tags = take(peer, "EXAMINE", "UID FETCH 9:*")
        peer.line(*OPEN, f"{tags[0]} {EXAMINED}", make(5, b"x" * 200_000), f"{tags[1]} OK")

    told, bodies, _, error = run(script, [Visit(A, bodies_from=9)])
    assert (error, bodies) == (None, {})
    assert told == [("Opened", "A", 0), ("Closed", "A", 0)]


@pytest.mark.parametrize("make", [row, odd_row])
@pytest.mark.parametrize("uids", [(5, 6), (9, 5), (9, 9), (9, 11, 10, 11), (5, 9), (0,), (4294967296,)])
def test_B15_messages_unasked_or_twice_end_the_connection(
    uids: tuple[int, ...], make: Callable[[int, bytes], bytes]
) -> None:
    def script(peer: Peer) -> None:
        tags = take(peer, "EXAMINE", "UID FETCH 9:*")
        peer.line(*OPEN, f"{tags[0]} {EXAMINED}", *(make(uid, b"x") for uid in uids), f"{tags[1]} OK")

    _, bodies, events, error = run(script, [Visit(A, bodies_from=9)])
    assert isinstance(error, ProtocolError)
    assert bodies.keys() <= {("A", uid) for uid in uids[:-1] if uid >= 9}
    assert not isinstance(events[-1], Closed)


def test_B15_two_bodies_or_two_uids_in_one_response_are_never_kept() -> None:
    wrong = [
        row(1)[:-1] + b" BODY[] {1}\r\ny)",
        row(1)[:-1] + b" UID 2)",
        row(1)[:-1] + b' BODY[] "y")',
        b'* 1 FETCH (UID 1 FLAGS () UID 2 INTERNALDATE "x" BODY[] {1}\r\nx)',
        b'* 1 FETCH (FLAGS () INTERNALDATE "x" BODY[] {1}\r\nx)',
    ]
    for each in wrong:

        def script(peer: Peer, each: bytes = each) -> None:
            tags = take(peer, "EXAMINE", "UID FETCH")
            peer.line(*OPEN, f"{tags[0]} {EXAMINED}", each, f"{tags[1]} OK")

        _, bodies, _, error = run(script, [Visit(A, bodies_from=1)])
        assert isinstance(error, ProtocolError), each
        assert bodies == {}


def test_messages_may_come_in_any_order_with_more_items_and_news_between() -> None:
    def script(peer: Peer) -> None:
        tags = take(peer, "EXAMINE", "UID FETCH 1:*")
        more = row(2, b"two")[:-1] + b" MODSEQ (9) X-ODD {3}\r\n)\r\n)"
        rows = [row(7), b"* 3 FETCH (FLAGS (\\Seen))", b"* 4 EXISTS", more, odd_row(5), b"* VANISHED 1", row(9)]
        peer.line(*OPEN, f"{tags[0]} {EXAMINED}", *rows, b"* 9 FETCH (UID 11 BODY[] NIL)", f"{tags[1]} OK")

    told, bodies, events, error = run(script, [Visit(A, bodies_from=1)])
    assert error is None
    assert [uid for kind, _, uid in told if kind == "Arrived"] == [7, 2, 5, 9]
    assert bodies == {("A", 7): b"x", ("A", 2): b"two", ("A", 5): b"x", ("A", 9): b"x"}
    second = events[2]
    assert isinstance(second, Arrived)
    assert (second.meta.modseq, second.meta.size) == (9, 3)


def test_a_body_before_its_folder_is_open_ends_the_connection() -> None:
    def script(peer: Peer) -> None:
        tags = take(peer, "EXAMINE", "UID FETCH")
        peer.line(row(1), *OPEN, f"{tags[0]} {EXAMINED}", f"{tags[1]} OK")

    told, bodies, _, error = run(script, [Visit(A, bodies_from=1)])
    assert isinstance(error, ProtocolError)
    assert (told, bodies) == ([], {})


def delta(peer: Peer, *first: str | bytes, then: Sequence[str | bytes]) -> None:
    """Two folders opened one behind the other, with what each brings."""
    tags = take(peer, "EXAMINE", "EXAMINE")
    peer.line(*OPEN, *first, f"{tags[0]} {EXAMINED}")
    peer.line(*then, f"{tags[1]} {EXAMINED}")


SINCE = [Visit(A, (7, 40)), Visit(B, (7, 40))]


def test_what_comes_before_closed_is_of_the_folder_before() -> None:
    def script(peer: Peer) -> None:
        old = (
            "* 1 FETCH (UID 1 FLAGS (\\Deleted) MODSEQ (60))",
            "* VANISHED 2",
            "* VANISHED (EARLIER) 3",
            "* 2 EXISTS",
        )
        new = ("* VANISHED (EARLIER) 8,1:2,4", "* 1 FETCH (UID 5 FLAGS (\\Seen) MODSEQ (50))")
        delta(peer, *new, then=[*old, "* OK [CLOSED] x", *OPEN, *new])

    told, _, events, error = run(script, SINCE, capabilities=QUICK)
    assert error is None
    assert told == [("Opened", "A", 0), ("Closed", "A", 0), ("Opened", "B", 0), ("Closed", "B", 0)]
    for event in events[::2]:
        assert isinstance(event, Opened)
        assert event.vanished == ((1, 2), (4, 4), (8, 8))
        assert event.changed == (MessageMeta(5, frozenset({"\\Seen"}), modseq=50),)
        assert (event.status.messages, event.status.highestmodseq) == (3, 50)


def test_changes_are_unclear_where_the_folder_before_was_not_closed() -> None:
    def script(peer: Peer) -> None:
        delta(peer, then=["* 1 FETCH (UID 1 FLAGS (\\Deleted) MODSEQ (60))", *OPEN])

    told, _, events, error = run(script, SINCE, capabilities=QUICK)
    assert error is None
    assert told == [("Opened", "A", 0), ("Closed", "A", 0), ("Closed", "B", 1)]
    assert isinstance(events[2], Closed)
    assert isinstance(events[2].error, RefusedError)
    assert events[2].error.code == "unclear"


@pytest.mark.parametrize("sign", ["* OK [CLOSED] x", "* OK [UIDVALIDITY 8] x"])
def test_B15_a_server_that_opens_the_next_folder_too_early_is_stopped_before_its_messages(sign: str) -> None:
    def script(peer: Peer) -> None:
        tags = take(peer, "EXAMINE", "UID FETCH", "EXAMINE", "UID FETCH")
        peer.line(*OPEN, f"{tags[0]} {EXAMINED}", row(1, b"a"), sign, row(2, b"b"), f"{tags[1]} OK")

    _, bodies, _, error = run(script, [Visit(A, bodies_from=1), Visit(B, bodies_from=1)])
    assert isinstance(error, ProtocolError)
    assert bodies == {("A", 1): b"a"}


def test_of_an_unclear_folder_no_body_is_kept_and_the_next_is_read() -> None:
    def script(peer: Peer) -> None:
        tags = take(peer, "EXAMINE", "UID FETCH", "EXAMINE", "UID FETCH")
        peer.line(*OPEN, "* 1 FETCH (FLAGS (\\Deleted))", f"{tags[0]} {EXAMINED}")
        peer.line(*(row(uid) for uid in range(1, 200)), f"{tags[1]} OK")
        peer.line("* OK [CLOSED] x", *OPEN, f"{tags[2]} {EXAMINED}", row(1), f"{tags[3]} OK")

    visits = [Visit(A, (7, 40), 1), Visit(B, (7, 40), 1)]
    told, bodies, _, error = run(script, visits, capabilities=QUICK)
    assert (error, bodies) == (None, {("B", 1): b"x"})
    assert told == [("Closed", "A", 1), ("Opened", "B", 0), ("Arrived", "B", 1), ("Closed", "B", 0)]


@pytest.mark.parametrize("uids", ["0", "4294967296", "x", "1:", "1,,2", "-1", "1:2:3"])
def test_B14_vanished_uids_that_cannot_be_end_the_connection(uids: str) -> None:
    def script(peer: Peer) -> None:
        delta(peer, f"* VANISHED (EARLIER) {uids}", then=[])

    told, _, _, error = run(script, SINCE, capabilities=QUICK)
    assert isinstance(error, ProtocolError)
    assert told == []


def test_vanished_without_end_is_bounded() -> None:
    def script(peer: Peer) -> None:
        many = b"* VANISHED (EARLIER) " + b",".join(b"%d" % (2 * n + 1) for n in range(400_000))
        delta(
            peer,
            b"* VANISHED (EARLIER) 1:4294967295",
            b"* VANISHED (EARLIER) 5:3",
            then=["* OK [CLOSED] x", *OPEN, many],
        )

    tracemalloc.start()
    try:
        told, _, events, error = run(script, SINCE, capabilities=QUICK)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert error is None
    assert isinstance(events[0], Opened)
    assert events[0].vanished == ((1, 4294967295),)
    assert told[2:] == [("Closed", "B", 1)]
    assert peak < 64_000_000


@pytest.mark.parametrize("line", [b"* OK still\r\n", b"* 1 FETCH (UID 1 FLAGS ())\r\n", b"* VANISHED (EARLIER) 1\r\n"])
def test_B12_an_examine_without_end_is_bounded(line: bytes) -> None:
    def script(peer: Peer) -> None:
        take(peer, "EXAMINE")
        while True:
            peer.send(line * 10_000)

    told, _, _, error = run(script, SINCE, capabilities=QUICK)
    assert isinstance(error, ProtocolError)
    assert error.code == "too_much"
    assert told == []


def test_a_visit_that_cannot_be_asked_for_is_closed_in_its_turn() -> None:
    odd = Folder("odd", b"o\r\nA LOGOUT", "/")

    def script(peer: Peer) -> None:
        tags = take(peer, "EXAMINE", "EXAMINE")
        peer.line(*OPEN, f"{tags[0]} {EXAMINED}", *OPEN, f"{tags[1]} {EXAMINED}")

    visits = [Visit(odd), Visit(A), Visit(B, (7, 40)), Visit(B, (0, 1)), Visit(B, bodies_from=0), Visit(odd), Visit(C)]
    told, _, events, error = run(script, visits)
    assert error is None
    refused = [("Closed", name, 1) for name in ("odd", "B", "B", "B", "odd")]
    whole = [[("Opened", name, 0), ("Closed", name, 0)] for name in "AC"]
    assert told == [refused[0], *whole[0], *refused[1:], *whole[1]]
    errors = [type(event.error) for event in events if isinstance(event, Closed) and event.error]
    assert errors == [UsageError, RefusedError, UsageError, UsageError, UsageError]


def test_long_names_are_sent_a_few_at_a_time() -> None:
    folders = [Folder(f"{number}" + "x" * 3000, f"{number}".encode() + b"x" * 3000, "/") for number in range(6)]

    def script(peer: Peer) -> None:
        for _ in folders:
            tag = peer.command("EXAMINE")
            assert not peer._buffer, "one at a time"
            peer.line(*OPEN, f"{tag} {EXAMINED}")

    told, _, _, error = run(script, [Visit(folder) for folder in folders])
    assert error is None
    assert len(told) == 12


def test_an_abandoned_visit_ends_the_connection() -> None:
    def script(peer: Peer) -> None:
        tags = take(peer, "EXAMINE", "UID FETCH")
        peer.line(*OPEN, f"{tags[0]} {EXAMINED}", row(1), row(2), f"{tags[1]} OK")

    with signed_in(script, messages=None) as mailbox:
        assert isinstance(mailbox, Mailbox)
        sinks = Sinks()
        events = mailbox.visit([Visit(A, bodies_from=1)], lambda visit, octets: sinks(octets))
        next(events)
        next(events)
        events.close()  # type: ignore[attr-defined]  # a generator
        with pytest.raises(NetworkError):
            mailbox.noop()


def test_the_commands_of_a_long_fetch_are_two_in_flight() -> None:
    uids = list(range(1, 6001, 2))

    def script(peer: Peer) -> None:
        first = peer.read_line().split(b" ")
        while first:
            second = peer.read_line().split(b" ") if b"5999" not in first[3] else []
            assert not peer._buffer, "no third one"
            assert len(first[3]) < 4000
            for uid in first[3].split(b","):
                peer.line(row(int(uid)))
            peer.line(first[0] + b" OK")
            first = second

    sinks = Sinks()
    with signed_in(script) as mailbox:
        assert [meta.uid for meta in mailbox.fetch(uids, sinks)] == uids
    assert len(sinks.kept) == len(uids)


def test_more_is_asked_for_while_something_is_on_its_way_and_may_come_before_the_ok() -> None:
    """Dovecot begins with the next FETCH before it has said OK to the one before."""
    shares = [[5, 6], [8], []]

    def script(peer: Peer) -> None:
        first, second = peer.read_line().split(b" "), peer.read_line().split(b" ")
        assert (first[3], second[3]) == (b"1:3", b"5:6")
        peer.line(*(row(uid) for uid in (1, 3, 5)), first[0] + b" OK")
        third = peer.read_line().split(b" ")
        assert third[3] == b"8"
        peer.line(row(6), row(8), second[0] + b" OK", third[0] + b" OK")
        answer(peer, "NOOP")

    sinks = Sinks()
    with signed_in(script) as mailbox:
        got = [meta.uid for meta in mailbox.fetch([1, 2, 3], sinks, lambda: shares.pop(0) if shares else [])]
        assert got == [1, 3, 5, 6, 8]
        mailbox.noop()


def scan_row(uid: int) -> bytes:
    """A row without a body."""
    return b'* %d FETCH (UID %d FLAGS () RFC822.SIZE 1 INTERNALDATE "x")' % (uid, uid)


@pytest.mark.parametrize("made", [row, odd_row, scan_row])
def test_B12_messages_without_end_are_bounded(made: Callable[[int], bytes]) -> None:
    def script(peer: Peer) -> None:
        tag = peer.command("EXAMINE")
        peer.line(*OPEN, f"{tag} {EXAMINED}")
        peer.command("UID FETCH 1:*")
        for start in range(1, 10_000_000, 1000):
            peer.line(*(made(uid) for uid in range(start, start + 1000)))

    sinks = Sinks()
    with signed_in(script, messages=None) as mailbox:
        assert isinstance(mailbox, Mailbox)
        if made is scan_row:
            mailbox.select(A, read_only=True)
            read: Callable[[], object] = lambda: list(mailbox.scan())  # noqa: E731
        else:
            visits = [Visit(A, bodies_from=1)]
            read = lambda: list(mailbox.visit(visits, lambda visit, octets: sinks(octets)))  # noqa: E731
        with pytest.raises(ProtocolError) as caught:
            read()
    assert caught.value.code == "too_much"
    assert len(sinks.kept) <= 1003


@pytest.mark.parametrize("end", ["NO [EXPUNGEISSUED] some are gone", "NO you may not", "BAD what"])
def test_a_refused_fetch_is_told_when_the_next_was_answered_as_well(end: str) -> None:
    uids = list(range(1, 3001, 2))

    def script(peer: Peer) -> None:
        for number in range(2):
            tag, _, _, words, *_ = peer.read_line().split(b" ")
            for uid in words.split(b",")[: 1 if number == 0 else None]:
                peer.line(row(int(uid)))
            peer.line(tag + b" " + (end.encode() if number == 0 else b"OK"))
        answer(peer, "NOOP")

    sinks = Sinks()
    with signed_in(script) as mailbox:
        if "EXPUNGEISSUED" in end:
            assert len(list(mailbox.fetch(uids, sinks))) > 500
        else:
            with pytest.raises(MailctlError) as caught:
                list(mailbox.fetch(uids, sinks))
            assert caught.value.server_text == end
            assert sinks.kept.keys() == {1}
        mailbox.noop()


def test_a_connection_with_answers_on_their_way_is_not_kept_for_the_next_sync() -> None:
    """A disk that fails once the server was asked ends the sync before all is read; `watch` keeps what is alive."""

    def script(peer: Peer) -> None:
        examine, fetch = peer.command('EXAMINE "A"'), peer.command("UID FETCH 1:*")
        peer.line(*OPEN, f"{examine} {EXAMINED}")
        peer.send(row(5) + b"\r\n")
        peer.line(f"{fetch} OK")

    with signed_in(script, messages=None) as mailbox:
        assert isinstance(mailbox, Mailbox)
        alive = [mailbox.alive]
        answers = mailbox.visit([Visit(A, None, 1)], lambda visit, octets: Sinks()(octets))
        alive.append(mailbox.alive)
        assert sum(isinstance(event, Arrived) for event in answers) == 1
        assert [*alive, mailbox.alive] == [True, False, True]
