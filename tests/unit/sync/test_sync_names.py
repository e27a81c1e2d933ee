"""Names of messages, line ends, flags: whatever goes in comes out again."""

from hypothesis import given
from hypothesis import strategies as st

from mailctl.sync.local.flags import Keywords, canonical, from_letters, merge_down, to_letters
from mailctl.sync.local.lineends import Converter, decode, encode, expand
from mailctl.sync.local.names import MessageName, folder_hash, is_part, parse_name, part_name, uidl_token, with_letters

UIDL = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=70)
HASH = st.text("0123456789abcdef", min_size=12, max_size=12)
FLAGS = st.frozensets(st.sampled_from(["\\Seen", "\\Flagged", "\\Answered", "\\Draft", "\\Deleted", "Work", "$Junk"]))
LINES = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"bc\r\n"]), max_size=30).map(b"".join)


@given(HASH, st.integers(0, 2**32 - 1), st.integers(1, 2**32 - 1), st.booleans(), st.sets(st.sampled_from("DFRSTaz")))
def test_a_message_is_known_by_its_file_name(
    folder: str, uidvalidity: int, uid: int, verbatim: bool, letters: set[str]
) -> None:
    name = MessageName(folder, uidvalidity, uid, "", verbatim)
    flagged = with_letters(name.base(), "".join(letters))
    found = parse_name(flagged)
    assert found == MessageName(folder, uidvalidity, uid, "", verbatim, "".join(sorted(letters)))
    assert found is not None
    assert found.stem == name.stem
    assert len(flagged.encode()) < 255
    assert parse_name(name.base()) == name


@given(HASH, UIDL, UIDL)
def test_a_pop3_message_is_known_by_its_file_name(folder: str, uidl: str, other: str) -> None:
    name = MessageName(folder, uidl=uidl_token(uidl))
    found = parse_name(name.base())
    assert found == name
    assert (uidl_token(uidl).lower() == uidl_token(other).lower()) == (uidl == other), (
        "also on a disk that ignores case"
    )


def test_other_programs_names_are_not_ours() -> None:
    for name in ("1700000000.M1P2.host:2,S", "1.2.mailctl", "x", ".1700000000.0000000042_3f0a9c51d2e7.mailctl", ""):
        assert parse_name(name) is None
    assert parse_name("1.0000000002_3f0a9c51d2e7.mailctl,S=5,W=6:2,S") is not None, "what Dovecot may add"
    assert is_part(part_name("3f0a9c51d2e7", 5))
    assert not is_part("1700000000.M1P2.host")


def test_the_folder_and_the_account_are_in_the_name() -> None:
    assert folder_hash("a@b", "INBOX") == folder_hash("a@b", "Inbox")
    assert folder_hash("a@b", "Sent") != folder_hash("a@b", "sent")
    assert folder_hash("a@b", "Sent") != folder_hash("c@d", "Sent")


@given(LINES | st.binary(max_size=200))
def test_line_ends_come_back(octets: bytes) -> None:
    stored, verbatim = encode(octets)
    assert decode(stored, verbatim=verbatim) == octets
    regular = octets.replace(b"\r\n", b"").count(b"\r") == 0 and octets.replace(b"\r\n", b"").count(b"\n") == 0
    assert verbatim == (not regular)
    if not verbatim:
        assert b"\r" not in stored


@given(LINES, st.lists(st.integers(1, 9), min_size=1))
def test_line_ends_come_back_in_chunks(octets: bytes, sizes: list[int]) -> None:
    converter, stored, rest, verbatim, turn = Converter(), b"", octets, False, 0
    while rest:
        chunk, rest = rest[: sizes[turn % len(sizes)]], rest[sizes[turn % len(sizes)] :]
        turn += 1
        if verbatim:
            stored += chunk
            continue
        part = converter.feed(chunk)
        if part is None:
            verbatim, stored = True, expand(stored) + converter.held
        else:
            stored += part
    if not verbatim and converter.end() is None:
        verbatim, stored = True, expand(stored) + converter.held
    assert (stored, verbatim) == encode(octets)


@given(FLAGS)
def test_flags_become_letters_and_back(flags: frozenset[str]) -> None:
    keywords = Keywords()
    letters, homeless = to_letters(flags, keywords)
    assert homeless == ()
    assert letters == "".join(sorted(letters))
    assert from_letters(letters, Keywords.parse(keywords.text())) == flags


def test_flags_have_one_spelling() -> None:
    assert canonical(["\\SEEN", "\\Recent", "\\Strange", "work", "a b", "é", ""]) == {"\\Seen", "work"}


def test_keywords_beyond_26_find_no_letter_and_are_told() -> None:
    keywords = Keywords()
    letters, homeless = to_letters([f"k{n:02}" for n in range(28)], keywords)
    assert letters == "abcdefghijklmnopqrstuvwxyz"
    assert homeless == ("k26", "k27")


def test_letters_whose_keyword_is_lost_are_not_given_away() -> None:
    keywords = Keywords()
    keywords.reserve("Sac")
    assert keywords.letter("new") == "d"
    assert keywords.text() == "3 new\n"
    assert Keywords.parse("junk\n3 new\n99 x\n-1 y\n").letter("new") == "d"
    keywords = Keywords(["old"])
    keywords.reserve_later(lambda: "Sac")
    assert keywords.letter("old") == "a"
    assert keywords.letter("new") == "d"
    assert keywords.letter("newer") == "e"


@given(FLAGS, FLAGS, FLAGS)
def test_merge_takes_the_servers_changes_and_keeps_local_ones(
    server: frozenset[str], local: frozenset[str], agreed: frozenset[str]
) -> None:
    merged = merge_down(server, local, agreed)
    for flag in server | local | agreed:
        changed_there = (flag in server) != (flag in agreed)
        assert (flag in merged) == (flag in server if changed_there else flag in local)
    assert merge_down(server, merged, server) == merged, "a second time changes nothing"
    assert merge_down(server, local, None) == server | local
