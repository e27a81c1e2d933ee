"""Surveys on servers that lack, refuse or spoil parts of the answer: what is wrong of one folder costs that one."""

import pytest

from mailctl.domain.mailbox import FolderListing, FolderStatus
from mailctl.errors import MailctlError, NetworkError, ProtocolError, RefusedError
from mailctl.protocols.imap.mailbox import Mailbox
from tests.wire.support.imap import answer, signed_in
from tests.wire.support.scripted import Peer, Script

FULL = "IMAP4rev1 ENABLE CONDSTORE QRESYNC LIST-EXTENDED LIST-STATUS SPECIAL-USE OBJECTID"
ITEMS = "MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ MAILBOXID"


def survey(then: Script, capabilities: str = FULL) -> tuple[FolderListing, bool]:
    """What a server that goes on with `then` tells, and whether the connection is quick afterwards."""
    with signed_in(then, capabilities=capabilities, messages=None) as mailbox:
        assert isinstance(mailbox, Mailbox)
        return mailbox.survey(), mailbox.quick


def at_once(*lines: str | bytes, enabled: str = "* ENABLED QRESYNC") -> Script:
    """Answers to ENABLE and LIST."""

    def script(peer: Peer) -> None:
        first = peer.command("ENABLE QRESYNC")
        second = peer.command(f'LIST "" "*" RETURN (SUBSCRIBED SPECIAL-USE STATUS ({ITEMS}))')
        peer.line(enabled, f"{first} OK", *lines, f"{second} OK done")

    return script


def test_one_flight_tells_all() -> None:
    listing, quick = survey(
        at_once(
            '* LIST (\\Subscribed) "/" inbox',
            "* STATUS INBOX (MESSAGES 3 UIDNEXT 9 UIDVALIDITY 7 HIGHESTMODSEQ 50 MAILBOXID (F-1_x))",
            '* LIST (\\Sent) "/" {5}',
            'a "b\\',
            "* STATUS {5}",
            'a "b\\ (UIDVALIDITY 7 MESSAGES 0 X-NEW (1 (2)) UIDNEXT 1)',
            '* LIST () "/" "q\\"s"',
            '* status "q\\"s" (messages 1 UIDNEXT 0 UIDVALIDITY 7 HIGHESTMODSEQ 0)',
            '* LIST () "/" NIL',
            "* STATUS NIL (MESSAGES 4 UIDNEXT 5 UIDVALIDITY 6 MAILBOXID NIL)",
            '* LIST () "/" "&AOQ-"',
            '* STATUS "&AOQ-" (MESSAGES 5)',
        )
    )
    assert quick
    assert [folder.name for folder in listing.folders] == ["INBOX", 'a "b\\', 'q"s', "NIL", "\u00e4"]
    assert listing.statuses == {
        "INBOX": FolderStatus(3, 7, 9, 50, mailbox_id="F-1_x"),
        'a "b\\': FolderStatus(0, 7, 1),
        'q"s': FolderStatus(1, 7, None, None),
        "NIL": FolderStatus(4, 6, 5),
        "\u00e4": FolderStatus(5, None, None),
    }
    assert listing.folders[0].attributes == {"\\subscribed"}


@pytest.mark.parametrize(
    "status",
    [
        "a (MESSAGES x)",
        "a (MESSAGES 4294967296)",
        "a (MESSAGES 1 UIDNEXT 99999999999)",
        "a (MESSAGES 1 HIGHESTMODSEQ 9223372036854775808)",
        "a (MESSAGES -1)",
        "a (UIDNEXT 4)",
        "a (MESSAGES)",
        "a ((MESSAGES 1))",
        "a",
        "(MESSAGES 1)",
        "other (MESSAGES 1)",
        "A (MESSAGES 1)",
        "a (MESSAGES 1 MAILBOXID (\x01))) x",
    ],
)
def test_a_status_that_cannot_be_is_not_known(status: str) -> None:
    listing, _ = survey(
        at_once('* LIST () "/" a', f"* STATUS {status}", '* LIST () "/" b', "* STATUS b (MESSAGES 1 UIDNEXT 2)")
    )
    assert [folder.name for folder in listing.folders] == ["a", "b"]
    assert listing.statuses == {"b": FolderStatus(1, None, 2)}


