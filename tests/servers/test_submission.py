"""Sending one message: HARDENING rows B5 to B7, H12, H13, on a real Postfix and Dovecot where they can show it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailctl.domain.check import CheckJob
from mailctl.domain.deadline import Deadline
from mailctl.domain.secret import Secret
from mailctl.domain.server import Protocol, Security
from mailctl.errors import NetworkError, RefusedError, UsageError
from mailctl.protocols.submission import Submission
from tests.servers.support.certificates import Certificates
from tests.servers.support.home import Home
from tests.servers.support.mailbox import Mailbox
from tests.servers.support.postfix import Postfix
from tests.wire.support.jobs import Climbed, job
from tests.wire.support.scripted import Peer, ScriptedServer

MESSAGE = b"Subject: one\r\n\r\nhello\r\n"


def submission(mailbox: Mailbox, postfix: Postfix, ca: Path, message: bytes, *recipients: str) -> Submission:
    address = mailbox.address
    check = job(Protocol.SMTP, postfix.submissions, Security.TLS, ca, user=mailbox.user, address=address)
    return Submission(
        check, Secret(mailbox.password), Deadline(20), message=message, recipients=recipients or (address,)
    )


def arrived(mailbox: Mailbox, count: int) -> list[bytes]:
    """Bodies of the messages in INBOX, once there are so many."""
    with mailbox.session() as session:
        for _ in range(200):
            session.command("NOOP")
            held = mailbox.messages("INBOX")
            if len(held) >= count:
                return [each.data.partition(b"\n\n")[2] for each in held]
    raise AssertionError(f"{len(held)} of {count} messages came")


@pytest.mark.parametrize(
    "body",
    [
        b"a\n.\r\nMAIL FROM:<alice@mail.test>\r\nRCPT TO:<bob@mail.test>\r\nDATA\r\nSubject: two\r\n\r\n.\r\n",
        b"a\r\n.\r\nMAIL FROM:<alice@mail.test>\r\nDATA\r\n",
        b"a\r.\rDATA\r.\r\nb\n.\nc\r\n.",
        b".\r\n..\r\n...\r\n",
        b".",
        b"",
    ],
)
def test_B7_whatever_its_lines_a_message_stays_exactly_one(
    mailbox: Mailbox, postfix: Postfix, certificates: Certificates, body: bytes
) -> None:
    session = submission(mailbox, postfix, certificates.ca, b"Subject: one\r\n\r\n" + body)
    assert Climbed(session).error is None
    after = submission(mailbox, postfix, certificates.ca, MESSAGE)
    assert Climbed(after).error is None
    texts = arrived(mailbox, 2)
    assert len(texts) == 2
    whole = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    expected = whole + (b"\n" if whole and not whole.endswith(b"\n") else b"")
    assert expected in texts


@pytest.mark.parametrize("where", ["sender", "recipient"])
def test_B5_B6_a_line_break_in_the_envelope_sends_nothing(
    mailbox: Mailbox, postfix: Postfix, certificates: Certificates, where: str
) -> None:
    bad = f"{mailbox.user}\r\nDATA@mail.test"
    session = submission(mailbox, postfix, certificates.ca, MESSAGE, bad if where == "recipient" else mailbox.address)
    if where == "sender":
        session.job = CheckJob("work", bad, Protocol.SMTP, session.job.endpoint, session.job.login)
    climbed = Climbed(session)
    assert isinstance(climbed.error, UsageError)
    assert climbed.failed == ("mail" if where == "sender" else "rcpt")
    assert not session.handed_over
    assert mailbox.messages("INBOX") == []


def test_H12_one_bad_recipient_of_two_keeps_nothing_from_the_other(
    mailbox: Mailbox, postfix: Postfix, certificates: Certificates
) -> None:
    session = submission(mailbox, postfix, certificates.ca, MESSAGE, "unknown@mail.test", mailbox.address)
    climbed = Climbed(session)
    assert climbed.error is None
    assert list(session.refused) == ["unknown@mail.test"]
    assert "unknown@mail.test" in climbed.evidence["rcpt"]["refused"]  # type: ignore[operator]  # a dict
    assert len(arrived(mailbox, 1)) == 1


def test_H12_if_all_recipients_are_refused_nothing_is_sent(
    mailbox: Mailbox, postfix: Postfix, certificates: Certificates
) -> None:
    session = submission(mailbox, postfix, certificates.ca, MESSAGE, "unknown@mail.test", "unknown2@mail.test")
    climbed = Climbed(session)
    assert isinstance(climbed.error, RefusedError)
    assert climbed.failed == "rcpt"
    assert climbed.error.server_text.count("unknown") >= 2
    assert not session.handed_over


def smtp_until_dot(then: Callable[[Peer, bytes], None]) -> Callable[[Peer], None]:
    """A server that takes a message up to its final dot, and then does as `then` says."""

    def script(peer: Peer) -> None:
        peer.line("220 mail.test ESMTP")
        peer.expect("EHLO")
        peer.line("250-mail.test", "250-SIZE 1000000", "250 AUTH PLAIN")
        peer.expect("AUTH PLAIN")
        peer.line("235 2.7.0 in")
        while (line := peer.read_line()) != b"DATA":
            if line == b"QUIT":
                return
            peer.line("250 2.0.0 ok")
        peer.line("354 go on")
        lines = []
        while (line := peer.read_line()) != b".":
            lines.append(line.removeprefix(b"."))
        then(peer, b"".join(line + b"\r\n" for line in lines))

    return script


def test_H13_a_connection_lost_after_the_dot_is_unknown(mailbox: Mailbox) -> None:
    with ScriptedServer(smtp_until_dot(lambda peer, message: peer.reset())) as server:
        check = job(Protocol.SMTP, server.port, Security.NONE, None, host="127.0.0.1")
        session = Submission(check, Secret("x"), Deadline(10), message=MESSAGE, recipients=["bob@mail.test"])
        climbed = Climbed(session)
    assert isinstance(climbed.error, NetworkError)
    assert (climbed.failed, climbed.error.code, climbed.cause) == ("data", "delivery_unknown", "connection_lost")
    assert session.handed_over


def through(home: Home, mailbox: Mailbox, port: int, *arguments: str, code: int) -> dict[str, Any]:
    home.gateway(
        "work",
        mailbox.user,
        mailbox.password,
        f"imap localhost {mailbox.server.imaps} tls",
        f"smtp 127.0.0.1 {port} none",
    )
    found = home.cli.json("test", "work", "--send", *arguments, code=code)
    (report,) = found["result"]["probes"]
    assert isinstance(report, dict)
    return report


def test_H13_what_was_taken_all_the_same_is_found_and_not_sent_twice(home: Home, mailbox: Mailbox) -> None:
    def deliver(peer: Peer, message: bytes) -> None:
        mailbox.deliver("INBOX", message)
        peer.reset()

    with ScriptedServer(smtp_until_dot(deliver)) as server:
        report = through(home, mailbox, server.port, code=0)
    assert report["ok"], report
    assert (report["sent"], report["folder"], report["removed"]) == ("unknown", "INBOX", True)
    assert "acceptance_unknown" in {finding["name"] for finding in report["findings"]}
    assert server.clear.count(b"DATA\r\n") == 1
    assert mailbox.messages("INBOX") == []


def test_H13_what_does_not_come_is_unknown_and_not_sent_twice(home: Home, mailbox: Mailbox) -> None:
    with ScriptedServer(smtp_until_dot(lambda peer, message: peer.reset())) as server:
        report = through(home, mailbox, server.port, "--timeout", "2", code=5)
    assert (report["sent"], report["stage"], report["cause"]) == ("unknown", "data", "connection_lost"), report
    assert report["message"].endswith(
        "whether it was taken is unknown; it did not arrive within 2 s, and was not sent again"
    )
    assert report["message_id"]
    assert server.clear.count(b"DATA\r\n") == 1
