"""IMAP servers that break the protocol, on purpose or not: nothing wrong is kept, memory and time are bounded."""

import tracemalloc
from collections.abc import Callable

import pytest

from mailctl.domain.mailbox import ImapMailbox
from mailctl.errors import MailctlError, NetworkError, ProtocolError, RefusedError, UsageError
from tests.wire.support.imap import INBOX, Sinks, answer, examine, signed_in
from tests.wire.support.scripted import Peer


def row(uid: str, body: bytes, *, after: bytes = b"", sequence: int = 1) -> bytes:
    """A FETCH response with a body; `after` follows the literal."""
    return b"* %d FETCH (%sFLAGS (\\Seen) BODY[] {%d}\r\n%s%s)\r\n" % (sequence, uid.encode(), len(body), body, after)


def fetch_script(*responses: bytes, end: str = "OK done") -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        tag = peer.command("UID FETCH")
        peer.send(b"".join(responses) + f"{tag} {end}\r\n".encode())

    return script


def fetch_all(
    *responses: bytes, end: str = "OK done", largest: int = 1 << 20
) -> tuple[Sinks, list[int], Exception | None]:
    """What UIDs 1 to 3 bring if the server answers with `responses`: sinks, UIDs yielded, the error."""
    sinks = Sinks()
    uids: list[int] = []
    error: MailctlError | None = None
    with signed_in(fetch_script(*responses, end=end), largest=largest) as mailbox:
        try:
            uids.extend(meta.uid for meta in mailbox.fetch([1, 2, 3], sinks))
        except MailctlError as caught:
            error = caught
            with pytest.raises(NetworkError):
                mailbox.noop()
    assert sinks.begun == sinks.abandoned + len(sinks.kept)
    return sinks, uids, error


def test_items_may_follow_the_body() -> None:
    sinks, uids, error = fetch_all(
        row("", b"one\r\n", after=b" UID 1"),
        b"* 9 EXISTS\r\n* 2 FETCH (FLAGS (\\Seen))\r\n* 3 FETCH (FLAGS (\\Seen) UID 3)\r\n",
        row("UID 2 ", b"", after=b' INTERNALDATE "17-Jul-1996 02:44:25 -0700"'),
        b'* 3 FETCH (UID 3 X-ODD {3}\r\n)\r\n BODY[] "quo\\"ted")\r\n',
    )
    assert error is None
    assert uids == [1, 2, 3]
    assert sinks.kept == {1: b"one\r\n", 2: b"", 3: b'quo"ted'}


@pytest.mark.parametrize("size", [b"99999999999", b"-1", b"1048577", b"9" * 400])
def test_B8_B9_a_literal_beyond_bounds_is_a_typed_error(size: bytes) -> None:
    tracemalloc.start()
    try:
        sinks, uids, error = fetch_all(b"* 1 FETCH (UID 1 BODY[] {%s}\r\nxx" % size)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(error, ProtocolError)
    assert (sinks.begun, uids) == (0, [])
    assert peak < 8_000_000


def test_B8_a_huge_literal_in_a_listing_is_a_typed_error() -> None:
    def script(peer: Peer) -> None:
        peer.command("LIST")
        peer.send(b'* LIST () "/" {99999999999}\r\nxx')

    with signed_in(script, messages=None) as mailbox, pytest.raises(ProtocolError):
        mailbox.folders()


@pytest.mark.parametrize("command", ["LIST", "UID FETCH", "NOOP"])
def test_B10_one_line_of_20_MB_is_bounded(command: str) -> None:
    def script(peer: Peer) -> None:
        peer.command(command)
        for _ in range(20):
            peer.send(b"x" * 1_000_000)

    tracemalloc.start()
    try:
        with signed_in(script) as mailbox, pytest.raises(ProtocolError):
            {"LIST": mailbox.folders, "UID FETCH": lambda: list(mailbox.scan()), "NOOP": mailbox.noop}[command]()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16_000_000


@pytest.mark.parametrize("command", ["LIST", "UID FETCH"])
def test_B11_900_nested_parentheses_are_a_typed_error(command: str) -> None:
    deep = b"(" * 900 + b")" * 900
    lines = {"LIST": b'* LIST %s "/" a\r\n' % deep, "UID FETCH": b"* 1 FETCH (UID 1 FLAGS () ENVELOPE %s)\r\n" % deep}

    def script(peer: Peer) -> None:
        tag = peer.command(command)
        peer.send(lines[command] + f"{tag} OK\r\n".encode())

    with signed_in(script) as mailbox:
        if command == "LIST":
            assert mailbox.folders().set_aside[0].startswith(b"* LIST (((")
        else:
            with pytest.raises(ProtocolError, match="nested"):
                list(mailbox.scan())


