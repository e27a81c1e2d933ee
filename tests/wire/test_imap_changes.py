"""IMAP servers that misbehave while they are changed: nothing wrong is believed, nothing is left half-made."""

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from mailctl.domain.changes import FlagChange, Placed, PlacingError, Upload
from mailctl.domain.mailbox import Folder
from mailctl.errors import MailctlError, NetworkError, ProtocolError, RefusedError, StorageError, UsageError
from mailctl.protocols.imap.letter import HELD
from mailctl.protocols.imap.mailbox import Mailbox
from mailctl.protocols.transcript import Transcript
from tests.wire.support.imap import INBOX, answer, signed_in
from tests.wire.support.scripted import Peer

PLUS = "IMAP4rev1 LITERAL+ UIDPLUS"
MULTI = f"{PLUS} MULTIAPPEND"
BODY = b"Subject: x\r\n\r\nbody\r\n"


@contextmanager
def changing(then: Callable[[Peer], object], capabilities: str = PLUS) -> Iterator[Mailbox]:
    """A mailbox on a server that goes on with `then`; INBOX is open for writing."""

    def script(peer: Peer) -> None:
        answer(peer, "SELECT", "* 3 EXISTS", "* OK [UIDVALIDITY 7] x", end="OK [READ-WRITE] open")
        then(peer)

    with signed_in(script, capabilities=capabilities, messages=None) as mailbox:
        assert isinstance(mailbox, Mailbox)
        mailbox.select(INBOX, read_only=False)
        yield mailbox


def upload(data: bytes = BODY, *flags: str) -> Upload:
    return Upload(len(data), lambda: iter([data]), frozenset(flags), 0.0)


def take(peer: Peer, messages: int = 1) -> str:
    """Take an APPEND with non-synchronising literals → its tag."""
    line = peer.read_line()
    tag, verb, _ = line.split(b" ", 2)
    assert verb == b"APPEND"
    for _ in range(messages):
        assert line.endswith(b"+}"), line
        peer.read(int(line[line.rindex(b"{") + 1 : -2]))
        line = peer.read_line()
    assert line == b""
    return tag.decode()


def test_what_append_sends() -> None:
    seen: list[bytes] = []

    def script(peer: Peer) -> None:
        seen.append(peer.read_line())
        seen.append(peer.read(len(BODY)))
        seen.append(peer.read_line())
        peer.line(f"{seen[0].split()[0].decode()} OK [APPENDUID 7 9] done")

    with changing(script) as mailbox:
        folder = Folder('a "b\\', b'a "b\\', "/")
        assert mailbox.append(folder, [upload(BODY, "\\Seen", "\\Recent", "$X")]) == Placed(7, {0: 9})
    line = b'APPEND "a \\"b\\\\" ($X \\Seen) "01-Jan-1970 00:00:00 +0000" {%d+}' % len(BODY)
    assert [seen[0].partition(b" ")[2], *seen[1:]] == [line, BODY, b""]


@pytest.mark.parametrize(
    "code",
    ["[APPENDUID 7 0]", "[APPENDUID 0 9]", "[APPENDUID x]", "[APPENDUID 7 9:4294967295]", "[APPENDUID 7 9,10]", ""],
)
def test_B14_an_appenduid_with_junk_is_not_believed(code: str) -> None:
    with changing(lambda peer: peer.line(f"{take(peer)} OK {code} done")) as mailbox:
        assert mailbox.append(INBOX, [upload()]) == Placed()
        assert mailbox.alive


@pytest.mark.parametrize(
    "code",
    [
        "[COPYUID 7 1:2 9]",
        "[COPYUID 7 1 9:10]",
        "[COPYUID 7 9 1]",
        "[COPYUID 7 1:4294967295 1:4294967295]",
        "[COPYUID]",
    ],
)
@pytest.mark.parametrize("verb", ["COPY", "MOVE"])
def test_B14_a_copyuid_with_junk_is_not_believed(code: str, verb: str) -> None:
    def script(peer: Peer) -> None:
        answer(peer, f"UID {verb} 1:2", f"* OK {code} x", end=f"OK {code} done")

    with changing(script, f"{PLUS} MOVE") as mailbox:
        assert (mailbox.copy if verb == "COPY" else mailbox.move)([1, 2], INBOX) == Placed()


