"""Beyond sign-in, servers that misbehave: what works goes on working, and evidence is all that is lost."""

from collections.abc import Callable, Mapping
from time import monotonic

import pytest

from mailctl.domain.deadline import Deadline
from mailctl.domain.secret import Secret
from mailctl.domain.server import Protocol, Security
from mailctl.protocols import pop3, smtp
from mailctl.protocols.imap import survey
from mailctl.protocols.imap.session import imap_session
from mailctl.protocols.pop3 import pop3_session
from mailctl.protocols.smtp import smtp_session
from tests.wire.support.imap import answer, examine, sign_in
from tests.wire.support.jobs import Climbed, job
from tests.wire.support.scripted import Peer, ScriptedServer


def surveyed(then: Callable[[Peer], object], capabilities: str = "IMAP4rev1") -> Mapping[str, object]:
    """What the stage `folders` learned from a server that goes on with `then`."""

    def script(peer: Peer) -> None:
        sign_in(peer, capabilities)
        examine(peer)
        then(peer)

    with ScriptedServer(script) as server:
        check = job(Protocol.IMAP, server.port, Security.NONE, None, host="127.0.0.1")
        climbed = Climbed(imap_session(check, Secret("x"), Deadline(10)))
    assert climbed.error is None
    return climbed.evidence["folders"]


def test_names_that_can_not_be_decoded_are_set_aside_and_the_rest_is_looked_into() -> None:
    def script(peer: Peer) -> None:
        answer(
            peer, "LIST", '* LIST () "/" INBOX', '* LIST () "/" "b&d"', b'* LIST () "/" "\xff"', '* LIST () "/" well'
        )
        answer(peer, 'STATUS "well"', "* STATUS well (MESSAGES 1)")
        peer.wait_for_end()

    told = surveyed(script)
    assert told["set_aside"] == ["b&d", "\\xff"]
    assert (told["folders"], told["readable"], told["unread"]) == (2, 2, 0)


def test_answers_out_of_order_are_told_apart() -> None:
    def script(peer: Peer) -> None:
        answer(peer, "LIST", '* LIST () "/" a', '* LIST (\\Noselect) "/" b', '* LIST () "/" "c d"')
        first, second = peer.command('STATUS "a"'), peer.command('STATUS "c d"')
        peer.line(f"{second} NO [NOPERM] not you", "* STATUS a (MESSAGES 1)", f"{first} OK")
        peer.wait_for_end()

    told = surveyed(script)
    assert (told["folders"], told["readable"]) == (2, 1)
    assert told["unreadable"] == [{"folder": "c d", "reply": "NO [NOPERM] not you"}]


def test_special_use_is_asked_for_where_it_can_be_and_does_without() -> None:
    def script(peer: Peer) -> None:
        answer(peer, 'LIST "" "*" RETURN (SPECIAL-USE)', end="BAD what?")
        answer(peer, 'LIST "" "*"', '* LIST (\\Sent) "/" INBOX', '* LIST (\\HasNoChildren \\Spam) "/" INBOX')
        peer.wait_for_end()

    assert surveyed(script, "IMAP4rev1 SPECIAL-USE LIST-EXTENDED")["special_use"] == {"sent": "INBOX"}


@pytest.mark.parametrize(
    "then",
    [
        lambda peer: answer(peer, "LIST", end="NO [UNAVAILABLE] later"),
        lambda peer: (peer.command("LIST"), peer.line("* BYE enough")),
        lambda peer: (peer.command("LIST"), peer.reset()),
        lambda peer: (peer.command("LIST"), peer.line("+ more")),
        lambda peer: (answer(peer, "LIST", '* LIST () "/" a'), peer.command("STATUS"), peer.line("ZZZ OK")),
    ],
)
def test_a_server_that_does_not_tell_fails_nothing(then: Callable[[Peer], object]) -> None:
    assert surveyed(then)["interrupted"]


def test_a_server_that_is_slow_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "PATIENCE", 0.3)

    def script(peer: Peer) -> None:
        answer(peer, "LIST", '* LIST () "/" a')
        peer.wait_for_end()

    start = monotonic()
    told = surveyed(script)
    assert monotonic() - start < 5
    assert (told["folders"], told["readable"], told["unread"]) == (1, 0, 1)
    assert "interrupted" not in told


def relayed(then: Callable[[Peer], object], *offers: str) -> Mapping[str, object]:
    """What the stage `relay` learned from a server that takes MAIL and the first RCPT, and goes on with `then`."""

    def script(peer: Peer) -> None:
        peer.line("220 mail.test ESMTP")
        peer.expect("EHLO")
        peer.line("250-mail.test", *(f"250-{offer}" for offer in offers), "250 AUTH PLAIN")
        peer.expect("AUTH PLAIN")
        peer.line("235 in")
        peer.expect("MAIL FROM:<alice@mail.test>")
        peer.line("250 ok")
        peer.expect("RCPT TO:<alice@mail.test>")
        peer.line("250 ok")
        peer.expect("RCPT TO:<mailctl-test@example.com>")
        then(peer)

    with ScriptedServer(script) as server:
        check = job(Protocol.SMTP, server.port, Security.NONE, None, host="127.0.0.1")
        climbed = Climbed(smtp_session(check, Secret("x"), Deadline(10)))
    assert climbed.error is None
    assert b"DATA" not in server.clear
    return climbed.evidence["relay"]