@pytest.mark.parametrize("line", [b"* OK still here\r\n", b"* 1 FETCH (FLAGS ())\r\n", b'* LIST () "/" a\r\n'])
@pytest.mark.parametrize("command", ["LIST", "UID FETCH", "BODIES", "NOOP"])
def test_B12_endless_untagged_lines_are_bounded(line: bytes, command: str) -> None:
    def script(peer: Peer) -> None:
        peer.command("UID FETCH" if command == "BODIES" else command)
        while True:
            peer.send(line * 10_000)

    calls: dict[str, Callable[[ImapMailbox], object]] = {
        "LIST": lambda mailbox: mailbox.folders(),
        "UID FETCH": lambda mailbox: list(mailbox.scan()),
        "BODIES": lambda mailbox: list(mailbox.fetch([1], Sinks())),
        "NOOP": lambda mailbox: mailbox.noop(),
    }
    with signed_in(script) as mailbox, pytest.raises(ProtocolError) as caught:
        calls[command](mailbox)
    assert caught.value.code == "too_much"


@pytest.mark.parametrize("uid", ["0", "4294967296", "x", "-3", "1 2 x"])
def test_B14_a_uid_that_cannot_be_is_rejected(uid: str) -> None:
    def script(peer: Peer) -> None:
        answer(peer, "UID SEARCH", f"* SEARCH 1 {uid}")

    with signed_in(script) as mailbox, pytest.raises(ProtocolError):
        mailbox.uids()
    sinks, uids, error = fetch_all(row(f"UID {uid} ", b"body"))
    assert isinstance(error, ProtocolError)
    assert (sinks.kept, sinks.abandoned, uids) == ({}, 1, [])


@pytest.mark.parametrize("found", ["1:4294967295", "0", "3:0", "1,,2", "x"])
def test_B14_a_set_that_cannot_be_is_rejected(found: str) -> None:
    def script(peer: Peer) -> None:
        tag = peer.command("UID SEARCH RETURN (ALL) ALL")
        peer.line(f'* ESEARCH (TAG "{tag}") UID ALL {found}', f"{tag} OK")

    with signed_in(script, capabilities="IMAP4rev1 ESEARCH") as mailbox, pytest.raises(ProtocolError):
        mailbox.uids()


@pytest.mark.parametrize(
    "responses",
    [
        (row("", b"whose?"),),
        (row("UID 1 ", b"a", after=b" UID 2"),),
        (row("UID 1 ", b"a", after=b" UID 1"),),
        (row("UID 99 ", b"not asked"),),
        (b"* 1 FETCH (UID 1 BODY[] {1}\r\na BODY[] {1}\r\nb)\r\n",),
        (b"* 1 FETCH (UID 1 BODY[] {1}\r\na BODY[] NIL)\r\n",),
        (b'* 1 FETCH (BODY[] "whose?")\r\n',),
    ],
)
def test_B15_a_body_of_doubtful_identity_is_never_kept(responses: tuple[bytes, ...]) -> None:
    sinks, uids, error = fetch_all(*responses)
    assert isinstance(error, ProtocolError)
    assert (sinks.kept, uids) == ({}, [])


def test_B15_the_second_body_of_a_uid_is_never_kept() -> None:
    sinks, uids, error = fetch_all(row("UID 1 ", b"first"), row("UID 1 ", b"second", sequence=2))
    assert isinstance(error, ProtocolError)
    assert (sinks.kept, uids) == ({1: b"first"}, [1])


def test_B15_more_bodies_than_were_asked_for_never_begin() -> None:
    sinks, _, error = fetch_all(*(row(f"UID {n} ", b"x", sequence=n) for n in (1, 2, 3, 4)))
    assert isinstance(error, ProtocolError)
    assert (len(sinks.kept), sinks.begun) == (3, 3)


def test_B15_a_scan_rejects_one_uid_for_two_messages() -> None:
    rows = [b"* %d FETCH (UID 5 FLAGS () RFC822.SIZE 3)\r\n" % n for n in (1, 2)]
    with signed_in(fetch_script(*rows)) as mailbox, pytest.raises(ProtocolError):
        list(mailbox.scan())
    with signed_in(fetch_script(rows[0])) as mailbox, pytest.raises(ProtocolError):
        list(mailbox.scan([6]))