@pytest.mark.parametrize("tagged", [True, False])
def test_copyuid_of_a_move_in_either_place(tagged: bool) -> None:
    def script(peer: Peer) -> None:
        told = "[COPYUID 7 1,2 9:10] x"
        if tagged:
            answer(peer, "UID MOVE", "* 1 EXPUNGE", "* 1 EXPUNGE", end=f"OK {told}")
        else:
            answer(peer, "UID MOVE", f"* OK {told}", "* VANISHED 1:2")

    with changing(script, f"{PLUS} MOVE") as mailbox:
        assert mailbox.move([2, 1], INBOX) == Placed(7, {1: 9, 2: 10})


def test_a_plus_that_never_comes_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailctl.protocols.wire.STALL", 0.3)

    def script(peer: Peer) -> None:
        peer.command("APPEND")
        peer.wait_for_end()

    with changing(script, "IMAP4rev1") as mailbox:
        with pytest.raises(NetworkError):
            mailbox.append(INBOX, [upload()])
        assert not mailbox.alive


def test_a_literal_that_is_refused_is_not_sent() -> None:
    def script(peer: Peer) -> None:
        for _ in range(2):
            tag = peer.command("APPEND")
            peer.line("* 4 EXISTS", f"{tag} NO [OVERQUOTA] full")
            answer(peer, "NOOP")

    with changing(script, "IMAP4rev1 MULTIAPPEND") as mailbox:
        for _ in range(2):
            with pytest.raises(PlacingError) as caught:
                mailbox.append(INBOX, [upload(), upload()])
            assert (caught.value.cause, caught.value.unplaced) == ("quota_full", (0, 1))
            mailbox.noop()


@pytest.mark.parametrize(
    ("answered", "cause"),
    [
        ("NO [TOOBIG] x", "size_limit"),
        ("NO [TRYCREATE] x", "no_such_mailbox"),
        ("NO [LIMIT] x", "limit_reached"),
        ("NO x", ""),
    ],
)
def test_what_was_placed_before_a_refusal_is_told(answered: str, cause: str) -> None:
    def script(peer: Peer) -> None:
        tags = [take(peer) for _ in range(4)]
        peer.line(
            f"{tags[0]} OK [APPENDUID 7 9] x",
            f"{tags[1]} {answered}",
            f"{tags[2]} OK x",
            f"{tags[3]} OK [APPENDUID 7 11] x",
        )
        answer(peer, "NOOP")

    with changing(script) as mailbox:
        with pytest.raises(PlacingError) as caught:
            mailbox.append(INBOX, [upload() for _ in range(4)])
        assert (caught.value.cause, caught.value.server_text) == (cause, answered)
        assert (caught.value.placed, caught.value.unplaced) == (Placed(7, {0: 9, 3: 11}), (1,))
        mailbox.noop()


def test_after_a_refusal_nothing_more_is_sent() -> None:
    def script(peer: Peer) -> None:
        first = take(peer, 50)
        peer.line(f"{first} NO [OVERQUOTA] x")
        for _ in range(20):
            line = peer.read_line()
            if b"APPEND" not in line:
                peer.line(f"{line.split()[0].decode()} OK")
                return
            for _ in range(50):
                peer.read(len(BODY))
                peer.read_line()
            peer.line(f"{line.split()[0].decode()} NO [OVERQUOTA] x")

    with changing(script, MULTI) as mailbox:
        with pytest.raises(PlacingError) as caught:
            mailbox.append(INBOX, [upload() for _ in range(50 * 30)])
        assert caught.value.unplaced == tuple(range(50 * 30))
        mailbox.noop()


def test_a_command_that_is_not_understood_is_a_protocol_error() -> None:
    with changing(lambda peer: peer.line(f"{take(peer)} BAD what")) as mailbox, pytest.raises(ProtocolError):
        mailbox.append(INBOX, [upload()])


@pytest.mark.parametrize("said", ["", "* BYE too much\r\n"])
def test_a_server_that_ends_in_the_middle_of_a_literal(said: str) -> None:
    large = b"x" * 30_000_000

    def script(peer: Peer) -> None:
        peer.read_line()
        peer.read(100_000)
        peer.send(said)
        peer.server.pause(0.2)
        peer.connection.close()

    with changing(script) as mailbox:
        with pytest.raises(NetworkError) as caught:
            mailbox.append(INBOX, [upload(large)])
        assert caught.value.server_text == said.removeprefix("* ").rstrip()
        assert not mailbox.alive
        with pytest.raises(NetworkError):
            mailbox.append(INBOX, [upload()])


