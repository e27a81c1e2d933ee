"""IMAP servers that answer wrongly where a folder is asked about ahead of its turn: looked into, entered, left open."""

from collections.abc import Callable, Sequence
from math import inf

import pytest

from mailctl.domain.mailbox import Folder
from mailctl.domain.visits import Arrived, Closed, Opened, Shown, Visit
from mailctl.errors import MailctlError, NetworkError, ProtocolError, RefusedError
from mailctl.protocols.imap.mailbox import Mailbox
from tests.wire.support.imap import Sinks, signed_in
from tests.wire.support.scripted import Peer
from tests.wire.test_imap_pipelines import EXAMINED, OPEN, QUICK, A, B, C, row, take


def ahead(script: Callable[[Peer], None]) -> tuple[list[tuple[int | None, list[int]] | None], Exception | None]:
    """What A, B and C hold by a look ahead: UIDVALIDITY and UIDs of each."""
    with signed_in(script, capabilities="IMAP4rev1", messages=None) as mailbox:
        assert isinstance(mailbox, Mailbox)
        try:
            found = mailbox.look_ahead([A, B, C])
        except MailctlError as error:
            with pytest.raises(NetworkError):
                mailbox.noop()
            return [], error
    return [each and (each[0].uidvalidity, list(each[1])) for each in found], None


@pytest.mark.parametrize("refusal", ["NO gone", "BAD what"])
def test_B15_uids_of_the_folder_before_are_never_a_refused_folders(refusal: str) -> None:
    def script(peer: Peer) -> None:
        tags = take(peer, *["EXAMINE", "UID SEARCH ALL"] * 3)
        peer.line(*OPEN, f"{tags[0]} {EXAMINED}", "* SEARCH 1", f"{tags[1]} OK")
        peer.line(f"{tags[2]} {refusal}", "* SEARCH 1 2", f"{tags[3]} OK")
        peer.line(*OPEN, f"{tags[4]} {EXAMINED}", f"{tags[5]} {refusal}")

    found, error = ahead(script)
    assert error is None
    assert [each and each[1] for each in found] == [[1], None, None]


def test_a_look_ahead_whose_answers_come_in_another_order_ends_the_connection() -> None:
    def script(peer: Peer) -> None:
        tags = take(peer, *["EXAMINE", "UID SEARCH ALL"] * 3)
        peer.line("* SEARCH 1", f"{tags[1]} OK", *OPEN, f"{tags[0]} {EXAMINED}")

    _, error = ahead(script)
    assert isinstance(error, ProtocolError)


@pytest.mark.parametrize("answered", ["NO gone", "BAD what", "OK [READ-ONLY] open"])
def test_B15_bodies_of_the_folder_before_are_never_those_of_one_that_is_not_entered(answered: str) -> None:
    def script(peer: Peer) -> None:
        tags = take(peer, "EXAMINE", "UID FETCH")
        another = () if answered.startswith("OK") else ("* 3 EXISTS", "* OK [UIDVALIDITY 8] x")
        peer.line(*another, f"{tags[0]} {answered}", row(1), f"{tags[1]} OK")

    sinks = Sinks()
    with signed_in(script, capabilities="IMAP4rev1", messages=None) as mailbox:
        mailbox.enter(A, 7)
        with pytest.raises((RefusedError, ProtocolError)):
            list(mailbox.fetch([1], sinks))
        with pytest.raises(NetworkError):
            mailbox.noop()
    assert (sinks.begun, sinks.kept) == (0, {})


INBOX = Folder("INBOX", b"INBOX", "/")
OPENED = Visit(INBOX, (7, 40), 10)
CHANGES = "UID FETCH 1:9 (FLAGS) (CHANGEDSINCE 40 VANISHED)"


def opened_by_the_survey(
    then: Callable[[Peer], object], visits: Sequence[Visit], opening: Sequence[str] = OPEN, examined: str = EXAMINED
) -> tuple[list[Opened | Shown | Arrived | Closed], Sinks]:
    """What visits bring where the survey was asked to open INBOX."""

    def script(peer: Peer) -> None:
        enable, examine, listed = peer.command("ENABLE QRESYNC"), peer.command("EXAMINE"), peer.command("LIST")
        peer.line("* ENABLED QRESYNC", f"{enable} OK", *opening, f"{examine} {examined}")
        peer.line('* LIST () "/" INBOX', f"{listed} OK")
        status = peer.command("STATUS")
        peer.line("* STATUS INBOX (MESSAGES 3 UIDNEXT 10 UIDVALIDITY 7 HIGHESTMODSEQ 50)", f"{status} OK")
        then(peer)

    sinks = Sinks()
    with signed_in(script, capabilities=QUICK, messages=None) as mailbox:
        assert isinstance(mailbox, Mailbox)
        mailbox.survey_ahead(inbox=True)
        assert mailbox.survey().statuses["INBOX"].messages == 3
        return list(mailbox.visit(visits, lambda visit, octets: sinks(octets))), sinks