def test_a_scan_passes_over_news_that_are_no_answer() -> None:
    rows = (
        b"* 1 FETCH (FLAGS (\\Seen))\r\n* 4 EXISTS\r\n* OK [X] y\r\n* 2 FETCH (UID 6 FLAGS ())\r\n",
        b"* 1 FETCH (RFC822.SIZE 3 UID 5 FLAGS (a))\r\n* 1 FETCH (UID 5 FLAGS (b))\r\n* 2 EXPUNGE\r\n",
        b"* 1 FETCH (UID 5 FLAGS (c) RFC822.SIZE 3)\r\n",
    )
    with signed_in(fetch_script(*rows)) as mailbox:
        assert [(meta.uid, meta.flags, meta.internaldate) for meta in mailbox.scan()] == [(5, frozenset({"a"}), None)]


def test_B16_NIL_is_not_stored_as_an_empty_message() -> None:
    sinks, uids, error = fetch_all(b"* 1 FETCH (UID 1 BODY[] NIL FLAGS ())\r\n", row("UID 2 ", b"two"))
    assert (error, uids, sinks.kept, sinks.begun) == (None, [2], {2: b"two"}, 1)


def test_B17_one_bad_folder_name_is_set_aside_and_the_rest_works() -> None:
    lines = ('* LIST () "/" good', '* LIST () "/" "&bad"', '* LIST () "/" "&AMk-t&AOk-"', "* LIST", "* LIST () x")

    def script(peer: Peer) -> None:
        answer(peer, "LIST", *lines)
        answer(peer, "EXAMINE", "* 0 EXISTS")

    with signed_in(script, messages=None) as mailbox:
        listing = mailbox.folders()
        assert [folder.name for folder in listing.folders] == ["good", "Été"]
        assert listing.set_aside == (b"&bad", b"* LIST () x")
        mailbox.select(listing.folders[1], read_only=True)


def test_B18_ok_without_text_is_tolerated() -> None:
    def script(peer: Peer) -> None:
        peer.line("* OK")
        for name, untagged in (("CAPABILITY", ["* CAPABILITY IMAP4rev1 "]), ("LOGIN", ["* OK "]), ("CAPABILITY", [])):
            tag = peer.command(name)
            peer.line(*untagged, *(["* CAPABILITY IMAP4rev1"] if not untagged else []), f"{tag} OK")

    def then(peer: Peer) -> None:
        tag = peer.command("NOOP")
        peer.line("* OK", f"{tag} OK ")

    with signed_in(then, messages=None) as mailbox:
        mailbox.noop()


def test_B20_a_message_with_no_header_and_an_empty_one_are_kept() -> None:
    sinks, uids, error = fetch_all(row("UID 1 ", b""), row("UID 2 ", b"no header"), b'* 3 FETCH (UID 3 BODY[] "")\r\n')
    assert (error, uids, sinks.kept) == (None, [1, 2, 3], {1: b"", 2: b"no header", 3: b""})


def test_G6_a_connection_cut_in_a_literal_leaves_nothing() -> None:
    def script(peer: Peer) -> None:
        peer.command("UID FETCH")
        peer.send(row("UID 1 ", b"whole") + b"* 2 FETCH (UID 2 BODY[] {1000}\r\nhalf")
        peer.reset()

    sinks = Sinks()
    uids: list[int] = []
    with signed_in(script) as mailbox, pytest.raises(NetworkError):
        uids.extend(meta.uid for meta in mailbox.fetch([1, 2, 3], sinks))
    assert (sinks.kept, sinks.abandoned) == ({1: b"whole"}, 1)


def test_a_sink_that_fails_is_abandoned_and_its_error_passes() -> None:
    class Full(Sinks):
        def __call__(self, octets: int):  # type: ignore[no-untyped-def]  # a sink that raises
            sink = super().__call__(octets)
            sink.write = lambda chunk: (_ for _ in ()).throw(OSError(28, "full"))  # type: ignore[method-assign]
            return sink

    sinks = Full()
    with signed_in(fetch_script(row("UID 1 ", b"x" * 1000))) as mailbox:
        with pytest.raises(OSError, match="full"):
            list(mailbox.fetch([1], sinks))
        with pytest.raises(NetworkError):
            mailbox.noop()
    assert (sinks.begun, sinks.abandoned) == (1, 1)


def test_H2_a_folder_without_UIDVALIDITY_and_UIDNEXT() -> None:
    with signed_in(lambda peer: answer(peer, "SELECT", "* 2 EXISTS", "* FLAGS ()"), messages=None) as mailbox:
        status = mailbox.select(INBOX, read_only=False)
    assert (status.messages, status.uidvalidity, status.uidnext, status.read_only) == (2, None, None, False)


def test_H4_messages_expunged_during_FETCH_are_left_out() -> None:
    _, uids, error = fetch_all(row("UID 1 ", b"1"), b"* 2 EXPUNGE\r\n", row("UID 3 ", b"3"))
    assert (error, uids) == (None, [1, 3])
    _, uids, error = fetch_all(row("UID 1 ", b"1"), end="NO [EXPUNGEISSUED] some are gone")
    assert (error, uids) == (None, [1])
    with signed_in(fetch_script(row("UID 1 ", b"1"), end="NO [SERVERBUG] oops")) as mailbox:
        with pytest.raises(RefusedError) as caught:
            list(mailbox.fetch([1, 2], Sinks()))
        assert caught.value.cause == "server_bug"