def test_an_answer_that_is_cut_anywhere_is_not_believed() -> None:
    def run(cut: int) -> Placed | None:
        def script(peer: Peer) -> None:
            tag = take(peer)
            peer.send(f"* 4 EXISTS\r\n{tag} OK [APPENDUID 7 19] x\r\n"[:cut])
            peer.connection.close()

        with changing(script) as mailbox:
            try:
                return mailbox.append(INBOX, [upload()])
            except NetworkError:
                assert not mailbox.alive
                return None

    whole = len("* 4 EXISTS\r\nABCD5 OK [APPENDUID 7 19] x\r\n")
    assert [run(cut) for cut in range(whole - 1)] == [None] * (whole - 1)
    assert run(whole) == Placed(7, {0: 19})


def test_a_message_that_changes_while_it_is_sent_ends_the_connection() -> None:
    reads = []
    size = HELD + 10

    def chunks() -> Iterator[bytes]:
        reads.append(1)
        yield b"x" * (size - 10 * (len(reads) > 1))

    def script(peer: Peer) -> None:
        peer.read_line()
        peer.wait_for_end()

    with changing(script) as mailbox:
        with pytest.raises(StorageError) as caught:
            mailbox.append(INBOX, [Upload(size, chunks)])
        assert caught.value.code == "message_changed"
        assert not mailbox.alive


def test_what_cannot_be_read_leaves_the_connection_in_step() -> None:
    def missing() -> Iterator[bytes]:
        raise FileNotFoundError("gone")

    def script(peer: Peer) -> None:
        peer.line(f"{take(peer)} OK [APPENDUID 7 9] x")
        answer(peer, "NOOP")

    with changing(script) as mailbox:
        with pytest.raises(FileNotFoundError):
            mailbox.append(INBOX, [upload(), Upload(5, missing)])
        mailbox.noop()