def test_an_odd_mailbox_id_is_none() -> None:
    for odd in ("()", "(a b)", '"x"', "(a$)", "x", '("a\u00e4")'):
        listing, _ = survey(at_once('* LIST () "/" a', f"* STATUS a (MESSAGES 1 MAILBOXID {odd})"))
        assert listing.statuses["a"].mailbox_id == "", odd


def test_what_was_offered_and_is_refused_is_asked_the_plain_way() -> None:
    def script(peer: Peer) -> None:
        first, second = peer.command("ENABLE"), peer.command("LIST")
        peer.line(f"{first} NO not today", f"{second} BAD what")
        tag = peer.command('LIST "" "*"')
        peer.line('* LIST () "/" a', '* LIST (\\Noselect) "/" b', '* LIST () "/" c', '* LIST () "/" d', f"{tag} OK")
        tags = [peer.command(f'STATUS "{name}" ({ITEMS})') for name in "acd"]
        peer.line("* STATUS a (MESSAGES 1)", f"{tags[0]} OK", f"{tags[1]} NO locked", "* STATUS d (MESSAGES 2)")
        peer.line(f"{tags[2]} OK")

    listing, quick = survey(script)
    assert not quick
    assert listing.statuses == {"a": FolderStatus(1, None, None), "d": FolderStatus(2, None, None)}


def test_a_list_that_is_refused_at_all_is_an_error() -> None:
    with pytest.raises(RefusedError):
        survey(lambda peer: answer(peer, "LIST", end="NO not you"), "IMAP4rev1")


def test_thousands_of_folders_are_asked_a_few_at_a_time() -> None:
    names = [f"folder {number} of a long list" for number in range(3000)]
    most = 0

    def script(peer: Peer) -> None:
        nonlocal most
        answer(peer, "LIST", *(f'* LIST () "/" "{name}"' for name in names))
        for name in names:
            tag = peer.command(f'STATUS "{name}"')
            most = max(most, len(peer._buffer))
            peer.line(f'* STATUS "{name}" (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3)', f"{tag} OK")

    listing, _ = survey(script, "IMAP4rev1")
    assert listing.statuses == dict.fromkeys(names, FolderStatus(1, 3, 2))
    assert most < 8192


def test_a_server_of_the_second_revision_has_it_all_built_in() -> None:
    def script(peer: Peer) -> None:
        command = 'LIST "" "*" RETURN (SUBSCRIBED SPECIAL-USE STATUS (MESSAGES UIDNEXT UIDVALIDITY))'
        answer(peer, command, "* LIST () NIL a", "* STATUS a (MESSAGES 1)")

    listing, quick = survey(script, "IMAP4rev2")
    assert (listing.statuses["a"].messages, quick) == (1, False)


def test_condstore_is_enabled_where_there_is_no_qresync() -> None:
    def script(peer: Peer) -> None:
        tag = peer.command("ENABLE CONDSTORE")
        peer.line("* ENABLED CONDSTORE", f"{tag} OK")
        answer(peer, 'LIST "" "*" RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ))')

    assert survey(script, "IMAP4rev1 ENABLE CONDSTORE LIST-STATUS")[1] is False


def test_enable_is_believed_only_if_the_server_names_it() -> None:
    assert survey(at_once(enabled="* ENABLED"))[1] is False
    assert survey(at_once(enabled="* ENABLED CONDSTORE"))[1] is False


@pytest.mark.parametrize(
    "line", [b"* STATUS a (MESSAGES 1)\r\n", b'* LIST () "/" a\r\n', b"x\r\n", b"* STATUS {9999999}\r\n"]
)
def test_B12_a_survey_without_end_is_bounded(line: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.command("ENABLE")
        peer.command("LIST")
        while True:
            peer.send(line * 10_000)

    with pytest.raises(ProtocolError):
        survey(script)


def test_a_connection_that_ends_in_a_survey_is_told() -> None:
    def script(peer: Peer) -> None:
        peer.command("ENABLE")
        peer.line("* BYE shutting down")
        peer.reset()

    with pytest.raises(MailctlError) as caught:
        survey(script)
    assert isinstance(caught.value, NetworkError)