@pytest.fixture
def near(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow this machine is."""
    monkeypatch.setattr("mailctl.protocols.imap.mailbox.NEAR", inf)


@pytest.mark.usefixtures("near")
def test_a_folder_that_is_open_is_asked_for_what_changed() -> None:
    def script(peer: Peer) -> None:
        tag = peer.command(CHANGES)
        peer.line(
            "* VANISHED (EARLIER) 2:4", "* 1 FETCH (UID 5 FLAGS (\\Seen) MODSEQ (45))", "* VANISHED 6", f"{tag} OK"
        )
        tag = peer.command("UID FETCH 10:*")
        peer.line(row(10), f"{tag} OK")

    events, sinks = opened_by_the_survey(script, [OPENED])
    opened, arrived, closed = events
    assert isinstance(opened, Opened)
    assert [(meta.uid, meta.flags) for meta in opened.changed] == [(5, frozenset({"\\Seen"}))]
    assert (opened.vanished, opened.status.uidnext, opened.status.highestmodseq) == (((2, 4),), 10, 50)
    assert isinstance(arrived, Arrived)
    assert isinstance(closed, Closed)
    assert closed.error is None
    assert sinks.kept == {10: b"x"}


@pytest.mark.usefixtures("near")
@pytest.mark.parametrize("line", ["* OK [CLOSED] x", "* OK [UIDVALIDITY 9] x"])
def test_a_server_that_goes_on_to_another_folder_ends_the_connection(line: str) -> None:
    def script(peer: Peer) -> None:
        tag = peer.command(CHANGES)
        peer.line("* 1 FETCH (UID 5 FLAGS (\\Seen) MODSEQ (45))", line, f"{tag} OK")

    with pytest.raises(ProtocolError):
        opened_by_the_survey(script, [OPENED])


@pytest.mark.usefixtures("near")
def test_what_came_after_the_opening_is_left_for_the_next_time() -> None:
    def script(peer: Peer) -> None:
        tag = peer.command(CHANGES)
        peer.line("* 4 EXISTS", "* 4 FETCH (UID 10 FLAGS () MODSEQ (60))", "* 1 FETCH (UID 9 FLAGS ())", f"{tag} OK")
        tag = peer.command("UID FETCH 10:*")
        peer.line(row(10), f"{tag} OK")

    opened, *_ = opened_by_the_survey(script, [OPENED])[0]
    assert isinstance(opened, Opened)
    assert [meta.uid for meta in opened.changed] == [9]


@pytest.mark.usefixtures("near")
@pytest.mark.parametrize("told", ["NO can't", "BAD what", "OK"])
def test_what_is_not_told_of_an_open_folder_needs_a_look_at_all_of_it(told: str) -> None:
    def script(peer: Peer) -> None:
        tag = peer.command(CHANGES)
        peer.line("* 1 FETCH (FLAGS (\\Seen))", f"{tag} {told}")

    events, sinks = opened_by_the_survey(script, [OPENED])
    (closed,) = events
    assert isinstance(closed, Closed)
    assert closed.error is not None
    assert sinks.begun == 0


@pytest.mark.usefixtures("near")
@pytest.mark.parametrize(
    ("opening", "examined", "visits"),
    [
        ((), "NO not now", [OPENED]),
        (("* 3 EXISTS", "* OK [UIDVALIDITY 8] x", "* OK [HIGHESTMODSEQ 50] x"), EXAMINED, [OPENED]),
        (("* 3 EXISTS", "* OK [UIDVALIDITY 7] x", "* OK [HIGHESTMODSEQ 39] x"), EXAMINED, [OPENED]),
        (("* 3 EXISTS", "* OK [UIDVALIDITY 7] x", "* OK [NOMODSEQ] x"), EXAMINED, [OPENED]),
        (OPEN, EXAMINED, [Visit(INBOX, None, 10)]),
        (OPEN, EXAMINED, [Visit(A, (7, 40), 10)]),
        (OPEN, EXAMINED, [Visit(INBOX, (7, 40), 10, read_only=False)]),
    ],
)
def test_a_folder_is_opened_where_the_survey_did_not_open_it_well(
    opening: Sequence[str], examined: str, visits: Sequence[Visit]
) -> None:
    def script(peer: Peer) -> None:
        tags = take(peer, "EXAMINE" if visits[0].read_only else "SELECT", "UID FETCH 10:*")
        peer.line(*OPEN, f"{tags[0]} {EXAMINED}", row(10), f"{tags[1]} OK")

    events, sinks = opened_by_the_survey(script, visits, opening, examined)
    assert [type(event).__name__ for event in events] == ["Opened", "Arrived", "Closed"]
    assert sinks.kept == {10: b"x"}


def test_a_folder_is_not_opened_ahead_where_the_server_is_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailctl.protocols.imap.mailbox.NEAR", -1.0)

    def script(peer: Peer) -> None:
        enable, listed = peer.command("ENABLE QRESYNC"), peer.command("LIST")
        peer.line("* ENABLED QRESYNC", f"{enable} OK", '* LIST () "/" INBOX', f"{listed} OK")
        peer.line(f"{peer.command('STATUS')} OK")

    with signed_in(script, capabilities=QUICK, messages=None) as mailbox:
        assert isinstance(mailbox, Mailbox)
        mailbox.survey_ahead(inbox=True)