def test_a_large_message_goes_out_in_bounded_memory() -> None:
    size = 100_000_000
    piece = b"x" * 50_000

    def script(peer: Peer) -> None:
        line = peer.read_line()
        left = size
        while left:
            got = (
                peer.connection.recv(min(left, 1 << 16))
                if not peer._buffer
                else peer.read(min(left, len(peer._buffer)))
            )
            left -= len(got)
        peer.read_line()
        peer.line(f"{line.split()[0].decode()} OK [APPENDUID 7 9] x")

    with changing(script) as mailbox:
        tracemalloc.start()
        try:
            placed = mailbox.append(INBOX, [Upload(size, lambda: (piece for _ in range(size // len(piece))))])
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert placed == Placed(7, {0: 9})
    assert peak < 4_000_000


def test_nul_goes_as_a_binary_literal_or_not_at_all() -> None:
    data = b"Subject: x\r\n\r\na\0b\r\n"

    def script(peer: Peer) -> None:
        line = peer.read_line()
        assert line.endswith(b" ~{%d+}" % len(data))
        assert peer.read(len(data)) == data
        assert peer.read_line() == b""
        peer.line(f"{line.split()[0].decode()} OK x")

    with changing(script, f"{PLUS} BINARY") as mailbox:
        assert mailbox.append(INBOX, [upload(data)]) == Placed()


def test_a_limit_that_the_server_tells_is_kept() -> None:
    with changing(lambda peer: peer.wait_for_end(), f"{PLUS} APPENDLIMIT=10") as mailbox:
        with pytest.raises(PlacingError) as caught:
            mailbox.append(INBOX, [upload()])
        assert (caught.value.code, caught.value.unplaced) == ("size_limit", (0,))


@pytest.mark.parametrize("octets", [4096, 4097])
def test_literal_minus_asks_for_large_ones(octets: int) -> None:
    def script(peer: Peer) -> None:
        line = peer.read_line()
        if octets > 4096:
            assert line.endswith(b"{%d}" % octets)
            peer.line("+ go")
        else:
            assert line.endswith(b"{%d+}" % octets)
        peer.read(octets + 2)
        peer.line(f"{line.split()[0].decode()} OK x")

    with changing(script, "IMAP4rev1 LITERAL-") as mailbox:
        mailbox.append(INBOX, [upload(b"x" * octets)])


def test_B12_endless_untagged_lines_while_waiting_for_plus_are_bounded() -> None:
    def script(peer: Peer) -> None:
        peer.command("APPEND")
        while True:
            peer.send(b"* OK still here\r\n" * 10_000)

    with changing(script, "IMAP4rev1") as mailbox, pytest.raises(ProtocolError) as caught:
        mailbox.append(INBOX, [upload()])
    assert caught.value.code == "too_much"


HOSTILE = ["a\r\nA1 DELETE x", "a\nb", "a\0b", "a\tb", "a\x7fb", "a\udc80b", "", "a//b", "/a", "x" * 2000]


@pytest.mark.parametrize("name", HOSTILE)
def test_B1_B4_hostile_folder_names_are_refused_before_anything_is_sent(name: str) -> None:
    one = Folder("one", b"one", "/")
    with changing(lambda peer: answer(peer, "NOOP")) as mailbox:
        tries: list[Callable[[], object]] = [lambda: mailbox.make(name, "/"), lambda: mailbox.rename(one, name)]
        for tried in tries:
            with pytest.raises(UsageError):
                tried()
        mailbox.noop()


@pytest.mark.parametrize("wire", [b"a\r\nA1 DELETE x", b"a\nb", b"a\0b", b"a\xffb", b"x" * 9000])
def test_B1_B4_hostile_names_as_spelt_are_refused_before_anything_is_sent(wire: bytes) -> None:
    bad = Folder("bad", wire, "/")
    with changing(lambda peer: answer(peer, "NOOP"), f"{PLUS} MOVE") as mailbox:
        tries: list[Callable[[], object]] = [
            lambda: mailbox.append(bad, [upload()]),
            lambda: mailbox.copy([1], bad),
            lambda: mailbox.move([1], bad),
            lambda: mailbox.rename(bad, "good"),
            lambda: mailbox.remove(bad),
            lambda: mailbox.subscribe(bad, on=True),
            lambda: mailbox.subscribe(bad, on=False),
        ]
        for tried in tries:
            with pytest.raises(UsageError):
                tried()
        mailbox.noop()


@pytest.mark.parametrize("flag", ["a\r\nA1 DELETE x", "a b", "a)", "\\", "*", "a\0"])
def test_B1_B4_hostile_flags_are_refused_before_anything_is_sent(flag: str) -> None:
    with changing(lambda peer: answer(peer, "NOOP")) as mailbox:
        tries: list[Callable[[], object]] = [
            lambda: mailbox.append(INBOX, [upload(BODY, flag)]),
            lambda: mailbox.add_flags([1], [flag]),
            lambda: mailbox.change_flags(
                [FlagChange((1,), frozenset({"\\Seen"})), FlagChange((2,), frozenset({flag}), add=False)]
            ),
        ]
        for tried in tries:
            with pytest.raises(UsageError):
                tried()
        mailbox.noop()


def test_flags_of_very_many_messages_go_in_few_flights() -> None:
    flights = []

    def script(peer: Peer) -> None:
        for _ in range(5):
            tag = peer.command("UID STORE")
            flights.append(tag)
            peer.send("".join(f"* {n} FETCH (UID {n} MODSEQ ({n}))\r\n" for n in range(1, 20_001)) + f"{tag} OK\r\n")

    with changing(script) as mailbox:
        mailbox.change_flags([FlagChange(tuple(range(1, 100_001)), frozenset({"\\Seen"}))])
    assert len(flights) == 5


def test_very_many_messages_are_removed_in_bounded_answers() -> None:
    def script(peer: Peer) -> None:
        for verb in ("UID STORE", "UID EXPUNGE", "UID MOVE"):
            for _ in range(6):
                tag = peer.command(verb)
                peer.send("* 1 EXPUNGE\r\n" * (20_000 if verb != "UID STORE" else 0) + f"{tag} OK\r\n")

    with changing(script, f"{PLUS} MOVE") as mailbox:
        mailbox.expunge(range(1, 120_001))
        mailbox.move(range(1, 120_001), INBOX)


@pytest.mark.parametrize(
    ("answered", "left", "expunged"),
    [
        ("OK done", [], "2:5"),
        ("OK [MODIFIED 3] some changed", [3], "2,4:5"),
        ("OK [MODIFIED 5:3,900] as ranges, and one that was not asked for", [3, 4, 5], "2"),
        ("OK [MODIFIED 1:4294967295] all of them", [2, 3, 4, 5], ""),
        ("NO [MODIFIED 4] some are gone besides", [2, 3, 4, 5], ""),
    ],
)
def test_what_the_server_says_was_modified_is_left(answered: str, left: list[int], expunged: str) -> None:
    def script(peer: Peer) -> None:
        tag = peer.command("UID STORE 2:5 (UNCHANGEDSINCE 77) +FLAGS.SILENT (\\Deleted)")
        peer.line(f"{tag} {answered}")
        if expunged:
            peer.line(f"{peer.command(f'UID EXPUNGE {expunged}')} OK")
        answer(peer, "NOOP")

    with changing(script, f"{PLUS} CONDSTORE") as mailbox:
        assert mailbox.expunge([2, 3, 4, 5], unchanged_since=77) == left
        mailbox.noop()


def test_a_server_that_offers_condstore_and_does_not_know_unchangedsince() -> None:
    def script(peer: Peer) -> None:
        peer.line(f"{peer.command('UID STORE 2:3 (UNCHANGEDSINCE 77)')} BAD what?")
        peer.line(f"{peer.command('UID STORE 2:3 +FLAGS.SILENT')} OK")
        peer.line(f"{peer.command('UID EXPUNGE 2:3')} OK")

    with changing(script, f"{PLUS} CONDSTORE") as mailbox:
        assert mailbox.expunge([2, 3], unchanged_since=77) == []


@pytest.mark.parametrize(
    ("answered", "error"),
    [("NO [NOPERM] not yours", RefusedError), ("OK [MODIFIED x] all", ProtocolError)],
)
def test_nothing_is_expunged_if_the_mark_was_refused(answered: str, error: type[Exception]) -> None:
    def script(peer: Peer) -> None:
        peer.line(f"{peer.command('UID STORE')} {answered}")

    with changing(script, f"{PLUS} CONDSTORE") as mailbox, pytest.raises(error):
        mailbox.expunge([2, 3], unchanged_since=77)


def test_nothing_of_a_message_is_in_the_trace() -> None:
    def script(peer: Peer) -> None:
        peer.line(f"{take(peer, 2)} OK [APPENDUID 7 9:10] x")

    with changing(script, MULTI) as mailbox:
        mailbox._channel.wire.transcript = Transcript()
        mailbox.append(INBOX, [upload(), upload()])
        lines = mailbox._channel.wire.transcript.lines()
    assert ["APPEND" in lines[0], f"2 messages of {2 * len(BODY)} octets" in lines[0], len(lines)] == [True, True, 2]


def test_the_first_refusal_of_a_flight_is_told_and_the_connection_lives() -> None:
    def script(peer: Peer) -> None:
        tags = [peer.command("UID STORE") for _ in range(3)]
        peer.line(f"{tags[0]} OK", f"{tags[1]} NO [NOPERM] not yours", f"{tags[2]} OK")
        answer(peer, "NOOP")

    with changing(script) as mailbox:
        with pytest.raises(RefusedError) as caught:
            mailbox.change_flags([FlagChange((n,), frozenset({"\\Seen"})) for n in (1, 2, 3)])
        assert caught.value.cause == "no_permission"
        mailbox.noop()


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        (["NO [ALREADYEXISTS] x"], "already_exists"),
        (["NO it is there", '* LIST () "/" new'], "already_exists"),
        (["NO it is there", '* LIST (\\NonExistent) "/" new'], "refused"),
        (["NO never", "* 3 EXISTS"], "refused"),
        (["NO [NOPERM] x"], "refused"),
    ],
)
def test_a_folder_that_exists_is_told_by_a_code(answers: list[str], code: str) -> None:
    def script(peer: Peer) -> None:
        answer(peer, 'CREATE "new"', end=answers[0])
        if len(answers) > 1:
            answer(peer, 'LIST "" "new"', *answers[1:])

    with changing(script) as mailbox:
        with pytest.raises(RefusedError) as caught:
            mailbox.make("new", "/")
        assert caught.value.code == code


def test_a_server_that_is_gone_is_told_by_every_command() -> None:
    with changing(lambda peer: peer.connection.close()) as mailbox:
        with pytest.raises(MailctlError):
            mailbox.subscribed()
        for tried in (mailbox.subscribed, lambda: mailbox.make("a", "/"), lambda: mailbox.copy([1], INBOX)):
            with pytest.raises(NetworkError):
                tried()