def test_H6_a_folder_that_opens_read_only_says_so() -> None:
    with signed_in(lambda peer: answer(peer, "SELECT", "* 2 EXISTS", end="OK [READ-ONLY] x"), messages=None) as mailbox:
        assert mailbox.select(INBOX, read_only=False).read_only
        with pytest.raises(RefusedError):
            mailbox.add_flags([1], ["\\Seen"])


def test_H8_without_UIDPLUS_nothing_is_sent() -> None:
    with signed_in(lambda peer: answer(peer, "NOOP")) as mailbox:
        with pytest.raises(RefusedError) as caught:
            mailbox.expunge([1])
        mailbox.noop()
    assert caught.value.code == "no_uidplus"


def test_H9_a_search_without_a_result_is_not_an_empty_folder() -> None:
    with signed_in(lambda peer: answer(peer, "UID SEARCH ALL")) as mailbox, pytest.raises(ProtocolError):
        mailbox.uids()
    with signed_in(lambda peer: answer(peer, "UID SEARCH ALL", "* SEARCH")) as mailbox:
        assert mailbox.uids() == []
    with signed_in(lambda peer: answer(peer, "UID SEARCH ALL", f"* SEARCH {'4294967295 ' * 200_000}9")) as mailbox:
        assert mailbox.uids() == [9, 4294967295]


def test_without_condstore_nothing_is_asked_since() -> None:
    with signed_in(lambda peer: answer(peer, "NOOP")) as mailbox:
        with pytest.raises(RefusedError) as caught:
            list(mailbox.scan(changed_since=5))
        mailbox.noop()
    assert caught.value.code == "no_condstore"


def test_H10_sets_are_sent_ascending_in_short_lines() -> None:
    lines: list[str] = []

    def script(peer: Peer) -> None:
        for _ in range(6):
            line = peer.read_line().decode()
            lines.append(line)
            peer.line(f"{line.split()[0]} OK done")

    with signed_in(script) as mailbox:
        assert list(mailbox.fetch(list(range(9000, 2, -2)), Sinks())) == []
    assert len(lines) == 6
    assert all(len(line) < 4000 for line in lines)
    sent = [int(word) for line in lines for word in line.split()[3].split(",")]
    assert sent == sorted(sent) == list(range(4, 9001, 2))


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("XXXX9 OK done", ProtocolError),
        ("garbage", ProtocolError),
        ("+ go on", ProtocolError),
        ("* BYE idle too long", NetworkError),
    ],
)
def test_answers_that_fit_nothing_end_the_connection(line: str, error: type[MailctlError]) -> None:
    def script(peer: Peer) -> None:
        peer.command("NOOP")
        peer.line(line)
        peer.connection.close()

    with signed_in(script) as mailbox:
        with pytest.raises(error) as caught:
            mailbox.noop()
        with pytest.raises(NetworkError):
            mailbox.noop()
    if error is NetworkError:
        assert caught.value.server_text == "BYE idle too long"


def test_a_refusal_keeps_code_and_words_and_the_connection() -> None:
    def script(peer: Peer) -> None:
        answer(peer, "EXAMINE", "* NO [ALERT] look here", end="NO [NONEXISTENT] \x1b[31mno such mailbox")
        examine(peer, 1)

    with signed_in(script, messages=None) as mailbox:
        with pytest.raises(RefusedError) as caught:
            mailbox.select(INBOX, read_only=True)
        assert caught.value.cause == "no_such_mailbox"
        assert caught.value.server_text == "NO [ALERT] look here\nNO [NONEXISTENT] \x1b[31mno such mailbox"
        assert mailbox.select(INBOX, read_only=True).messages == 1


@pytest.mark.parametrize("flag", ["\\Seen)", "a b", "a\r\nA1 LOGOUT", "", "(", "{3}", '"x"', "\\", "ü", "*"])
def test_B1_to_B4_what_is_no_flag_is_never_sent(flag: str) -> None:
    def script(peer: Peer) -> None:
        answer(peer, "SELECT", "* 2 EXISTS")
        answer(peer, "NOOP")

    with signed_in(script, messages=None) as mailbox:
        mailbox.select(INBOX, read_only=False)
        with pytest.raises(UsageError):
            mailbox.add_flags([1], [flag])
        with pytest.raises(UsageError):
            list(mailbox.headers([1], [flag]))
        mailbox.noop()
