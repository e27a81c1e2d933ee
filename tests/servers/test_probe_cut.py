"""`mailctl test --send` that is interrupted, or loses its connection: nothing is left behind, or it is said what is."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from tests.cli.support import Cli
from tests.servers.support.certificates import Certificates
from tests.servers.support.fixtures import MakePostfix
from tests.servers.support.home import Home
from tests.servers.support.mailbox import Mailbox
from tests.servers.support.postfix import PostfixSettings
from tests.servers.test_probe import names, probe
from tests.servers.test_submission import smtp_until_dot
from tests.wire.support.scripted import Peer, ScriptedServer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path, certificates: Certificates) -> Home:
    return Home(Cli(tmp_path), certificates)


def gateway(home: Home, mailbox: Mailbox, *endpoints: str) -> None:
    """A gateway `work` whose password is in a file, so that a process of its own has it too."""
    home.gateway("work", mailbox.user, "", *endpoints)
    password = home.cli.home / "password"
    password.touch(mode=0o600)
    password.write_text(mailbox.password)
    path = home.cli.config / "gateways/work.toml"
    path.write_text(path.read_text().replace("[login]\n", f'[login]\nsecret = {{ file = "{password}" }}\n'))


def imap(mailbox: Mailbox) -> str:
    return f"imap localhost {mailbox.server.imaps} tls"


@contextmanager
def started(home: Home, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
    command = [sys.executable, "-m", "mailctl", "test", "work", "--send", *arguments]
    process = subprocess.Popen(
        command, env=home.cli.env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_an_interruption_takes_out_what_was_sent(
    home: Home, mailbox: Mailbox, protocol: str, number: signal.Signals
) -> None:
    mailbox.deliver("INBOX", b"Subject: mine\r\n\r\nto stay\r\n")
    at_the_dot, go_on = Event(), Event()

    def take(peer: Peer, message: bytes) -> None:
        mailbox.deliver("INBOX", message)
        at_the_dot.set()
        go_on.wait(20)
        peer.line("250 2.0.0 taken")
        peer.wait_for_end()

    with ScriptedServer(smtp_until_dot(take)) as server:
        port = {"imap": mailbox.server.imaps, "pop3": mailbox.server.pop3s}[protocol]
        gateway(home, mailbox, f"{protocol} localhost {port} tls", f"smtp 127.0.0.1 {server.port} none")
        with started(home) as process:
            assert at_the_dot.wait(20)
            assert len(mailbox.messages("INBOX")) == 2
            process.send_signal(number)
            process.send_signal(number)  # as `timeout` does, to the process and to its group
            go_on.set()
            _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == "error: interrupted; what was sent is removed again\n"
    assert [b"to stay" in held.data for held in mailbox.messages("INBOX")] == [True]


def test_an_interruption_tells_what_may_still_arrive(home: Home, mailbox: Mailbox, make_postfix: MakePostfix) -> None:
    postfix = make_postfix(PostfixSettings(parameters={"header_checks": "static:HOLD"}))
    gateway(home, mailbox, imap(mailbox), f"smtp localhost {postfix.submissions} tls")
    with started(home, "--json") as process:
        while "hold: header" not in postfix.log() and process.poll() is None:
            pass
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted; what was sent may still arrive, or be left there: `mailctl test message " in out
    assert f"to {mailbox.address}" in out


def test_an_interruption_before_the_message_sends_none(home: Home, mailbox: Mailbox) -> None:
    asked, go_on, lines = Event(), Event(), []

    def script(peer: Peer) -> None:
        peer.line("220 mail.test ESMTP")
        peer.expect("EHLO")
        peer.line("250-mail.test", "250 AUTH PLAIN")
        peer.expect("AUTH PLAIN")
        peer.line("235 2.7.0 in")
        while (line := peer.read_line()) not in (b"QUIT", b"DATA"):
            if peer.number == 1 and line.startswith(b"RCPT"):  # the probe, after the check
                asked.set()
                go_on.wait(20)
            peer.line("250 2.0.0 ok")
        lines.append(line)

    with ScriptedServer(script) as server:
        gateway(home, mailbox, imap(mailbox), f"smtp 127.0.0.1 {server.port} none")
        with started(home) as process:
            assert asked.wait(20)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=20)
            go_on.set()
    assert (process.returncode, err) == (130, "error: interrupted\n")
    assert b"DATA" not in lines


def delivered(
    home: Home, mailbox: Mailbox, then: Callable[[bytes], None], inbound: str = "", *options: str
) -> "dict[str, object]":
    """The probe's report where the message is given to `then` before the server takes it."""

    def take(peer: Peer, message: bytes) -> None:
        then(message)
        peer.line("250 2.0.0 taken")
        peer.wait_for_end()

    with ScriptedServer(smtp_until_dot(take)) as server:
        gateway(home, mailbox, inbound or imap(mailbox), f"smtp 127.0.0.1 {server.port} none")
        return probe(home, "work", "--timeout", "10", *options)


def test_a_connection_lost_while_looking_is_made_anew(home: Home, mailbox: Mailbox) -> None:
    def cut_off(message: bytes) -> None:
        mailbox.server.doveadm("kick", mailbox.user)
        mailbox.deliver("INBOX", message)

    report = delivered(home, mailbox, cut_off)
    assert (report["ok"], report["removed"]) == (True, True), report
    assert "'looks_failed': 1" in repr(report["stages"])
    assert mailbox.messages("INBOX") == []


def test_a_header_that_servers_made_very_long_hides_nothing(home: Home, mailbox: Mailbox) -> None:
    field = b"Authentication-Results: mx.test; spf=fail reason=" + b"x" * 900 + b"\r\n"

    def prepend(message: bytes) -> None:
        mailbox.deliver("INBOX", b"Authentication-Results: mx.test; spf=pass\r\n" + field * 200 + message)

    report = delivered(home, mailbox, prepend)
    assert (report["ok"], report["spf"], report["removed"]) == (True, "pass", True), report
    assert "authentication_not_told" not in names(report)
    assert mailbox.messages("INBOX") == []


def test_pop3_reads_long_lines_of_headers_and_shows_them_to_nobody(home: Home, mailbox: Mailbox) -> None:
    def prepend(message: bytes) -> None:
        mailbox.deliver(
            "INBOX", b"Authentication-Results: mx.test; spf=pass\r\nX-Long: " + b"y" * 100_000 + b"\r\n" + message
        )

    report = delivered(home, mailbox, prepend, f"pop3 localhost {mailbox.server.pop3s} tls", "--trace")
    assert (report["ok"], report["spf"], report["removed"]) == (True, "pass", True), report
    transcript = str(report["transcript"])
    assert "TOP 1 0" in transcript
    assert "octets left out}" in transcript
    assert "X-Long" not in transcript