@pytest.mark.parametrize("offers", [(), ("PIPELINING",)])
@pytest.mark.parametrize(
    ("reply", "relay"),
    [
        ("250 2.1.5 ok", "relays"),
        ("251 will forward", "relays"),
        ("554 5.7.1 Relay access denied", "relay_denied"),
        ("550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", "relay_denied"),
        ("550 relaying to <mailctl-test@example.com> prohibited by administrator", "relay_denied"),
        ("556 5.1.10 relay7.mail.test: <mailctl-test@example.com>: null MX", "unknown"),
        ("450 4.7.1 greylisted", "unknown"),
        ("550 no such domain", "unknown"),
    ],
)
def test_what_the_answer_to_a_foreign_recipient_tells(reply: str, relay: str, offers: tuple[str, ...]) -> None:
    def then(peer: Peer) -> None:
        peer.line(reply)
        peer.expect("RSET")
        peer.line("250 ok")
        peer.wait_for_end()

    assert relayed(then, *offers)["relay"] == relay


@pytest.mark.parametrize(
    "then", [lambda peer: peer.reset(), lambda peer: peer.line("421 bye"), lambda peer: peer.line("?")]
)
def test_a_server_that_hangs_up_at_a_foreign_recipient_fails_nothing(then: Callable[[Peer], object]) -> None:
    assert relayed(then)["relay"] == "unknown"


def test_a_server_that_falls_silent_at_a_foreign_recipient_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "RELAY", 0.3)
    start = monotonic()
    assert relayed(lambda peer: peer.wait_for_end())["relay"] == "unknown"
    assert monotonic() - start < 5


def test_the_answer_to_a_foreign_recipient_is_kept_where_none_to_RSET_comes() -> None:
    def then(peer: Peer) -> None:
        peer.line("554 5.7.1 Relay access denied")
        peer.wait_for_end()

    start = monotonic()
    assert relayed(then)["relay"] == "relay_denied"
    assert monotonic() - start < smtp.RELAY


@pytest.mark.parametrize(
    ("quotas", "told"),
    [
        (["a STORAGE 1 100", "b STORAGE 95 100"], (95, 100)),
        (["a STORAGE 95 100", "b STORAGE 1 100"], (95, 100)),
        (["a STORAGE 9 0", "b STORAGE 1 100"], (1, 100)),
        (["b STORAGE 1 100", "a STORAGE 9 0"], (1, 100)),
        (["a STORAGE x 0", "b MESSAGE 5 5 STORAGE 1 100"], (1, 100)),
    ],
)
def test_of_several_quotas_the_fullest_is_told(quotas: list[str], told: tuple[int, int]) -> None:
    def script(peer: Peer) -> None:
        tag, second = peer.command("LIST"), peer.command("GETQUOTAROOT INBOX")
        rows = (each.partition(" ") for each in quotas)
        peer.line(f"{tag} OK", *(f"* QUOTA {root} ({resources})" for root, _, resources in rows), f"{second} OK")
        peer.wait_for_end()

    used, limit = told
    assert surveyed(script, "IMAP4rev1 QUOTA")["quota"] == {"used": used * 1024, "limit": limit * 1024}


def popped(then: Callable[[Peer], object], *capabilities: str) -> Mapping[str, object]:
    """What the stage `stat` learned from a server that goes on with `then` after STAT."""

    def script(peer: Peer) -> None:
        peer.line("+OK ready")
        peer.expect("CAPA")
        peer.line(*(("+OK", *capabilities, ".") if capabilities else ("-ERR what?",)))
        for command in ("USER", "PASS"):
            peer.expect(command)
            peer.line("+OK")
        peer.expect("STAT")
        peer.line("+OK 2 300")
        then(peer)

    with ScriptedServer(script) as server:
        check = job(Protocol.POP3, server.port, Security.NONE, None, host="127.0.0.1")
        climbed = Climbed(pop3_session(check, Secret("x"), Deadline(10)))
    assert climbed.error is None
    return climbed.evidence["stat"]


@pytest.mark.parametrize(("reply", "uidl"), [("+OK 1 abc", True), ("-ERR unknown command", False)])
def test_uidl_is_tried_where_nothing_tells_of_it(reply: str, uidl: bool) -> None:
    def then(peer: Peer) -> None:
        peer.expect("UIDL 1")
        peer.line(reply)
        peer.wait_for_end()

    assert popped(then)["uidl"] is uidl


def test_limits_of_the_user_are_asked_for_after_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pop3, "BEYOND", 5.0)

    def then(peer: Peer) -> None:
        peer.expect("CAPA")
        peer.line("+OK", "UIDL", "EXPIRE 30", ".")
        peer.wait_for_end()

    told = popped(then, "USER", "UIDL", "EXPIRE 0 USER")
    assert told["capabilities"] == ["UIDL", "EXPIRE 30"]
    assert told["uidl"] is True


def test_a_pop3_server_that_hangs_up_then_fails_nothing() -> None:
    assert popped(lambda peer: peer.reset()) == {"messages": 2, "octets": 300}
